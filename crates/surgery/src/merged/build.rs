//! From an adapter's parts to recipes.

use super::beginning::Beginning;
use super::recipe::{Branch, Recipe, Source, row_blocks};
use super::residual::{How, Residual};
use super::ties;
use crate::adapters::check_factors;
use crate::{Error, Result};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Initialisation, LayerKind, LowRank, Origin, Replacement};
use rankine_checkpoint::{Adapter, Dtype, TensorInfo, Tensors, ends};

/// The recipe of every tensor that the adapter, which fits the base, changes or adds.
pub(super) fn recipes<'a>(
    base: &dyn Tensors,
    adapter: &'a Adapter,
    beginning: Beginning<'_>,
) -> Result<IndexMap<String, Recipe<'a>>> {
    let mut draft = Draft { base, adapter, beginning, recipes: IndexMap::new() };
    for (name, replacement) in &adapter.replaced {
        if replacement.values.len() != replacement.shape.iter().product::<usize>() {
            return Err(Error::Factors { module: name.clone() });
        }
        if !draft.is_copy(name, replacement)? {
            draft.recipe(name).source = Source::Given(&replacement.values);
        }
    }
    for (path, low_rank) in &adapter.low_rank {
        draft.low_rank(path, low_rank)?;
    }
    for (path, rows) in &adapter.new_rows {
        if rows.width == 0 || rows.values.len() != rows.tokens.len() * rows.width {
            return Err(Error::Factors { module: path.clone() });
        }
        draft.recipe(&format!("{path}.weight")).rows = Some(rows);
    }
    if let Some(embedding) = ends::tied(base.infos()) {
        ties::settle(base, adapter, embedding, &mut draft.recipes);
    }
    Ok(draft.recipes)
}

struct Draft<'a, 'b> {
    base: &'b dyn Tensors,
    adapter: &'a Adapter,
    beginning: Beginning<'b>,
    recipes: IndexMap<String, Recipe<'a>>,
}

impl<'a> Draft<'a, '_> {
    /// The tensor of the base that stands at `name`; for a tied head the embedding.
    fn place<'n>(&self, name: &'n str) -> (&'n str, Option<&TensorInfo>) {
        let infos = self.base.infos();
        let place = ends::stored(infos, name);
        (place, infos.get(place))
    }

    /// Whether a base that was saved along is the base that is here. Of embeddings peft saves one always.
    fn is_copy(&self, name: &str, replacement: &Replacement) -> Result<bool> {
        let (place, Some(info)) = self.place(name) else { return Ok(false) };
        if replacement.origin != Origin::Base {
            return Ok(false);
        }
        let (width, mut block) = (info.row_elements(), Vec::new());
        for rows in row_blocks(info.rows(), width) {
            block.resize(rows.len() * width, 0.0);
            self.base.read_rows(place, rows.clone(), &mut block)?;
            self.base.release(place, rows.clone());
            if replacement.values.get(rows.start * width..rows.end * width) != Some(&block) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The recipe of the tensor `name`, which begins as the base's.
    fn recipe(&mut self, name: &str) -> &mut Recipe<'a> {
        let (place, info) = self.place(name);
        let info = info.cloned();
        let begin = || match &info {
            Some(info) => Recipe::of_base(place, info),
            None => {
                Recipe::new(&TensorInfo { shape: Vec::new(), dtype: Dtype::F32, bytes: 0 }, Source::Zeros)
            }
        };
        self.recipes.entry(name.to_owned()).or_insert_with(begin)
    }

    fn low_rank(&mut self, path: &str, low_rank: &'a LowRank) -> Result<()> {
        check_factors(path, low_rank)?;
        let transposed = low_rank.kind == LayerKind::Embedding || self.adapter.config.is_transposed(path);
        let residual = self.residual(path, low_rank, transposed)?;
        let recipe = self.recipe(&format!("{path}.weight"));
        recipe.residual = residual;
        recipe.branch = Some(Branch::new(low_rank, transposed));
        match &low_rank.output_bias {
            Some(bias) => self.output_bias(path, bias, low_rank.scaling),
            None => Ok(()),
        }
    }

    /// What has to come out of the base's weight first. A weight that was saved along has it out already.
    fn residual(&self, path: &str, low_rank: &LowRank, transposed: bool) -> Result<Option<Residual>> {
        let config = &self.adapter.config;
        let initialisation = config.initialisation;
        let saved = self.adapter.replaced.get(&format!("{path}.weight"));
        // peft alters linear layers only; LoftQ is the exception.
        let spared = low_rank.kind == LayerKind::Embedding && initialisation != Initialisation::Loftq;
        if saved.is_some_and(|saved| saved.origin == Origin::Base) {
            return Ok(None);
        }
        match self.beginning {
            Beginning::Recomputed if initialisation.alters_base() && !spared => {}
            Beginning::Recomputed | Beginning::Residual(_) => return Ok(None),
            Beginning::Initial(initial) => {
                let first = initial.low_rank.get(path);
                return Ok(first.map(|first| Residual::given(first, transposed)));
            }
        }
        let how = match initialisation {
            Initialisation::Pissa => How::Svd,
            // peft's OLoRA takes no notice of transposed weights and cannot have made such an adapter.
            Initialisation::Olora if !transposed => How::Qr,
            _ => return Err(Error::AlteredBase { module: path.to_owned(), initialisation }),
        };
        Ok(Some(Residual::new(how, low_rank.rank, low_rank.scaling)))
    }

    fn output_bias(&mut self, path: &str, bias: &'a [f32], scaling: f32) -> Result<()> {
        let name = format!("{path}.bias");
        let shape = vec![bias.len()];
        match self.base.infos().get(&name) {
            Some(info) if info.shape != shape => {
                return Err(Error::BiasShape { name, expected: bias.len(), found: info.shape.clone() });
            }
            Some(_) => {}
            None => {
                // Kept in the type of the weight beside it.
                let dtype = self.recipe(&format!("{path}.weight")).info.dtype;
                let info = TensorInfo { shape, dtype, bytes: 0 };
                self.recipes.insert(name.clone(), Recipe::new(&info, Source::Zeros));
            }
        }
        self.recipe(&name).bias = Some((bias, scaling));
        Ok(())
    }
}
