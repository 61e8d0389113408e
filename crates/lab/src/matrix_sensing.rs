//! [matrix_sensing]: spare columns slow gradient descent down; two factors of unequal scale do not suffer, once rebalanced.
//!
//! A matrix of rank 3 is found from Gaussian measurements by gradient descent on one factor and on two, with 3 columns and
//! with more, from starts of several sizes, with and without the rebalancing. Shows: with spare columns the error of one factor
//! falls like 1/t, that of two linearly at a rate that goes with the square of the start, and after the rebalancing at a rate that
//! does not depend on the start. Beside them: PrecGD and ScaledGD. At full scale also: other β, a condition of 10, 20 columns.
//!
//! Paper: [matrix_sensing]. Departure: η, α and β are in units of the problem; see `rankine_solve::recovery::sensing`.

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    findings::{Finding, Story},
    planted::{self, Curve, named},
};
use rankine_report::Axis;
use rankine_solve::recovery::sensing::{
    Measure, Noise, Plain, Plant, Planted,
    gradient::{Gradient, Rebalance},
    preconditioned::PreconditionedGradient,
    scaled::ScaledGradient,
    symmetric::SymmetricGradient,
};
use rankine_solve::recovery::trajectory;
use std::sync::Arc;

/// Rates of gradient descent on one and two factors.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatrixSensingExperiment;

impl Experiment for MatrixSensingExperiment {
    fn paper(&self) -> &'static str {
        "matrix_sensing"
    }

    fn run(&self, scale: Scale, _: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        measure(&Plan::of(scale), watch)
    }
}

/// What is tried.
struct Plan {
    side: usize,
    measurements: usize,
    /// Columns of the factors.
    bound: usize,
    /// Sizes of the start, descending; the second and the last are compared after the rebalancing, the first two before.
    alphas: [f64; 3],
    steps: usize,
    /// β beside 1.
    betas: Vec<f64>,
    /// Further problems: condition and columns.
    further: Vec<(f64, usize)>,
}

/// Rank of the matrix, as in the paper.
const RANK: usize = 3;

const SEED: u64 = 1;

impl Plan {
    fn of(scale: Scale) -> Self {
        let alphas = [0.5, 0.2, 0.05];
        match scale {
            Scale::Quick => Self {
                side: 24,
                measurements: 900,
                bound: 5,
                alphas,
                steps: 1600,
                betas: vec![],
                further: vec![],
            },
            // The paper's side.
            Scale::Full => Self {
                side: 50,
                measurements: 2000,
                bound: 5,
                alphas,
                steps: 3000,
                betas: vec![0.7, 1.5],
                further: vec![(10.0, 5), (1.0, 20)],
            },
        }
    }

    fn plant(&self, operator: &Arc<dyn Measure>, bound: usize, condition: f64) -> Result<Plant> {
        let planted = Planted { rank: RANK, condition, bound, noise: Noise::None, seed: SEED };
        Ok(planted.positive(Arc::clone(operator))?)
    }
}

/// A solver with its settings.
enum Arm {
    Symmetric(SymmetricGradient),
    Asymmetric(Gradient),
    Scaled(ScaledGradient),
    Preconditioned(PreconditionedGradient),
}

impl Arm {
    fn unbalanced(alpha: f64) -> Self {
        Self::Asymmetric(Gradient { alpha, rebalance: None, ..Gradient::default() })
    }

    fn balanced(alpha: f64, beta: f64) -> Self {
        let rebalance = Some(Rebalance { beta, ..Rebalance::default() });
        Self::Asymmetric(Gradient { alpha, rebalance, ..Gradient::default() })
    }

    fn label(&self, bound: usize) -> String {
        match self {
            Self::Symmetric(_) => format!("one factor, k = {bound}"),
            Self::Asymmetric(Gradient { alpha, rebalance: None, .. }) => {
                format!("two factors, k = {bound}, α = {alpha}")
            }
            Self::Asymmetric(Gradient { alpha, rebalance: Some(Rebalance { beta, .. }), .. }) => {
                format!("rebalanced, k = {bound}, α = {alpha}, β = {beta}")
            }
            Self::Scaled(_) => format!("ScaledGD, k = {bound}"),
            Self::Preconditioned(_) => format!("PrecGD, k = {bound}"),
        }
    }

    /// ‖L·Rᵀ − M‖_F at the start and after every step.
    fn errors(&self, plant: &Plant, steps: usize) -> Result<Vec<f64>> {
        let (problem, truth) = (&plant.problem, plant.truth.as_ref());
        Ok(match self {
            Self::Symmetric(solver) => {
                trajectory(solver, problem, steps, |state| state.descent.factors.distance(truth))?
            }
            Self::Asymmetric(solver) => {
                trajectory(solver, problem, steps, |state| state.descent.factors.distance(truth))?
            }
            Self::Scaled(solver) => {
                trajectory(solver, problem, steps, |state| state.factors.distance(truth))?
            }
            Self::Preconditioned(solver) => {
                trajectory(solver, problem, steps, |state| state.factors.distance(truth))?
            }
        })
    }
}

fn measure(plan: &Plan, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    watch("drawing measurements");
    let operator: Arc<dyn Measure> =
        Arc::new(Plain::<f64>::gaussian(plan.measurements, plan.side, plan.side, SEED)?);
    let curves = curves(plan, &operator, watch)?;
    let mut claim = planted::claim(&STORY, &findings(plan, &curves), &curves);
    claim.page.section("Errors step by step").text(format!(
        "M: rank {RANK}, equal singular values of 1, {0} × {0}; {1} Gaussian measurements. k: columns of the factors; α: size of \
         the start; β: scale of the larger factor after the rebalancing.",
        plan.side, plan.measurements,
    ));
    let error = "‖L·Rᵀ − M‖_F";
    claim.page.plot(planted::plot("Error", Axis::linear("step"), error, &curves));
    claim.page.plot(planted::plot("Error, steps in logarithms", Axis::log("step"), error, &curves));
    claim.page.table(planted::table(&[200, 800, 1600], &curves));
    for &(condition, bound) in &plan.further {
        let title = format!("Condition {condition}, {bound} columns");
        let further = further(plan, &operator, (condition, bound), watch)?;
        claim.page.section(title.as_str()).plot(planted::plot(&title, Axis::linear("step"), error, &further));
        claim.page.table(planted::table(&[200, 800, 1600], &further));
        claim.numbers["further"][&title] = serde_json::json!(further);
    }
    Ok(claim)
}

fn curves(plan: &Plan, operator: &Arc<dyn Measure>, watch: &mut dyn FnMut(&str)) -> Result<Vec<Curve>> {
    let mut arms = vec![(Arm::Symmetric(SymmetricGradient::default()), RANK)];
    arms.push((Arm::Symmetric(SymmetricGradient::default()), plan.bound));
    arms.extend(plan.alphas.map(|alpha| (Arm::unbalanced(alpha), plan.bound)));
    arms.extend(plan.alphas[1..].iter().map(|&alpha| (Arm::balanced(alpha, 1.0), plan.bound)));
    arms.extend(plan.betas.iter().map(|&beta| (Arm::balanced(plan.alphas[1], beta), plan.bound)));
    arms.push((Arm::Scaled(ScaledGradient::default()), plan.bound));
    arms.push((Arm::Preconditioned(PreconditionedGradient::default()), plan.bound));
    let run = |(arm, bound): (Arm, usize)| -> Result<Curve> {
        let label = arm.label(bound);
        watch(&label);
        let errors = arm.errors(&plan.plant(operator, bound, 1.0)?, plan.steps)?;
        Ok(Curve::new(label, errors))
    };
    arms.into_iter().map(run).collect()
}

/// One problem that is harder: the main solvers on it.
fn further(
    plan: &Plan,
    operator: &Arc<dyn Measure>,
    (condition, bound): (f64, usize),
    watch: &mut dyn FnMut(&str),
) -> Result<Vec<Curve>> {
    let arms = [
        Arm::Symmetric(SymmetricGradient::default()),
        Arm::unbalanced(plan.alphas[1]),
        Arm::balanced(plan.alphas[1], 1.0),
        Arm::Scaled(ScaledGradient::default()),
        Arm::Preconditioned(PreconditionedGradient::default()),
    ];
    let plant = plan.plant(operator, bound, condition)?;
    let run = |arm: Arm| -> Result<Curve> {
        let label = arm.label(bound);
        watch(&format!("condition {condition}: {label}"));
        Ok(Curve::new(label, arm.errors(&plant, plan.steps)?))
    };
    arms.into_iter().map(run).collect()
}

const STORY: Story<'_> = Story {
    title: "Matrix sensing: what spare columns cost",
    statement: "with spare columns one factor falls like 1/t and two factors linearly, after one rebalancing at a rate that does \
                not depend on the start",
    about: "Gradient descent on one factor with more columns than the rank slows down; on two factors of unequal scale it \
            does not, and exchanging them once for factors of the same product sets the rate.",
};

fn findings(plan: &Plan, curves: &[Curve]) -> Vec<Finding> {
    let (steps, [large, middle, small]) = (plan.steps, plan.alphas);
    let found = |arm: &Arm, bound: usize| named(curves, &arm.label(bound));
    let nothing = Curve::new("", Vec::new());
    let of = |arm: &Arm| found(arm, plan.bound).unwrap_or(&nothing);
    let one = Arm::Symmetric(SymmetricGradient::default());
    let exact = found(&one, RANK).unwrap_or(&nothing).last();
    let slope = of(&one).slope(steps / 4, steps);
    let [fast, slow] = [large, middle].map(|alpha| of(&Arm::unbalanced(alpha)).rate(steps / 4, steps / 2));
    let steady = |alpha| of(&Arm::balanced(alpha, 1.0)).between(1e-2, 1e-8);
    let [first, second] = [middle, small].map(steady);
    let unbalanced = of(&Arm::unbalanced(middle)).last();
    let balanced = of(&Arm::balanced(middle, 1.0)).last();
    vec![
        Finding::new(
            format!("one factor without spare columns is linear: below 1e-10 after {steps} steps"),
            "exp(−Ω(T)); prototype 1e-15",
            format!("{exact:.1e}"),
            exact < 1e-10,
        ),
        Finding::new(
            "one factor with spare columns falls like 1/t: slope −1 ± 0.15 in logarithms",
            "squared error at least of order 1/T²",
            format!("{slope:.2}"),
            (slope + 1.0).abs() <= 0.15,
        ),
        Finding::new(
            format!(
                "two factors are linear, at a rate that goes with the square of the start: {large} against {middle}, 3 to 10 times"
            ),
            "exp(−Ω(α²·T)): 6.25 times",
            format!("{:.1} times", fast / slow),
            (3.0..=10.0).contains(&(fast / slow)),
        ),
        Finding::new(
            format!(
                "after the rebalancing the start makes no difference: rates for {middle} and {small} within 20 %"
            ),
            "the rate of the exact rank",
            format!("{first:.0} and {second:.0} steps from 1e-2 to 1e-8"),
            (first / second - 1.0).abs() <= 0.2,
        ),
        Finding::new(
            format!("the rebalancing gains at least 1e3 in {steps} steps from a start of {middle}"),
            "prototype 1e-4 against 1e-15 after 1600 steps",
            format!("{unbalanced:.1e} against {balanced:.1e}"),
            1e3 * balanced <= unbalanced,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = Plan {
            side: 10,
            measurements: 250,
            bound: 5,
            alphas: [0.5, 0.2, 0.05],
            steps: 400,
            betas: vec![1.5],
            further: vec![(4.0, 6)],
        };
        let claim = measure(&plan, &mut |_| {}).unwrap();
        assert_eq!(claim.numbers["curves"].as_array().unwrap().len(), 10);
        assert!(claim.numbers["further"]["Condition 4, 6 columns"].is_array());
        assert!(claim.page.html().contains("<svg") && !claim.page.terminal(120, false).contains("NaN"));
    }
}
