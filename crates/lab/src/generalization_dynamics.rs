//! [generalization_dynamics]: the test error of a linear network in training is known before it is trained.
//!
//! Gradient descent on random teachers, simulated, against the integrals over the law of Marchenko and Pastur: over time for
//! several ratios of samples to parameters, and over the ratio at the end of training, at the best stop and with the best ridge.
//! Shows: overtraining is worst where samples and parameters are as many and fades for larger networks; the best stop is nearly
//! as good as the best ridge; what no sample reaches keeps the error of the start.
//!
//! Departure: linear networks alone; the paper's ReLU networks and MNIST are not run here.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    findings::{self, Finding},
};
use rankine_linalg::multiply;
use rankine_random::Rng;
use rankine_report::{Axis, Heat, Lines, Page, Series, Style, format};
use rankine_solve::Mat;
use rankine_solve::theory::linear_dynamics::{LinearDynamics, Time};

/// Theory and simulation of linear networks.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeneralizationDynamicsExperiment;

impl Experiment for GeneralizationDynamicsExperiment {
    fn paper(&self) -> &'static str {
        "generalization_dynamics"
    }

    fn run(&self, scale: Scale, _: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        measure(&Plan::of(scale), watch)
    }
}

/// What is simulated.
struct Plan {
    /// Parameters.
    size: usize,
    draws: usize,
    /// Samples over parameters.
    ratios: Vec<f64>,
    /// Rows and columns of the heat map.
    cells: usize,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Quick => Self { size: 200, draws: 16, ratios: vec![0.5, 1.0, 2.0], cells: 24 },
            Scale::Full => {
                Self { size: 400, draws: 10, ratios: vec![0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0], cells: 60 }
            }
        }
    }
}

/// σ_w² / σ_ε², as in the paper's figures.
const SIGNAL: f64 = 5.0;
/// σ_0² / σ_w² of the starts.
const STARTS: [f64; 2] = [0.0, 1.0];
/// η of gradient descent.
const RATE: f64 = 0.1;
/// Steps at which errors are measured.
const STEPS: [u32; 9] = [0, 3, 10, 30, 60, 100, 200, 400, 800];

/// Errors at [`STEPS`] for one ratio and start.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Curve {
    ratio: f64,
    start: f64,
    /// Means over the draws.
    test: Vec<f64>,
    train: Vec<f64>,
    test_theory: Vec<f64>,
    train_theory: Vec<f64>,
}

impl Curve {
    fn measure(plan: &Plan, (ratio, start): (f64, f64), rng: &Rng) -> Result<Self> {
        let dynamics = LinearDynamics::new(ratio, SIGNAL, start)?;
        let time = |&steps: &u32| Time::Steps { rate: RATE, steps };
        let (mut test, mut train) = (vec![0.0; STEPS.len()], vec![0.0; STEPS.len()]);
        for draw in 0..plan.draws {
            let errors = simulate(plan.size, ratio, start, &mut rng.fork_index("draw", draw));
            for (place, (one, other)) in errors.into_iter().enumerate() {
                test[place] += one / plan.draws as f64;
                train[place] += other / plan.draws as f64;
            }
        }
        let test_theory = STEPS.iter().map(|steps| dynamics.test_error(time(steps))).collect();
        let train_theory = STEPS.iter().map(|steps| dynamics.train_error(time(steps))).collect();
        Ok(Self { ratio, start, test, train, test_theory, train_theory })
    }

    /// The largest relative difference of the test errors.
    fn apart(&self) -> f64 {
        findings::largest(self.test.iter().zip(&self.test_theory).map(|(x, y)| (x / y - 1.0).abs()))
    }
}

/// Test and training errors of gradient descent at [`STEPS`].
fn simulate(size: usize, ratio: f64, start: f64, rng: &mut Rng) -> Vec<(f64, f64)> {
    let samples = ((size as f64 * ratio).round() as usize).max(1);
    let mut normal =
        |rows, columns, deviation: f64| Mat::from_fn(rows, columns, |_, _| deviation * rng.normal_f64());
    let x = normal(size, samples, (size as f64).sqrt().recip());
    let (teacher, mut w) = (normal(1, size, 1.0), normal(1, size, start.sqrt()));
    let y = multiply(teacher.as_ref(), x.as_ref()) + normal(1, samples, SIGNAL.sqrt().recip());
    // Errors are in units of the teacher's own variance.
    let unit = teacher.squared_norm_l2() / size as f64;
    let (mut errors, mut done) = (Vec::with_capacity(STEPS.len()), 0);
    for steps in STEPS {
        while done < steps {
            let left = &y - multiply(w.as_ref(), x.as_ref());
            let change = multiply(left.as_ref(), x.transpose());
            w = Mat::from_fn(1, size, |_, j| w[(0, j)] + RATE * change[(0, j)]);
            done += 1;
        }
        let test = (&w - &teacher).squared_norm_l2() / size as f64 / unit + SIGNAL.recip();
        let train = (&y - multiply(w.as_ref(), x.as_ref())).squared_norm_l2() / samples as f64;
        errors.push((test, train));
    }
    errors
}

/// Errors over the ratio, from a start at 0.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Ratios {
    ratios: Vec<f64>,
    end: Vec<f64>,
    stopped: Vec<f64>,
    ridge: Vec<f64>,
}

impl Ratios {
    fn measure() -> Result<Self> {
        let ratios: Vec<f64> = (-12..=12).map(|step| 10f64.powf(f64::from(step) / 12.0)).collect();
        let mut found = Self { ratios: ratios.clone(), end: vec![], stopped: vec![], ridge: vec![] };
        for ratio in ratios {
            let dynamics = LinearDynamics::new(ratio, SIGNAL, 0.0)?;
            found.end.push(dynamics.test_error(Time::Flow(1e3)));
            found.stopped.push(dynamics.optimal_stop().1);
            found.ridge.push(dynamics.ridge(SIGNAL.recip())?);
        }
        Ok(found)
    }

    /// How much worse than at the best stop the end is, ratio by ratio.
    fn overtraining(&self) -> impl Iterator<Item = f64> {
        self.end.iter().zip(&self.stopped).map(|(end, stopped)| end / stopped)
    }

    fn plot(&self) -> Lines {
        let title = "Test error over samples per parameter, SNR 5, start at 0";
        let series = |label: &str, values: &[f64]| {
            Series::new(label, self.ratios.iter().copied().zip(values.iter().copied()))
        };
        Lines::new(title, Axis::log("samples / parameters"), Axis::log("test error / σ_w²"))
            .series(series("trained for t = 1000", &self.end))
            .series(series("best stop", &self.stopped))
            .series(series("best ridge", &self.ridge))
    }
}

fn measure(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let rng = Rng::new(27);
    let mut curves = Vec::new();
    for (place, &ratio) in plan.ratios.iter().enumerate() {
        for start in STARTS {
            watch(&format!("ratio {ratio}, start {start}"));
            curves.push(Curve::measure(plan, (ratio, start), &rng.fork_index("ratio", place))?);
        }
    }
    watch("theory over the ratio");
    let ratios = Ratios::measure()?;
    let findings = findings(&curves, &ratios);
    let holds = findings::hold(&findings);
    let mut page = Page::new("Generalisation of linear networks in training");
    page.lead(
        "Lines are integrals over the law of Marchenko and Pastur, points are gradient descent on random teachers: the error is \
         known before training.",
    );
    page.section("Claims").table(findings::table(&findings));
    page.section("Over time");
    for start in STARTS {
        page.plot(over_time(&curves, start, "Test error", |curve| (&curve.test, &curve.test_theory)));
    }
    page.plot(over_time(&curves, 0.0, "Training error", |curve| (&curve.train, &curve.train_theory)));
    page.section("Over samples per parameter").plot(ratios.plot()).plot(heat(plan.cells)?);
    let statement = "overtraining is worst where samples and parameters are as many and fades for larger networks; the best \
                     stop is nearly as good as the best ridge"
        .to_owned();
    let numbers = serde_json::json!({ "findings": findings, "curves": curves, "ratios": ratios });
    Ok(Claim { statement, holds, page, numbers })
}

fn findings(curves: &[Curve], ratios: &Ratios) -> Vec<Finding> {
    let away = findings::largest(curves.iter().filter(|curve| curve.ratio != 1.0).map(Curve::apart));
    let at_one = findings::largest(curves.iter().filter(|curve| curve.ratio == 1.0).map(Curve::apart));
    let worst = ratios.overtraining().zip(&ratios.ratios).max_by(|x, y| x.0.total_cmp(&y.0));
    let (worst, place) = worst.map_or((f64::NAN, f64::NAN), |(worst, &place)| (worst, place));
    let largest = ratios.overtraining().next().unwrap_or(f64::NAN);
    let behind = ratios.stopped.iter().zip(&ratios.ridge).map(|(stopped, ridge)| stopped / ridge - 1.0);
    let behind = findings::largest(behind);
    vec![
        Finding::new(
            "simulated test errors are within 6 % of the theory, within 15 % at a ratio of 1",
            "lines through points (figures)",
            format!("{} and {} at most", format::percent(away), format::percent(at_one)),
            away < 0.06 && at_one < 0.15,
        ),
        Finding::new(
            "overtraining is worst at one sample per parameter",
            "worst at 1",
            format!("{worst:.1} times the error of the best stop at {place:.2}"),
            (place.ln()).abs() < 0.1,
        ),
        Finding::new(
            "it fades for larger networks without any regularisation",
            "fades",
            format!(
                "{largest:.3} times at {:.1} samples per parameter",
                ratios.ratios.first().unwrap_or(&f64::NAN)
            ),
            largest < 1.05,
        ),
        Finding::new(
            "the best stop is within 3 % of the best ridge at every ratio",
            "within a few per cent",
            format!("{} behind at most", format::percent(behind)),
            behind < 0.03,
        ),
    ]
}

fn over_time(
    curves: &[Curve],
    start: f64,
    what: &str,
    of: impl Fn(&Curve) -> (&Vec<f64>, &Vec<f64>),
) -> Lines {
    let title = format!("{what}, SNR {SIGNAL}, start {start}; lines theory, points simulation");
    let mut plot = Lines::new(title, Axis::log("time, steps times rate"), Axis::log("error / σ_w²"));
    let time = |place: usize| f64::from(STEPS[place]) * RATE;
    for curve in curves.iter().filter(|curve| curve.start == start) {
        let (found, theory) = of(curve);
        let points = |values: &[f64]| {
            values.iter().enumerate().skip(1).map(|(i, &e)| (time(i), e)).collect::<Vec<_>>()
        };
        plot = plot.series(Series::new(format!("ratio {}", curve.ratio), points(theory))).series(
            Series::new(format!("ratio {}, simulated", curve.ratio), points(found)).style(Style::Points),
        );
    }
    plot
}

/// Test error over ratio and time.
fn heat(cells: usize) -> Result<Heat> {
    let grid = |from: f64, to: f64| {
        move |place: usize| from * (to / from).powf(place as f64 / (cells.max(2) - 1) as f64)
    };
    let (ratio, time) = (grid(0.1, 10.0), grid(0.1, 1e3));
    let mut values = Vec::new();
    for row in 0..cells {
        let dynamics = LinearDynamics::new(ratio(row), SIGNAL, 0.0)?;
        values.push((0..cells).map(|column| dynamics.test_error(Time::Flow(time(column)))).collect());
    }
    let names =
        |value: &dyn Fn(usize) -> f64| (0..cells).map(|i| format::number(value(i), 2)).collect::<Vec<_>>();
    let title = "Test error: samples per parameter down, time across";
    Ok(Heat::new(title, Axis::log("test error / σ_w²"), values).names(names(&ratio), names(&time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = Plan { size: 30, draws: 2, ratios: vec![0.5, 2.0], cells: 4 };
        let claim = measure(&plan, &mut |_| {}).unwrap();
        assert_eq!(claim.numbers["curves"].as_array().unwrap().len(), 4);
        let verdicts = claim.numbers["findings"].as_array().unwrap();
        assert!(verdicts[1..].iter().all(|finding| finding["holds"] == true), "{verdicts:?}");
    }
}
