//! A base model seen through an adapter.
//!
//!     linear        W' = W + s·B·A                               W: [out, in]  A: [r, in]  B: [out, r]
//!     embedding     W' = W + s·(B·A)ᵀ                            W: [rows, width]  A: [r, rows]  B: [width, r]
//!     DoRA          W' = diag(m / ‖V‖)·V    V = W + s·B·A        norms of the rows of the [out, in] form
//!     lora_bias     b' = b + s·β                                 b, β: [out]
//!     pissa, olora  W' = W − s·B₀·A₀ + s·B·A                     B₀·A₀ recomputed from W, or given
//!     rows          W'[t] = the new row of token t, before s·B·A, which adds to it: a tied head can have both
//!     otherwise     W' = the tensor in the adapter
//!
//! The result has the logits of the model with the adapter beside it, as peft's `PeftModel.from_pretrained` gives
//! them. Departure: for a tied model with a change at one end only, peft's `merge_and_unload` changes both ends and
//! with them the function; here the ends come apart, and `lm_head.weight` is a tensor of its own.

mod beginning;
mod biases;
mod build;
mod recipe;
mod residual;
mod ties;

use crate::{Progress, Result, Stage, Watch};
pub use beginning::{Beginning, BeginningFault};
use half::{bf16, f16};
use indexmap::IndexMap;
use rankine_checkpoint::{Adapter, Dtype, TensorInfo, Tensors, ends, thin::Product};
use rayon::prelude::*;
pub(crate) use recipe::{Recipe, Squares, round, row_blocks};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
pub(crate) use ties::is_same_change;

/// A base model with an adapter's changes applied to what is read from it.
pub struct Merged<'a> {
    base: &'a dyn Tensors,
    recipes: IndexMap<String, Recipe<'a>>,
    infos: IndexMap<String, TensorInfo>,
}

impl<'a> Merged<'a> {
    /// The base with the adapter applied. For an exact PiSSA or an OLoRA adapter this decomposes the adapted weights.
    ///
    /// # Errors
    /// When the adapter does not fit the base ([`Adapter::check`]), or the base that it was trained on cannot be
    /// recomputed.
    pub fn new(base: &'a dyn Tensors, adapter: &'a Adapter) -> Result<Self> {
        Self::watched(base, adapter, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`new`](Self::new), and tells how far the decompositions are.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn watched(base: &'a dyn Tensors, adapter: &'a Adapter, watch: &mut Watch) -> Result<Self> {
        Self::begun(base, adapter, Beginning::Recomputed, watch)
    }

    /// The same where more is known of how the training began.
    pub(crate) fn begun(
        base: &'a dyn Tensors,
        adapter: &'a Adapter,
        beginning: Beginning<'a>,
        watch: &mut Watch,
    ) -> Result<Self> {
        let mut merged = Self::seen(base, adapter, beginning)?;
        merged.prepare(watch)?;
        Ok(merged)
    }

    /// Names and shapes only: numbers need [`prepare`](Self::prepare) first.
    pub(crate) fn draft(base: &'a dyn Tensors, adapter: &'a Adapter) -> Result<Self> {
        Self::seen(base, adapter, Beginning::Recomputed)
    }

    fn seen(base: &'a dyn Tensors, adapter: &'a Adapter, beginning: Beginning<'a>) -> Result<Self> {
        beginning.check(base, adapter)?;
        let base = beginning.ground(base);
        adapter.check(base)?;
        let recipes = build::recipes(base, adapter, beginning)?;
        let infos = infos(base, &recipes);
        Ok(Self { base, recipes, infos })
    }

    /// Recomputes what decompositions took away and the norms that need a pass over a whole weight.
    pub(crate) fn prepare(&mut self, watch: &mut Watch) -> Result<()> {
        let base = self.base;
        let mut pending: Vec<_> =
            self.recipes.iter_mut().filter(|(_, recipe)| recipe.needs_preparation()).collect();
        let total = pending.len() as u64;
        let mut done = 0;
        // In groups, so that the caller hears of progress on its own thread.
        for group in pending.chunks_mut(rayon::current_num_threads()) {
            group.par_iter_mut().try_for_each(|(name, recipe)| recipe.prepare(base, name))?;
            done += group.len() as u64;
            Progress { stage: Stage::Decomposing, done, total }.tell(watch)?;
        }
        Ok(())
    }

    /// Names of the tensors that are not the base's, in the order of the model.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.infos.keys().map(String::as_str).filter(|name| self.is_changed(name))
    }

    /// Whether the tensor `name` is not the base's.
    pub fn is_changed(&self, name: &str) -> bool {
        self.recipes.contains_key(name)
    }

    /// How the tensor `name` comes about, unless it is the base's.
    pub(crate) fn recipe(&self, name: &str) -> Option<&Recipe<'a>> {
        self.recipes.get(name)
    }

    /// Name of the input embedding, where there is one.
    pub(crate) fn embedding(&self) -> Option<&'static str> {
        ends::embedding(&self.infos)
    }

    /// Makes some rows of `name`; returns how far they moved.
    pub(crate) fn measured_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<Squares> {
        match self.recipes.get(name) {
            Some(recipe) => Ok(recipe.measured_rows(self.base, rows, out)?),
            None => {
                self.base.read_rows(name, rows, out)?;
                Ok(Squares::default())
            }
        }
    }
}

/// The base's tensors in their order, then those that it lacks.
fn infos(base: &dyn Tensors, recipes: &IndexMap<String, Recipe>) -> IndexMap<String, TensorInfo> {
    let mut infos = base.infos().clone();
    for (name, recipe) in recipes {
        infos.insert(name.clone(), recipe.info());
    }
    infos
}

impl Tensors for Merged<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let Some(recipe) = self.recipes.get(name) else { return self.base.read_into(name, out) };
        let info = recipe.info();
        let (expected, found, width) = (info.elements(), out.len(), info.row_elements());
        if expected != found {
            return Err(rankine_checkpoint::Error::Length { name: name.to_owned(), expected, found });
        }
        let blocks = row_blocks(info.rows(), width);
        let mut parts = Vec::with_capacity(blocks.len());
        let mut rest = out;
        for rows in blocks {
            let (part, after) = rest.split_at_mut(rows.len() * width);
            parts.push((rows, part));
            rest = after;
        }
        parts.into_par_iter().try_for_each(|(rows, part)| recipe.rows(self.base, rows, part))
    }

    fn encoded(&self, name: &str) -> rankine_checkpoint::Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        if self.recipes.contains_key(name) { Ok(None) } else { self.base.encoded(name) }
    }

    fn product(&self, name: &str) -> Option<&Product> {
        if self.recipes.contains_key(name) { None } else { self.base.product(name) }
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        let Some(recipe) = self.recipes.get(name) else { return self.base.raw(name) };
        let info = recipe.info();
        let mut values = vec![0.0; info.elements()];
        self.read_into(name, &mut values)?;
        Ok(Cow::Owned(bytes(info.dtype, &values)))
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        match self.recipes.get(name) {
            Some(recipe) => recipe.checked_rows(self.base, name, rows, out),
            None => self.base.read_rows(name, rows, out),
        }
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        match self.recipes.get(name) {
            Some(recipe) => recipe.release(self.base, rows),
            None => self.base.release(name, rows),
        }
    }
}

/// Little-endian numbers of one of the types of weights.
pub(crate) fn bytes(dtype: Dtype, values: &[f32]) -> Vec<u8> {
    match dtype {
        Dtype::F64 => values.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        Dtype::Bf16 => values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}
