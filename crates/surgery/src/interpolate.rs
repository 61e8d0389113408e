//! A point on the line between two models.
//!
//!     θ(t) = (1 − t)·θ_a + t·θ_b        t = 0: the first, t = 1: the second, to the last bit
//!
//! Numbers are combined when they are read, in f32; those that are no weights, as counts of batches, are the first's.

use crate::write::{Plan, WriteOptions, is_weight, write_unchanged};
use crate::{Error, Result, Subject, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::{Dtype, Pair, TensorInfo, Tensors};
use rankine_kernels::reduce;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

/// A model between two others; an extrapolation where t is outside of [0, 1].
pub struct Interpolated<'a> {
    pair: Pair<'a>,
    t: f64,
    infos: IndexMap<String, TensorInfo>,
}

impl<'a> Interpolated<'a> {
    /// θ(t).
    pub fn new(pair: Pair<'a>, t: f64) -> Self {
        let infos = pair.tensors().map(|(name, info)| (name.to_owned(), info.clone())).collect();
        Self { pair, t, infos }
    }

    /// An error unless it can be written, before anything is read.
    ///
    /// # Errors
    /// When t is not finite, the first is not whole, or `target` exists and may not be replaced (the models never are).
    pub fn check(&self, first: Subject<'_>, target: &Path, options: &WriteOptions) -> Result<()> {
        // Numbers are combined in f32.
        if !(self.t as f32).is_finite() {
            let (expected, found) = ("a finite number", self.t.to_string());
            return Err(Error::Setting { name: "at", expected, found });
        }
        first.check_output(target, options)
    }

    /// Writes it to the folder `target`, as a model that is `first` in everything but its weights. What the second is read from
    /// stands in [`WriteOptions::inputs`].
    ///
    /// # Errors
    /// As [`check`](Self::check), and when writing fails or `watch` breaks off; nothing is left behind then.
    pub fn write(
        &self,
        first: Subject<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<Plan> {
        self.check(first, target, options)?;
        let options = first.complete(options);
        write_unchanged(self, &|plan| first.describe(plan, &options), target, &options, watch)
    }

    /// The one that this is, where it is one of the two.
    fn end(&self) -> Option<&'a dyn Tensors> {
        match self.t {
            0.0 => Some(self.pair.base()),
            1.0 => Some(self.pair.tuned()),
            _ => None,
        }
    }

    /// Where the tensor is taken from as it is.
    fn whole(&self, name: &str) -> Option<&'a dyn Tensors> {
        let is_kept = self.infos.get(name).is_some_and(|info| !is_weight(info.dtype));
        let end = if is_kept { Some(self.pair.base()) } else { self.end() };
        end.filter(|tensors| tensors.infos().contains_key(name))
    }
}

impl Tensors for Interpolated<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        let rows = self.infos.get(name).map_or(0, TensorInfo::rows);
        self.read_rows(name, 0..rows, out)
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        match self.whole(name) {
            Some(tensors) => tensors.raw(name),
            None => {
                let mut values = vec![0.0; self.infos.get(name).map_or(0, TensorInfo::elements)];
                self.read_into(name, &mut values)?;
                let dtype = self.infos.get(name).map_or(Dtype::F32, |info| info.dtype);
                Ok(Cow::Owned(crate::merged::bytes(dtype, &values)))
            }
        }
    }

    fn encoded(&self, name: &str) -> rankine_checkpoint::Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        self.whole(name).map_or(Ok(None), |tensors| tensors.encoded(name))
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        if let Some(tensors) = self.whole(name) {
            return tensors.read_rows(name, rows, out);
        }
        let mut other = vec![0.0; out.len()];
        self.pair.read_rows(name, rows, [&mut *out, &mut other])?;
        match self.t {
            0.0 => {}
            1.0 => out.copy_from_slice(&other),
            t => {
                reduce::scale(out, (1.0 - t) as f32);
                reduce::axpy(t as f32, &other, out);
            }
        }
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        for tensors in [self.pair.base(), self.pair.tuned()] {
            tensors.release(name, rows.clone());
        }
    }
}
