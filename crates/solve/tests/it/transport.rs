//! Laws of every transport solver on every problem of a grid.

use faer::Mat;
use rankine_random::Rng;
use rankine_solve::transport::exact::Exact;
use rankine_solve::transport::{Plan, Transport, TransportSolver};
use rankine_solve::{Error, Outcome, Silent, Stop};

/// A problem with costs between 0 and 1 and random masses, some of them zero.
fn random(rows: usize, columns: usize, regularization: f64) -> Transport {
    let mut rng = Rng::new(7).fork("transport");
    let cost = Mat::from_fn(rows, columns, |_, _| rng.uniform_f64());
    let mut masses = |count: usize| -> Vec<f64> {
        let raw: Vec<f64> =
            (0..count).map(|i| if i % 5 == 4 { 0.0 } else { 0.1 + rng.uniform_f64() }).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|mass| mass / sum).collect()
    };
    let (source, target) = (masses(rows), masses(columns));
    Transport::new(cost, source, target, regularization).unwrap()
}

#[test]
fn every_solver_answers_every_problem() {
    for (rows, columns) in [(1, 1), (1, 7), (6, 1), (9, 13), (20, 20)] {
        let problem = random(rows, columns, 0.05);
        for choice in TransportSolver::all() {
            let stop = Stop { tolerance: 1e-8, ..choice.solver().stop() };
            let report = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
            let label = format!("{choice:?} on [{rows}, {columns}]");
            assert_eq!(report.outcome, Outcome::Converged, "{label}");
            let plan = &report.solution.plan;
            assert!(problem.violation(plan) <= 1e-7, "{label}: {}", problem.violation(plan));
            assert!((problem.cost_of(plan) - report.solution.cost).abs() < 1e-12, "{label}");
            plan.each(|_, _, mass| assert!(mass > 0.0, "{label}"));
        }
    }
}

/// Problems that are degenerate, or far from well-conditioned.
fn awkward() -> Vec<(&'static str, Transport)> {
    let mut rng = Rng::new(8).fork("awkward");
    let mut costs = |rows: usize, columns: usize| Mat::from_fn(rows, columns, |_, _| rng.uniform_f64());
    let even = |count: usize| vec![1.0 / count as f64; count];
    let single = |count: usize, place: usize| -> Vec<f64> {
        (0..count).map(|i| f64::from(u8::from(i == place))).collect()
    };
    let uneven = |count: usize| -> Vec<f64> {
        let raw: Vec<f64> = (0..count).map(|i| 10f64.powi(-((i % 7) as i32))).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|mass| mass / sum).collect()
    };
    let spread = Mat::from_fn(7, 9, |i, j| 10f64.powi((3 * i + 5 * j) as i32 % 6 - 4));
    let new =
        |cost, source, target, regularization| Transport::new(cost, source, target, regularization).unwrap();
    vec![
        ("equal costs", new(Mat::full(6, 7, 0.5), even(6), even(7), 0.05)),
        ("no costs", new(Mat::zeros(4, 4), even(4), even(4), 0.05)),
        ("an assignment", new(costs(8, 8), even(8), even(8), 0.05)),
        ("from one row", new(costs(5, 6), single(5, 2), even(6), 0.05)),
        ("to one column", new(costs(6, 5), even(6), single(5, 4), 0.05)),
        ("from one to one", new(costs(4, 4), single(4, 0), single(4, 3), 0.05)),
        ("uneven masses", new(costs(8, 9), uneven(8), uneven(9), 0.05)),
        ("uneven costs", new(spread, even(7), even(9), 0.05)),
        ("negative costs", new(-costs(7, 7), even(7), uneven(7), 0.05)),
        ("weak regularisation", new(costs(9, 8), even(9), even(8), 1e-3)),
    ]
}

#[test]
fn awkward_problems_are_answered_too() {
    for (name, problem) in awkward() {
        let solve = |choice: &TransportSolver| {
            let stop = Stop { tolerance: 1e-8, ..choice.solver().stop() };
            choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap()
        };
        let best = solve(&TransportSolver::Exact(Exact::default())).solution.cost;
        let rounding = 1.0 + problem.largest_cost();
        for choice in TransportSolver::all() {
            let (report, label) = (solve(&choice), format!("{choice:?} on {name}"));
            assert_ne!(report.outcome, Outcome::NotFinite, "{label}");
            let Plan { plan, cost, .. } = &report.solution;
            plan.each(|_, _, mass| assert!(0.0 < mass && mass.is_finite(), "{label}"));
            assert!((problem.cost_of(plan) - cost).abs() < 1e-12 * rounding, "{label}");
            let exact = matches!(choice, TransportSolver::Exact(_));
            assert!(!exact || report.outcome == Outcome::Converged, "{label}");
            if report.outcome == Outcome::Converged {
                assert!(problem.violation(plan) <= 1e-7, "{label}: {}", problem.violation(plan));
                assert!(best <= cost + 1e-6 * rounding, "{label}: {cost} below {best}");
            }
        }
    }
}

#[test]
fn the_mass_decides_nothing() {
    let shares = random(9, 13, 0.05);
    for choice in TransportSolver::all() {
        // The entropy grows with the mass, as the cost does; squares grow with its square.
        let squared =
            matches!(choice, TransportSolver::Quadratic(_) | TransportSolver::SparsityConstrained(_));
        let plan = |mass: f64| {
            let times = |shares: &[f64]| shares.iter().map(|share| mass * share).collect::<Vec<_>>();
            let (source, target) = (times(shares.source()), times(shares.target()));
            let regularization = if squared { 0.05 / mass } else { 0.05 };
            let problem = Transport::new(shares.cost().to_owned(), source, target, regularization).unwrap();
            let stop = Stop { tolerance: 1e-8, ..choice.solver().stop() };
            let report = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
            assert_eq!(report.outcome, Outcome::Converged, "{choice:?} with {mass}");
            &report.solution.plan.dense() * faer::Scale(1.0 / mass)
        };
        let expected = plan(1.0);
        // About 1e-6 and 1e6; factors that round nothing.
        for mass in [2f64.powi(-20), 2f64.powi(20)] {
            let apart = (&plan(mass) - &expected).norm_max();
            assert!(apart < 1e-6, "{choice:?} with {mass}: {apart}");
        }
    }
}

#[test]
fn masses_that_differ_are_told_with_both_sums() {
    let cost = Mat::zeros(2, 2);
    let error = Transport::new(cost, vec![0.5, 0.5], vec![0.5, 0.7], 0.1).unwrap_err();
    assert_eq!(error, Error::Masses { source_sum: 1.0, target_sum: 1.2 });
}

#[test]
fn sums_and_ranges_that_overflow_are_refused() {
    let new = |cost: Mat<f64>, masses: Vec<f64>| Transport::new(cost, masses.clone(), masses, 0.1);
    let error = new(Mat::zeros(2, 2), vec![1e308; 2]).unwrap_err();
    assert_eq!(error, Error::Magnitude { what: "the mass of the source", found: f64::INFINITY });
    assert!(error.hint().is_some());
    let far = Mat::from_fn(2, 2, |i, j| if i == j { 1.7e308 } else { -1.7e308 });
    let error = new(far, vec![0.5; 2]).unwrap_err();
    assert_eq!(error, Error::Magnitude { what: "max − min of the cost", found: f64::INFINITY });
}
