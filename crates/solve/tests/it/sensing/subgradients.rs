//! What [subgradient_recovery] says.

use super::{OUTLIERS, PLANTED, errors, packed, random};
use rankine_linalg::double::{multiply, thin_qr};
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::subgradient::{Pace, Subgradient};
use rankine_solve::recovery::sensing::symmetric::SymmetricGradient;
use rankine_solve::recovery::sensing::{Plant, Planted, Sensing};
use rankine_solve::{Iterate, Outcome, Pulse, Silent, Solve, Stop};
use std::sync::Arc;

fn subgradient_errors(solver: &Subgradient, plant: &Plant, steps: usize) -> Vec<f64> {
    errors(solver, plant, steps, |state| &state.descent.factors)
}

/// Page 12, in small: the error falls with the start, whatever the rank that is allowed, and squares are no use.
#[test]
fn a_tiny_start_finds_the_matrix_under_outliers_without_its_rank() {
    let operator = packed(480, 16);
    let plant =
        |bound| Planted { noise: OUTLIERS, bound, ..PLANTED }.positive(Arc::clone(&operator)).unwrap();
    let last = |bound, alpha| {
        let solver = Subgradient { alpha, pace: Pace::Geometric { eta: 0.25, rho: 0.985 } };
        subgradient_errors(&solver, &plant(bound), 1000)[1000]
    };
    let exact = last(2, 1e-1);
    assert!(exact < 1e-6, "{exact:e}");
    for bound in [5, 16] {
        let [large, small, tiny] = [1e-1, 1e-3, 1e-6].map(|alpha| last(bound, alpha));
        assert!(small < large && 50.0 * tiny < small && tiny < 1e-6, "{bound}: {large:e} {small:e} {tiny:e}");
    }
    let squares = SymmetricGradient { alpha: 1e-6, ..SymmetricGradient::default() };
    let found = errors(&squares, &plant(16), 600, |state| &state.descent.factors);
    assert!(found[600] > 0.5, "{}", found[600]);
}

#[test]
fn without_noise_steps_in_proportion_to_the_loss_are_linear() {
    let plant = Planted { bound: 16, ..PLANTED }.positive(packed(480, 16)).unwrap();
    let solver = Subgradient { pace: Pace::Polyak { eta: 0.25 }, ..Subgradient::default() };
    let found = subgradient_errors(&solver, &plant, 250);
    assert!(found[250] < 1e-6 && found[30] > 0.5, "{:e} {:e}", found[250], found[30]);
    let below = |limit: f64| found.iter().position(|error| *error < limit).unwrap();
    let (fast, slow) = (below(1e-4) - below(1e-2), below(1e-6) - below(1e-4));
    assert!(fast.abs_diff(slow) <= 1 + fast / 2, "{fast}, {slow}");
}

#[test]
fn the_iterates_of_subgradients_depend_on_signs_only() {
    let plant = Planted { noise: OUTLIERS, bound: 4, ..PLANTED }.positive(packed(300, 10)).unwrap();
    let clean = PLANTED.positive(packed(300, 10)).unwrap().problem;
    let solver = Subgradient::default();
    let stop = Stop { steps: 60, tolerance: 0.0 };
    let solve = |problem: &Sensing, from: Option<&Factors>, solver: &Subgradient| {
        solver.solve(problem, from, stop, &mut Silent::watch).unwrap().solution
    };
    // Outliers a million times as large, of the same sign as the measurement.
    let measured = plant.problem.measured();
    let with = |factor: f64| {
        let apart = measured.iter().zip(clean.measured());
        let y = apart.map(|(y, clean)| if y == clean { *y } else { factor * y.signum() }).collect();
        Sensing::new(Arc::clone(plant.problem.operator()), y, 4).unwrap()
    };
    assert_eq!(solve(&with(1e2), None, &solver), solve(&with(1e8), None, &solver));

    // Another scale: the same path in another unit; here by powers of two, so to the bit.
    let scaled = measured.iter().map(|y| 4.0 * y).collect();
    let scaled = Sensing::new(Arc::clone(plant.problem.operator()), scaled, 4).unwrap();
    let found = solve(&scaled, None, &Subgradient { alpha: 2.0 * solver.alpha, ..solver });
    assert_eq!(found.left, 2.0 * solve(&plant.problem, None, &solver).left);

    // Another basis: the same product.
    let start = solver.start(&plant.problem, None, &Pulse::new(&mut Silent::watch)).unwrap().descent.factors;
    let (turn, _) = thin_qr(random(4, 4, 9).as_ref());
    let turned = multiply(start.left.as_ref(), turn.as_ref());
    let from = Factors { left: turned.clone(), right: turned };
    let apart = solve(&plant.problem, Some(&from), &solver).product()
        - solve(&plant.problem, Some(&start), &solver).product();
    assert!(apart.norm_l2() < 1e-10, "{:e}", apart.norm_l2());
}

#[test]
fn a_solution_is_a_start_that_is_not_left() {
    let plant = Planted { noise: OUTLIERS, bound: 4, ..PLANTED }.positive(packed(480, 16)).unwrap();
    let solver = Subgradient { pace: Pace::Geometric { eta: 0.25, rho: 0.985 }, ..Subgradient::default() };
    let solve = |from: Option<&Factors>| {
        let stop = Stop { steps: 1000, tolerance: 1e-5 };
        solver.solve(&plant.problem, from, stop, &mut Silent::watch).unwrap()
    };
    let first = solve(None);
    let again = solve(Some(&first.solution));
    let steps = [&first, &again].map(|report| report.trace.len());
    assert_eq!([first.outcome, again.outcome], [Outcome::Converged; 2]);
    assert!(10 * steps[1] < steps[0], "{steps:?}");
}

#[test]
fn iterates_stay_in_the_span_of_the_start() {
    let plant = Planted { noise: OUTLIERS, bound: 6, ..PLANTED }.positive(packed(300, 10)).unwrap();
    let mut from = Subgradient::default()
        .start(&plant.problem, None, &Pulse::new(&mut Silent::watch))
        .unwrap()
        .descent
        .factors;
    for column in 3..6 {
        from.left.col_mut(column).fill(0.0);
    }
    let stop = Stop { steps: 50, tolerance: 0.0 };
    let report = Subgradient::default().solve(&plant.problem, Some(&from), stop, &mut Silent::watch).unwrap();
    let values = report.solution.singular_values().unwrap();
    assert!(values[3] <= 1e-14 * values[0], "{values:?}");
}
