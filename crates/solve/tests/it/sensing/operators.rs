//! Measurements and their adjoints.

use super::{OUTLIERS, PLANTED, everywhere, packed, plain, random};
use faer::MatRef;
use rankine_linalg::double::multiply;
use rankine_random::Rng;
use rankine_solve::recovery::sensing::preconditioned::PreconditionedGradient;
use rankine_solve::recovery::sensing::scaled::ScaledGradient;
use rankine_solve::recovery::sensing::{Loss, Measure, Packed, Plain, Planted, Sampled, SensingSolver};
use rankine_solve::{Outcome, Silent};
use std::sync::Arc;

fn sum(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> f64 {
    (0..left.ncols()).map(|j| left.col(j).transpose() * right.col(j)).sum()
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

/// Of A + Aᵀ every number has twice the variance, and on the diagonal four times it.
#[test]
fn steps_fit_symmetric_measurements() {
    let (side, count) = (10, 300);
    let whole = Plain::<f64>::gaussian(count, side, side, 1).unwrap();
    let turned = |at: usize| at % side * side + at / side;
    let twice = |a: &[f64]| (0..a.len()).map(|at| a[at] + a[turned(at)]).collect::<Vec<_>>();
    let entries: Vec<f64> = whole.entries().chunks(side * side).flat_map(twice).collect();
    let plain = Plain::new(side, side, entries).unwrap();
    let packed = Packed::new(&plain).unwrap();
    let gain = plain.gain() / (4 * count) as f64;
    assert!((gain - 1.0).abs() < 0.05 && packed.gain() == plain.gain(), "{gain}");
    let operators: [Arc<dyn Measure>; 2] = [Arc::new(plain), Arc::new(packed)];
    for operator in operators {
        let plant = PLANTED.positive(operator).unwrap();
        let choices = [
            SensingSolver::ScaledGradient(ScaledGradient::default()),
            SensingSolver::PreconditionedGradient(PreconditionedGradient::default()),
        ];
        for choice in choices {
            let solver = choice.solver();
            let report = solver.solve(&plant.problem, None, solver.stop(), &mut Silent::watch).unwrap();
            assert_eq!(report.outcome, Outcome::Converged, "{choice:?}");
        }
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
