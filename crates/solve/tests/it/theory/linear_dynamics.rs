//! Linear networks in training: the numbers of the page, limits, and gradient descent itself.

use super::{close, normal};
use faer::Mat;
use rankine_linalg::{eigh, multiply};
use rankine_random::Rng;
use rankine_solve::theory::linear_dynamics::{
    LinearDynamics, MarchenkoPastur, Time, deep_mode, distance_of_spectrum,
};

fn dynamics(ratio: f64, signal: f64, initial: f64) -> LinearDynamics {
    LinearDynamics::new(ratio, signal, initial).unwrap()
}

#[test]
fn the_law_has_its_moments() {
    for ratio in [0.05, 0.3, 0.9, 1.0, 1.1, 3.0, 20.0] {
        let law = MarchenkoPastur { ratio };
        close(law.integrate(|_| 1.0), ratio.min(1.0), 1e-10);
        close(law.integrate(|x| x), ratio, 1e-10);
        if ratio != 1.0 {
            let inverse = if ratio < 1.0 { ratio / (1.0 - ratio) } else { (ratio - 1.0).recip() };
            close(law.integrate(f64::recip), inverse, 1e-8);
        }
        let [low, high] = law.edges();
        let parts = 20_000;
        let width = (high - low) / f64::from(parts);
        let sum: f64 = (0..parts).map(|i| law.density(low + width * (f64::from(i) + 0.5)) * width).sum();
        close(sum, ratio.min(1.0), 0.01);
    }
}

/// Stopping time, error there, at the end and with ridge, at SNR 5 and a start at 0.
#[test]
fn the_numbers_of_the_page_are_met() {
    for (ratio, time, stopped, end, ridge) in [
        (0.2, 2.10, 1.0395, 1.05, 1.0385),
        (0.5, 2.67, 0.8261, 0.9, 0.8217),
        (0.8, 2.90, 0.6552, 1.2, 0.6472),
        (1.25, 2.90, 0.4850, 1.0, 0.4756),
        (2.0, 2.47, 0.3541, 0.4, 0.3483),
        (4.0, 1.29, 0.2628, 0.2667, 0.2613),
    ] {
        let dynamics = dynamics(ratio, 5.0, 0.0);
        let (stop, error) = dynamics.optimal_stop();
        // The valley is flat, and the page's time a point of a grid.
        assert!((stop / time - 1.0).abs() < 0.05, "{ratio}: {stop}");
        assert!(error <= dynamics.test_error(Time::Flow(time)) + 1e-12);
        assert!((error - stopped).abs() < 6e-5, "{ratio}: {error}");
        assert!((dynamics.final_error() - end).abs() < 6e-5);
        close(dynamics.test_error(Time::Flow(1e6)), dynamics.final_error(), 1e-6);
        let best = dynamics.ridge(0.2).unwrap();
        assert!((best - ridge).abs() < 6e-5, "{ratio}: {best}");
        for other in [0.02, 0.1, 0.19, 0.21, 0.5, 2.0] {
            assert!(best <= dynamics.ridge(other).unwrap() && best <= error);
        }
    }
    assert!((dynamics(1.0, 5.0, 0.0).ridge(0.2).unwrap() - 0.5583).abs() < 6e-5);
    assert!(dynamics(1.0, 5.0, 0.0).final_error().is_infinite());
    for (ratio, initial, time, error) in [
        (0.5, 0.0, 10.0, 0.8667),
        (1.0, 0.0, 10.0, 0.6496),
        (1.0, 0.0, 1000.0, 4.294),
        (2.0, 0.0, 1.0, 0.3947),
        (0.5, 1.0, 10.0, 1.37),
    ] {
        let found = dynamics(ratio, 5.0, initial).test_error(Time::Flow(time));
        assert!((found - error).abs() < 1.1e-4 * error.max(1.0) * 2.0, "{ratio} {time}: {found}");
    }
}

#[test]
fn the_best_ridge_is_best() {
    let dynamics = dynamics(0.8, 4.0, 0.0);
    let best = dynamics.best_ridge().unwrap();
    assert!([0.1, 0.2, 0.3, 0.5].iter().all(|&ridge| best < dynamics.ridge(ridge).unwrap()), "{best}");
}

#[test]
fn training_never_raises_the_training_error() {
    for (ratio, initial) in [(0.3, 0.0), (1.0, 0.5), (4.0, 1.0)] {
        let dynamics = dynamics(ratio, 3.0, initial);
        close(dynamics.test_error(Time::Flow(0.0)), 1.0 + initial + 1.0 / 3.0, 1e-10);
        let errors: Vec<f64> =
            (0..40).map(|i| dynamics.train_error(Time::Flow(0.01 * 1.4f64.powi(i)))).collect();
        assert!(errors.windows(2).all(|pair| pair[1] <= pair[0] + 1e-12));
        let steps = Time::Steps { rate: 1e-4, steps: 20_000 };
        close(dynamics.test_error(steps), dynamics.test_error(Time::Flow(2.0)), 1e-3);
    }
}

/// One draw: errors of gradient descent, step by step.
fn simulate(size: usize, ratio: f64, initial: f64, steps: u32, rate: f64, rng: &mut Rng) -> (f64, f64) {
    let samples = (size as f64 * ratio) as usize;
    let x = normal(size, samples, rng) * faer::Scale((size as f64).sqrt().recip());
    let teacher = normal(1, size, rng);
    let teacher = &teacher * faer::Scale((size as f64).sqrt() / teacher.norm_l2());
    let y = multiply(teacher.as_ref(), x.as_ref()) + normal(1, samples, rng) * faer::Scale(0.2f64.sqrt());
    let mut w = normal(1, size, rng) * faer::Scale(initial.sqrt());
    for _ in 0..steps {
        let left = &y - multiply(w.as_ref(), x.as_ref());
        w += multiply(left.as_ref(), x.transpose()) * faer::Scale(rate);
    }
    let test = (&w - &teacher).squared_norm_l2() / size as f64 + 0.2;
    let train = (&y - multiply(w.as_ref(), x.as_ref())).squared_norm_l2() / samples as f64;
    (test, train)
}

#[test]
fn gradient_descent_follows_the_curve() {
    let rng = Rng::new(27);
    for (place, (ratio, initial, steps)) in
        [(0.5, 0.0, 100), (1.0, 0.0, 100), (2.0, 1.0, 30), (0.5, 1.0, 60)].into_iter().enumerate()
    {
        let (rate, draws) = (0.1, 16);
        let (mut test, mut train) = (0.0, 0.0);
        for draw in 0..draws {
            let mut rng = rng.fork_index("setting", place).fork_index("draw", draw);
            let (one, other) = simulate(200, ratio, initial, steps, rate, &mut rng);
            test += one / draws as f64;
            train += other / draws as f64;
        }
        let (dynamics, time) = (dynamics(ratio, 5.0, initial), Time::Steps { rate, steps });
        close(test, dynamics.test_error(time), 0.06);
        let expected = dynamics.train_error(time);
        assert!((train - expected).abs() < 0.08 * expected + 1e-3, "{train}, expected {expected}");
    }
}

/// With the samples at hand the mean over the noise is exact.
#[test]
fn a_spectrum_tells_the_mean_over_the_noise() {
    let mut rng = Rng::new(5);
    let (x, teacher) = (normal(6, 4, &mut rng), normal(1, 6, &mut rng));
    let eigen = eigh(multiply(x.as_ref(), x.transpose()).as_ref()).unwrap();
    let along = multiply(teacher.as_ref(), eigen.vectors.as_ref());
    let distances: Vec<f64> = (0..6).map(|i| along[(0, i)].powi(2)).collect();
    let values: Vec<f64> =
        eigen.values.iter().map(|value| if *value < 1e-12 { 0.0 } else { *value }).collect();
    let (rate, steps, noise) = (0.02, 15, 0.3f64);
    let found = distance_of_spectrum(&values, &distances, noise, Time::Steps { rate, steps });
    // Descent is linear in the noise: the clean run, and one for every unit vector of noise.
    let run = |target: Mat<f64>| {
        let mut w = Mat::<f64>::zeros(1, 6);
        for _ in 0..steps {
            let left = &target - multiply(w.as_ref(), x.as_ref());
            w += multiply(left.as_ref(), x.transpose()) * faer::Scale(rate);
        }
        w
    };
    let clean = (run(multiply(teacher.as_ref(), x.as_ref())) - &teacher).squared_norm_l2();
    let units =
        (0..4).map(|j| run(Mat::from_fn(1, 4, |_, i| if i == j { 1.0 } else { 0.0 })).squared_norm_l2());
    close(found, clean + noise * units.sum::<f64>(), 1e-10);
}

#[test]
fn modes_of_deep_networks_reach_their_singular_value() {
    for depth in 1..6 {
        close(deep_mode(depth, 1e-3, 2.0, 0.0).unwrap(), 1e-3, 1e-12);
        close(deep_mode(depth, 1e-2, 2.0, 200.0).unwrap(), 2.0, 1e-6);
        let speed = |u: f64| f64::from(depth) * u.powf(2.0 - 2.0 / f64::from(depth)) * (2.0 - u);
        let (before, now, after) = (0.499, 0.5, 0.501);
        let [before, now, after] = [before, now, after].map(|time| deep_mode(depth, 0.3, 2.0, time).unwrap());
        close((after - before) / 0.002, speed(now), 1e-4);
    }
    let time = 1.3;
    let known = 2.0 * (2.0f64 * 2.0 * time).exp() / ((2.0f64 * 2.0 * time).exp() - 1.0 + 2.0 / 0.01);
    close(deep_mode(2, 0.01, 2.0, time).unwrap(), known, 1e-12);
    assert!(deep_mode(0, 0.1, 1.0, 1.0).is_err() && LinearDynamics::new(0.0, 1.0, 0.0).is_err());
}
