//! [subgradient_recovery]: sub-gradients from a tiny start find a matrix under gross outliers without knowing its rank.
//!
//! A projector of rank 2 is measured by Gaussian matrices; a tenth of the measurements is garbage. Sub-gradients of the sum of
//! magnitudes run from starts of several sizes with factors of several widths, gradients of the sum of squares beside them.
//! Shows: with columns to spare the error falls with the start, to what it is with the rank known; the size of the outliers
//! makes no difference; squares are no use. At full scale also: more outliers, and a worse condition.
//!
//! Paper: [subgradient_recovery]. Departure: the paper's own sizes are not known here; those of its theorems are free.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    findings::{Finding, Story},
    planted::{self, Curve, last},
};
use rankine_report::{Axis, Lines, Series, Style};
use rankine_solve::recovery::sensing::{
    Measure, Noise, Packed, Plant, Planted,
    subgradient::{Pace, Subgradient},
    symmetric::SymmetricGradient,
};
use rankine_solve::recovery::trajectory;
use std::sync::Arc;

/// Errors of sub-gradients and of gradients under outliers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubgradientRecoveryExperiment;

impl Experiment for SubgradientRecoveryExperiment {
    fn paper(&self) -> &'static str {
        "subgradient_recovery"
    }

    fn run(&self, scale: Scale, _: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        measure(&Plan::of(scale), watch)
    }
}

/// What is tried.
struct Plan {
    side: usize,
    measurements: usize,
    /// Widths of the factor, the first the rank of the matrix, the last the side.
    bounds: Vec<usize>,
    /// Sizes of the start, descending.
    alphas: Vec<f64>,
    steps: usize,
    /// Shares of outliers that are tried beside that of all runs.
    shares: Vec<f64>,
    /// A condition other than 1, with the ρ and the steps that it takes.
    harder: Option<(f64, f64, usize)>,
}

/// Rank of the matrix.
const RANK: usize = 2;

/// Share and deviation of the outliers: the matrix gives measurements of deviation √2.
const SHARE: f64 = 0.1;
const DEVIATION: f64 = 10.0;

/// Step lengths of a condition of 1.
const PACE: Pace = Pace::Geometric { eta: 0.25, rho: 0.99 };

const SQUARES: &str = "squares";
const LARGER: &str = "outliers a million times larger";
const NOISELESS: &str = "no noise, steps in proportion to the loss";
const HARDER: &str = "worse condition";

impl Plan {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Quick => Self {
                side: 30,
                measurements: 900,
                bounds: vec![RANK, 30],
                alphas: vec![1e-1, 1e-6],
                steps: 2000,
                shares: vec![],
                harder: None,
            },
            Scale::Full => Self {
                side: 60,
                measurements: 3600,
                bounds: vec![RANK, 5, 60],
                alphas: vec![1e-1, 1e-3, 1e-6],
                steps: 2000,
                shares: vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
                harder: Some((10.0, 0.999, 14_000)),
            },
        }
    }

    fn plant(
        &self,
        operator: &Arc<dyn Measure>,
        bound: usize,
        noise: Noise,
        condition: f64,
    ) -> Result<Plant> {
        let planted = Planted { rank: RANK, condition, bound, noise, seed: SEED };
        Ok(planted.positive(Arc::clone(operator))?)
    }

    /// The narrowest and the widest factor, and the largest and the smallest start.
    fn ends(&self) -> ([usize; 2], [f64; 2]) {
        let bounds = [self.bounds[0], self.bounds[self.bounds.len() - 1]];
        (bounds, [self.alphas[0], self.alphas[self.alphas.len() - 1]])
    }
}

const SEED: u64 = 1;

fn label(bound: usize, alpha: f64) -> String {
    format!("k = {bound}, α = {alpha:e}")
}

fn measure(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    watch("drawing measurements");
    let operator: Arc<dyn Measure> = Arc::new(Packed::<f64>::gaussian(plan.measurements, plan.side, SEED)?);
    let curves = curves(plan, &operator, watch)?;
    let shares = shares(plan, &operator, watch)?;
    let mut claim = planted::claim(&STORY, &findings(plan, &curves, &shares), &curves);
    let error = "‖U·Uᵀ − M‖_F";
    claim.page.section("Errors step by step").text(format!(
        "M: a projector of rank {RANK} in {} dimensions; {} Gaussian measurements of deviation √{RANK}, of which about {} % have \
         noise of deviation {DEVIATION} added. k: columns of U; α: size of the start.",
        plan.side,
        plan.measurements,
        100.0 * SHARE,
    ));
    claim.page.plot(planted::plot("Error", Axis::linear("step"), error, &curves));
    let shown = [0, plan.steps / 4, plan.steps / 2, plan.steps];
    claim.page.table(planted::table(&shown, &curves));
    if !shares.is_empty() {
        claim.page.plot(against_share(plan, &shares));
        claim.numbers["shares"] = serde_json::json!(shares);
    }
    Ok(claim)
}

fn curves(plan: &Plan, operator: &Arc<dyn Measure>, watch: &mut dyn FnMut(&str)) -> Result<Vec<Curve>> {
    let outliers = Noise::Outliers { share: SHARE, deviation: DEVIATION };
    let ([_, widest], [_, smallest]) = plan.ends();
    let mut curves = Vec::new();
    for &bound in &plan.bounds {
        for &alpha in &plan.alphas {
            let name = label(bound, alpha);
            watch(&name);
            let plant = plan.plant(operator, bound, outliers, 1.0)?;
            curves.push(Curve::new(name, subgradients(&plant, alpha, PACE, plan.steps)?));
        }
    }
    let mut more = |name: &str, noise, condition, pace, steps| -> Result<()> {
        watch(name);
        let plant = plan.plant(operator, widest, noise, condition)?;
        curves.push(Curve::new(name, subgradients(&plant, smallest, pace, steps)?));
        Ok(())
    };
    let larger = Noise::Outliers { share: SHARE, deviation: 1e6 * DEVIATION };
    more(LARGER, larger, 1.0, PACE, plan.steps)?;
    more(NOISELESS, Noise::None, 1.0, Pace::Polyak { eta: 0.25 }, plan.steps)?;
    if let Some((condition, rho, steps)) = plan.harder {
        more(HARDER, outliers, condition, Pace::Geometric { eta: 0.25, rho }, steps)?;
    }
    watch(SQUARES);
    let plant = plan.plant(operator, widest, outliers, 1.0)?;
    curves.push(Curve::new(SQUARES, squares(&plant, smallest, plan.steps)?));
    Ok(curves)
}

/// Errors of sub-gradients.
fn subgradients(plant: &Plant, alpha: f64, pace: Pace, steps: usize) -> Result<Vec<f64>> {
    let truth = plant.truth.as_ref();
    let solver = Subgradient { alpha, pace };
    Ok(trajectory(&solver, &plant.problem, steps, |state| state.descent.factors.distance(truth))?)
}

/// Errors of gradients of the sum of squares.
fn squares(plant: &Plant, alpha: f64, steps: usize) -> Result<Vec<f64>> {
    let truth = plant.truth.as_ref();
    let solver = SymmetricGradient { alpha, ..SymmetricGradient::default() };
    Ok(trajectory(&solver, &plant.problem, steps, |state| state.descent.factors.distance(truth))?)
}

/// Last errors under a share of outliers.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
struct Share {
    share: f64,
    subgradients: f64,
    squares: f64,
}

fn shares(plan: &Plan, operator: &Arc<dyn Measure>, watch: &mut dyn FnMut(&str)) -> Result<Vec<Share>> {
    let ([_, widest], [_, smallest]) = plan.ends();
    let mut found = Vec::new();
    for &share in &plan.shares {
        watch(&format!("{} % of outliers", 100.0 * share));
        let noise = Noise::Outliers { share, deviation: DEVIATION };
        let plant = plan.plant(operator, widest, noise, 1.0)?;
        let last = |errors: Vec<f64>| errors.last().copied().unwrap_or(f64::NAN);
        let subgradients = last(subgradients(&plant, smallest, PACE, plan.steps)?);
        found.push(Share { share, subgradients, squares: last(squares(&plant, smallest, plan.steps)?) });
    }
    Ok(found)
}

fn against_share(plan: &Plan, shares: &[Share]) -> Lines {
    let title = format!("Error after {} steps, k = {}", plan.steps, plan.side);
    let points = |error: &dyn Fn(&Share) -> f64| -> Vec<(f64, f64)> {
        shares.iter().map(|found| (100.0 * found.share, error(found))).collect()
    };
    Lines::new(title, Axis::linear("outliers in %"), Axis::log("‖U·Uᵀ − M‖_F"))
        .series(Series::new("sub-gradients", points(&|found| found.subgradients)).style(Style::Marked))
        .series(Series::new(SQUARES, points(&|found| found.squares)).style(Style::Marked))
}

const STORY: Story<'_> = Story {
    title: "SubGM: a matrix under outliers, its rank unknown",
    statement: "sub-gradients from a tiny start find a matrix under gross outliers as well without its rank as with it",
    about: "Sub-gradient steps on the sum of magnitudes see of every measurement only the sign of its residual, and leave \
            directions that the matrix has not as small as they start.",
};

fn findings(plan: &Plan, curves: &[Curve], shares: &[Share]) -> Vec<Finding> {
    let ([rank, widest], [largest, smallest]) = plan.ends();
    let [known, large, tiny] = [(rank, smallest), (widest, largest), (widest, smallest)]
        .map(|(bound, alpha)| last(curves, &label(bound, alpha)));
    let [larger, squares, noiseless] = [LARGER, SQUARES, NOISELESS].map(|name| last(curves, name));
    let mut findings = vec![
        Finding::new(
            format!(
                "with all columns to spare a start of {smallest:e} ends at least 50 times nearer than one of {largest:e}"
            ),
            "the error is at most a small power of α; prototype 9e-8 against 1e-2",
            format!("{tiny:.1e} against {large:.1e}"),
            50.0 * tiny <= large,
        ),
        Finding::new(
            "from the tiny start it makes no difference whether the rank is known: errors within a factor of 10, or of the size of the start",
            "curves of several ranks coincide; prototype 9e-8 without the rank",
            format!("{tiny:.1e} without the rank, {known:.1e} with it"),
            tiny <= 10.0 * known.max(smallest),
        ),
        Finding::new(
            "outliers a million times larger make no difference: errors within a factor of 10, or of the size of the start",
            "the bound does not contain their size",
            format!("{larger:.1e} against {tiny:.1e}"),
            larger <= 10.0 * tiny.max(smallest),
        ),
        Finding::new(
            "squares are no use: an error above half the norm of a single direction",
            "prototype 2",
            format!("{squares:.1e}"),
            0.5 < squares,
        ),
        Finding::new(
            "without noise, steps in proportion to the loss come to a floor that the start sets",
            "linear rate; prototype 6e-9 after 200 steps",
            format!("{noiseless:.1e}"),
            noiseless < 1e-6,
        ),
    ];
    if let Some(found) = shares.iter().find(|found| found.share == 0.3) {
        findings.push(Finding::new(
            "with 30 % of outliers the matrix is found",
            "any share below 1, with ever more measurements",
            format!("{:.1e}", found.subgradients),
            found.subgradients < 1e-4,
        ));
    }
    if let Some((condition, rho, _)) = plan.harder {
        let found = last(curves, HARDER);
        findings.push(Finding::new(
            format!("with a condition of {condition} and a slower decay, ρ = {rho}, the matrix is found to one percent"),
            "steps in proportion to the condition",
            format!("{found:.1e}"),
            found < 1e-2,
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_in_small() {
        let plan = Plan {
            side: 12,
            measurements: 300,
            bounds: vec![RANK, 12],
            alphas: vec![1e-1, 1e-6],
            steps: 2000,
            shares: vec![0.1],
            harder: None,
        };
        let claim = measure(&plan, &mut |_| {}).unwrap();
        assert!(claim.holds, "{}", claim.page.terminal(120, false));
        assert_eq!(claim.numbers["curves"].as_array().unwrap().len(), 7);
        assert!(claim.page.html().contains("<svg") && !claim.page.terminal(120, false).contains("NaN"));
    }
}
