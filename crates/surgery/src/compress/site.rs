//! A matrix of a model, read when it is needed.

use super::{Compact, Compression, Form};
use crate::adapters::transposed;
use crate::inputs::{Seen, known};
use crate::merged::Squares;
use crate::{Error, Result};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{AdapterConfig, Tensors, ThinLayers};
use rankine_kernels::reduce;
use std::borrow::Cow;

/// The weight of a linear layer, as files hold it.
#[derive(Clone)]
pub struct Site<'a> {
    source: &'a dyn Tensors,
    module: String,
    sides: [usize; 2],
    seen: Option<&'a dyn Seen>,
}

impl<'a> Site<'a> {
    /// `None` where the weight of `module` is no matrix.
    pub fn new(source: &'a dyn Tensors, module: &str) -> Option<Self> {
        match source.infos().get(&format!("{module}.weight"))?.shape.as_slice() {
            &[rows, columns] => {
                Some(Self { source, module: module.to_owned(), sides: [rows, columns], seen: None })
            }
            _ => None,
        }
    }

    /// With what was seen of the inputs.
    pub fn with(self, seen: Option<&'a dyn Seen>) -> Self {
        Self { seen, ..self }
    }

    /// Whether there is something that saw the inputs.
    pub fn is_shown(&self) -> bool {
        self.seen.is_some()
    }

    /// Name of the layer.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Rows and columns.
    pub fn sides(&self) -> [usize; 2] {
        self.sides
    }

    /// Outputs and inputs of the layer; GPT-2 stores its matrices as [in, out].
    pub fn sizes(&self) -> [usize; 2] {
        let [rows, columns] = self.sides;
        if self.is_transposed() { [columns, rows] } else { [rows, columns] }
    }

    /// Whether the file holds [in, out].
    pub fn is_transposed(&self) -> bool {
        AdapterConfig::default().is_transposed(&self.module)
    }

    /// A matrix as the file holds it, a row an output; [out, in].
    pub fn by_outputs<'m>(&self, matrix: &'m [f32]) -> Cow<'m, [f32]> {
        let [rows, columns] = self.sides;
        if self.is_transposed() { transposed(matrix, rows, columns).into() } else { matrix.into() }
    }

    /// The reverse of [`by_outputs`](Self::by_outputs).
    pub fn stored(&self, matrix: Vec<f32>) -> Vec<f32> {
        let [rows, columns] = self.sides;
        if self.is_transposed() { transposed(&matrix, columns, rows) } else { matrix }
    }

    /// The mean of xᵀ·x over the inputs; row-major [in, in].
    ///
    /// # Errors
    /// When it was not seen.
    pub fn moment(&self) -> Result<&'a [f64]> {
        known(&self.module, self.seen.and_then(|seen| seen.moment(&self.module)))
    }

    /// The mean of |x| over the inputs; [in].
    ///
    /// # Errors
    /// When it was not seen.
    pub fn magnitudes(&self) -> Result<&'a [f64]> {
        known(&self.module, self.seen.and_then(|seen| seen.magnitudes(&self.module)))
    }

    /// The mean of x² over the inputs; [in].
    ///
    /// # Errors
    /// When it was not seen.
    pub fn squares(&self) -> Result<&'a [f64]> {
        known(&self.module, self.seen.and_then(|seen| seen.squares(&self.module)))
    }

    /// The numbers, row-major.
    ///
    /// # Errors
    /// When they cannot be read, or one of them is not finite.
    pub fn read(&self) -> Result<Vec<f32>> {
        let [rows, columns] = self.sides;
        let name = self.name();
        let mut matrix = vec![0.0; rows * columns];
        self.source.read_into(&name, &mut matrix)?;
        self.source.release(&name, 0..rows);
        match matrix.iter().position(|value| !value.is_finite()) {
            None => Ok(matrix),
            Some(at) => {
                let (row, column, value) = (at / columns, at % columns, matrix[at]);
                Err(self.failed(rankine_linalg::Error::NotFinite { row, column, value }))
            }
        }
    }

    /// The matrix could not be decomposed.
    pub fn failed(&self, source: rankine_linalg::Error) -> Error {
        Error::Decomposition { name: self.name(), source }
    }

    fn name(&self) -> String {
        format!("{}.weight", self.module)
    }

    /// Makes and writes the matrix in this form, and the bias of a thin layer; how far the matrix moved.
    pub(super) fn write(
        &self,
        compression: &Compression<'_>,
        form: Form,
        writer: &TensorsWriter,
    ) -> Result<Squares> {
        let mut matrix = self.read()?;
        let compact = compression.method.compress(self, &matrix, form)?;
        let whole = compact.whole(self.sides);
        let before = reduce::sum_of_squares(&matrix);
        reduce::axpy(-1.0, &whole, &mut matrix);
        let squares = Squares { before, moved: reduce::sum_of_squares(&matrix) };
        match &compact {
            Compact::Factors { left, right } if !compression.dense => {
                self.write_factors(writer, [right, left])?;
            }
            _ => writer.write(&self.name(), &whole)?,
        }
        Ok(squares)
    }

    /// A: [r, columns] and B: [rows, r], and the bias that goes with B; of them what goes into this file.
    fn write_factors(&self, writer: &TensorsWriter, factors: [&Vec<f32>; 2]) -> Result<()> {
        for (name, factor) in ThinLayers::factors(&self.module).iter().zip(factors) {
            if writer.has(name) {
                writer.write(name, factor)?;
            }
        }
        let (bias, written) = (format!("{}.bias", self.module), ThinLayers::bias(&self.module));
        if let Some(info) = self.source.infos().get(&bias).filter(|_| writer.has(&written)) {
            let mut values = vec![0.0; info.elements()];
            self.source.read_into(&bias, &mut values)?;
            writer.write(&written, &values)?;
        }
        Ok(())
    }
}
