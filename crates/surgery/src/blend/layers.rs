//! Which block of a model a tensor belongs to, by its name.

use super::HEAD_UNIT;
use crate::Subject;
use indexmap::IndexMap;
use rankine_checkpoint::{Place, TensorInfo, config::Architecture, ends};

/// What stands before the number of a block.
const WORDS: [&str; 5] = ["layers", "layer", "h", "blocks", "block"];

/// A name with the number of a block in it: `model.layers.` 7 `.mlp.up_proj.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered<'n> {
    pub before: &'n str,
    pub block: usize,
    pub after: &'n str,
}

impl<'n> Numbered<'n> {
    /// `None` of a name without, and in stages, whose blocks are counted from 0 in each.
    pub fn of(name: &'n str) -> Option<Self> {
        let place = Place::of(name).filter(|place| place.stage().is_none())?;
        let word = place.list.rsplit('.').next().unwrap_or_default();
        let (before, after) = (name.get(..=place.list.len())?, name.get(place.layer.len()..)?);
        WORDS.contains(&word).then_some(Self { before, block: place.index, after })
    }

    /// The same of another block.
    pub fn at(self, block: usize) -> String {
        format!("{}{block}{}", self.before, self.after)
    }
}

/// How many blocks these tensors have.
pub(super) fn count(infos: &IndexMap<String, TensorInfo>) -> usize {
    let blocks = infos.keys().filter_map(|name| Numbered::of(name));
    blocks.map(|numbered| numbered.block + 1).max().unwrap_or(0)
}

/// Whether this is a table with a row for every token: an embedding, or the head of a language model.
pub(super) fn is_table(name: &str) -> bool {
    name == ends::HEAD || Architecture::ALL.iter().any(|known| known.embedding() == name)
}

/// Whether a tensor that is in no block comes before them.
pub(super) fn is_before(name: &str) -> bool {
    ["embed", "wte.", "wpe.", "project_in"].iter().any(|word| name.contains(word))
}

/// For every tensor which module of the model it is of, counted from the input: its block, where blocks are numbered, else the
/// matrix or convolution that it belongs to.
pub(super) fn units(subject: Subject<'_>, infos: &IndexMap<String, TensorInfo>) -> IndexMap<String, usize> {
    let blocks = count(infos);
    let mut order: Vec<&String> = infos.keys().collect();
    if let Subject::Images(model) = subject {
        // Files may be in the order of the alphabet.
        let required: IndexMap<String, usize> =
            model.required().into_iter().enumerate().map(|(place, (name, _))| (name, place)).collect();
        order.sort_by_key(|name| required.get(*name).copied().unwrap_or(usize::MAX));
    }
    let (mut units, mut matrices, mut last) = (IndexMap::new(), 0, "");
    for name in order {
        let module = name.rsplit_once('.').map_or("", |(module, _)| module);
        let wide = infos.get(name).is_some_and(|info| 2 <= info.shape.len());
        if wide && module != last {
            (matrices, last) = (matrices + 1, module);
        }
        let unit = match Numbered::of(name) {
            _ if name == ends::HEAD || subject.is_head(module) => HEAD_UNIT,
            Some(numbered) => numbered.block,
            None if 0 < blocks && is_before(name) => 0,
            None if 0 < blocks => blocks,
            None => usize::saturating_sub(matrices, 1),
        };
        units.insert(name.clone(), unit);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_block_is_found_in_its_name() {
        let numbered = Numbered::of("model.layers.12.mlp.up_proj.weight").unwrap();
        assert_eq!(numbered, Numbered { before: "model.layers.", block: 12, after: ".mlp.up_proj.weight" });
        assert_eq!(numbered.at(3), "model.layers.3.mlp.up_proj.weight");
        let gpt = Numbered::of("transformer.h.0.ln_1.bias").unwrap();
        assert_eq!((gpt.block, gpt.after), (0, ".ln_1.bias"));
        assert_eq!(Numbered::of("vit.encoder.layer.5.x").unwrap().block, 5);
        let stages = ["layer1.0.conv1.weight", "encoder.stages.0.layers.1.conv1.weight"];
        for name in ["model.norm.weight", "features.0.weight", "layers", ""].into_iter().chain(stages) {
            assert_eq!(Numbered::of(name), None, "{name}");
        }
    }
}
