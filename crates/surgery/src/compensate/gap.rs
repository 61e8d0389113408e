//! What a compression took away from one matrix, and the correction of it.

use super::Correction;
use crate::Result;
use crate::compress::Site;
use crate::inputs::Seen;
use rankine_checkpoint::Tensors;
use rankine_checkpoint::adapter::{LayerKind, LowRank};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;
use rankine_linalg::{Metric, Pair};

/// A matrix as it was, and compressed.
#[derive(Clone)]
pub(super) struct Gap<'a> {
    before: Site<'a>,
    after: Site<'a>,
}

/// A correction, and what is told of it.
pub(super) struct Patch {
    pub low_rank: LowRank,
    pub told: CompensatedModule,
}

/// A module with a correction.
#[derive(Clone, Debug, PartialEq)]
pub struct CompensatedModule {
    /// The module.
    pub module: String,
    /// Outputs and inputs.
    pub shape: [usize; 2],
    /// Rank of the correction.
    pub rank: usize,
    /// Of the matrix.
    pub plain: Norms,
    /// Of the matrix in the norm of its inputs: root mean squares of what it answers.
    pub activation: Norms,
}

/// Norms of a matrix, of what its compression took away, and of what the correction does not bring back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Norms {
    /// ‖W‖.
    pub whole: f64,
    /// ‖W − Ŵ‖.
    pub before: f64,
    /// ‖W − Ŵ − B·A‖.
    pub after: f64,
}

impl Norms {
    /// Shares of ‖W‖, before and after; `None` of zeros.
    pub fn relative(self) -> Option<[f64; 2]> {
        (self.whole != 0.0).then(|| [self.before / self.whole, self.after / self.whole])
    }

    /// Of two matrices together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            whole: self.whole.hypot(other.whole),
            before: self.before.hypot(other.before),
            after: self.after.hypot(other.after),
        }
    }
}

impl<'a> Gap<'a> {
    /// `None` where the second model does not have the matrix, or in another shape.
    pub fn new([before, after]: [&'a dyn Tensors; 2], module: &str) -> Option<Self> {
        let gap = Self { before: Site::new(before, module)?, after: Site::new(after, module)? };
        (gap.before.sides() == gap.after.sides()).then_some(gap)
    }

    /// With what was seen of the inputs.
    pub fn with(self, seen: &'a dyn Seen) -> Self {
        Self { before: self.before.with(Some(seen)), ..self }
    }

    pub fn module(&self) -> &str {
        self.before.module()
    }

    /// Columns of the matrix.
    pub fn inputs(&self) -> usize {
        self.before.sizes()[1]
    }

    /// The correction; `None` where nothing is missing.
    pub fn patch(&self, correction: Correction, rank: usize) -> Result<Option<Patch>> {
        let (site, sizes) = (&self.before, self.before.sizes());
        let [outputs, inputs] = sizes;
        let moment = Metric::Moment(site.moment()?);
        let norm = |metric: Metric<'_>, matrix: &[f32]| {
            metric.norm(matrix, sizes).map_err(|source| site.failed(source))
        };
        let norms = |matrix: &[f32]| -> Result<[f64; 2]> {
            Ok([norm(Metric::Plain, matrix)?, norm(moment, matrix)?])
        };
        let mut gap = site.by_outputs(&site.read()?).into_owned();
        let whole = norms(&gap)?;
        reduce::axpy(-1.0, &self.after.by_outputs(&self.after.read()?), &mut gap);
        if gap.iter().all(|x| *x == 0.0) {
            return Ok(None);
        }
        let before = norms(&gap)?;
        let rank = rank.min(outputs).min(inputs);
        let metric = match correction {
            Correction::Eora => moment,
            Correction::Activation => Metric::Scales(site.magnitudes()?),
            Correction::Svd => Metric::Plain,
        };
        let pair = metric.truncated(&gap, sizes, rank).map_err(|source| site.failed(source))?;
        let Pair { left: b, right: a } = pair;
        let (left, right) = (Matrix::new(&b, outputs, rank), Matrix::new(&a, rank, inputs));
        matmul(&mut gap, left, right, -1.0, true);
        let after = norms(&gap)?;
        let of = |at: usize| Norms { whole: whole[at], before: before[at], after: after[at] };
        let module = site.module().to_owned();
        let told = CompensatedModule { module, shape: sizes, rank, plain: of(0), activation: of(1) };
        let (scaling, kind) = (1.0, LayerKind::Linear);
        let (magnitude, output_bias) = (None, None);
        let low_rank = LowRank { a, b, rank, inputs, outputs, scaling, magnitude, output_bias, kind };
        Ok(Some(Patch { low_rank, told }))
    }
}
