//! Samples of every strategy: their conditioning, and the error of the fits.

use super::{Plan, best::Case};
use crate::{Error, Result};
use rankine_linalg::always;
use rankine_random::Rng;
use rankine_solve::approximation::{
    Approximation, Family, LeastSquaresInSpace, Strategy, TensorSpace, fekete, monte_carlo, optimal_iid,
    repeated_dpp, selected_dpp, volume,
};
use rankine_solve::{Silent, Solve, Stop};

/// A way to choose points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    MonteCarlo,
    Iid,
    Volume,
    Repeated,
    Selected,
    Fekete,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::MonteCarlo, Self::Iid, Self::Volume, Self::Repeated, Self::Selected, Self::Fekete];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MonteCarlo => "independent, of μ",
            Self::Iid => "independent, optimal",
            Self::Volume => "volume sample",
            Self::Repeated => "repeated DPP",
            Self::Selected => "selected DPP",
            Self::Fekete => "Fekete points",
        }
    }

    /// Sizes that it has, of those asked for; selected points are as few as stay stable, Fekete points are m.
    fn factors(self, wanted: &[usize]) -> Vec<usize> {
        match self {
            Self::Selected => wanted.iter().copied().filter(|&factor| factor == 4).collect(),
            Self::Fekete => wanted.iter().copied().filter(|&factor| factor == 1).collect(),
            Self::MonteCarlo | Self::Iid | Self::Volume | Self::Repeated => wanted.to_vec(),
        }
    }

    /// The strategy with n = factor·m points.
    fn strategy(self, factor: usize, seed: u64) -> Box<dyn Both> {
        let oversampling = factor as f64;
        match self {
            Self::MonteCarlo => Box::new(monte_carlo::MonteCarlo { oversampling, seed }),
            Self::Iid => Box::new(optimal_iid::OptimalIid { oversampling, theta: 1.0, seed }),
            Self::Volume => Box::new(volume::VolumeSampling { oversampling, theta: 1.0, seed }),
            Self::Repeated => Box::new(repeated_dpp::RepeatedDpp { repetitions: factor, seed }),
            Self::Selected => {
                Box::new(selected_dpp::SelectedDpp { repetitions: factor, seed, ..Default::default() })
            }
            Self::Fekete => Box::new(fekete::Fekete { seed, ..Default::default() }),
        }
    }
}

/// A strategy and the solver that it is.
trait Both: Strategy + Solve<LeastSquaresInSpace, Solution = Approximation> {}
impl<T: Strategy + Solve<LeastSquaresInSpace, Solution = Approximation>> Both for T {}

/// What one strategy does with one case at one size.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Trial {
    pub case: &'static str,
    pub kind: Kind,
    /// n/m, as asked for.
    pub factor: usize,
    /// m.
    pub size: usize,
    /// Mean of n/m over the samples: less for selected points.
    pub points: f64,
    /// λ_min(G), ascending.
    pub smallest: Vec<f64>,
    /// ‖f − f̂‖/e, ascending; 1e300 where the points do not determine the fit.
    pub errors: Vec<f64>,
    /// Mean of the diagonal of G⁻¹, of every sample with a fit.
    #[serde(skip)]
    pub inverses: Vec<f64>,
}

impl Trial {
    /// Share of stable samples.
    pub(super) fn stable(&self) -> f64 {
        let stable = self.smallest.iter().filter(|&&smallest| 0.5 <= smallest).count();
        stable as f64 / self.smallest.len().max(1) as f64
    }

    /// Median of 1/λ_min.
    pub(super) fn condition(&self) -> f64 {
        quantile(&self.smallest, 0.5).recip()
    }

    /// A quantile of the error.
    pub(super) fn error(&self, share: f64) -> f64 {
        quantile(&self.errors, share)
    }
}

/// What stands for an error beyond measure: it is sorted, and numbers in JSON are finite.
const BEYOND: f64 = 1e300;

/// One draw a sample; none is thrown away.
pub(super) fn measure(case: &Case, kind: Kind, plan: &Plan) -> Result<Vec<Trial>> {
    let size = case.best.len();
    let of = |factor: usize| {
        let mut trial = Trial {
            case: case.name,
            kind,
            factor,
            size,
            points: 0.0,
            smallest: Vec::new(),
            errors: Vec::new(),
            inverses: Vec::new(),
        };
        for seed in 0..plan.draws {
            let strategy = kind.strategy(factor, seed);
            let stop = Stop { steps: 1, tolerance: 0.5 };
            match strategy.solve(&case.problem, None, stop, &mut Silent::watch) {
                Ok(report) => trial.add(case, &report.solution),
                Err(rankine_solve::Error::Dependent { .. }) => {
                    trial.smallest.push(0.0);
                    trial.errors.push(BEYOND);
                }
                Err(error) => return Err(Error::from(error)),
            }
        }
        trial.points /= trial.inverses.len().max(1) as f64;
        trial.smallest.sort_by(f64::total_cmp);
        trial.errors.sort_by(f64::total_cmp);
        Ok(trial)
    };
    kind.factors(&plan.factors).into_iter().map(of).collect()
}

impl Trial {
    fn add(&mut self, case: &Case, found: &Approximation) {
        self.points += found.design.points.len() as f64 / self.size as f64;
        self.smallest.push(found.design.smallest);
        self.errors.push(case.error(&found.coefficients).min(BEYOND));
        let inverses = found.design.eigenvalues.iter().map(|eigenvalue| eigenvalue.recip());
        self.inverses.push((inverses.sum::<f64>() / self.size as f64).min(BEYOND));
    }
}

pub(super) fn find<'a>(trials: &'a [Trial], case: &str, kind: Kind, factor: usize) -> Option<&'a Trial> {
    trials.iter().find(|trial| trial.case == case && trial.kind == kind && trial.factor == factor)
}

/// Mean, and its standard error; NaN for less than two values.
pub(super) fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (square / count).sqrt())
}

/// The value below which a share of ascending values lies.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = (share * ascending.len() as f64) as usize;
    ascending.get(place.min(ascending.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// One sample of every strategy on the square, as few points as it takes, to be looked at.
pub(super) fn points(level: usize) -> Result<Vec<(Kind, Vec<[f64; 2]>)>> {
    let space = TensorSpace::hyperbolic_cross(Family::Legendre, 2, level)?;
    let kinds = [Kind::MonteCarlo, Kind::Iid, Kind::Repeated, Kind::Fekete];
    let of = |kind: Kind| {
        let rng = Rng::new(0).fork("volume_sampling/points");
        let design = kind.strategy(1, 0).draw(&space, &rng, &always)?;
        let pairs = design.points.iter().filter_map(|point| point.first_chunk().copied());
        Ok((kind, pairs.collect()))
    };
    kinds.into_iter().map(of).collect()
}
