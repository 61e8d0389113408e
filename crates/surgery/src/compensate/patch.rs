//! What a compression took away from one matrix, and the correction of it.

use super::Correction;
use crate::counterparts::Counterparts;
use crate::{Error, Result};
use rankine_checkpoint::adapter::{LayerKind, LowRank};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;
use rankine_linalg::{Metric, Pair};

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
    /// Of the matrix in the norm of its inputs: root mean squares of what it answers; zeros where none were shown.
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

/// The correction; `None` where nothing is missing.
pub(super) fn patch(
    counterparts: &Counterparts<'_>,
    correction: Correction,
    rank: usize,
) -> Result<Option<Patch>> {
    let site = counterparts.site();
    let sizes @ [outputs, inputs] = site.sizes();
    let moment = if site.is_shown() { Some(Metric::Moment(site.moment()?)) } else { None };
    let norm =
        |metric: Metric<'_>, matrix: &[f32]| metric.norm(matrix, sizes).map_err(|source| site.failed(source));
    let norms = |matrix: &[f32]| -> Result<[f64; 2]> {
        let of_answers = moment.map_or(Ok(0.0), |moment| norm(moment, matrix))?;
        Ok([norm(Metric::Plain, matrix)?, of_answers])
    };
    let [mut gap, after] = counterparts.read()?;
    let whole = norms(&gap)?;
    reduce::axpy(-1.0, &after, &mut gap);
    drop(after);
    if gap.iter().all(|x| *x == 0.0) {
        return Ok(None);
    }
    let before = norms(&gap)?;
    let rank = rank.min(outputs).min(inputs);
    let metric = match correction {
        Correction::Eora => moment.ok_or(Error::NoCalibration)?,
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
