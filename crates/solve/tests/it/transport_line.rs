//! Transport on the line against the simplex and by hand, and the costs of point clouds.

use faer::Mat;
use proptest::prelude::*;
use rankine_random::Rng;
use rankine_solve::transport::line::{Line, monotone};
use rankine_solve::transport::points::{Metric, cost};
use rankine_solve::transport::{Transport, exact::Exact};
use rankine_solve::{Error, Silent, Solve as _};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn samples_cost_what_the_simplex_finds(
        rows in 1..9usize,
        columns in 1..9usize,
        seed in 0..1000u64,
        power in prop::sample::select(vec![1.0, 1.5, 2.0]),
    ) {
        let mut rng = Rng::new(seed).fork("line");
        let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.uniform_f64()).collect() };
        let (x, y, source, mut target) = (draw(rows), draw(columns), draw(rows), draw(columns));
        let factor = source.iter().sum::<f64>() / target.iter().sum::<f64>();
        target.iter_mut().for_each(|mass| *mass *= factor);
        let costs = Mat::from_fn(rows, columns, |i, j| (x[i] - y[j]).abs().powf(power));
        let problem = Transport::new(costs, source.clone(), target.clone(), 0.0).unwrap();
        let exact = Exact::default();
        let optimum = exact.solve(&problem, None, exact.stop(), &mut Silent::watch).unwrap().solution.cost;
        let plan = monotone((&x, &source), (&y, &target)).unwrap();
        prop_assert!((problem.cost_of(&plan) - optimum).abs() < 1e-10);
        prop_assert!(problem.violation(&plan) < 1e-13);
        let [left, right] = [(&x, &source), (&y, &target)].map(|(x, a)| Line::samples(x, a).unwrap());
        prop_assert!((left.distance(&right, power).unwrap().powf(power) - optimum).abs() < 1e-10);
        prop_assert!(left.distance(&left, power).unwrap() < 1e-12);
    }
}

#[test]
fn histograms_have_their_closed_forms() {
    let block = |from: f64, to: f64| Line::histogram(&[from, to], &[1.0]).unwrap();
    let point = |at: f64| Line::samples(&[at], &[1.0]).unwrap();
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-14, "{found} {expected}");
    // A shift costs the shift, whatever the power.
    for power in [1.0, 1.7, 2.0, 5.0] {
        near(block(0.0, 1.0).distance(&block(3.0, 4.0), power).unwrap(), 3.0);
    }
    // Stretching to twice the width: |t| on average, and its square.
    near(block(0.0, 1.0).distance(&block(0.0, 2.0), 1.0).unwrap(), 0.5);
    near(block(0.0, 1.0).distance(&block(0.0, 2.0), 2.0).unwrap(), (1.0f64 / 3.0).sqrt());
    // About a point: the deviations of the uniform distribution.
    near(block(-1.0, 1.0).distance(&point(0.0), 1.0).unwrap(), 0.5);
    near(block(-1.0, 1.0).distance(&point(0.0), 2.0).unwrap(), (1.0f64 / 3.0).sqrt());
    // A block cut into cells is the same block.
    let cut = Line::histogram(&[0.0, 0.25, 0.25, 0.9, 1.0], &[0.25, 0.0, 0.65, 0.1]).unwrap();
    assert!(cut.distance(&block(0.0, 1.0), 2.0).unwrap() < 1e-8);
    // Ends that nearly agree are integrated without loss.
    let (shift, stretch) = (1.0, 1e-9);
    let found = block(0.0, 1.0).distance(&block(shift, shift + 1.0 + stretch), 2.0).unwrap();
    near(found, (shift * shift + shift * stretch + stretch * stretch / 3.0).sqrt());
}

#[test]
fn gaussians_are_as_far_apart_as_their_parameters() {
    let edges: Vec<f64> = (0..=4000).map(|i| -20.0 + i as f64 * 0.01).collect();
    let gaussian = |mean: f64, deviation: f64| {
        let height = |x: f64| (-((x - mean) / deviation).powi(2) / 2.0).exp();
        let raw: Vec<f64> = edges.windows(2).map(|edge| height((edge[0] + edge[1]) / 2.0)).collect();
        let sum: f64 = raw.iter().sum();
        Line::histogram(&edges, &raw.iter().map(|mass| mass / sum).collect::<Vec<_>>()).unwrap()
    };
    let found = gaussian(-1.0, 1.0).distance(&gaussian(2.0, 2.0), 2.0).unwrap();
    assert!((found - 10f64.sqrt()).abs() < 1e-4, "{found}");
}

#[test]
fn what_is_no_distribution_is_refused() {
    assert!(matches!(Line::samples(&[0.0], &[1.0, 2.0]), Err(Error::Size { .. })));
    assert!(matches!(Line::samples(&[f64::NAN], &[1.0]), Err(Error::NotFinite { .. })));
    assert!(matches!(Line::samples(&[0.0, 1.0], &[1.0, -1.0]), Err(Error::Negative { index: 1, .. })));
    assert!(matches!(Line::samples(&[], &[]), Err(Error::Empty { .. })));
    assert!(matches!(
        Line::histogram(&[0.0, 2.0, 1.0], &[1.0, 1.0]),
        Err(Error::Descending { index: 2, .. })
    ));
    let [one, two] = [1.0, 2.0].map(|mass| Line::samples(&[0.0], &[mass]).unwrap());
    assert_eq!(one.distance(&two, 1.0), Err(Error::Masses { source_sum: 1.0, target_sum: 2.0 }));
    assert!(matches!(one.distance(&one, 0.5), Err(Error::Setting { name: "power", .. })));
}

#[test]
fn points_close_to_each_other_keep_their_digits() {
    let x = Mat::from_fn(1, 2, |_, _| 1e8);
    let y = Mat::from_fn(1, 2, |_, j| 1e8 + j as f64);
    let found = [Metric::SqEuclidean, Metric::Euclidean, Metric::CityBlock]
        .map(|metric| cost(x.as_ref(), y.as_ref(), metric).unwrap()[(0, 0)]);
    assert_eq!(found, [1.0, 1.0, 1.0]);
}

#[test]
fn points_that_cannot_be_compared_are_refused() {
    let (x, y) = (Mat::<f64>::zeros(2, 3), Mat::<f64>::zeros(2, 2));
    assert!(matches!(cost(x.as_ref(), y.as_ref(), Metric::Euclidean), Err(Error::Size { .. })));
    let error = cost(y.as_ref(), y.as_ref(), Metric::Cosine).unwrap_err();
    assert_eq!(error, Error::NoDirection { what: "source", index: 0 });
}
