//! Random features: the numbers of the page, the equations themselves, and simulated Gaussian features.

use super::{close, normal};
use faer::{Mat, MatRef};
use rankine_linalg::multiply;
use rankine_random::Rng;
use rankine_solve::Error;
use rankine_solve::theory::kernel::KernelRegression;
use rankine_solve::theory::power_law::PowerLaw;
use rankine_solve::theory::random_features::{Features, Risk, Task};

fn standard() -> Task {
    Task::power_law(1.5, 1.5, 10_000, 0.5).unwrap()
}

#[test]
fn the_numbers_of_the_page_are_met() {
    let task = standard();
    let risk = |n, k, ridge| task.risk(n, Features::Count(k), ridge).unwrap();
    let check = |n, k, ridge, [test, train, kappa, gamma]: [f64; 4]| {
        let found: Risk = risk(n, k, ridge);
        close(found.test, test, 1e-9);
        close(found.train, train, 1e-5);
        close(found.kappa, kappa, 1e-7);
        close(found.gamma, gamma, 1e-7);
    };
    check(256, 64, 1e-3, [1.2454389392, 0.7009171903, 5.2070039e-6, 6.7978639e-3]);
    // The page has 1.2243548597; scipy's Brent agrees with this.
    check(256, 1000, 1e-3, [1.2243548497, 5.19788e-5, 5.9951549e-4, 8.0399785e-4]);
    check(256, 10_000, 1e-3, [1.0066179755, 2.51405e-5, 7.8163775e-4, 8.0206808e-4]);
    check(1000, 256, 1e-2, [0.9354894978, 0.5236753845, 1.3365597e-5, 8.1670242e-4]);
    close(risk(256, 64, 1.0).test, 1.0839201789, 1e-9);
    close(risk(256, 1000, 1.0).test, 0.8668808918, 1e-9);
    close(risk(256, 1000, 1.0).train, 0.4533895003, 1e-9);
    let kernel = task.risk(256, Features::Infinite, 1e-3).unwrap();
    close(kernel.test, 0.9884524637, 1e-9);
    close(kernel.kappa, 8.0190785e-4, 1e-7);
    close(risk(256, 1_000_000_000, 1e-3).test, kernel.test, 3e-7);
}

#[test]
fn both_equations_hold() {
    let task = Task::power_law(1.3, 1.2, 2000, 0.1).unwrap();
    for n in [3usize, 50, 500] {
        for k in [2usize, 50, 700, 3000] {
            for ridge in [1e-9, 1e-4, 1.0, 1e4] {
                let Risk { test, train, kappa, gamma } = task.risk(n, Features::Count(k), ridge).unwrap();
                let z: f64 = task.eigenvalues().iter().map(|value| value / (value + gamma)).sum();
                let (n, k) = (n as f64, k as f64);
                assert!((z + k * kappa / gamma - k).abs() <= 1e-10 * k, "{n} {k} {ridge}");
                assert!((z + ridge / kappa - n).abs() <= 1e-10 * n, "{n} {k} {ridge}");
                assert!(0.0 <= train && train <= test && test.is_finite(), "{n} {k} {ridge}");
            }
        }
    }
}

#[test]
fn without_a_ridge_it_is_the_limit_of_small_ones() {
    let task = Task::power_law(1.5, 1.4, 300, 0.2).unwrap();
    for n in [20, 90, 400] {
        let features = [Features::Count(30), Features::Count(200), Features::Count(500), Features::Infinite];
        for features in features {
            let [zero, small] = [0.0, 1e-10].map(|ridge| task.risk(n, features, ridge).unwrap());
            close(small.test, zero.test, 1e-3);
            assert!((small.train - zero.train).abs() < 1e-3, "{n} {features:?}: {small:?} {zero:?}");
        }
    }
    assert!(task.risk(64, Features::Count(64), 0.0).unwrap().test > 1e6, "the peak");
}

#[test]
fn more_is_better_with_the_best_ridge() {
    let task = standard();
    let best = |n, k| task.optimal_ridge(n, Features::Count(k)).unwrap().1.test;
    let found: Vec<f64> = [16, 32, 64, 128, 256, 512, 1024, 4096].map(|k| best(64, k)).into();
    let expected = [1.5898, 1.4036, 1.2790, 1.2004, 1.1528, 1.1251, 1.1105, 1.0993];
    // The page's ridges are those of a grid.
    assert!(found.iter().zip(expected).all(|(x, y)| y - 1e-3 < *x && *x <= y), "{found:?}");
    let more: Vec<f64> = [64, 128, 512].map(|n| best(n, 256)).into();
    assert!(more.is_sorted_by(|x, y| x > y), "{more:?}");
    let endless = task.optimal_ridge(64, Features::Infinite).unwrap().1.test;
    assert!(endless < found[7]);
    // The fitting ratio grows with the ridge.
    let ratios: Vec<f64> = [0.0, 1e-3, 0.1, 10.0, 1e4]
        .map(|ridge| task.risk(64, Features::Infinite, ridge).map(|risk| risk.train / risk.test).unwrap())
        .into();
    assert!(ratios.is_sorted() && ratios[0] < 1e-20 && 0.9 < ratios[4], "{ratios:?}");
}

/// Ridge regression on k Gaussian features of n Gaussian inputs: test error, exactly over new inputs, and training error.
fn simulate(task: &Task, (n, k, ridge): (usize, usize, f64), noise: f64, rng: &mut Rng) -> (f64, f64) {
    let modes = task.eigenvalues().len();
    let (inputs, mixing) = (normal(n, modes, rng), normal(modes, k, rng));
    let scaled = Mat::from_fn(modes, k, |i, j| (task.eigenvalues()[i] / k as f64).sqrt() * mixing[(i, j)]);
    let features = multiply(inputs.as_ref(), scaled.as_ref());
    let target = Mat::from_fn(modes, 1, |i, _| task.energies()[i].sqrt());
    let y = multiply(inputs.as_ref(), target.as_ref()) + normal(n, 1, rng) * faer::Scale(noise.sqrt());
    let kernel = multiply(features.as_ref(), features.transpose());
    let regression = KernelRegression::new(kernel.as_ref(), y.as_ref()).unwrap();
    let coefficients = regression.ridge(ridge).unwrap();
    let dual = regression.predicted(regression.vectors(), &coefficients);
    let found = multiply(scaled.as_ref(), multiply(features.transpose(), dual.as_ref()).as_ref());
    let test = (&found - &target).squared_norm_l2() + noise;
    (test, dual.squared_norm_l2() * ridge * ridge / n as f64)
}

#[test]
fn gaussian_features_have_the_errors_of_the_theory() {
    let noise = 0.5;
    let task = Task::power_law(1.5, 1.5, 1000, noise).unwrap();
    for (place, setting) in [(128, 400, 1.0), (128, 32, 0.1), (100, 100, 0.5)].into_iter().enumerate() {
        let draws = 8;
        let found: Vec<(f64, f64)> = (0..draws)
            .map(|draw| {
                simulate(
                    &task,
                    setting,
                    noise,
                    &mut Rng::new(31).fork_index("setting", place).fork_index("draw", draw),
                )
            })
            .collect();
        let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / draws as f64;
        let (n, k, ridge) = setting;
        let expected = task.risk(n, Features::Count(k), ridge).unwrap();
        close(mean(|x| x.0), expected.test, 0.08);
        close(mean(|x| x.1), expected.train, 0.12);
    }
}

#[test]
fn power_laws_follow_their_closed_form() {
    for (a, b) in [(1.5, 1.4), (1.17, 1.14)] {
        let task = Task::power_law(a, b, 200_000, 0.0).unwrap();
        let clean = task.risk(300, Features::Infinite, 0.0).unwrap().test;
        let noise = 2.0;
        let noisy = task.with_noise(noise * clean).unwrap();
        let law = PowerLaw::new(a, b, noise).unwrap();
        let zero = noisy.risk(300, Features::Infinite, 0.0).unwrap().test;
        for ridge in [0.03, 0.3, 3.0] {
            let risk = noisy.risk(300, Features::Infinite, ridge).unwrap();
            close(risk.test / zero, law.relative_error((risk.train / risk.test).sqrt()), 0.05);
        }
    }
    let ratio = |a, b, noise| PowerLaw::new(a, b, noise).unwrap().optimal_fitting_ratio();
    for (a, b, expected) in [
        (1.17, 1.14, [0.024, 0.312, 0.691, 0.948]),
        (1.22, 1.20, [0.0057, 0.259, 0.644, 0.932]),
        (1.12, 1.36, [0.0, 0.0, 0.187, 0.771]),
    ] {
        for (noise, expected) in [0.0, 1.0, 5.0, 50.0].into_iter().zip(expected) {
            assert!((ratio(a, b, noise) - expected).abs() < 1e-3, "{a} {noise}: {}", ratio(a, b, noise));
        }
    }
    close(PowerLaw::new(1.12, 1.36, 0.0).unwrap().interpolation_threshold(), 1.786, 1e-3);
}

#[test]
fn one_decomposition_gives_all_ridges() {
    let mut rng = Rng::new(8);
    let (half, y) = (normal(20, 20, &mut rng), normal(20, 2, &mut rng));
    let kernel = multiply(half.as_ref(), half.transpose());
    let regression = KernelRegression::new(kernel.as_ref(), y.as_ref()).unwrap();
    for ridge in [1e-3, 1.0, 100.0] {
        let dual = regression.predicted(regression.vectors(), &regression.ridge(ridge).unwrap());
        let shifted = Mat::from_fn(20, 20, |i, j| kernel[(i, j)] + if i == j { ridge } else { 0.0 });
        let back = multiply(shifted.as_ref(), dual.as_ref());
        assert!((back - &y).norm_l2() < 1e-8 * y.norm_l2(), "{ridge}");
    }
    let task = Task::from_samples(&regression, 0.0).unwrap();
    close(task.energies().iter().sum::<f64>(), y.squared_norm_l2() / 20.0, 1e-10);
    assert!(task.eigenvalues().is_sorted_by(|x, y| x >= y));
    let wrong = Task::new(vec![1.0], vec![1.0, 2.0], 0.0);
    assert!(matches!(wrong, Err(Error::Size { found: 2, expected: 1, .. })));
    assert!(Task::new(vec![0.0], vec![1.0], 0.0).is_err() && task.risk(0, Features::Infinite, 1.0).is_err());
    let cross = MatRef::from_column_major_slice(&[0.0; 4], 2, 2);
    assert!(regression.rotated(cross).is_err());
}
