//! One module under conversion: its sides, its tensors in the adapter, its weight in the base.

use super::Formula;
use super::faults::{Faults, both};
use crate::adapters::change::Change;
use crate::adapters::product::{Product, transposed};
use crate::{Error, Result};
use rankine_checkpoint::adapter::{Foreign, Kind, LayerKind, ModuleName};
use rankine_checkpoint::{Tensors, ends, is_depthwise};
use rankine_kernels::gemm::{Matrix, matmul};

/// A linear layer or a convolution that an adapter changes.
pub(super) struct Site<'a> {
    /// The module.
    pub path: &'a str,
    /// What kind of layer it is.
    pub kind: LayerKind,
    /// Rows of its weight as the formulas have it.
    pub outputs: usize,
    /// Columns of its weight as the formulas have it; of a convolution its taps, input channels outermost.
    pub inputs: usize,
    /// The adapter.
    pub files: &'a Foreign,
    base: &'a dyn Tensors,
    /// The tensor of the base.
    weight: String,
    /// The base has it as [inputs, outputs].
    transposed: bool,
}

impl<'a> Site<'a> {
    /// A module of `base`; an error where it is nothing that `formula` is for.
    pub fn new(
        module: &'a ModuleName,
        files: &'a Foreign,
        base: &'a dyn Tensors,
        formula: &dyn Formula,
    ) -> Result<Self> {
        let path = module.path.as_str();
        let refused = |what| Error::NotLinear { module: path.to_owned(), what };
        match module.kind {
            Kind::Linear | Kind::Head => {}
            Kind::Embedding => return Err(refused("an embedding")),
            Kind::Norm => return Err(refused("a normalisation")),
            Kind::Convolution if is_depthwise(base, path) => return Err(refused("a depthwise convolution")),
            Kind::Convolution if formula.takes_convolutions() => {}
            Kind::Convolution => return Err(refused("a convolution")),
        }
        let name = format!("{path}.weight");
        let weight = match ends::tied(base.infos()) {
            Some(embedding) if name == ends::HEAD => embedding.to_owned(),
            _ => name,
        };
        let shape = base.infos().get(&weight).map(|info| info.shape.as_slice()).unwrap_or_default();
        if shape.contains(&0) {
            return Err(refused("empty"));
        }
        let transposed = files.rest.config.is_transposed(path);
        let (kind, outputs, inputs) = match *shape {
            [rows, columns] if transposed => (LayerKind::Linear, columns, rows),
            [rows, columns] => (LayerKind::Linear, rows, columns),
            [outputs, channels, height, width] => {
                (LayerKind::Convolution { kernel: [height, width] }, outputs, channels * height * width)
            }
            _ => return Err(refused("no matrix")),
        };
        Ok(Self { path, kind, outputs, inputs, files, base, weight, transposed })
    }

    /// Height and width of the kernel; a linear layer has one of 1 × 1.
    pub fn kernel(&self) -> [usize; 2] {
        if let LayerKind::Convolution { kernel } = self.kind { kernel } else { [1, 1] }
    }

    /// Columns of one tap of the kernel.
    pub fn channels(&self) -> usize {
        let [height, width] = self.kernel();
        self.inputs / (height * width)
    }

    /// A change of `outputs` · `channels` taps in Tucker form, as a product over all taps:
    ///
    /// ```text
    /// Δ[o, c, y, x] = Σ core[i, j, y, x]·outer[i, o]·inner[j, c]
    /// core: [r, r, h, w]  outer: [r, outputs]  inner: [r, channels]
    /// ```
    pub fn tucker(
        &self,
        [core, outer, inner]: [&str; 3],
        [outputs, channels, rank]: [usize; 3],
    ) -> Result<Product, Faults> {
        let [height, width] = self.kernel();
        let (taps, inputs) = (height * width, channels * height * width);
        let sides = both(self.tensor(outer, &[rank, outputs]), self.tensor(inner, &[rank, channels]));
        let (core, (outer, inner)) = both(self.tensor(core, &[rank, rank, height, width]), sides)?;
        let mut a = vec![0.0; rank * inputs];
        for (row, core) in a.chunks_exact_mut(inputs).zip(core.chunks_exact(rank * taps)) {
            let inner = Matrix::new(&inner, rank, channels).t();
            matmul(row, inner, Matrix::new(core, rank, taps), 1.0, false);
        }
        Ok(Product { b: transposed(&outer, rank, outputs), a, rank, outputs, inputs })
    }

    /// The smaller side: no rank is above it.
    pub fn limit(&self) -> usize {
        self.outputs.min(self.inputs)
    }

    /// The numbers of one of its tensors, which has this shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.files.values(Some(self.path), name, shape)?)
    }

    /// The shape of one of its tensors; empty where there is none.
    pub fn shape(&self, name: &str) -> &[usize] {
        self.files.shape(Some(self.path), name).unwrap_or_default()
    }

    /// Whether the adapter has such a tensor for it.
    pub fn has(&self, name: &str) -> bool {
        self.files.shape(Some(self.path), name).is_some()
    }

    /// A side of a random matrix that all modules share, of which each takes a corner; 0 where it has no such side.
    pub fn shared_side(&self, name: &str, axis: usize) -> usize {
        self.files.shape(None, name).and_then(|shape| shape.get(axis)).copied().unwrap_or(0)
    }

    /// The numbers of a random matrix that all modules share, which has this shape; peft saves those only where it is told to.
    pub fn projection(&self, name: &'static str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.files.shape(None, name) {
            Some(_) => self.shared(name, shape),
            None => Err(Error::NoProjection { adapter: self.files.rest.path.clone(), name }),
        }
    }

    /// The numbers of a tensor that all modules share, which has this shape.
    pub fn shared(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.files.values(None, name, shape)?)
    }

    /// The weight of the base; row-major [outputs, inputs].
    pub fn weight(&self) -> Result<Vec<f32>> {
        let mut values = vec![0.0; self.outputs * self.inputs];
        self.base.read_into(&self.weight, &mut values)?;
        let rows = if self.transposed { self.inputs } else { self.outputs };
        self.base.release(&self.weight, 0..rows);
        Ok(if self.transposed { transposed(&values, self.inputs, self.outputs) } else { values })
    }

    /// The bias of the base, if it has one; [outputs].
    pub fn bias(&self) -> Result<Option<Vec<f32>>> {
        let name = format!("{}.bias", self.path);
        let Some(info) = self.base.infos().get(&name) else { return Ok(None) };
        if info.shape != [self.outputs] {
            let (expected, found) = (self.outputs, info.shape.clone());
            return Err(Error::BiasShape { name, expected, found });
        }
        let mut values = vec![0.0; self.outputs];
        self.base.read_into(&name, &mut values)?;
        Ok(Some(values))
    }

    /// A whole number below `limit` that is stored as a number.
    pub fn index(&self, name: &'static str, found: f32, limit: usize) -> Result<usize> {
        if found.fract() == 0.0 && 0.0 <= found && (found as usize) < limit {
            return Ok(found as usize);
        }
        Err(Error::Index { module: self.path.to_owned(), name, found, limit })
    }

    /// b·a; b: [outputs, rank]  a: [rank, inputs].
    pub fn product(&self, b: Vec<f32>, a: Vec<f32>, rank: usize) -> Change {
        let &Self { outputs, inputs, .. } = self;
        match rank {
            // There are no factors of rank 0.
            0 => self.product(vec![0.0; outputs], vec![0.0; inputs], 1),
            _ => Change::Product(Product { b, a, rank, outputs, inputs }),
        }
    }

    /// A change that is no product; row-major [outputs, inputs].
    pub fn dense(&self, values: Vec<f32>) -> Change {
        Change::Dense(values, [self.outputs, self.inputs])
    }
}

/// diag(factors) · matrix; matrix: row-major, a row for each factor.
pub(super) fn scale_rows(matrix: &mut [f32], factors: &[f32]) {
    let width = matrix.len().checked_div(factors.len()).unwrap_or(0).max(1);
    for (row, factor) in matrix.chunks_exact_mut(width).zip(factors) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// matrix · diag(factors); matrix: row-major, a column for each factor.
pub(super) fn scale_columns(matrix: &mut [f32], factors: &[f32]) {
    for row in matrix.chunks_exact_mut(factors.len().max(1)) {
        row.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
    }
}
