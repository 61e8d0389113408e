//! Channels with a reflecting surface and spread angles.

use super::{AM, KOMP, KSBL, SVD};
use crate::{Result, findings::Finding};
use rankine_linalg::{eigh, multiply};
use rankine_random::Rng;
use rankine_report::{Axis, Level, Lines, Page, Series, Style, format};
use rankine_solve::kronecker::{
    Channel, IrsMimo, KroneckerSolver, bayes::Start, pattern_coupled::PcKroSbl, svd::SvdKroSbl,
};
use rankine_solve::{Mat, Silent, c64};

/// What is tried.
pub(super) struct Plan {
    /// Channels that are drawn.
    pub trials: usize,
    /// Ratios of signal to noise.
    pub decibels: Vec<f64>,
    /// Symbols that are sent over every pattern.
    pub symbols: usize,
}

const COUPLED: &str = "PC-KroSBL β = 0.8";
const SCALED: &str = "SVD-KroSBL, start to scale";

/// Means over the channels, solver by solver and ratio by ratio.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Channels {
    pub decibels: Vec<f64>,
    pub curves: Vec<Curve>,
}

/// Those of one solver.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Curve {
    pub label: &'static str,
    /// ‖Ĥ − H‖² / ‖H‖².
    pub error: Vec<f64>,
    /// Share of symbols that are read wrongly.
    pub symbol_error: Vec<f64>,
    pub milliseconds: Vec<f64>,
}

/// All solvers with the paper's settings, and the one with ours.
fn solvers() -> Vec<(&'static str, KroneckerSolver)> {
    let coupled =
        |coupling| KroneckerSolver::PcKroSbl(PcKroSbl { coupling, start: Start::One, ..PcKroSbl::default() });
    let mut solvers = vec![(COUPLED, coupled(0.8)), ("PC-KroSBL β = 0.5", coupled(0.5))];
    solvers.extend(super::solvers());
    solvers.push((SCALED, KroneckerSolver::SvdKroSbl(SvdKroSbl::default())));
    solvers
}

impl Channels {
    pub fn measure(plan: &Plan, rng: &Rng, watch: &mut dyn FnMut(&str)) -> Result<Self> {
        let solvers = solvers();
        let curve = |(label, _): &(&'static str, KroneckerSolver)| Curve {
            label,
            error: vec![],
            symbol_error: vec![],
            milliseconds: vec![],
        };
        let mut curves: Vec<Curve> = solvers.iter().map(curve).collect();
        let share = (plan.trials as f64).recip();
        for &decibels in &plan.decibels {
            watch(&format!("channels at {decibels} dB"));
            let mut sums = vec![[0.0; 3]; solvers.len()];
            for trial in 0..plan.trials {
                let rng = rng.fork_index("channel", trial);
                let channel = IrsMimo::default().draw(&rng)?;
                let problem = channel.instance.noisy(decibels, &rng)?;
                for ((_, solver), sum) in solvers.iter().zip(&mut sums) {
                    let solver = solver.solver();
                    let report = solver.solve(&problem, None, solver.stop(), &mut Silent::watch)?;
                    let found = &report.solution.coefficients;
                    sum[0] += share * channel.relative_error(found)?;
                    sum[1] += share * symbol_error(&channel, found, decibels, (plan.symbols, &rng))?;
                    sum[2] += share * 1e3 * report.seconds;
                }
            }
            for (curve, [error, symbol_error, milliseconds]) in curves.iter_mut().zip(sums) {
                curve.error.push(error);
                curve.symbol_error.push(symbol_error);
                curve.milliseconds.push(milliseconds);
            }
        }
        Ok(Self { decibels: plan.decibels.clone(), curves })
    }

    fn curve(&self, label: &str) -> &[f64] {
        self.curves.iter().find(|curve| curve.label == label).map_or(&[], |curve| &curve.error)
    }

    fn never_above(&self, one: &str, other: &str) -> bool {
        let (one, other) = (self.curve(one), self.curve(other));
        !other.is_empty()
            && one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| one <= other)
    }

    fn words(&self, labels: &[&str]) -> String {
        let errors =
            |label| self.curve(label).iter().map(|&e| format::number(e, 2)).collect::<Vec<_>>().join(", ");
        labels.iter().map(|label| format!("{label} {}", errors(label))).collect::<Vec<_>>().join("; ")
    }

    pub fn findings(&self) -> Vec<Finding> {
        vec![Finding::new(
            "with spread angles PC-KroSBL has the lowest error of the channel at every ratio",
            "lowest of SVD-KroSBL, AM-KroSBL, PC-SBL and SBL (plots)",
            self.words(&[COUPLED, SVD, AM, KSBL, KOMP]),
            [SVD, AM, KSBL].iter().all(|other| self.never_above(COUPLED, other)),
        )]
    }

    pub fn show(&self, page: &mut Page) {
        page.section("D. Channels with a reflecting surface").text(
            "18 angles at each side, 6 antennas at the mobile station, 16 at the base, 256 reflecting elements; 3 pilots and 6 \
             patterns give 288 measurements of 5,832 coefficients, of which 9 are not 0. Symbols are QPSK over the first \
             singular pair of the estimated channel.",
        );
        page.plot(self.plot(
            "Error of the channel",
            Axis::log("‖Ĥ − H‖² / ‖H‖², mean"),
            |curve| &curve.error,
        ));
        page.plot(
            self.plot("Symbols read wrongly", Axis::log("share of symbols"), |curve| &curve.symbol_error),
        );
        page.plot(self.plot("Time", Axis::log("time in ms, mean"), |curve| &curve.milliseconds));
        page.note(
            Level::Note,
            format!(
                "the coefficients are in the hundreds, so variances that start at 1 grow slowly; errors where they start at the \
                 scale of the data: {}; of a pursuit that knows the noise: {}; of PC-KroSBL started at 1: {}",
                self.words(&[SCALED]),
                self.words(&[KOMP]),
                self.words(&[COUPLED]),
            ),
        );
    }

    fn plot(&self, title: &str, y: Axis, of: impl Fn(&Curve) -> &Vec<f64>) -> Lines {
        let mut plot = Lines::new(title, Axis::linear("signal to noise in dB"), y);
        for curve in &self.curves {
            let points = self.decibels.iter().copied().zip(of(curve).iter().copied());
            plot = plot.series(Series::new(curve.label, points).style(Style::Marked));
        }
        plot
    }
}

/// Share of QPSK symbols that are read wrongly over all patterns, when sender and receiver take the first singular pair of the
/// estimated channel. All four symbols fare alike, so one of them is sent.
fn symbol_error(
    channel: &Channel,
    found: &[c64],
    decibels: f64,
    (symbols, rng): (usize, &Rng),
) -> Result<f64> {
    let (found, real) = (channel.cascades(found)?, channel.cascades(&channel.instance.coefficients)?);
    let (mut rng, mut wrong) = (rng.fork("symbols"), 0.0);
    let deviation = (10f64.powf(-decibels / 10.0) / 2.0).sqrt();
    for (found, real) in found.iter().zip(&real) {
        let Some(gain) = gain(found, real)? else {
            wrong += 0.75;
            continue;
        };
        // The receiver takes the gain for a positive number; the noise is as strong as the ratio says.
        let sent = gain / gain.norm() * c64::new(0.5f64.sqrt(), 0.5f64.sqrt());
        let misread = (0..symbols).filter(|_| {
            let received = sent + c64::new(deviation * rng.normal_f64(), deviation * rng.normal_f64());
            received.re < 0.0 || received.im < 0.0
        });
        wrong += misread.count() as f64 / symbols as f64;
    }
    Ok(wrong / real.len() as f64)
}

/// uᴴ·H·v for the first singular pair of the estimate; none where one of them is 0.
fn gain(found: &Mat<c64>, real: &Mat<c64>) -> Result<Option<c64>> {
    let eigen = eigh(multiply(found.adjoint(), found.as_ref()).as_ref())?;
    let v = eigen.vectors.get(.., eigen.values.len() - 1..);
    let u = multiply(found.as_ref(), v);
    let length = u.norm_l2();
    let through = multiply(u.adjoint(), multiply(real.as_ref(), v).as_ref());
    let gain = through[(0, 0)] / length;
    Ok((gain.is_finite() && 0.0 < gain.norm()).then_some(gain))
}
