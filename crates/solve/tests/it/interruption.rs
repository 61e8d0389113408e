//! Who breaks off in the middle of a step gets what was found by then.

use faer::{Mat, c64};
use rankine_random::Rng;
use rankine_solve::approximation::{
    Family, LeastSquaresInSpace, TensorSpace, dpp, fekete, monte_carlo, optimal_iid, repeated_dpp,
    selected_dpp, volume,
};
use rankine_solve::kronecker::{
    Ensemble, KroneckerRecovery, am::AmKroSbl, ksbl::KroSbl, pattern_coupled::PcKroSbl, sbl::Sbl,
    svd::SvdKroSbl,
};
use rankine_solve::linear::{
    LinearSystem, Poisson, cholesky::Cholesky, multigrid::Multigrid, spectral::Spectral,
};
use rankine_solve::recovery::completion::{
    Completion, HiddenMatrix, alternating::Alternating, exact, sgd::Sgd, soft_impute::SoftImpute,
};
use rankine_solve::regression::{Regression, precondition::SketchAndPrecondition, sketched};
use rankine_solve::transport::sparsity_constrained::SparsityConstrained;
use rankine_solve::transport::{Plan, Transport, exact::Exact};
use rankine_solve::{Iterate, Outcome, Progress, Pulse, Silent, Solve, Stop};
use std::ops::ControlFlow;

/// What a solver has at the start, and after a step in the middle of which it is broken off; whether it was.
fn broken<P, S: Iterate<P>>(solver: &S, problem: &P) -> (S::Solution, bool) {
    let mut watch = |_: &Progress| ControlFlow::Break(());
    let pulse = Pulse::new(&mut watch);
    while pulse.beats() {
        std::hint::spin_loop();
    }
    let mut state = solver.start(problem, None, &pulse).unwrap();
    let step = solver.step(problem, &mut state, &pulse);
    let stopped = step.is_err_and(|error| error.is_interruption());
    (solver.finish(problem, state).unwrap(), stopped)
}

fn transport(side: usize) -> Transport {
    let mut rng = Rng::new(2).fork("interruption");
    let cost = Mat::from_fn(side, side, |_, _| rng.uniform_f64());
    let mut masses = || (0..side).map(|_| 0.5 + rng.uniform_f64()).collect::<Vec<_>>();
    let (source, target) = (masses(), masses());
    let factor = source.iter().sum::<f64>() / target.iter().sum::<f64>();
    Transport::new(cost, source, target.iter().map(|mass| mass * factor).collect(), 0.1).unwrap()
}

#[test]
fn plans_carry_all_mass_whenever_they_are_broken_off() {
    let problem = transport(60);
    let fine = |plan: &Plan| problem.violation(&plan.plan) < 1e-9;
    let (plan, stopped) = broken(&Exact::default(), &problem);
    assert!(stopped && fine(&plan));
    let best = Exact::default();
    let best = best.solve(&problem, None, Iterate::<Transport>::stop(&best), &mut Silent::watch).unwrap();
    assert!(best.solution.cost < plan.cost, "{} against {}", best.solution.cost, plan.cost);
    // It is on the way: going on from it ends at the same cost.
    let again = Exact::default().solve(
        &problem,
        Some(&plan),
        Stop { steps: 1000, tolerance: 1e-12 },
        &mut Silent::watch,
    );
    assert!((again.unwrap().solution.cost - best.solution.cost).abs() < 1e-9);
    // An exact plan is only where it starts.
    let single = SparsityConstrained { max_nonzeros: 1, ..SparsityConstrained::default() };
    let (plan, _) = broken(&single, &problem);
    assert!(plan.cost.is_finite() && plan.plan.nonzeros() <= 60);
}

#[test]
fn regressions_return_their_start() {
    let mut rng = Rng::new(3).fork("interruption");
    let design = Mat::from_fn(300, 8, |_, _| rng.normal_f64());
    let target: Vec<f64> = (0..300).map(|_| rng.normal_f64()).collect();
    let problem = Regression::new(design, target).unwrap();
    for (fit, stopped) in [
        broken(&sketched::Srht::default(), &problem),
        broken(&sketched::Gaussian::default(), &problem),
        broken(&sketched::LeverageRows::default(), &problem),
    ] {
        assert!(stopped);
        assert_eq!((fit.coefficients.as_slice(), fit.rows), ([0.0; 8].as_slice(), 0));
        assert!((fit.distance - problem.measure(&[0.0; 8]).unwrap().objective).abs() < 1e-12);
    }
    // Without its sketch it goes on by the steps of conjugate gradients.
    let (fit, _) = broken(&SketchAndPrecondition::default(), &problem);
    assert!(fit.condition.is_none() && fit.distance < problem.measure(&[0.0; 8]).unwrap().objective);
}

#[test]
fn points_that_were_not_drawn_are_none() {
    let space = TensorSpace::univariate(Family::Legendre, 6).unwrap();
    let problem = LeastSquaresInSpace::new(space, |point: &[f64]| point[0].exp()).unwrap();
    for (found, stopped) in [
        broken(&volume::VolumeSampling::default(), &problem),
        broken(&repeated_dpp::RepeatedDpp::default(), &problem),
        broken(&selected_dpp::SelectedDpp::default(), &problem),
        broken(&dpp::ProjectionDpp::default(), &problem),
        broken(&optimal_iid::OptimalIid::default(), &problem),
        broken(&monte_carlo::MonteCarlo::default(), &problem),
        broken(&fekete::Fekete::default(), &problem),
    ] {
        assert!(stopped);
        assert_eq!((found.draws, found.design.points.len(), found.design.rows.shape()), (0, 0, (0, 6)));
        assert_eq!(found.coefficients, [0.0; 6]);
    }
}

#[test]
fn completion_leaves_the_last_round() {
    let hidden = HiddenMatrix { rows: 60, columns: 50, rank: 2, share: 0.5, ..HiddenMatrix::default() };
    let problem = Completion::new(hidden.hide().unwrap().entries, 2, 0.0).unwrap();
    for (factors, stopped) in [
        broken(&Alternating::default(), &problem),
        broken(&exact::Exact::default(), &problem),
        broken(&SoftImpute::default(), &problem),
        broken(&Sgd::default(), &problem),
    ] {
        assert!(stopped);
        assert_eq!(factors.left.shape(), (60, 2));
        assert!(factors.left.is_all_finite() && factors.right.is_all_finite());
    }
}

#[test]
fn coefficients_are_those_of_the_last_expectation() {
    let ensemble = Ensemble { rows: vec![5, 6], columns: vec![7, 6], nonzeros: 2 };
    let instance = ensemble.draw(&Rng::new(3)).unwrap();
    let problem = instance.noisy(20.0, &Rng::new(4)).unwrap();
    for (found, stopped) in [
        broken(&Sbl::default(), &problem),
        broken(&AmKroSbl::default(), &problem),
        broken(&SvdKroSbl::default(), &problem),
        broken(&PcKroSbl::default(), &problem),
        broken(&KroSbl::default(), &problem),
    ] {
        assert!(stopped);
        assert_eq!(found.coefficients, [c64::ZERO; 42]);
        assert!(found.variances.iter().flatten().all(|g| 0.0 < *g));
    }
    let (solver, mut silent, mut ends) =
        (Sbl::default(), Silent::watch, |_: &Progress| ControlFlow::Break(()));
    let [going, ended] = [Pulse::new(&mut silent), Pulse::new(&mut ends)];
    while ended.beats() {
        std::hint::spin_loop();
    }
    let mut state = solver.start(&problem, None, &going).unwrap();
    solver.step(&problem, &mut state, &going).unwrap();
    let next = solver.finish(&problem, state.clone()).unwrap();
    assert!(solver.step(&problem, &mut state, &ended).is_err_and(|error| error.is_interruption()));
    let last = solver.finish(&problem, state).unwrap();
    let error = last.relative_error(&instance.coefficients);
    assert!(last.coefficients != next.coefficients && error < 1.0, "{error}");
    // It is on the way.
    let stop = Iterate::<KroneckerRecovery>::stop(&solver);
    let end = solver.solve(&problem, Some(&last), stop, &mut Silent::watch).unwrap().solution;
    assert!(end.relative_error(&instance.coefficients) < error / 2.0);
}

#[test]
fn a_factor_that_is_not_made_preconditions_nothing() {
    let grid = || Poisson::new(&[9, 8], &[false; 72]).unwrap();
    let problem = LinearSystem::new(grid(), (0..72).map(|i| f64::from(i % 5) - 2.0).collect()).unwrap();
    let plain = broken(&rankine_solve::linear::cg::Cg::default(), &problem).0;
    assert_eq!(broken(&Spectral::default(), &problem).0, plain);
    let (start, stopped) = broken(&Cholesky::default(), &problem);
    assert!(stopped && start.x == [0.0; 72]);
    // What is made in no time is made.
    assert_ne!(broken(&Multigrid::default(), &problem).0.x, plain.x);
}

#[test]
fn a_solve_that_is_broken_off_says_so() {
    let problem = transport(700);
    let mut told = 0;
    let mut watch = |_: &Progress| {
        told += 1;
        ControlFlow::Break(())
    };
    let exact = Exact::default();
    let report = exact.solve(&problem, None, Iterate::<Transport>::stop(&exact), &mut watch).unwrap();
    assert_eq!((report.outcome, told), (Outcome::Interrupted, 1));
    assert!(report.trace.len() <= 1 && problem.violation(&report.solution.plan) < 1e-9);
}
