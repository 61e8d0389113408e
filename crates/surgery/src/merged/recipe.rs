//! How one changed tensor comes about, a block of rows at a time.

use super::residual::Residual;
use crate::Result;
use half::{bf16, f16};
use rankine_checkpoint::adapter::{LowRank, NewRows};
use rankine_checkpoint::{Dtype, TensorInfo, Tensors};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;
use std::ops::Range;

/// Numbers made at a time: 1 MiB, which stays in a core's cache while it is read, changed and written.
const BLOCK: usize = 1 << 18;

/// The steps from the base's numbers to those of the merged model, in the order of the fields.
#[derive(Clone)]
pub(crate) struct Recipe<'a> {
    /// Shape and type of the result.
    pub info: TensorInfo,
    /// The tensor of the base that stood in this place.
    pub base: Option<String>,
    /// Where the numbers come from.
    pub source: Source<'a>,
    /// What an initialisation took out of the weight.
    pub residual: Option<Residual>,
    /// Rows that are replaced. To peft they are part of what the branch stands beside.
    pub rows: Option<&'a NewRows>,
    /// What the adapter adds.
    pub branch: Option<Branch<'a>>,
    /// A vector that is added, and its factor.
    pub bias: Option<(&'a [f32], f32)>,
}

/// Where numbers come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The tensor of the base.
    Base,
    /// The adapter.
    Given(&'a [f32]),
    /// Nowhere: a bias that the base lacks.
    Zeros,
}

/// A change of low rank, and what DoRA makes of it.
#[derive(Clone)]
pub(crate) struct Branch<'a> {
    /// The factors.
    pub low_rank: &'a LowRank,
    /// The weight is stored as [in, out], and takes (B·A)ᵀ.
    pub transposed: bool,
    /// m / ‖V‖ for each column of a transposed weight; known once a pass over all rows was made.
    column_scale: Option<Vec<f32>>,
}

/// Sums of squares over the numbers of a tensor, in f64.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Squares {
    /// Of the base.
    pub before: f64,
    /// Of the difference.
    pub moved: f64,
}

impl Squares {
    /// Of two parts together.
    pub fn plus(self, other: Self) -> Self {
        Self { before: self.before + other.before, moved: self.moved + other.moved }
    }

    /// ‖W' − W‖ / ‖W‖; `None` where W is zeros.
    pub fn relative(self) -> Option<f64> {
        (self.before != 0.0).then(|| (self.moved / self.before).sqrt())
    }
}

impl<'a> Branch<'a> {
    pub fn new(low_rank: &'a LowRank, transposed: bool) -> Self {
        Self { low_rank, transposed, column_scale: None }
    }

    /// out += s·B·A, for some rows of the weight.
    fn add(&self, rows: &Range<usize>, out: &mut [f32]) {
        let &LowRank { ref a, ref b, rank, inputs, outputs, scaling, .. } = self.low_rank;
        if self.transposed {
            let data = a.get(rows.start..).unwrap_or_default();
            let left = Matrix { data, rows: rows.len(), columns: rank, row_stride: 1, column_stride: inputs };
            matmul(out, left, Matrix::new(b, outputs, rank).t(), scaling, true);
        } else {
            let left = Matrix::new(&b[rows.start * rank..rows.end * rank], rows.len(), rank);
            matmul(out, left, Matrix::new(a, rank, inputs), scaling, true);
        }
    }

    /// DoRA: every output gets its magnitude.
    fn rescale(&self, rows: &Range<usize>, out: &mut [f32]) {
        let Some(magnitude) = &self.low_rank.magnitude else { return };
        if let Some(scale) = &self.column_scale {
            let rows = out.chunks_exact_mut(scale.len());
            rows.for_each(|row| row.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale));
        } else {
            let norms = out.chunks_exact_mut(self.low_rank.inputs).zip(&magnitude[rows.clone()]);
            norms.for_each(|(row, &m)| reduce::scale(row, over_norm(m, reduce::sum_of_squares(row))));
        }
    }

    fn needs_column_scale(&self) -> bool {
        self.transposed && self.low_rank.magnitude.is_some()
    }
}

/// m / ‖v‖; a vector of zeros stays what it is.
fn over_norm(magnitude: f32, squares: f64) -> f32 {
    if squares == 0.0 { 0.0 } else { (f64::from(magnitude) / squares.sqrt()) as f32 }
}

impl<'a> Recipe<'a> {
    /// The tensor `base` of the base, as it is.
    pub fn of_base(base: &str, info: &TensorInfo) -> Self {
        Self { base: Some(base.to_owned()), ..Self::new(info, Source::Base) }
    }

    /// Numbers in the shape of `info`, in the type in which these are written where that is one for weights.
    pub fn new(info: &TensorInfo, source: Source<'a>) -> Self {
        let (dtype, width) = match info.dtype.written() {
            half @ (Dtype::F16 | Dtype::Bf16) => (half, 2),
            _ => (Dtype::F32, 4),
        };
        let info = TensorInfo { shape: info.shape.clone(), dtype, bytes: info.elements() as u64 * width };
        Self { info, base: None, source, residual: None, branch: None, rows: None, bias: None }
    }

    /// The weight as it was before the adapter's branch and the initialisation that went with it.
    pub fn untouched(&self) -> Self {
        let Self { info, base, source, rows, .. } = self;
        Self { base: base.clone(), rows: *rows, ..Self::new(info, *source) }
    }

    /// Name, shape and type of the result.
    pub fn info(&self) -> TensorInfo {
        self.info.clone()
    }

    pub fn needs_preparation(&self) -> bool {
        self.residual.as_ref().is_some_and(|residual| !residual.is_known())
            || self.branch.as_ref().is_some_and(Branch::needs_column_scale)
    }

    /// What must be known of the whole weight before rows of it are made.
    pub fn prepare(&mut self, base: &dyn Tensors, name: &str) -> Result<()> {
        let height = self.info.rows();
        if let Some(mut residual) = self.residual.take_if(|residual| !residual.is_known()) {
            let mut whole = vec![0.0; self.info.elements()];
            self.read(base, 0..height, &mut whole)?;
            self.release(base, 0..height);
            residual.prepare(name, &whole, height)?;
            self.residual = Some(residual);
        }
        if self.branch.as_ref().is_some_and(Branch::needs_column_scale) {
            let squares = self.column_squares(base)?;
            if let Some(branch) = &mut self.branch
                && let Some(magnitude) = &branch.low_rank.magnitude
            {
                let scales = magnitude.iter().zip(squares).map(|(&m, squares)| over_norm(m, squares));
                branch.column_scale = Some(scales.collect());
            }
        }
        Ok(())
    }

    /// Σ V² of every column, before DoRA.
    fn column_squares(&self, base: &dyn Tensors) -> Result<Vec<f64>> {
        let width = self.info.row_elements();
        let (mut squares, mut block) = (vec![0.0; width], Vec::new());
        for rows in row_blocks(self.info.rows(), width) {
            block.resize(rows.len() * width, 0.0);
            self.read(base, rows.clone(), &mut block)?;
            self.release(base, rows.clone());
            self.add(&rows, &mut block);
            for row in block.chunks_exact(width) {
                row.iter().zip(&mut squares).for_each(|(&x, sum)| *sum += f64::from(x) * f64::from(x));
            }
        }
        Ok(squares)
    }

    /// Makes some rows.
    pub fn rows(
        &self,
        base: &dyn Tensors,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> rankine_checkpoint::Result<()> {
        self.read(base, rows.clone(), out)?;
        self.change(&rows, out);
        Ok(())
    }

    /// As [`rows`](Self::rows), after a look at what is asked for.
    pub fn checked_rows(
        &self,
        base: &dyn Tensors,
        name: &str,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> rankine_checkpoint::Result<()> {
        self.info.check_rows(name, &rows, out.len())?;
        self.rows(base, rows, out)
    }

    /// As [`rows`](Self::rows); returns how far they moved from the base.
    pub fn measured_rows(
        &self,
        base: &dyn Tensors,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> rankine_checkpoint::Result<Squares> {
        self.read(base, rows.clone(), out)?;
        let mut before = match self.source {
            Source::Base => out.to_vec(),
            Source::Given(_) | Source::Zeros => vec![0.0; out.len()],
        };
        if let (Source::Given(_), Some(name)) = (self.source, &self.base) {
            base.read_rows(name, rows.clone(), &mut before)?;
        }
        self.change(&rows, out);
        let squares = reduce::sum_of_squares(&before);
        reduce::axpy(-1.0, out, &mut before);
        Ok(Squares { before: squares, moved: reduce::sum_of_squares(&before) })
    }

    /// Gives back the memory behind rows of the base.
    pub fn release(&self, base: &dyn Tensors, rows: Range<usize>) {
        if let Some(name) = &self.base {
            base.release(name, rows);
        }
    }

    fn read(
        &self,
        base: &dyn Tensors,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> rankine_checkpoint::Result<()> {
        let width = self.info.row_elements();
        match (self.source, &self.base) {
            (Source::Base, Some(name)) => return base.read_rows(name, rows, out),
            (Source::Given(values), _) => out.copy_from_slice(&values[rows.start * width..rows.end * width]),
            (Source::Base, None) | (Source::Zeros, _) => out.fill(0.0),
        }
        Ok(())
    }

    fn change(&self, rows: &Range<usize>, out: &mut [f32]) {
        self.add(rows, out);
        if let Some(branch) = &self.branch {
            branch.rescale(rows, out);
        }
        if let Some((values, scale)) = self.bias {
            reduce::axpy(scale, &values[rows.clone()], out);
        }
    }

    /// What comes before DoRA: − s·B₀·A₀, new rows, + s·B·A.
    fn add(&self, rows: &Range<usize>, out: &mut [f32]) {
        if let Some(residual) = &self.residual {
            residual.subtract(rows, out);
            round(self.info.dtype, out);
        }
        if let Some(new) = self.rows {
            replace(new, rows, out);
        }
        if let Some(branch) = &self.branch {
            branch.add(rows, out);
        }
    }
}

/// Puts the new rows that fall into `rows` in their places; of two for one token the later counts.
fn replace(new: &NewRows, rows: &Range<usize>, out: &mut [f32]) {
    for (&token, values) in new.tokens.iter().zip(new.values.chunks_exact(new.width)) {
        if rows.contains(&(token as usize)) {
            let at = (token as usize - rows.start) * new.width;
            out[at..at + new.width].copy_from_slice(values);
        }
    }
}

/// To the numbers that the type can hold: peft keeps a residual in the type of the base.
pub(crate) fn round(dtype: Dtype, values: &mut [f32]) {
    match dtype {
        Dtype::F16 => values.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32()),
        Dtype::Bf16 => values.iter_mut().for_each(|x| *x = bf16::from_f32(*x).to_f32()),
        _ => {}
    }
}

/// Blocks of rows of some [`BLOCK`] numbers, at least a row each; none for a tensor without numbers.
pub(crate) fn row_blocks(height: usize, width: usize) -> Vec<Range<usize>> {
    if height == 0 || width == 0 {
        return Vec::new();
    }
    let step = (BLOCK / width).max(1);
    (0..height).step_by(step).map(|start| start..height.min(start.saturating_add(step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_all_rows_once() {
        for (height, width) in [(0, 5), (5, 0), (1, 1), (1, BLOCK * 3), (1000, BLOCK / 3), (7, BLOCK / 2 + 1)]
        {
            let blocks = row_blocks(height, width);
            let covered: Vec<usize> = blocks.iter().cloned().flatten().collect();
            let expected: Vec<usize> = if width == 0 { Vec::new() } else { (0..height).collect() };
            assert_eq!(covered, expected);
            assert!(blocks.iter().all(|rows| rows.len() == 1 || rows.len() * width <= BLOCK));
        }
    }

    #[test]
    fn the_later_of_two_rows_counts() {
        let new = NewRows { tokens: vec![4, 2, 4], width: 2, values: vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0] };
        let mut out = [0.0; 4];
        replace(&new, &(3..5), &mut out);
        assert_eq!(out, [0.0, 0.0, 3.0, 3.0]);
    }
}
