//! The network simplex on problems where every basis is degenerate, and the certificate that its potentials are.

use faer::Mat;
use proptest::prelude::*;
use rankine_random::Rng;
use rankine_solve::transport::{Plan, Transport, exact::Exact, rounded};
use rankine_solve::{Error, Outcome, Report, Silent, Solve as _, Stop};

fn solve(problem: &Transport, from: Option<&Plan>) -> Report<Plan> {
    let exact = Exact::default();
    exact.solve(problem, from, exact.stop(), &mut Silent::watch).unwrap()
}

/// Optimal by its own potentials: f + g ≤ C, and equal where mass goes; meets the masses; a tree has no more entries.
fn assert_optimal(problem: &Transport, report: &Report<Plan>) {
    let plan = &report.solution;
    let (rows, columns) = plan.plan.shape();
    let scale = problem.largest_cost().max(1.0);
    assert_eq!(report.outcome, Outcome::Converged);
    assert!(problem.violation(&plan.plan) <= 1e-12);
    assert!(plan.plan.nonzeros() < rows + columns);
    let reduced =
        |i: usize, j: usize| problem.cost()[(i, j)] - plan.source_potential[i] - plan.target_potential[j];
    for j in 0..columns {
        (0..rows).for_each(|i| assert!(reduced(i, j) >= -1e-10 * scale, "{} at {i}, {j}", reduced(i, j)));
    }
    plan.plan.each(|i, j, mass| assert!(mass >= 0.0 && reduced(i, j).abs() <= 1e-10 * scale));
}

/// Costs that forbid arcs, of whatever size, leave the plan as exact as it is with smaller ones.
#[test]
fn large_costs_of_other_arcs_spoil_no_digit() {
    let raw = {
        let mut rng = Rng::new(7).fork("forbidden");
        Mat::from_fn(20, 30, |_, _| rng.uniform_f64())
    };
    let cost_of = |cost: Mat<f64>| {
        let problem = Transport::new(cost, vec![1.0 / 20.0; 20], vec![1.0 / 30.0; 30], 0.0).unwrap();
        let report = solve(&problem, None);
        assert_eq!(report.outcome, Outcome::Converged);
        report.solution
    };
    let forbidding =
        |high: f64| Mat::from_fn(20, 30, |i, j| if i % 3 == 0 && j % 2 == 0 { high } else { raw[(i, j)] });
    let expected = cost_of(forbidding(1e3)).cost;
    for high in [1e9, 1e12, 1e15] {
        let found = cost_of(forbidding(high)).cost;
        assert!((found - expected).abs() < 1e-12, "{high:e}: {found} for {expected}");
    }
}

#[test]
fn equal_masses_and_ties_do_not_make_it_cycle() {
    let mut rng = Rng::new(3).fork("ties");
    for (rows, columns, levels) in
        [(1, 1, 1), (30, 30, 1), (30, 30, 3), (40, 20, 2), (1, 17, 2), (23, 1, 2), (60, 60, 5)]
    {
        let cost = Mat::from_fn(rows, columns, |_, _| rng.below(levels) as f64);
        let (source, target) = (vec![1.0 / rows as f64; rows], vec![1.0 / columns as f64; columns]);
        let problem = Transport::new(cost, source, target, 0.0).unwrap();
        assert_optimal(&problem, &solve(&problem, None));
    }
}

#[test]
fn points_of_a_lattice_stay_where_they_are() {
    let place = |i: usize| [(i / 12) as f64, (i % 12) as f64];
    let cost = Mat::from_fn(144, 144, |i, j| {
        let ([a, b], [c, d]) = (place(i), place(j));
        (a - c).powi(2) + (b - d).powi(2)
    });
    let problem = Transport::new(cost, vec![1.0; 144], vec![1.0; 144], 0.0).unwrap();
    let report = solve(&problem, None);
    assert_eq!(report.solution.cost, 0.0);
    assert_optimal(&problem, &report);
}

#[test]
fn rows_and_columns_without_mass_get_potentials_too() {
    let cost = Mat::from_fn(4, 3, |i, j| ((i + 2 * j) % 5) as f64 - 1.0);
    let problem = Transport::new(cost, vec![0.0, 2.0, 0.0, 1.0], vec![1.5, 0.0, 1.5], 0.0).unwrap();
    assert_optimal(&problem, &solve(&problem, None));
    let cost = Mat::from_fn(3, 2, |i, j| (i * j) as f64);
    let problem = Transport::new(cost, vec![0.0, 0.0, 1.0], vec![1.0, 0.0], 0.0).unwrap();
    assert_optimal(&problem, &solve(&problem, None));
}

#[test]
fn a_start_from_its_own_plan_saves_most_of_the_way() {
    let mut rng = Rng::new(5).fork("start");
    let mut places = |count: usize| -> Vec<f64> { (0..2 * count).map(|_| rng.uniform_f64()).collect() };
    let (x, y) = (places(100), places(140));
    let cost =
        Mat::from_fn(100, 140, |i, j| (x[2 * i] - y[2 * j]).powi(2) + (x[2 * i + 1] - y[2 * j + 1]).powi(2));
    let mut masses = |count: usize| -> Vec<f64> { (0..count).map(|_| 0.5 + rng.uniform_f64()).collect() };
    let (source, mut target) = (masses(100), masses(140));
    let factor = source.iter().sum::<f64>() / target.iter().sum::<f64>();
    target.iter_mut().for_each(|mass| *mass *= factor);
    let problem = Transport::new(cost, source, target, 0.0).unwrap();
    let cold = solve(&problem, None);
    let warm = solve(&problem, Some(&cold.solution));
    assert_optimal(&problem, &warm);
    assert!(2 * warm.trace.len() <= cold.trace.len() + 1, "{} {}", warm.trace.len(), cold.trace.len());
    assert!((warm.solution.cost - cold.solution.cost).abs() < 1e-10);
}

#[test]
fn it_can_be_broken_off_with_a_plan_that_meets_the_masses() {
    let mut rng = Rng::new(6).fork("broken off");
    let cost = Mat::from_fn(60, 60, |_, _| rng.uniform_f64());
    let problem = Transport::new(cost, vec![1.0; 60], vec![1.0; 60], 0.0).unwrap();
    let exact = Exact::default();
    let stop = Stop { steps: 1, ..exact.stop() };
    let report = exact.solve(&problem, None, stop, &mut Silent::watch).unwrap();
    assert_eq!(report.outcome, Outcome::StepLimit);
    assert!(problem.violation(&report.solution.plan) < 1e-12);
}

#[test]
fn large_masses_are_met_up_to_their_rounding() {
    let mut rng = Rng::new(7).fork("large masses");
    let cost = Mat::from_fn(50, 40, |_, _| rng.uniform_f64());
    let mut masses = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.uniform_f64() + 0.1).collect() };
    let (mut source, mut target) = (masses(50), masses(40));
    for side in [&mut source, &mut target] {
        let factor = 1e9 / side.iter().sum::<f64>();
        side.iter_mut().for_each(|mass| *mass *= factor);
    }
    let problem = Transport::new(cost, source, target, 0.0).unwrap();
    assert_optimal(&problem, &solve(&problem, None));
}

#[test]
fn a_plan_of_another_size_is_no_start() {
    let small = Transport::new(Mat::zeros(2, 2), vec![1.0; 2], vec![1.0; 2], 0.0).unwrap();
    let large = Transport::new(Mat::zeros(3, 2), vec![1.0; 3], vec![1.5; 2], 0.0).unwrap();
    let exact = Exact::default();
    let plan = solve(&small, None).solution;
    let error = exact.solve(&large, Some(&plan), exact.stop(), &mut Silent::watch).unwrap_err();
    assert!(matches!(error, Error::Size { found: 2, expected: 3, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_answer_is_certified(
        rows in 1..12usize,
        columns in 1..12usize,
        seed in 0..1000u64,
        offset in prop::sample::select(vec![0.0, -3.0, 1e6]),
    ) {
        let mut rng = Rng::new(seed).fork("certified");
        let cost = Mat::from_fn(rows, columns, |_, _| offset + rng.below(6) as f64);
        // Whole masses, so that partial sums tie.
        let mut source: Vec<f64> = (0..rows).map(|_| rng.below(4) as f64).collect();
        source[0] += columns as f64;
        let mut target = vec![0.0; columns];
        let mass: usize = source.iter().map(|&mass| mass as usize).sum();
        (0..mass).for_each(|_| target[rng.below(columns)] += 1.0);
        let problem = Transport::new(cost, source, target, 0.0).unwrap();
        let exact = Exact::default();
        let stop = Stop { steps: 200, ..exact.stop() };
        assert_optimal(&problem, &exact.solve(&problem, None, stop, &mut Silent::watch).unwrap());
    }

    #[test]
    fn rounding_meets_the_masses_and_stays_near(rows in 1..9usize, columns in 1..9usize, seed in 0..1000u64, dense: bool) {
        let mut rng = Rng::new(seed).fork("rounding");
        let mut share = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.uniform_f64() + 1e-3).collect() };
        let (source, mut target) = (share(rows), share(columns));
        let factor = source.iter().sum::<f64>() / target.iter().sum::<f64>();
        target.iter_mut().for_each(|mass| *mass *= factor);
        let problem = Transport::new(Mat::zeros(rows, columns), source, target, 0.0).unwrap();
        let noisy = Mat::from_fn(rows, columns, |i, j| {
            let product = problem.source()[i] * problem.target()[j] / problem.mass();
            if rng.below(3) == 0 { 0.0 } else { product * (0.5 + rng.uniform_f64()) }
        });
        let plan = if dense { noisy.clone().into() } else {
            let entries = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
            let entries = entries.map(|(i, j)| (i, j, noisy[(i, j)])).collect();
            rankine_solve::transport::Sparse::new(rows, columns, entries).into()
        };
        let violation = problem.violation(&plan) * problem.mass();
        let near = rounded(plan, &problem);
        prop_assert!(problem.violation(&near) < 1e-13);
        near.each(|_, _, mass| assert!(mass > 0.0));
        let moved: f64 = {
            let near = near.dense();
            (0..columns).flat_map(|j| (0..rows).map(move |i| (i, j))).map(|(i, j)| (near[(i, j)] - noisy[(i, j)]).abs()).sum()
        };
        prop_assert!(moved <= 2.0 * violation + 1e-12, "{moved} for {violation}");
    }
}
