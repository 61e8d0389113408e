//! Modules that were trained whole, as factors of what training changed.
//!
//!     Δ = W' − W        W of the base, W' in the adapter
//!
//! Of full rank, so this is done only where a cut is asked for: otherwise they stay whole, and lose nothing. Linear layers,
//! convolutions and the head of a language model are taken; the rest stays whole: norms, embeddings, of which training changes
//! rows, heads of classifiers, which may be new and which peft saves by itself, a head that is the embedding too, and what peft
//! cannot tell from these by the names in `modules_to_save`. The bias of such a module becomes that of an adapted one.

use super::assemble::{Part, assemble};
use super::change::{Change, Piece};
use super::convert::Conversion;
use super::keep::Keep;
use crate::merged::row_blocks;
use crate::{Error, Progress, Result, Stage, Watch};
use rankine_checkpoint::adapter::{
    Bias, Kind, LayerKind, ModuleName, Origin, Replacement, is_saved, modules_of,
};
use rankine_checkpoint::{Adapter, Tensors, ends, is_depthwise};
use rankine_kernels::reduce;
use std::slice;

/// Names that peft adds to `modules_to_save` by itself, whatever is there.
const BY_ITSELF: [&str; 3] = ["classifier", "score", "qa_outputs"];

/// The head of a residual network for images.
const IMAGE_HEAD: &str = "fc";

/// The modules of an adapter that are cut.
pub(super) struct Cut<'a> {
    base: &'a dyn Tensors,
    adapter: &'a Adapter,
    keep: Keep,
    modules: Vec<Whole<'a>>,
}

/// A module that was trained whole.
struct Whole<'a> {
    path: &'a str,
    kind: LayerKind,
    /// Of the stored matrix, [rows, columns].
    sides: [usize; 2],
    /// The weight is stored as [inputs, outputs].
    transposed: bool,
    /// W', as it is stored.
    values: &'a [f32],
}

/// What kind of layer factors would change in this module; `None` where there are none for it.
pub(super) fn layer(base: &dyn Tensors, module: &ModuleName) -> Option<LayerKind> {
    let name = format!("{}.weight", module.path);
    let infos = base.infos();
    let shape = infos.get(ends::stored(infos, &name))?.shape.as_slice();
    match (module.kind, shape) {
        (_, shape) if shape.contains(&0) => None,
        (Kind::Linear | Kind::Head, [_, _]) => Some(LayerKind::Linear),
        (Kind::Embedding, [_, _]) => Some(LayerKind::Embedding),
        (Kind::Convolution, &[_, _, height, width]) if !is_depthwise(base, &module.path) => {
            Some(LayerKind::Convolution { kernel: [height, width] })
        }
        _ => None,
    }
}

/// values −= W, for the tensor `name`, whose rows have so many numbers.
pub(super) fn subtract(tensors: &dyn Tensors, name: &str, width: usize, values: &mut [f32]) -> Result<()> {
    let (height, mut block) = (values.len().checked_div(width).unwrap_or(0), Vec::new());
    for rows in row_blocks(height, width) {
        block.resize(rows.len() * width, 0.0);
        tensors.read_rows(name, rows.clone(), &mut block)?;
        tensors.release(name, rows.clone());
        reduce::axpy(-1.0, &block, &mut values[rows.start * width..rows.end * width]);
    }
    Ok(())
}

impl<'a> Cut<'a> {
    /// Those of `adapter`, which fits `base`; none where everything is kept.
    pub fn of(base: &'a dyn Tensors, adapter: &'a Adapter, keep: Keep) -> Self {
        let modules = if keep == Keep::Exact { Vec::new() } else { wholes(base, adapter) };
        Self { base, adapter, keep, modules }
    }

    /// How much there is to do, with `others` that have factors.
    pub fn progress(&self, others: usize) -> Progress {
        Progress { stage: Stage::Recompressing, done: 0, total: (others + self.modules.len()) as u64 }
    }

    /// The adapter of these parts and of the modules that are cut.
    pub fn assemble(
        &self,
        mut parts: Vec<Part>,
        progress: &mut Progress,
        watch: &mut Watch,
    ) -> Result<Conversion> {
        let piece = |module: &Whole| module.change(self.base)?.compress(module.path, self.keep);
        let pieces = progress.in_groups(&self.modules, piece, watch)?;
        for (module, piece) in self.modules.iter().zip(pieces) {
            parts.push(self.part(module, piece)?);
        }
        let mut conversion = assemble(self.adapter, parts, self.keep);
        if !self.modules.is_empty() {
            self.tidy(&mut conversion.adapter)?;
        }
        Ok(conversion)
    }

    fn part(&self, module: &Whole, piece: Piece) -> Result<Part> {
        let &Whole { path, kind, .. } = module;
        let output_bias = match self.adapter.config.lora_bias {
            true => Some(self.moved_bias(path, piece.product.outputs)?),
            false => None,
        };
        Ok(Part { path: path.to_owned(), kind, piece, output_bias })
    }

    /// b' − b, unless the bias is stored whole; [outputs].
    fn moved_bias(&self, path: &str, outputs: usize) -> Result<Vec<f32>> {
        let name = format!("{path}.bias");
        match self.adapter.replaced.get(&name) {
            Some(bias) if self.adapter.config.bias == Bias::None && bias.values.len() == outputs => {
                let mut moved = bias.values.clone();
                subtract(self.base, &name, 1, &mut moved)?;
                Ok(moved)
            }
            _ => Ok(vec![0.0; outputs]),
        }
    }

    /// Takes what became factors out of the whole tensors of `adapter`.
    fn tidy(&self, adapter: &mut Adapter) -> Result<()> {
        let mut moved = false;
        for Whole { path, .. } in &self.modules {
            adapter.replaced.shift_remove(&format!("{path}.weight"));
            let name = format!("{path}.bias");
            let Some(bias) = adapter.replaced.get_mut(&name) else { continue };
            bias.origin = Origin::Bias;
            let mut difference = bias.values.clone();
            subtract(self.base, &name, 1, &mut difference)?;
            moved |= difference.iter().any(|&x| x != 0.0);
        }
        match (adapter.config.bias, adapter.config.lora_bias) {
            (Bias::None, false) if moved => {
                adapter.config.bias = Bias::LoraOnly;
                complete_biases(self.base, adapter)?;
            }
            (Bias::None, _) => {
                for Whole { path, .. } in &self.modules {
                    adapter.replaced.shift_remove(&format!("{path}.bias"));
                }
            }
            (Bias::All | Bias::LoraOnly, _) => {}
        }
        self.rename_saved(adapter);
        Ok(())
    }

    /// `modules_to_save` without the modules that became factors.
    fn rename_saved(&self, adapter: &mut Adapter) {
        let saved = &mut adapter.config.targets.saved;
        saved.retain(|name| !self.modules.iter().any(|module| is_saved(slice::from_ref(name), module.path)));
        let whole = adapter.replaced.iter().filter(|(_, replacement)| replacement.origin == Origin::Module);
        for (module, _) in whole.filter_map(|(name, _)| name.rsplit_once('.')) {
            if !is_saved(saved, module) {
                saved.push(module.to_owned());
            }
        }
    }
}

/// Gives an adapter the biases of all adapted modules, as it must have them where it has some.
pub(super) fn complete_biases(base: &dyn Tensors, adapter: &mut Adapter) -> Result<()> {
    for path in adapter.low_rank.keys() {
        let name = format!("{path}.bias");
        let Some(info) = base.infos().get(&name) else { continue };
        if !adapter.replaced.contains_key(&name) {
            let mut values = vec![0.0; info.elements()];
            base.read_into(&name, &mut values)?;
            let (shape, origin) = (info.shape.clone(), Origin::Bias);
            adapter.replaced.insert(name, Replacement { shape, values, origin });
        }
    }
    Ok(())
}

fn wholes<'a>(base: &dyn Tensors, adapter: &'a Adapter) -> Vec<Whole<'a>> {
    let (modules, saved) = (modules_of(base), &adapter.config.targets.saved);
    let (mut cut, mut kept) = (Vec::new(), Vec::new());
    let whole = adapter.replaced.iter().filter(|(_, replacement)| replacement.origin == Origin::Module);
    for (name, replacement) in whole {
        let Some(path) = name.strip_suffix(".weight") else { continue };
        match modules.iter().find(|module| module.path == path).and_then(|module| matrix(base, module)) {
            Some((kind, sides)) => {
                let transposed = adapter.config.is_transposed(path);
                cut.push(Whole { path, kind, sides, transposed, values: &replacement.values });
            }
            None => kept.push(path),
        }
    }
    // peft would find these under the same name.
    let names = saved.iter().filter(|name| kept.iter().any(|path| is_saved(slice::from_ref(*name), path)));
    let names: Vec<String> = names.cloned().chain(BY_ITSELF.map(str::to_owned)).collect();
    cut.retain(|module| module.path != IMAGE_HEAD && !is_saved(&names, module.path));
    cut
}

/// The kind of a module that is cut, rows and columns of its weight.
fn matrix(base: &dyn Tensors, module: &ModuleName) -> Option<(LayerKind, [usize; 2])> {
    let name = format!("{}.weight", module.path);
    let info = base.infos().get(&name)?;
    let kind = layer(base, module)?;
    let is_cut = match module.kind {
        Kind::Linear | Kind::Convolution => true,
        Kind::Head => name == ends::HEAD,
        Kind::Embedding | Kind::Norm => false,
    };
    is_cut.then(|| (kind, [info.rows(), info.row_elements()]))
}

impl Whole<'_> {
    fn change(&self, base: &dyn Tensors) -> Result<Change> {
        let [rows, columns] = self.sides;
        let mut values = self.values.to_vec();
        if values.len() != rows * columns {
            return Err(Error::Factors { module: self.path.to_owned() });
        }
        subtract(base, &format!("{}.weight", self.path), columns, &mut values)?;
        Ok(Change::of_stored(values, [rows, columns], self.transposed))
    }
}
