//! Laws of every sensing solver on every problem of a grid; what [subgradient_recovery] and [matrix_sensing] say of theirs.

use faer::{Mat, MatRef};
use rankine_linalg::double::{multiply, thin_qr};
use rankine_random::Rng;
use rankine_solve::recovery::sensing::gradient::{Gradient, Rebalance};
use rankine_solve::recovery::sensing::subgradient::{Pace, Subgradient};
use rankine_solve::recovery::sensing::symmetric::SymmetricGradient;
use rankine_solve::recovery::sensing::{
    Loss, Measure, Noise, Packed, Plain, Plant, Planted, Sampled, Sensing, SensingSolver, rebalance,
};
use rankine_solve::recovery::{Factors, trajectory};
use rankine_solve::{Error, Iterate, Outcome, Pulse, Silent, Solve, Stop};
use std::sync::Arc;

const PLANTED: Planted = Planted { rank: 2, condition: 1.0, bound: 2, noise: Noise::None, seed: 3 };
const OUTLIERS: Noise = Noise::Outliers { share: 0.1, deviation: 10.0 };

fn plain(count: usize, rows: usize, columns: usize) -> Arc<dyn Measure> {
    Arc::new(Plain::<f64>::gaussian(count, rows, columns, 1).unwrap())
}

fn packed(count: usize, side: usize) -> Arc<dyn Measure> {
    Arc::new(Packed::<f64>::gaussian(count, side, 1).unwrap())
}

fn everywhere(rows: usize, columns: usize) -> Sampled {
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).collect();
    Sampled::new(rows, columns, places).unwrap()
}

fn random(rows: usize, columns: usize, seed: u64) -> Mat<f64> {
    let mut rng = Rng::new(seed).fork("test");
    Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
}

fn sum(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> f64 {
    (0..left.ncols()).map(|j| left.col(j).transpose() * right.col(j)).sum()
}

/// Distances from the truth after so many steps.
fn errors<S: Iterate<Sensing>>(
    solver: &S,
    plant: &Plant,
    steps: usize,
    factors: impl Fn(&S::State) -> &Factors,
) -> Vec<f64> {
    trajectory(solver, &plant.problem, steps, |state| factors(state).distance(plant.truth.as_ref())).unwrap()
}

fn subgradient_errors(solver: &Subgradient, plant: &Plant, steps: usize) -> Vec<f64> {
    errors(solver, plant, steps, |state| &state.descent.factors)
}

fn gradient_errors(solver: &Gradient, plant: &Plant, steps: usize) -> Vec<f64> {
    errors(solver, plant, steps, |state| &state.descent.factors)
}

#[test]
fn every_solver_answers_every_problem() {
    let square = |planted: Planted, operator: Arc<dyn Measure>| planted.positive(operator).unwrap().problem;
    let single = Planted { rank: 1, bound: 1, ..PLANTED };
    let zeros = Sensing::new(plain(60, 5, 5), vec![0.0; 60], 2).unwrap();
    let problems = [
        ("1 × 1", square(single, plain(3, 1, 1))),
        ("one measurement", square(single, plain(1, 4, 4))),
        ("ill-conditioned", square(Planted { condition: 100.0, ..PLANTED }, packed(200, 8))),
        ("rank above that of the matrix", square(Planted { bound: 8, ..PLANTED }, plain(200, 8, 8))),
        ("outliers", square(Planted { noise: OUTLIERS, ..PLANTED }, packed(200, 8))),
        ("all entries", square(PLANTED, Arc::new(everywhere(8, 8)))),
        ("zeros", zeros),
        ("rectangular", PLANTED.rectangular(plain(200, 9, 5)).unwrap().problem),
    ];
    for (name, problem) in &problems {
        let (rows, columns) = problem.operator().shape();
        for choice in SensingSolver::all() {
            let label = format!("{choice:?} on {name}");
            let stop = Stop { steps: 100, tolerance: 1e-9 };
            let found = choice.solver().solve(problem, None, stop, &mut Silent::watch);
            if let Err(error) = found {
                assert!(rows != columns && error == Error::NotSquare { rows, columns }, "{label}: {error}");
                continue;
            }
            let report = found.unwrap();
            assert_ne!(report.outcome, Outcome::NotFinite, "{label}");
            let Factors { left, right } = &report.solution;
            let pass = problem.pass(left.as_ref(), right.as_ref(), Loss::Square);
            let (step, last) = (problem.measure(&pass.values), *report.last().unwrap());
            assert_eq!((step.residual, step.objective), (last.residual, last.objective), "{label}");
        }
    }
}

#[test]
fn every_solver_finds_a_matrix() {
    let positive = Planted { condition: 2.0, ..PLANTED }.positive(plain(300, 10, 10)).unwrap();
    let rectangular = PLANTED.rectangular(plain(300, 12, 8)).unwrap();
    for choice in SensingSolver::all() {
        let solver = choice.solver();
        let report = solver.solve(&positive.problem, None, solver.stop(), &mut Silent::watch).unwrap();
        let error = (report.solution.symmetric_product() - &positive.truth).norm_l2();
        assert!(error < 1e-4, "{choice:?}: {error:e}, {:?}", report.outcome);
        let again = solver.solve(
            &positive.problem,
            Some(&report.solution),
            Stop { steps: 1, tolerance: 1e-4 },
            &mut Silent::watch,
        );
        let again = again.unwrap();
        let first = again.trace[0].residual;
        assert!(first < 1e-3 || matches!(choice, SensingSolver::Subgradient(_)), "{choice:?}: {first:e}");
        if let Ok(report) = solver.solve(&rectangular.problem, None, solver.stop(), &mut Silent::watch) {
            let error = report.solution.distance(rectangular.truth.as_ref());
            assert!(error < 1e-6, "{choice:?}: {error:e}, {:?}", report.outcome);
        }
    }
}

#[test]
fn settings_are_read_back() {
    for choice in SensingSolver::all() {
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<SensingSolver>(&text).unwrap(), choice);
    }
    let polyak = r#"{"subgradient": {"pace": {"polyak": {"eta": 0.5}}}}"#;
    let expected = Subgradient { pace: Pace::Polyak { eta: 0.5 }, ..Subgradient::default() };
    let found: SensingSolver = serde_json::from_str(polyak).unwrap();
    assert_eq!(found, SensingSolver::Subgradient(expected));
}

#[test]
fn an_adjoint_is_one() {
    let some = Sampled::new(7, 7, vec![(0, 3), (6, 6), (2, 0), (0, 3), (5, 1)]).unwrap();
    let single = Plain::<f32>::gaussian(70, 7, 7, 1).unwrap();
    let operators: [Arc<dyn Measure>; 4] = [plain(70, 7, 7), packed(70, 7), Arc::new(some), Arc::new(single)];
    let (left, right) = (random(7, 3, 1), random(7, 3, 2));
    let mut rng = Rng::new(4);
    let weights: Vec<f64> = (0..70).map(|_| rng.normal_f64()).collect();
    for operator in operators {
        let pass = operator.pass(left.as_ref(), right.as_ref(), &|i, _| weights[i]);
        let inner: f64 = pass.values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
        let dense = pass.adjoint.dense();
        let product = multiply(left.as_ref(), right.transpose());
        assert!((inner - sum(product.as_ref(), dense.as_ref())).abs() < 1e-10 * inner.abs().max(1.0));
        let times = pass.adjoint.times(right.as_ref()) - multiply(dense.as_ref(), right.as_ref());
        let across =
            pass.adjoint.transposed_times(left.as_ref()) - multiply(dense.transpose(), left.as_ref());
        assert!(times.norm_l2() + across.norm_l2() < 1e-10, "{operator:?}");
    }
}

#[test]
fn packed_measurements_are_those_of_symmetric_parts() {
    let x = random(6, 2, 1);
    let pass = |operator: &dyn Measure| operator.pass(x.as_ref(), x.as_ref(), &|_, value| value);
    let (whole, half) = (pass(&*plain(90, 6, 6)), pass(&*packed(90, 6)));
    assert!(whole.values.iter().zip(&half.values).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + a.abs())));
    let dense = whole.adjoint.dense();
    let symmetric = 0.5 * (&dense + dense.transpose());
    assert!((symmetric - half.adjoint.dense()).norm_max() < 1e-10);
    let entries = pass(&everywhere(6, 6));
    let product = multiply(x.as_ref(), x.transpose());
    assert!((entries.adjoint.dense() - product).norm_max() < 1e-12);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let plant = Planted { noise: OUTLIERS, bound: 5, ..PLANTED }.positive(packed(400, 12)).unwrap();
    for choice in SensingSolver::all() {
        let solve = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let stop = Stop { steps: 4, tolerance: 0.0 };
            pool.install(|| {
                choice.solver().solve(&plant.problem, None, stop, &mut Silent::watch).unwrap().solution
            })
        };
        assert!(solve(1) == solve(3), "{choice:?}");
    }
}

#[test]
fn slopes_agree_with_differences() {
    let plant = Planted { noise: OUTLIERS, ..PLANTED }.positive(plain(150, 6, 6)).unwrap();
    let (problem, count) = (&plant.problem, 150.0);
    let (x, direction) = (random(6, 2, 5), random(6, 2, 6));
    for loss in [Loss::Absolute, Loss::Square] {
        let value = |step: f64| -> f64 {
            let moved = &x + step * &direction;
            let values = problem.pass(moved.as_ref(), moved.as_ref(), loss).values;
            let apart = values.iter().zip(problem.measured()).map(|(value, y)| value - y);
            match loss {
                Loss::Absolute => apart.map(f64::abs).sum::<f64>() / count,
                Loss::Square => apart.map(|r| 0.5 * r * r).sum(),
            }
        };
        let slope = problem.pass(x.as_ref(), x.as_ref(), loss).adjoint.symmetric_times(x.as_ref());
        let expected = 2.0 * sum(slope.as_ref(), direction.as_ref());
        let found = (value(1e-6) - value(-1e-6)) / 2e-6;
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{loss:?}: {found}, {expected}");
    }
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

/// Page 25, in small.
#[test]
fn spare_columns_slow_gradients_down_and_one_rebalancing_helps() {
    let operator = plain(600, 16, 16);
    let plant = |bound| Planted { bound, ..PLANTED }.positive(Arc::clone(&operator)).unwrap();
    let symmetric = |bound, steps| {
        errors(
            &SymmetricGradient { alpha: 0.7, ..SymmetricGradient::default() },
            &plant(bound),
            steps,
            |state| &state.descent.factors,
        )
    };
    assert!(symmetric(2, 300)[300] < 1e-10);
    let slow = symmetric(4, 3000);
    let slope = (slow[3000] / slow[500]).ln() / 6.0_f64.ln();
    assert!((-1.1..-0.9).contains(&slope), "{slope}");

    let unbalanced = |alpha| Gradient { alpha, rebalance: None, ..Gradient::default() };
    let rate = |errors: &[f64], from: usize, to: usize| (errors[from] / errors[to]).ln() / (to - from) as f64;
    let [large, small] = [0.5, 0.2].map(|alpha| {
        let found = gradient_errors(&unbalanced(alpha), &plant(4), 1200);
        rate(&found, 600, 1200)
    });
    assert!((3.0..10.0).contains(&(large / small)), "{large:e}, {small:e}");

    let rates = [0.2, 0.05].map(|alpha| {
        let found = gradient_errors(&Gradient { alpha, ..Gradient::default() }, &plant(4), 600);
        let begun = found.iter().position(|error| *error < 1e-2).unwrap();
        let ended = found.iter().position(|error| *error < 1e-8).unwrap();
        1.0 / (ended - begun) as f64
    });
    assert!((rates[0] / rates[1] - 1.0).abs() < 0.2, "{rates:?}");
}

/// With all entries known and M = 0 the spare part obeys x ← x − η·x³, so x_t is near 1/√(2·η·t).
#[test]
fn a_spare_column_decays_like_the_root_of_time() {
    let problem = Sensing::new(Arc::new(everywhere(1, 1)), vec![0.0], 1).unwrap();
    let from = Factors { left: Mat::from_fn(1, 1, |_, _| 0.5), right: Mat::from_fn(1, 1, |_, _| 0.5) };
    let solver = SymmetricGradient { eta: 0.1, ..SymmetricGradient::default() };
    let stop = Stop { steps: 5000, tolerance: 0.0 };
    let x = solver.solve(&problem, Some(&from), stop, &mut Silent::watch).unwrap().solution.left[(0, 0)];
    let expected = 1.0 / (2.0 * 0.1 * 5000.0_f64).sqrt();
    assert!((x / expected - 1.0).abs() < 0.01, "{x}, {expected}");
}

#[test]
fn rebalancing_keeps_the_product_and_sets_the_scale() {
    for (rows, columns, rank) in [(9, 7, 4), (3, 8, 3), (2, 5, 4)] {
        let before = Factors { left: random(rows, rank, 1), right: random(columns, rank, 2) };
        let mut after = before.clone();
        rebalance(&mut after, 1.7).unwrap();
        assert!(after.distance_to(&before) < 1e-12 * before.norm());
        let gram = multiply(after.left.transpose(), after.left.as_ref());
        for (i, j) in (0..rank).flat_map(|i| (0..rank).map(move |j| (i, j))) {
            let expected = if i == j && i < rows { 1.7 * 1.7 } else { 0.0 };
            assert!((gram[(i, j)] - expected).abs() < 1e-12, "{i} {j}: {}", gram[(i, j)]);
        }
    }
    let mut factors = Factors { left: random(3, 2, 1), right: random(3, 2, 2) };
    assert!(matches!(rebalance(&mut factors, 0.0), Err(Error::Setting { name: "beta", .. })));
}

#[test]
fn a_step_changes_the_imbalance_in_second_order_only() {
    let plant = Planted { bound: 4, ..PLANTED }.rectangular(plain(200, 8, 6)).unwrap();
    let solver = Gradient { rebalance: None, ..Gradient::default() };
    let mut state = solver.start(&plant.problem, None, &Pulse::new(&mut Silent::watch)).unwrap();
    (0..20)
        .for_each(|_| _ = solver.step(&plant.problem, &mut state, &Pulse::new(&mut Silent::watch)).unwrap());
    let before = state.descent.factors.clone();
    solver.step(&plant.problem, &mut state, &Pulse::new(&mut Silent::watch)).unwrap();
    let after = &state.descent.factors;
    let imbalance = |left: &Mat<f64>, right: &Mat<f64>| {
        multiply(left.transpose(), left.as_ref()) - multiply(right.transpose(), right.as_ref())
    };
    let change = imbalance(&after.left, &after.right) - imbalance(&before.left, &before.right);
    let second = imbalance(&(&after.left - &before.left), &(&after.right - &before.right));
    assert!((change - &second).norm_max() < 1e-14 && second.norm_max() > 1e-12);
}

#[test]
fn what_is_wrong_is_named() {
    let operator = plain(20, 4, 3);
    let enough = PLANTED.rectangular(plain(13, 9, 5)).unwrap().problem;
    assert_eq!((enough.freedom(), enough.enough()), (2 * (9 + 5 - 2), Ok(())));
    let few = PLANTED.rectangular(plain(12, 9, 5)).unwrap().problem;
    assert_eq!(few.enough(), Err(Error::Few { found: 12, rows: 9, columns: 5, least: 13 }));
    assert_eq!(PLANTED.positive(packed(9, 5)).unwrap().problem.symmetric_freedom(), 2 * 5 - 1);
    let error = |measured: Vec<f64>, rank| Sensing::new(Arc::clone(&operator), measured, rank).unwrap_err();
    assert!(matches!(error(vec![0.0; 19], 1), Error::Size { found: 19, expected: 20, .. }));
    let mut measured = vec![1.0; 20];
    measured[7] = f64::INFINITY;
    assert!(matches!(error(measured, 1), Error::NotFinite { index, .. } if index == [7]));
    assert_eq!(error(vec![1.0; 20], 4), Error::Fit { name: "rank", found: 4, least: 1, most: 3 });
    assert!(matches!(Plain::new(2, 2, vec![1.0_f64; 7]), Err(Error::Size { found: 7, expected: 8, .. })));
    assert!(matches!(Plain::new(1, 2, vec![1.0, f64::NAN]), Err(Error::NotFinite { .. })));
    let outside = Sampled::new(2, 2, vec![(0, 2)]);
    assert_eq!(outside, Err(Error::Outside { what: "column", found: 2, limit: 2 }));
    let empty = Sampled::new(0, 2, vec![(0, 0)]);
    assert_eq!(empty, Err(Error::Fit { name: "rows", found: 0, least: 1, most: u32::MAX as usize }));
    let rectangular = Plain::<f64>::gaussian(5, 4, 3, 1).unwrap();
    assert_eq!(Packed::new(&rectangular), Err(Error::NotSquare { rows: 4, columns: 3 }));

    let plant = PLANTED.positive(plain(60, 5, 5)).unwrap();
    let refused = |solver: &dyn Solve<Sensing, Solution = Factors>| {
        solver.solve(&plant.problem, None, solver.stop(), &mut Silent::watch).unwrap_err()
    };
    let slow = Subgradient { pace: Pace::Geometric { eta: 0.1, rho: 1.5 }, ..Subgradient::default() };
    assert!(matches!(refused(&slow), Error::Setting { name: "rho", .. }));
    let late = Gradient {
        rebalance: Some(Rebalance { trigger: 2.0, ..Rebalance::default() }),
        ..Gradient::default()
    };
    assert!(matches!(refused(&late), Error::Setting { name: "trigger", .. }));
    let wild = Gradient { eta: 1e3, ..Gradient::default() };
    let report = wild.solve(&plant.problem, None, Iterate::stop(&wild), &mut Silent::watch).unwrap();
    assert_eq!(report.outcome, Outcome::NotFinite);
    assert!(report.solution.product().is_all_finite());
}
