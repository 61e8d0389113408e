//! What [matrix_sensing] says.

use super::{PLANTED, errors, everywhere, plain, random};
use faer::Mat;
use rankine_linalg::double::multiply;
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::gradient::Gradient;
use rankine_solve::recovery::sensing::symmetric::SymmetricGradient;
use rankine_solve::recovery::sensing::{Plant, Planted, Sensing, rebalance};
use rankine_solve::{Error, Iterate, Pulse, Silent, Solve, Stop};
use std::sync::Arc;

fn gradient_errors(solver: &Gradient, plant: &Plant, steps: usize) -> Vec<f64> {
    errors(solver, plant, steps, |state| &state.descent.factors)
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
