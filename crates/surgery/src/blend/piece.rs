//! One tensor of the result: what it is made of, and how.

use super::recipe::Wrong;
use super::settings::Settings;
use super::sums::squared_distance;
use super::{Blend, Operands};
use crate::merged::Squares;
use crate::{Error, Result};
use rankine_checkpoint::{Dtype, TensorInfo, Tensors};
use rankine_kernels::reduce;
use rankine_random::Rng;
use std::ops::Range;

/// A tensor of the result.
pub(super) struct Piece<'m> {
    /// Shape, and the type of what it is made of.
    pub info: TensorInfo,
    pub settings: Settings,
    /// The base's, where the method has one.
    pub base: Option<Part<'m>>,
    /// Those of the other models.
    pub models: Vec<Part<'m>>,
    pub way: Way,
}

/// How a tensor comes about.
pub(super) enum Way {
    /// It is the one part.
    Copied,
    /// Some rows at a time.
    Rows(Box<dyn Blend>),
    /// All at once.
    Whole(Box<dyn Blend>),
}

/// A tensor that goes into the blend.
pub(super) struct Part<'m> {
    pub tensors: &'m dyn Tensors,
    pub name: &'m str,
    pub info: &'m TensorInfo,
    /// Number of its model.
    pub model: usize,
}

impl Part<'_> {
    /// Some rows, of each the first `width` numbers.
    fn read(&self, rows: &Range<usize>, width: usize) -> Result<Vec<f32>> {
        let own = self.info.row_elements();
        let mut values = vec![0.0; rows.len() * own];
        self.tensors.read_rows(self.name, rows.clone(), &mut values)?;
        self.tensors.release(self.name, rows.clone());
        if own != width {
            values = values.chunks(own).flat_map(|row| row.iter().take(width)).copied().collect();
        }
        Ok(values)
    }
}

impl<'m> Piece<'m> {
    /// Everything that goes into it, the base first.
    pub fn parts(&self) -> impl Iterator<Item = &Part<'m>> {
        self.base.iter().chain(&self.models)
    }

    /// What it is compared with, and copied from.
    pub fn origin(&self) -> Option<&Part<'m>> {
        self.parts().next()
    }

    /// Whether it is made of f64, and is none.
    pub fn is_narrowed(&self) -> bool {
        self.info.dtype != Dtype::F64 && self.parts().any(|part| part.info.dtype == Dtype::F64)
    }

    /// Length of a row, where a vector is one.
    fn width(&self) -> usize {
        if self.info.shape.len() < 2 { self.info.elements() } else { self.info.row_elements() }
    }

    /// Makes some rows; how far they are from the base, or from the first model.
    pub fn make(
        &self,
        (tensor, rows): (&str, &Range<usize>),
        out: &mut [f32],
        rng: Rng,
        fault: impl Fn(Wrong) -> Error,
    ) -> Result<Squares> {
        let width = self.info.row_elements();
        let (Way::Rows(method) | Way::Whole(method)) = &self.way else {
            if let Some(part) = self.origin() {
                out.copy_from_slice(&part.read(rows, width)?);
            }
            return Ok(Squares::default());
        };
        let base = self.base.as_ref().map(|part| part.read(rows, width)).transpose()?;
        let models = self.models.iter().map(|part| part.read(rows, width));
        let mut models = models.collect::<Result<Vec<_>>>()?;
        if out.is_empty() {
            return Ok(Squares::default());
        }
        let width = self.width().min(out.len());
        let operands =
            Operands { tensor, base: base.as_deref().unwrap_or_default(), models: &mut models, width, rng };
        method.blend(operands, out).map_err(fault)?;
        // Without a base the models' numbers are still what they were.
        let origin = base.as_ref().or(models.first()).map_or(&[][..], Vec::as_slice);
        let before = reduce::sum_of_squares(origin);
        Ok(Squares { before, moved: squared_distance(out, origin) })
    }
}
