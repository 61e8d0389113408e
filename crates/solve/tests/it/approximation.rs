//! Laws of every way to choose points, the identities of determinantal and volume sampling, and agreement with scipy
//! (`fixtures/approximation.json`).

use faer::Mat;
use rankine_linalg::always;
use rankine_random::Rng;
use rankine_solve::approximation::{
    Approximation, ApproximationSolver, Design, Family, LeastSquaresInSpace, Space, Span, Strategy,
    TensorSpace, dpp, fekete, monte_carlo, optimal_iid, repeated_dpp, selected_dpp, volume,
};
use rankine_solve::{Error, Outcome, Report, Silent, Solve, Stop};
use serde_json::Value;

type Solver<'a> = &'a dyn Solve<LeastSquaresInSpace, Solution = Approximation>;

fn fixture(part: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../fixtures/approximation.json")).unwrap();
    document[part].as_array().unwrap().clone()
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn legendre(size: usize) -> TensorSpace {
    TensorSpace::univariate(Family::Legendre, size).unwrap()
}

fn kink(point: &[f64]) -> f64 {
    (point[0] - 0.1).abs() + (5.0 * point[0]).sin()
}

/// The best coefficients of the kink, and the square of its distance.
fn best_of_kink(size: u64) -> (Vec<f64>, f64) {
    let bests = fixture("bests");
    let best = bests.iter().find(|best| best["name"] == "kink" && best["size"] == size).unwrap();
    (numbers(&best["coefficients"]), best["square"].as_f64().unwrap())
}

fn once(solver: Solver<'_>, problem: &LeastSquaresInSpace) -> Report<Approximation> {
    solver.solve(problem, None, Stop { steps: 1, tolerance: 0.5 }, &mut Silent::watch).unwrap()
}

/// Mean, and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (square / count).sqrt())
}

fn spaces() -> Vec<(&'static str, TensorSpace)> {
    let cross = |family, dimensions, level| TensorSpace::hyperbolic_cross(family, dimensions, level).unwrap();
    vec![
        ("constants", legendre(1)),
        ("legendre", legendre(9)),
        ("hermite", TensorSpace::univariate(Family::Hermite, 7).unwrap()),
        ("fourier", TensorSpace::univariate(Family::Fourier, 8).unwrap()),
        ("legendre cross", cross(Family::Legendre, 3, 5)),
        ("hermite cross", cross(Family::Hermite, 2, 5)),
        ("fourier cross", cross(Family::Fourier, 2, 3)),
        ("total degree", TensorSpace::products(Family::Legendre, 2, 4, Span::Total).unwrap()),
        ("waves of two sides", TensorSpace::products(Family::Fourier, 2, 2, Span::Tensor).unwrap()),
    ]
}

#[test]
fn every_solver_finds_a_function_of_the_space() {
    for (name, space) in spaces() {
        let wanted: Vec<f64> = (0..space.size()).map(|j| 1.0 / (1.0 + j as f64) - 0.3).collect();
        let (own, coefficients) = (space.clone(), wanted.clone());
        let function = move |point: &[f64]| -> f64 {
            own.features(point).iter().zip(&coefficients).map(|(feature, c)| feature * c).sum()
        };
        let problem = LeastSquaresInSpace::new(space, function).unwrap();
        for choice in ApproximationSolver::all() {
            let (label, solver) = (format!("{choice:?} on {name}"), choice.solver());
            let stop = Stop { steps: 20, ..solver.stop() };
            let report = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap();
            let Approximation { coefficients, design, draws, distance } = &report.solution;
            assert_eq!(*draws, report.trace.len(), "{label}");
            let stable = design.smallest >= 0.5;
            let outcome = if stable { Outcome::Converged } else { Outcome::StepLimit };
            assert_eq!(report.outcome, outcome, "{label}: {}", design.smallest);
            let worst = coefficients.iter().zip(&wanted).map(|(c, w)| (c - w).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-10, "{label}: {worst:e}");
            assert!(*distance < 1e-10, "{label}: {distance:e}");
            let point = &design.points[0];
            let error = report.solution.value(problem.space(), point) - problem.value(point);
            assert!(error.abs() < 1e-8, "{label}: {error:e}");
        }
    }
}

#[test]
fn functions_are_those_of_scipy() {
    for case in fixture("families") {
        let family: Family = serde_json::from_value(case["family"].clone()).unwrap();
        for (x, wanted) in numbers(&case["x"]).into_iter().zip(case["values"].as_array().unwrap()) {
            let (found, wanted) = (family.values(x, 31), numbers(wanted));
            let worst =
                found.iter().zip(&wanted).map(|(f, w)| (f - w).abs() / (1.0 + w.abs())).fold(0.0, f64::max);
            assert!(worst < 1e-10, "{family:?} at {x}: {worst:e}");
        }
    }
    let waves = Family::Fourier.values(0.2, 5);
    let (sine, cosine) = (2.0 * std::f64::consts::TAU * 0.2).sin_cos();
    assert!((waves[3] - 2f64.sqrt() * cosine).abs() + (waves[4] - 2f64.sqrt() * sine).abs() < 1e-12);
}

#[test]
fn points_of_a_function_have_its_square_as_density() {
    for family in [Family::Legendre, Family::Hermite, Family::Fourier] {
        let (from, to) = match family {
            Family::Legendre => (-1.0, 1.0),
            Family::Hermite => (-14.0, 14.0),
            Family::Fourier => (0.0, 1.0),
        };
        let density = |x: f64| match family {
            Family::Legendre => 0.5,
            Family::Hermite => (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt(),
            Family::Fourier => 1.0,
        };
        for index in [0, 1, 2, 7, 20] {
            let integral = |h: &dyn Fn(f64) -> f64| {
                let nodes = 20_000;
                let width = (to - from) / f64::from(nodes);
                let at = |i: i32| from + (f64::from(i) + 0.5) * width;
                let term = |x: f64| h(x) * family.values(x, index + 1)[index].powi(2) * density(x);
                (0..nodes).map(|i| term(at(i)) * width).sum::<f64>()
            };
            assert!((integral(&|_| 1.0) - 1.0).abs() < 1e-4, "{family:?} {index}");
            let mut rng = Rng::new(1).fork_index("component", index);
            let draws: Vec<f64> = (0..4000).map(|_| family.draw_component(index, &mut rng)).collect();
            for h in [|x: f64| x, |x: f64| x * x, |x: f64| (3.0 * x).cos()] {
                let (found, error) = mean(&draws.iter().map(|&x| h(x)).collect::<Vec<_>>());
                let wanted = integral(&h);
                assert!((found - wanted).abs() < 4.5 * error + 1e-4, "{family:?} {index}: {found} {wanted}");
            }
        }
    }
}

#[test]
fn a_hyperbolic_cross_has_the_products_below_its_level() {
    let count = |family, dimensions, level| {
        TensorSpace::hyperbolic_cross(family, dimensions, level).map(|space| space.size())
    };
    // Pairs a, b ≥ 1 with a·b ≤ 4: 4 + 2 + 1 + 1; triples: 4 + 3·(…) counted by hand as 13.
    assert_eq!((count(Family::Legendre, 1, 6), count(Family::Legendre, 2, 4)), (Ok(6), Ok(8)));
    assert_eq!(count(Family::Legendre, 3, 4), Ok(13));
    // One wave has two functions: 1 + 2·(level − 1).
    assert_eq!(count(Family::Fourier, 1, 3), Ok(5));
    assert!(matches!(count(Family::Legendre, 0, 3), Err(Error::Fit { name: "dimensions", .. })));
    assert!(matches!(count(Family::Legendre, 3, 5000), Err(Error::Fit { name: "size", .. })));
    assert!(matches!(count(Family::Hermite, 1, 300), Err(Error::Fit { name: "degree", most: 250, .. })));
    assert!(matches!(TensorSpace::univariate(Family::Legendre, 0), Err(Error::Fit { name: "size", .. })));
}

#[test]
fn a_space_has_the_products_that_its_span_says() {
    type Fits = fn(&[usize]) -> bool;
    let level = 5;
    let spans: [(Span, Fits); 3] = [
        (Span::Cross, |orders| orders.iter().map(|order| order + 1).product::<usize>() <= 5),
        (Span::Total, |orders| orders.iter().sum::<usize>() < 5),
        (Span::Tensor, |orders| orders.iter().all(|order| *order < 5)),
    ];
    for (span, fits) in spans {
        for family in [Family::Legendre, Family::Fourier] {
            for dimensions in 1..4 {
                let space = TensorSpace::products(family, dimensions, level, span).unwrap();
                // Of all products of factors that fit alone.
                let factors = (0..).take_while(|&index| family.order(index) < level).count();
                let orders = |mut place: usize| -> Vec<usize> {
                    let digits = (0..dimensions).map(|_| {
                        let digit = place % factors;
                        place /= factors;
                        family.order(digit)
                    });
                    digits.collect()
                };
                let expected =
                    (0..factors.pow(dimensions as u32)).filter(|&place| fits(&orders(place))).count();
                assert_eq!(space.size(), expected, "{span:?} {family:?} {dimensions}");
            }
        }
    }
    // Polynomials of three variables and degree 4: (4 + 3)! / 4! / 3!.
    assert_eq!(TensorSpace::products(Family::Legendre, 3, 5, Span::Total).unwrap().size(), 35);
    let large = TensorSpace::products(Family::Legendre, 3, 30, Span::Tensor);
    assert!(matches!(large, Err(Error::Fit { name: "size", .. })));
}

#[test]
fn the_process_has_the_intensity_of_its_kernel() {
    let (space, nodes) = (legendre(5), 4000);
    let at = |i: usize| (i as f64 + 0.5) / nodes as f64 * 2.0 - 1.0;
    let draws: Vec<Design> = (0..1500)
        .map(|seed| dpp::ProjectionDpp { seed }.draw(&space, &Rng::new(seed).fork("draw"), &always).unwrap())
        .collect();
    for h in [|_: f64| 1.0, |x: f64| x, |x: f64| x * x, |x: f64| (4.0 * x).exp() / 50.0] {
        let kernel = |x: f64| space.features(&[x]).iter().map(|f| f * f).sum::<f64>();
        let wanted = (0..nodes).map(|i| h(at(i)) * kernel(at(i))).sum::<f64>() / nodes as f64;
        let sums: Vec<f64> = draws.iter().map(|draw| draw.points.iter().map(|x| h(x[0])).sum()).collect();
        let (found, error) = mean(&sums);
        assert!((found - wanted).abs() < 4.0 * error + 1e-4, "{found} ± {error}, {wanted}");
    }
}

/// The inverse of G.
fn inverse(design: &Design) -> Mat<f64> {
    let gram = design.gram();
    let size = gram.nrows();
    let mut wide = Mat::from_fn(size, 2 * size, |i, j| {
        if j < size { gram[(i, j)] } else { f64::from(u8::from(i == j - size)) }
    });
    for pivot in 0..size {
        let scale = 1.0 / wide[(pivot, pivot)];
        (0..2 * size).for_each(|j| wide[(pivot, j)] *= scale);
        for row in (0..size).filter(|&row| row != pivot) {
            let factor = wide[(row, pivot)];
            (0..2 * size).for_each(|j| wide[(row, j)] -= factor * wide[(pivot, j)]);
        }
    }
    wide.get(.., size..).to_owned()
}

#[test]
fn the_mean_of_the_inverse_is_that_of_volume_sampling() {
    let (size, space) = (4, legendre(4));
    let problem = LeastSquaresInSpace::new(space, kink).unwrap();
    for (oversampling, theta) in [(2.0, 1.0), (3.0, 0.5)] {
        let inverses: Vec<Mat<f64>> = (0..2500)
            .map(|seed| {
                let solver = volume::VolumeSampling { oversampling, theta, seed };
                inverse(&once(&solver, &problem).solution.design)
            })
            .collect();
        let count = oversampling * size as f64;
        for i in 0..size {
            for j in 0..=i {
                let wanted = if i == j { count / (count - size as f64 + 1.0) } else { 0.0 };
                let (found, error) =
                    mean(&inverses.iter().map(|inverse| inverse[(i, j)]).collect::<Vec<_>>());
                assert!((found - wanted).abs() < 4.0 * error, "{i} {j}: {found} ± {error}, {wanted}");
            }
        }
    }
}

#[test]
fn estimates_are_unbiased_and_interpolants_have_the_error_of_the_identity() {
    let problem = LeastSquaresInSpace::new(legendre(4), kink).unwrap();
    let (best, square) = best_of_kink(4);
    let coefficients = |solver: Solver<'_>| once(solver, &problem).solution.coefficients;
    let volume: Vec<_> =
        (0..2500).map(|seed| coefficients(&volume::VolumeSampling { seed, ..Default::default() })).collect();
    let single: Vec<_> = (0..4500).map(|seed| coefficients(&dpp::ProjectionDpp { seed })).collect();
    for (j, wanted) in best.iter().enumerate() {
        for draws in [&volume, &single] {
            let (found, error) = mean(&draws.iter().map(|c| c[j]).collect::<Vec<_>>());
            assert!((found - wanted).abs() < 4.0 * error, "{j}: {found} ± {error}, {wanted}");
        }
    }
    // E‖f − f̂‖² = (1 + m/r)·e²: one interpolant, and means of three.
    let errors = |average: usize| -> Vec<f64> {
        let together = |group: &[Vec<f64>]| {
            let off = |j: usize| group.iter().map(|c| c[j]).sum::<f64>() / average as f64 - best[j];
            square + (0..best.len()).map(|j| off(j).powi(2)).sum::<f64>()
        };
        single.chunks_exact(average).map(together).collect()
    };
    for average in [1, 3] {
        let (found, error) = mean(&errors(average));
        let wanted = (1.0 + 4.0 / average as f64) * square;
        assert!((found - wanted).abs() < 4.0 * error && error < 0.1 * wanted, "{found} ± {error}, {wanted}");
    }
}

#[test]
fn interpolants_go_through_their_points() {
    let problem = LeastSquaresInSpace::new(legendre(8), kink).unwrap();
    for solver in [&dpp::ProjectionDpp::default() as Solver<'_>, &fekete::Fekete::default()] {
        let found = once(solver, &problem).solution;
        assert_eq!(found.design.points.len(), 8);
        for point in &found.design.points {
            assert!((found.value(problem.space(), point) - kink(point)).abs() < 1e-10);
        }
    }
}

#[test]
fn stability_is_as_likely_as_in_the_prototype() {
    let problem = LeastSquaresInSpace::new(legendre(8), kink).unwrap();
    // The page's P(λ_min ≥ ½) with 4·m points: 0.14, 0.30 and 0.84; four standard errors of 200 draws.
    let stable = |draw: &dyn Fn(u64) -> Report<Approximation>| {
        (0..200).filter(|&seed| draw(seed).solution.design.smallest >= 0.5).count() as f64 / 200.0
    };
    let shares = [
        stable(&|seed| once(&optimal_iid::OptimalIid { seed, ..Default::default() }, &problem)),
        stable(&|seed| {
            once(&volume::VolumeSampling { oversampling: 4.0, seed, ..Default::default() }, &problem)
        }),
        stable(&|seed| once(&repeated_dpp::RepeatedDpp { repetitions: 4, seed }, &problem)),
    ];
    for (share, wanted) in shares.into_iter().zip([0.14, 0.30, 0.84]) {
        assert!((share - wanted).abs() < 4.0 * (wanted * (1.0 - wanted) / 200.0f64).sqrt(), "{shares:?}");
    }
}

#[test]
fn redrawing_ends_at_the_first_stable_draw_and_selection_spares_points() {
    let problem = LeastSquaresInSpace::new(legendre(10), kink).unwrap();
    for seed in 0..10 {
        let solver = repeated_dpp::RepeatedDpp { repetitions: 3, seed };
        let stop = Solve::<LeastSquaresInSpace>::stop(&solver);
        let report = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap();
        assert_eq!(report.outcome, Outcome::Converged);
        assert!(0.5 <= report.solution.design.smallest);
        assert!(report.trace[..report.trace.len() - 1].iter().all(|step| 0.5 < step.residual));
        let solver = selected_dpp::SelectedDpp { seed, ..Default::default() };
        let design = once(&solver, &problem).solution.design;
        assert!(0.5 <= design.smallest && design.points.len() < 40, "{} points", design.points.len());
        assert!(10 <= design.points.len());
    }
}

#[test]
fn a_design_serves_another_function_and_weights_are_bounded() {
    let first = LeastSquaresInSpace::new(legendre(6), kink).unwrap();
    let second = LeastSquaresInSpace::new(legendre(6), |point: &[f64]| point[0].exp()).unwrap();
    let solver = volume::VolumeSampling { theta: 0.5, oversampling: 5.0, seed: 3 };
    let stop = Solve::<LeastSquaresInSpace>::stop(&solver);
    let found = solver.solve(&first, None, stop, &mut Silent::watch).unwrap().solution;
    assert!(found.design.weights.iter().all(|weight| (0.0..=2.0).contains(weight)));
    let again = solver.solve(&second, Some(&found), stop, &mut Silent::watch).unwrap().solution;
    assert_eq!(again.design, found.design);
    assert!((again.value(second.space(), &[0.3]) - 0.3f64.exp()).abs() < 1e-3);
    let other = LeastSquaresInSpace::new(legendre(7), kink).unwrap();
    let refused = solver.solve(&other, Some(&found), stop, &mut Silent::watch);
    assert!(matches!(refused, Err(Error::Size { found: 6, expected: 7, .. })));
}

#[test]
fn wrong_settings_and_functions_are_told() {
    let problem = LeastSquaresInSpace::new(legendre(3), kink).unwrap();
    let stop = Stop { steps: 3, tolerance: 0.5 };
    let error = |solver: Solver<'_>| solver.solve(&problem, None, stop, &mut Silent::watch).unwrap_err();
    let few = monte_carlo::MonteCarlo { oversampling: 0.9, seed: 0 };
    assert!(matches!(error(&few), Error::Setting { name: "oversampling", .. }));
    let wild = optimal_iid::OptimalIid { theta: f64::NAN, ..Default::default() };
    assert!(matches!(error(&wild), Error::Setting { name: "theta", .. }));
    let none = repeated_dpp::RepeatedDpp { repetitions: 0, seed: 0 };
    assert!(matches!(error(&none), Error::Fit { name: "repetitions", .. }));
    let none = selected_dpp::SelectedDpp { candidates: 0, ..Default::default() };
    assert!(matches!(error(&none), Error::Fit { name: "candidates", .. }));
    let wrong = selected_dpp::SelectedDpp { delta: 1.0, ..Default::default() };
    assert!(matches!(error(&wrong), Error::Setting { name: "delta", .. }));
    let none = fekete::Fekete { candidates: 0, seed: 0 };
    assert!(matches!(error(&none), Error::Fit { name: "candidates", .. }));
    let pole = LeastSquaresInSpace::new(legendre(3), |_: &[f64]| f64::NAN).unwrap();
    let refused = volume::VolumeSampling::default().solve(&pole, None, stop, &mut Silent::watch);
    assert!(matches!(refused, Err(Error::NotFinite { what: "the function at a point drawn", .. })));
    let read: ApproximationSolver = serde_json::from_str(r#"{"repeated-dpp": {"repetitions": 3}}"#).unwrap();
    assert_eq!(read, ApproximationSolver::RepeatedDpp(repeated_dpp::RepeatedDpp { repetitions: 3, seed: 0 }));
}
