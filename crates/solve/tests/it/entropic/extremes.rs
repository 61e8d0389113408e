//! Masses that are zero, costs that forbid, potentials and regularisations at the end of what numbers resolve.

use super::*;

#[test]
fn rows_and_columns_without_mass_stay_empty_without_a_warm_up_too() {
    let (cost, mut source, mut target) = random(4, 7, 9);
    (source[2], target[5]) = (0.0, 0.0);
    let (given, wanted): (f64, f64) = (source.iter().sum(), target.iter().sum());
    target.iter_mut().for_each(|mass| *mass *= given / wanted);
    let problem = Transport::new(cost, source, target, 0.1).unwrap();
    let expected = solve(&Sinkhorn::default(), &problem, 1e-12).solution;
    let cold = SinkhornStabilized { warmup: 0, ..Default::default() };
    let found = [
        solve(&cold, &problem, 1e-12).solution,
        solve(&Newton { warmup: 0, annealing: 0.0 }, &problem, 1e-12).solution,
        solve(&SinkhornNewtonSparse { warmup: 0, annealing: 0.0, ..Default::default() }, &problem, 1e-12)
            .solution,
    ];
    for found in found {
        assert!(distance(&found, &expected) < 1e-9);
        let plan = found.plan.dense();
        assert!((0..9).all(|j| plan[(2, j)] == 0.0) && (0..7).all(|i| plan[(i, 5)] == 0.0));
    }
}

/// A cost that forbids is no unit: neither of annealing nor of what can be resolved.
#[test]
fn costs_that_forbid_cells_are_left_aside() {
    let forbidding = |high: f64| {
        let (cost, source, target) = random(8, 12, 15);
        let cost = Mat::from_fn(12, 15, |i, j| if (i * 5 + j * 3) % 7 == 0 { high } else { cost[(i, j)] });
        Transport::new(cost, source, target, 0.05).unwrap()
    };
    let expected = solve(&Sinkhorn::default(), &forbidding(100.0), 1e-11).solution;
    for high in [1e6, 1e15] {
        for choice in solvers() {
            let report = solve(choice.solver(), &forbidding(high), 1e-9);
            assert_eq!(report.outcome, Outcome::Converged, "{choice:?}, {high:e}: {:?}", report.last());
            assert!(distance(&report.solution, &expected) < 1e-7, "{choice:?}, {high:e}");
        }
    }
}

#[test]
fn far_potentials_of_a_start_with_empty_rows_are_brought_near() {
    let (cost, mut source, target) = random(4, 7, 9);
    source[2] = 0.0;
    let given: f64 = source.iter().sum::<f64>() / target.iter().sum::<f64>();
    let target = target.iter().map(|mass| mass * given).collect();
    let problem = Transport::new(cost, source, target, 0.1).unwrap();
    let mut far = solve(&Sinkhorn::default(), &problem, 1e-12).solution;
    far.source_potential.iter_mut().for_each(|potential| *potential -= 1e9);
    far.target_potential.iter_mut().for_each(|potential| *potential += 1e9);
    let at = Potentials::new(&problem, Some(&far)).unwrap();
    assert_eq!(at.source.iter().copied().fold(f64::NEG_INFINITY, f64::max), 0.0);
    assert!(at.source[2] == f64::NEG_INFINITY && at.target.iter().all(|potential| potential.abs() < 10.0));
}

#[test]
fn a_regularization_below_the_rounding_of_costs_is_refused() {
    let problem = problem(3, 20, 20, 1e-20);
    let least = |j: usize| (0..20).map(|i| problem.cost()[(i, j)]).fold(f64::INFINITY, f64::min);
    let cost = (0..20).map(least).fold(0.0, f64::max);
    for choice in solvers() {
        let stop = choice.solver().stop();
        let error = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap_err();
        assert_eq!(error, Error::Unresolved { regularization: 1e-20, cost }, "{choice:?}");
        assert!(error.to_string().starts_with("`regularization` is 1e-20, but costs of 1."), "{error}");
    }
}

#[test]
fn a_start_far_away_costs_no_digits() {
    let problem = problem(4, 12, 9, 0.05);
    for choice in solvers() {
        let mut from = solve(choice.solver(), &problem, 1e-10).solution;
        for potential in from.source_potential.iter_mut().chain(&mut from.target_potential) {
            *potential *= 1e12;
        }
        let stop = Stop { tolerance: 1e-9, ..choice.solver().stop() };
        let found = choice.solver().solve(&problem, Some(&from), stop, &mut Silent::watch).unwrap();
        assert!(problem_is_met(&problem, &found), "{choice:?}: {:?}", found.last());
    }
}
