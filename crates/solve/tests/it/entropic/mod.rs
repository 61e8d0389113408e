//! What must be true of the entropic transport solvers.

mod extremes;

use faer::Mat;
use proptest::prelude::*;
use rankine_random::Rng;
use rankine_solve::transport::entropic::Potentials;
use rankine_solve::transport::newton::Newton;
use rankine_solve::transport::sinkhorn::Sinkhorn;
use rankine_solve::transport::sinkhorn_newton_sparse::{SinkhornNewtonSparse, Threshold};
use rankine_solve::transport::sinkhorn_stabilized::SinkhornStabilized;
use rankine_solve::transport::{Plan, Transport, TransportSolver};
use rankine_solve::{Error, Outcome, Report, Silent, Solve, Stop};

/// Every solver of the entropic problem.
fn solvers() -> Vec<TransportSolver> {
    vec![
        TransportSolver::Sinkhorn(Sinkhorn::default()),
        TransportSolver::SinkhornStabilized(SinkhornStabilized::default()),
        TransportSolver::SinkhornNewtonSparse(SinkhornNewtonSparse::default()),
        TransportSolver::Newton(Newton::default()),
    ]
}

fn solve(
    solver: &dyn Solve<Transport, Solution = Plan>,
    problem: &Transport,
    tolerance: f64,
) -> Report<Plan> {
    let stop = Stop { tolerance, ..solver.stop() };
    solver.solve(problem, None, stop, &mut Silent::watch).unwrap()
}

fn sparse(problem: &Transport) -> Report<Plan> {
    solve(&SinkhornNewtonSparse::default(), problem, 1e-9)
}

/// Costs in [0, 1), and masses that sum to 1.
fn random(seed: u64, rows: usize, columns: usize) -> (Mat<f64>, Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed).fork("entropic");
    let cost = Mat::from_fn(rows, columns, |_, _| rng.uniform_f64());
    let mut masses = |count: usize| -> Vec<f64> {
        let raw: Vec<f64> = (0..count).map(|_| 0.1 + rng.uniform_f64()).collect();
        raw.iter().map(|mass| mass / raw.iter().sum::<f64>()).collect()
    };
    (cost, masses(rows), masses(columns))
}

fn problem(seed: u64, rows: usize, columns: usize, regularization: f64) -> Transport {
    let (cost, source, target) = random(seed, rows, columns);
    Transport::new(cost, source, target, regularization).unwrap()
}

/// Uniform masses, as the paper's random assignment has them.
fn assignment(side: usize, regularization: f64) -> Transport {
    let (cost, ..) = random(1, side, side);
    let masses = vec![1.0 / side as f64; side];
    Transport::new(cost, masses.clone(), masses, regularization).unwrap()
}

/// max |P − Q|.
fn distance(left: &Plan, right: &Plan) -> f64 {
    (&left.plan.dense() - &right.plan.dense()).norm_max()
}

#[test]
fn all_find_the_same_plan_of_the_form_that_the_potentials_say() {
    for (rows, columns, regularization) in [(20, 30, 0.02), (30, 20, 0.01), (7, 7, 0.5), (1, 5, 0.01)] {
        let problem = problem(3, rows, columns, regularization);
        let expected = solve(&Sinkhorn::default(), &problem, 1e-11);
        assert_eq!(expected.outcome, Outcome::Converged);
        for choice in solvers() {
            let found = solve(choice.solver(), &problem, 1e-11);
            assert_eq!(found.outcome, Outcome::Converged, "{choice:?}");
            let label = format!("{choice:?} on [{rows}, {columns}]");
            assert!(distance(&expected.solution, &found.solution) < 1e-8, "{label}");
            let Plan { plan, source_potential, target_potential, .. } = &found.solution;
            let entry = |i: usize, j: usize| {
                ((source_potential[i] + target_potential[j] - problem.cost()[(i, j)]) / regularization).exp()
            };
            assert!((plan.dense() - Mat::from_fn(rows, columns, entry)).norm_max() < 1e-12, "{label}");
            let (found, expected) = (found.last().unwrap().objective, expected.last().unwrap().objective);
            assert!((found - expected).abs() < 1e-9, "{label}");
        }
    }
}

#[test]
fn plans_are_those_of_pot() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../fixtures/entropic.json")).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let matrix = |value: &serde_json::Value| {
        let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
        Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
    };
    for given in file["problems"].as_array().unwrap() {
        let regularization = given["regularization"].as_f64().unwrap();
        let (source, target) = (numbers(&given["source"]), numbers(&given["target"]));
        let problem = Transport::new(matrix(&given["cost"]), source, target, regularization).unwrap();
        let (plan, exact) = (matrix(&given["plan"]), given["exact"].as_f64().unwrap());
        for choice in solvers() {
            let found = solve(choice.solver(), &problem, 1e-11).solution;
            assert!((&plan - &found.plan.dense()).norm_max() < 1e-8, "{choice:?}");
            let entries = (plan.nrows() * plan.ncols()) as f64;
            let gap = found.cost - exact;
            assert!((-1e-9..=regularization * entries.ln()).contains(&gap), "{choice:?}: {gap}");
        }
    }
}

#[test]
fn the_gradient_of_the_dual_is_what_the_sums_lack() {
    let problem = problem(2, 5, 7, 0.1);
    let from = solve(&Sinkhorn::default(), &problem, 0.3).solution;
    let at = |plan: &Plan| {
        let mut potentials = Potentials::new(&problem, Some(plan)).unwrap();
        potentials.measure(&problem);
        potentials
    };
    let here = at(&from);
    let gradient: Vec<f64> = (problem.source().iter().zip(&here.rows))
        .chain(problem.target().iter().zip(&here.columns))
        .map(|(mass, sum)| mass - sum)
        .collect();
    let moved = |place: usize, by: f64| {
        let mut plan = from.clone();
        match place.checked_sub(5) {
            None => plan.source_potential[place] += by,
            Some(column) => plan.target_potential[column] += by,
        }
        at(&plan).dual(&problem).0
    };
    for (place, gradient) in gradient.iter().enumerate() {
        let difference = (moved(place, 1e-5) - moved(place, -1e-5)) / 2e-5;
        assert!((difference - gradient).abs() < 1e-8, "{place}: {difference} {gradient}");
    }
    assert!(gradient.iter().any(|gradient| 1e-3 < gradient.abs()));
}

#[test]
fn newton_is_fast_where_sweeps_are_slow() {
    let problem = assignment(200, 1.0 / 1200.0);
    let found = sparse(&problem);
    assert_eq!(found.outcome, Outcome::Converged);
    assert!(found.trace.len() < 60, "{}", found.trace.len());
    assert!(problem.violation(&found.solution.plan) < 1.1e-9);
    let sweeps = Sinkhorn::default();
    let stop = Stop { steps: 200, tolerance: 1e-9 };
    let slow = sweeps.solve(&problem, None, stop, &mut Silent::watch).unwrap();
    assert_eq!(slow.outcome, Outcome::StepLimit);
    let last = |report: &Report<Plan>| report.last().unwrap().objective;
    assert!(last(&slow) <= last(&found) + 1e-12);
}

#[test]
fn newton_holds_no_square_of_the_longer_side() {
    // That square would be 7 GB.
    let problem = problem(11, 2, 30_000, 0.05);
    let found = solve(&Newton { warmup: 0, annealing: 0.0 }, &problem, 1e-9);
    assert_eq!(found.outcome, Outcome::Converged, "{:?}", found.last());
    assert!(problem.violation(&found.solution.plan) < 1.1e-9);
}

#[test]
fn vertices_with_almost_singular_systems_are_reached() {
    for side in [1, 2, 3, 30, 100] {
        let problem = assignment(side, 1e-4);
        for choice in solvers().into_iter().skip(2) {
            let found = solve(choice.solver(), &problem, 1e-9);
            assert_eq!(found.outcome, Outcome::Converged, "{choice:?} of {side}: {:?}", found.last());
        }
    }
}

#[test]
fn the_dual_never_falls_at_one_regularization() {
    let problem = problem(5, 40, 25, 2e-3);
    for choice in [
        TransportSolver::Sinkhorn(Sinkhorn::default()),
        TransportSolver::SinkhornStabilized(SinkhornStabilized { annealing: 0.0, ..Default::default() }),
        TransportSolver::SinkhornNewtonSparse(SinkhornNewtonSparse { annealing: 0.0, ..Default::default() }),
        TransportSolver::Newton(Newton { annealing: 0.0, ..Default::default() }),
    ] {
        let found = solve(choice.solver(), &problem, 1e-9);
        for pair in found.trace.windows(2) {
            assert!(pair[0].objective <= pair[1].objective + 1e-12, "{choice:?}: {pair:?}");
        }
    }
}

#[test]
fn every_threshold_leads_there_and_a_fixed_count_more_slowly() {
    let problem = assignment(100, 5e-3);
    let steps = |threshold: Threshold| {
        let solver = SinkhornNewtonSparse { threshold, ..Default::default() };
        let found = solve(&solver, &problem, 1e-9);
        assert_eq!(found.outcome, Outcome::Converged, "{threshold:?}");
        found.trace.len()
    };
    let whole = solve(&Newton::default(), &problem, 1e-9).trace.len();
    assert!(steps(Threshold::Adaptive(0.0)) <= whole + 2);
    assert!(steps(Threshold::Adaptive(1e-2)) <= whole + 3);
    assert!(steps(Threshold::Entries(100)) <= whole + 2);
    assert!(whole + 10 < steps(Threshold::Entries(2)));
}

#[test]
fn a_plan_is_a_start() {
    for choice in solvers() {
        let easy = problem(4, 30, 40, 0.02);
        let first = solve(choice.solver(), &easy, 1e-10);
        let stop = Stop { tolerance: 1e-9, ..choice.solver().stop() };
        let again = choice.solver().solve(&easy, Some(&first.solution), stop, &mut Silent::watch).unwrap();
        assert_eq!((again.outcome, again.trace.len()), (Outcome::Converged, 1), "{choice:?}");
        let (cost, source, target) = random(4, 30, 40);
        let harder = Transport::new(cost, source, target, 0.01).unwrap();
        let found = choice.solver().solve(&harder, Some(&first.solution), stop, &mut Silent::watch).unwrap();
        assert_eq!(found.outcome, Outcome::Converged, "{choice:?}");
        let other = problem(4, 31, 40, 0.02);
        let error =
            choice.solver().solve(&other, Some(&first.solution), stop, &mut Silent::watch).unwrap_err();
        assert!(matches!(error, Error::Size { found: 30, expected: 31, .. }), "{error}");
    }
}

#[test]
fn rows_and_columns_without_mass_stay_empty_and_may_fill_later() {
    let (cost, mut source, mut target) = random(6, 12, 15);
    let filled = Transport::new(cost.clone(), source.clone(), target.clone(), 0.01).unwrap();
    (source[3], target[0], target[14]) = (0.0, 0.0, 0.0);
    let scale = |masses: &mut Vec<f64>| {
        let sum: f64 = masses.iter().sum();
        masses.iter_mut().for_each(|mass| *mass /= sum);
    };
    scale(&mut source);
    scale(&mut target);
    let problem = Transport::new(cost, source, target, 0.01).unwrap();
    for choice in solvers() {
        let report = solve(choice.solver(), &problem, 1e-10);
        assert_eq!(report.outcome, Outcome::Converged, "{choice:?}");
        let found = report.solution;
        assert_eq!(found.source_potential[3], f64::NEG_INFINITY, "{choice:?}");
        assert_eq!(found.target_potential[14], f64::NEG_INFINITY, "{choice:?}");
        assert!(
            (0..15).all(|j| found.plan.dense()[(3, j)] == 0.0)
                && (0..12).all(|i| found.plan.dense()[(i, 0)] == 0.0)
        );
        let stop = choice.solver().stop();
        let full = choice.solver().solve(&filled, Some(&found), stop, &mut Silent::watch).unwrap();
        assert_eq!(full.outcome, Outcome::Converged, "{choice:?}");
        assert!(full.solution.plan.dense()[(3, 5)] > 0.0);
    }
}

#[test]
fn magnitudes_far_from_one() {
    let (cost, source, target) = random(8, 15, 20);
    let times = |x: &[f64], factor: f64| x.iter().map(|x| x * factor).collect::<Vec<_>>();
    let spread = |masses: &[f64]| -> Vec<f64> {
        let raw: Vec<f64> =
            masses.iter().enumerate().map(|(i, m)| m * 10f64.powi(-(i as i32 % 7) * 2)).collect();
        raw.iter().map(|mass| mass / raw.iter().sum::<f64>()).collect()
    };
    let cases = [
        ("large costs", &cost * faer::Scale(1e6), source.clone(), target.clone(), 2e4),
        ("negative costs", &cost * faer::Scale(-3.0), source.clone(), target.clone(), 0.05),
        ("heavy", cost.clone(), times(&source, 1e3), times(&target, 1e3), 0.02),
        ("light", cost.clone(), times(&source, 1e-20), times(&target, 1e-20), 0.02),
        ("uneven", cost.clone(), spread(&source), spread(&target), 0.02),
        ("weak", cost, source, target, 1e-3),
    ];
    for (label, cost, source, target, regularization) in cases {
        let problem = Transport::new(cost, source, target, regularization).unwrap();
        for choice in solvers() {
            let found = solve(choice.solver(), &problem, 1e-9);
            let slow = label == "weak" && matches!(choice, TransportSolver::Sinkhorn(_));
            assert!(slow || found.outcome == Outcome::Converged, "{label}: {choice:?} {:?}", found.last());
        }
    }
}

/// Costs of 1e14, whose digits leave steps of a third of the regularisation.
fn far() -> Transport {
    let cost = Mat::from_fn(4, 4, |i, j| 1e14 + ((3 * i + 5 * j) % 7) as f64 / 7.0);
    Transport::new(cost, vec![0.25; 4], vec![0.25; 4], 0.05).unwrap()
}

#[test]
fn the_residual_is_that_of_the_plan_where_potentials_lose_digits() {
    for (label, problem) in [("far", far()), ("weak", problem(3, 20, 20, 1e-15))] {
        for choice in solvers() {
            let stop = Stop { steps: 60, tolerance: 1e-9 };
            let found = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
            let (told, plan) = (found.last().unwrap().residual, &found.solution.plan);
            let apart = (problem.violation(plan) - told).abs();
            assert!(apart < 1e-10 * (1.0 + told), "{choice:?}, {label}: {told:e} {apart:e}");
        }
    }
    let found = solve(&SinkhornStabilized::default(), &far(), 1e-9);
    assert!(problem_is_met(&far(), &found), "{:?}", found.last());
}

fn problem_is_met(problem: &Transport, found: &Report<Plan>) -> bool {
    found.outcome == Outcome::Converged && problem.violation(&found.solution.plan) < 1.1e-9
}

#[test]
fn annealing_is_not_mistaken_for_the_end() {
    let cost = Mat::from_fn(2, 2, |i, j| if i == j { 0.0 } else { 1.0 });
    let problem = Transport::new(cost, vec![0.5; 2], vec![0.5; 2], 0.05).unwrap();
    for choice in solvers() {
        let found = solve(choice.solver(), &problem, 1e-9).solution;
        let off = 0.5 / (1.0 + 20f64.exp());
        assert!(
            (found.plan.dense()[(0, 1)] - off).abs() < 1e-12 * off,
            "{choice:?}: {}",
            found.plan.dense()[(0, 1)]
        );
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let problem = problem(9, 150, 260, 5e-3);
    for choice in solvers() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| solve(choice.solver(), &problem, 1e-6)).solution
        };
        let once = on(1);
        assert!(once == on(2) && once == on(5), "{choice:?}");
    }
}

#[test]
fn settings_are_checked_and_named() {
    let problem = problem(1, 4, 6, 0.1);
    let flat = Transport::new(Mat::zeros(2, 2), vec![1.0; 2], vec![1.0; 2], 0.0).unwrap();
    let error = |solver: &dyn Solve<Transport, Solution = Plan>, problem: &Transport| {
        solver.solve(problem, None, solver.stop(), &mut Silent::watch).unwrap_err().to_string()
    };
    for choice in solvers() {
        assert!(error(choice.solver(), &flat).starts_with("`regularization` is 0"), "{choice:?}");
    }
    let sparse = |threshold| SinkhornNewtonSparse { threshold, ..Default::default() };
    for share in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(error(&sparse(Threshold::Adaptive(share)), &problem).starts_with("`threshold` is"));
        assert!(
            error(&Newton { annealing: share, ..Default::default() }, &problem).starts_with("`annealing` is")
        );
        let solver = SinkhornStabilized { absorption: share, ..Default::default() };
        assert!(error(&solver, &problem).starts_with("`absorption` is"));
    }
    for count in [0, 7] {
        let message = error(&sparse(Threshold::Entries(count)), &problem);
        assert_eq!(message, format!("`threshold` is {count}; this problem takes 1 to 6"));
    }
    let text = r#"{"sinkhorn-newton-sparse": {"warmup": 5, "threshold": {"entries": 3}}}"#;
    let read: TransportSolver = serde_json::from_str(text).unwrap();
    let expected = SinkhornNewtonSparse { warmup: 5, threshold: Threshold::Entries(3), ..Default::default() };
    assert_eq!(read, TransportSolver::SinkhornNewtonSparse(expected));
    assert!(serde_json::from_str::<TransportSolver>(r#"{"sinkhorn-newton-sparse": {"keep": 3}}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn potentials_of_rows_and_columns_added_to_the_cost_change_nothing(seed in 0u64..1000) {
        let (cost, source, target) = random(seed, 9, 14);
        let mut rng = Rng::new(seed).fork("shift");
        let (left, right): (Vec<f64>, Vec<f64>) =
            ((0..9).map(|_| 4.0 * rng.uniform_f64()).collect(), (0..14).map(|_| -rng.uniform_f64()).collect());
        let moved = Mat::from_fn(9, 14, |i, j| cost[(i, j)] + left[i] + right[j]);
        let plain = Transport::new(cost, source.clone(), target.clone(), 4e-3).unwrap();
        let shifted = Transport::new(moved, source, target, 4e-3).unwrap();
        for solver in [SinkhornNewtonSparse::default(), SinkhornNewtonSparse { annealing: 0.0, ..Default::default() }] {
            let [plain, shifted] = [&plain, &shifted].map(|problem| solve(&solver, problem, 1e-12).solution);
            prop_assert!(distance(&plain, &shifted) < 1e-9);
        }
    }

    #[test]
    fn permuted_rows_permute_the_plan(seed in 0u64..1000) {
        let (cost, source, target) = random(seed, 13, 8);
        let mut order: Vec<usize> = (0..13).collect();
        Rng::new(seed).fork("order").shuffle(&mut order);
        let turned = Mat::from_fn(13, 8, |i, j| cost[(order[i], j)]);
        let turned_source = order.iter().map(|&i| source[i]).collect();
        let plain = sparse(&Transport::new(cost, source, target.clone(), 4e-3).unwrap()).solution;
        let turned = sparse(&Transport::new(turned, turned_source, target, 4e-3).unwrap()).solution;
        let back = Mat::from_fn(13, 8, |i, j| plain.plan.dense()[(order[i], j)] - turned.plan.dense()[(i, j)]);
        prop_assert!(back.norm_max() < 1e-8);
    }
}
