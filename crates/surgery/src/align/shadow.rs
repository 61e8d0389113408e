//! θ̂: weights that start at a model's own, or at nothing, and are moved by slopes.
//!
//!     v ← β·v + g,   θ̂ ← θ̂ − η·v

use super::spec::PermutationSpec;
use crate::merged::bytes;
use indexmap::IndexMap;
use rankine_checkpoint::{Dtype, Result, TensorInfo, Tensors};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// A model of which some tensors were moved.
pub(super) struct Shadow<'a> {
    first: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
    moved: HashMap<String, Moved>,
}

struct Moved {
    values: Vec<f32>,
    velocity: Vec<f32>,
}

/// How it moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent {
    /// η.
    pub learning_rate: f32,
    /// β.
    pub momentum: f32,
    /// Share of the slope that counts.
    pub share: f32,
}

impl<'a> Shadow<'a> {
    /// The model itself.
    pub fn new(first: &'a dyn Tensors) -> Self {
        Self { first, infos: first.infos().clone(), moved: HashMap::new() }
    }

    /// The model, with 0 in the place of all that may be permuted.
    pub fn zero(first: &'a dyn Tensors, spec: &PermutationSpec) -> Self {
        let mut shadow = Self::new(first);
        for (name, _) in spec.tensors() {
            let elements = first.infos().get(name).map_or(0, TensorInfo::elements);
            shadow.put(name, vec![0.0; elements]);
        }
        shadow
    }

    /// Moves a tensor along its slope.
    ///
    /// # Errors
    /// When it was not moved before and cannot be read.
    pub fn descend(&mut self, name: &str, slope: &[f32], descent: Descent) -> crate::Result<()> {
        if !self.moved.contains_key(name) {
            let mut values = vec![0.0; slope.len()];
            self.first.read_into(name, &mut values)?;
            self.put(name, values);
        }
        if let Some(moved) = self.moved.get_mut(name) {
            moved.descend(slope, descent);
        }
        Ok(())
    }

    /// From here on the tensor has numbers of its own, at rest.
    fn put(&mut self, name: &str, values: Vec<f32>) {
        if let Some(info) = self.infos.get_mut(name) {
            let bytes = size_of_val(values.as_slice()) as u64;
            *info = TensorInfo { shape: info.shape.clone(), dtype: Dtype::F32, bytes };
        }
        let velocity = vec![0.0; values.len()];
        self.moved.insert(name.to_owned(), Moved { values, velocity });
    }
}

impl Moved {
    fn descend(&mut self, slope: &[f32], Descent { learning_rate, momentum, share }: Descent) {
        let numbers = self.values.iter_mut().zip(&mut self.velocity).zip(slope);
        for ((value, velocity), slope) in numbers {
            *velocity = momentum * *velocity + share * slope;
            *value -= learning_rate * *velocity;
        }
    }
}

impl Tensors for Shadow<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        self.read_rows(name, 0..self.infos.get(name).map_or(0, TensorInfo::rows), out)
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match self.moved.get(name) {
            Some(moved) => Ok(bytes(Dtype::F32, &moved.values).into()),
            None => self.first.raw(name),
        }
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (Some(moved), Some(info)) = (self.moved.get(name), self.infos.get(name)) else {
            return self.first.read_rows(name, rows, out);
        };
        info.check_rows(name, &rows, out.len())?;
        let width = info.row_elements();
        out.copy_from_slice(&moved.values[rows.start * width..rows.end * width]);
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        self.first.release(name, rows);
    }
}
