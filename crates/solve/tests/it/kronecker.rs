//! Kronecker recovery: agreement with numpy, the page's invariants, and laws of every solver on a grid of problems.

use faer::{Mat, c64};
use proptest::prelude::*;
use rankine_linalg::always;
use rankine_random::Rng;
use rankine_solve::kronecker::bayes::{Bayesian, Factor, Start};
use rankine_solve::kronecker::posterior::Posterior;
use rankine_solve::kronecker::product_omp::least_squares_on;
use rankine_solve::kronecker::{
    Ensemble, Instance, IrsMimo, KroneckerRecovery, KroneckerSolver, Recovered, am::AmKroSbl, ksbl::KroSbl,
    omp, pattern_coupled::PcKroSbl, product_omp, sbl::Sbl, svd::SvdKroSbl,
};
use rankine_solve::{Error, Outcome, Report, Silent, Solve, Stop};
use serde_json::Value;

type Solver<'a> = &'a dyn Solve<KroneckerRecovery, Solution = Recovered>;

fn run(solver: Solver<'_>, problem: &KroneckerRecovery) -> Report<Recovered> {
    solver.solve(problem, None, solver.stop(), &mut Silent::watch).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<c64> {
    numbers(value).chunks_exact(2).map(|pair| c64::new(pair[0], pair[1])).collect()
}

/// Largest difference over the largest magnitude.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / largest
}

fn fixture() -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../fixtures/kronecker.json")).unwrap();
    document["cases"].as_array().unwrap().clone()
}

fn problem_of(case: &Value) -> KroneckerRecovery {
    let factor = |(size, entries): (&Value, &Value)| {
        let (size, entries) = (numbers(size), pairs(entries));
        let (rows, columns) = (size[0] as usize, size[1] as usize);
        Mat::from_fn(rows, columns, |i, j| entries[i * columns + j])
    };
    let sizes = case["sizes"].as_array().unwrap().iter();
    let factors = sizes.zip(case["factors"].as_array().unwrap()).map(factor).collect();
    KroneckerRecovery::new(factors, pairs(&case["observation"]), case["noise"].as_f64()).unwrap()
}

fn vectors(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

#[test]
fn the_posterior_is_that_of_numpy_with_everything_formed() {
    for case in fixture() {
        let (problem, variances) = (problem_of(&case), vectors(&case["variances"]));
        let dictionaries: Vec<_> = problem.factors().iter().map(Mat::as_ref).collect();
        let variances: Vec<_> = variances.iter().map(Vec::as_slice).collect();
        let noise = problem.noise().unwrap();
        let found = Posterior::new(&dictionaries, &variances, noise, problem.observation(), &always).unwrap();
        let mean = pairs(&case["mean"]);
        let parts = |x: &[c64]| x.iter().flat_map(|x| [x.re, x.im]).collect::<Vec<_>>();
        assert!(apart(&parts(&found.mean), &parts(&mean)) < 1e-12, "{}", case["name"]);
        assert!(apart(&found.variance, &numbers(&case["variance"])) < 1e-12, "{}", case["name"]);
        assert!(apart(&[found.cost], &[case["cost"].as_f64().unwrap()]) < 1e-12, "{}", case["name"]);
        assert!(apart(&[found.noise], &[case["next_noise"].as_f64().unwrap()]) < 1e-12, "{}", case["name"]);
    }
}

#[test]
fn the_steps_are_those_of_numpy() {
    let (prune, start, tolerance) = (0.0, Start::One, 0.0);
    let single = KroSbl { prune, start };
    let am = AmKroSbl { prune, start, tolerance, passes: 3 };
    let svd = SvdKroSbl { prune, start };
    let coupled = PcKroSbl { prune, start, tolerance, passes: 2, ..PcKroSbl::default() };
    let solvers: [(&str, Solver<'_>); 4] =
        [("single", &single), ("am", &am), ("svd", &svd), ("coupled", &coupled)];
    for case in fixture() {
        let problem = problem_of(&case);
        for (key, solver) in solvers {
            let Some(expected) = case.get(key) else { continue };
            let costs = numbers(&expected["costs"]);
            let stop = Stop { steps: costs.len(), tolerance: 0.0 };
            let report = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap();
            let found: Vec<f64> = report.trace.iter().map(|progress| progress.objective).collect();
            assert!(apart(&found, &costs) < 1e-9, "{} {key}: {found:?} {costs:?}", case["name"]);
            for (found, expected) in report.solution.variances.iter().zip(vectors(&expected["variances"])) {
                assert!(apart(found, &expected) < 1e-9, "{} {key}", case["name"]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn scale_moves_freely_between_the_factors(scale in 0.01f64..100.0, seed in 0u64..100) {
        let instance = Ensemble { rows: vec![3, 4], columns: vec![5, 6], nonzeros: 2 }.draw(&Rng::new(seed)).unwrap();
        let problem = instance.noisy(20.0, &Rng::new(seed)).unwrap();
        let mut rng = Rng::new(seed).fork("variances");
        let g: Vec<Vec<f64>> = [5, 6].iter().map(|&n| (0..n).map(|_| 0.1 + rng.uniform_f64()).collect()).collect();
        let posterior = |scale: f64| {
            let first: Vec<f64> = g[0].iter().map(|g| g * scale).collect();
            let last: Vec<f64> = g[1].iter().map(|g| g / scale).collect();
            let dictionaries: Vec<_> = problem.factors().iter().map(Mat::as_ref).collect();
            Posterior::new(&dictionaries, &[&first, &last], 0.1, problem.observation(), &always).unwrap()
        };
        let (one, other) = (posterior(1.0), posterior(scale));
        prop_assert!(apart(&one.moments(), &other.moments()) < 1e-10);
        prop_assert!((one.cost - other.cost).abs() < 1e-10 * one.cost.abs().max(1.0));
    }
}

#[test]
fn the_evidence_does_not_fall_where_nothing_is_given_up() {
    let instance =
        Ensemble { rows: vec![4, 5, 6], columns: vec![7, 7, 7], nonzeros: 2 }.draw(&Rng::new(4)).unwrap();
    let problem = instance.noisy(20.0, &Rng::new(4)).unwrap();
    let (prune, start) = (0.0, Start::One);
    let am = AmKroSbl { prune, start, ..AmKroSbl::default() };
    let coupled_less =
        PcKroSbl { coupling: 0.0, floor: 0.0, prune, start, tolerance: 1e-5, passes: 100, apart: vec![] };
    let solvers: [Solver<'_>; 4] =
        [&am, &KroSbl { prune, ..KroSbl::default() }, &Sbl { prune, ..Sbl::default() }, &coupled_less];
    for solver in solvers {
        let stop = Stop { steps: 60, tolerance: 0.0 };
        let report = solver.solve(&problem, None, stop, &mut Silent::watch).unwrap();
        for pair in report.trace.windows(2) {
            assert!(pair[1].objective <= pair[0].objective + 1e-8 * pair[0].objective.abs(), "{pair:?}");
        }
    }
    let [with, without] = [&am as Solver<'_>, &coupled_less].map(|solver| run(solver, &problem).solution);
    let apart = with.coefficients.iter().zip(&without.coefficients).map(|(x, y)| (x - y).norm());
    assert!(apart.fold(0.0, f64::max) < 1e-8, "without coupling and floor it is the alternation");
}

/// A system of few antennas.
fn small() -> IrsMimo {
    IrsMimo { base: 4, elements: 16, angles: 6, pilots: 2, ..IrsMimo::default() }
}

fn whole(variances: &[Vec<f64>]) -> Vec<Factor> {
    let factor = |g: &Vec<f64>| Factor {
        whole: g.len(),
        kept: (0..g.len()).collect(),
        dictionary: Mat::zeros(1, g.len()),
        variances: g.clone(),
    };
    variances.iter().map(factor).collect()
}

/// At its end every g is the mean of L over the others; on the way the objective does not rise.
#[test]
fn the_alternation_ends_at_its_fixed_point() {
    let mut rng = Rng::new(12);
    let moments: Vec<f64> = (0..60).map(|_| rng.normal_f64().powi(2)).collect();
    let index = |i: usize, j: usize, k: usize| (i * 4 + j) * 5 + k;
    let cells: Vec<(usize, usize, usize)> =
        (0..3).flat_map(|i| (0..4).flat_map(move |j| (0..5).map(move |k| (i, j, k)))).collect();
    let start = vec![vec![1.0; 3], vec![1.0; 4], vec![1.0; 5]];
    let mut last = f64::INFINITY;
    for passes in [1, 2, 3, 10, 1000] {
        let solver = AmKroSbl { tolerance: 0.0, passes, ..AmKroSbl::default() };
        let g = solver.maximize(&moments, &whole(&start)).unwrap();
        let gamma = |&(i, j, k): &(usize, usize, usize)| g[0][i] * g[1][j] * g[2][k];
        let cost = |cell: &_| gamma(cell).ln() + moments[index(cell.0, cell.1, cell.2)] / gamma(cell);
        let total: f64 = cells.iter().map(cost).sum();
        assert!(total <= last + 1e-12, "{passes}");
        last = total;
        if passes == 1000 {
            let of = |i| cells.iter().filter(move |cell| cell.0 == i);
            let mean = |i| {
                of(i).map(|cell| moments[index(cell.0, cell.1, cell.2)] / gamma(cell)).sum::<f64>() / 20.0
            };
            (0..3).for_each(|i| assert!((mean(i) - 1.0).abs() < 1e-10, "{}", mean(i)));
        }
    }
}

#[test]
fn singular_vectors_return_an_exact_product() {
    let g = vec![vec![0.6, 0.0, 0.8], vec![0.5; 4], vec![3.0, 0.2]];
    let moments: Vec<f64> = g[0].iter().flat_map(|x| g[1].iter().flat_map(move |y| g_last(x * y))).collect();
    fn g_last(scale: f64) -> [f64; 2] {
        [3.0 * scale, 0.2 * scale]
    }
    let found = SvdKroSbl::default().maximize(&moments, &whole(&g)).unwrap();
    for (found, expected) in found.iter().zip(&g) {
        assert!(apart(found, expected) < 1e-10, "{found:?}");
    }
}

#[test]
fn units_do_not_matter() {
    let instance = small().draw(&Rng::new(2)).unwrap().instance;
    let problem = instance.noisy(15.0, &Rng::new(8)).unwrap();
    let scaled: Vec<c64> = problem.observation().iter().map(|y| y * 1e3).collect();
    let noise = problem.noise().map(|noise| noise * 1e6);
    let scaled = KroneckerRecovery::new(problem.factors().to_vec(), scaled, noise).unwrap();
    for choice in KroneckerSolver::all() {
        // The floor of the coupled variances has a unit.
        if matches!(choice, KroneckerSolver::PcKroSbl(_)) {
            continue;
        }
        let [found, scaled] = [&problem, &scaled].map(|problem| run(choice.solver(), problem));
        assert_eq!(found.trace.len(), scaled.trace.len(), "{choice:?}");
        let pairs = found.solution.coefficients.iter().zip(&scaled.solution.coefficients);
        let apart = pairs.map(|(x, y)| (x * 1e3 - y).norm()).fold(0.0, f64::max);
        let largest = scaled.solution.coefficients.iter().map(|x| x.norm()).fold(0.0, f64::max);
        assert!(apart < 1e-6 * largest, "{choice:?}: {apart} {largest}");
    }
}

#[test]
fn enough_clean_data_are_answered_exactly() {
    let instance =
        Ensemble { rows: vec![7, 6, 8], columns: vec![6, 6, 6], nonzeros: 2 }.draw(&Rng::new(2)).unwrap();
    let problem = instance.noisy(160.0, &Rng::new(3)).unwrap();
    for choice in KroneckerSolver::all() {
        let report = run(choice.solver(), &problem);
        let error = report.solution.relative_error(&instance.coefficients);
        let most = match choice {
            KroneckerSolver::Omp(_) | KroneckerSolver::KroOmp(_) => 1e-3,
            // Blocks are what is not here.
            KroneckerSolver::PcKroSbl(_) => 1.0,
            _ => 1e-10,
        };
        assert!(error < most, "{choice:?}: {error:e}");
    }
}

/// The page's prototype has an error of 7e-4 in 21 steps for SVD, of 1e-2 in 95 for AM.
#[test]
fn the_paper_sizes_are_recovered() {
    let median = |solver: Solver<'_>| {
        let mut found: Vec<(f64, usize)> = (0..5)
            .map(|trial| {
                let rng = Rng::new(7).fork_index("trial", trial);
                let instance = Ensemble::default().draw(&rng).unwrap();
                let problem = instance.noisy(20.0, &rng).unwrap();
                let report = run(solver, &problem);
                (report.solution.relative_error(&instance.coefficients), report.trace.len())
            })
            .collect();
        found.sort_by(|x, y| x.0.total_cmp(&y.0));
        found[2]
    };
    let (svd, am) = (SvdKroSbl::default(), AmKroSbl::default());
    let [(svd, svd_steps), (am, am_steps)] = [median(&svd), median(&am)];
    assert!(svd < 1e-3 && svd <= am && am < 5e-3, "{svd} {am}");
    assert!(svd_steps < 30 && svd_steps < am_steps, "{svd_steps} {am_steps}");
    let rng = Rng::new(7).fork_index("trial", 0);
    let instance = Ensemble::default().draw(&rng).unwrap();
    let problem = instance.noisy(20.0, &rng).unwrap();
    let coefficients = least_squares_on(&problem, &instance.supports).unwrap();
    let oracle = Recovered { coefficients, variances: vec![], noise: None };
    assert!(oracle.relative_error(&instance.coefficients) < 1e-3);
    assert_eq!(oracle.support_recovery(&instance.coefficients), 1.0);
}

#[test]
fn a_channel_is_what_its_formula_says() {
    let channel = IrsMimo::default().draw(&Rng::new(5)).unwrap();
    let Instance { factors, supports, coefficients, .. } = &channel.instance;
    assert_eq!(factors.iter().map(|a| a.shape()).collect::<Vec<_>>(), [(6, 18), (3, 18), (16, 18)]);
    assert_eq!(supports.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 3]);
    assert_eq!(channel.relative_error(coefficients).unwrap(), 0.0);
    let problem = channel.instance.noisy(20.0, &Rng::new(6)).unwrap();
    for solver in [&SvdKroSbl::default() as Solver<'_>, &PcKroSbl::default()] {
        let error = channel.relative_error(&run(solver, &problem).solution.coefficients).unwrap();
        assert!(error < 0.05, "{error}");
    }
    assert!(IrsMimo { spread: 19, ..IrsMimo::default() }.draw(&Rng::new(1)).is_err());
}

/// Problems of the grid with their names: random, rectangular, one by one, zero columns, equal columns, zeros observed.
fn grid() -> Vec<(&'static str, KroneckerRecovery)> {
    let draw = |rows: &[usize], columns: &[usize], nonzeros, decibels| {
        let ensemble = Ensemble { rows: rows.to_vec(), columns: columns.to_vec(), nonzeros };
        ensemble.draw(&Rng::new(17)).unwrap().noisy(decibels, &Rng::new(18)).unwrap()
    };
    let plain = draw(&[3, 4, 5], &[5, 5, 5], 2, 20.0);
    let changed = |change: &dyn Fn(usize, usize, c64) -> c64| {
        let factors = plain
            .factors()
            .iter()
            .map(|a| Mat::from_fn(a.nrows(), a.ncols(), |i, j| change(i, j, a[(i, j)])));
        KroneckerRecovery::new(factors.collect(), plain.observation().to_vec(), plain.noise()).unwrap()
    };
    let unknown = |problem: &KroneckerRecovery| {
        KroneckerRecovery::new(problem.factors().to_vec(), problem.observation().to_vec(), None).unwrap()
    };
    let silent = KroneckerRecovery::new(plain.factors().to_vec(), vec![c64::ZERO; 60], Some(0.1)).unwrap();
    vec![
        ("noise unknown", unknown(&plain)),
        ("one by one", draw(&[1], &[1], 1, 10.0)),
        ("one by one thrice", draw(&[1, 1, 1], &[1, 1, 1], 1, 10.0)),
        ("a single factor", draw(&[8], &[12], 2, 20.0)),
        ("two factors", draw(&[4, 7], &[9, 5], 2, 20.0)),
        ("four factors", draw(&[2, 3, 3, 2], &[3, 4, 3, 3], 1, 20.0)),
        ("more rows than columns", draw(&[9, 8], &[3, 4], 2, 20.0)),
        ("noise alone", draw(&[4, 5], &[6, 6], 2, -40.0)),
        ("zero columns", changed(&|_, j, x| if j % 2 == 0 { c64::ZERO } else { x })),
        ("equal columns", changed(&|i, _, _| c64::from(1.0 + i as f64))),
        ("ill-conditioned", changed(&|i, j, x| x * 10f64.powi(-(i as i32) - j as i32))),
        ("zeros observed", unknown(&silent)),
        ("zeros observed in noise", silent),
        ("complex", small().draw(&Rng::new(2)).unwrap().instance.noisy(10.0, &Rng::new(3)).unwrap()),
        ("plain", plain),
    ]
}

#[test]
fn every_solver_answers_every_problem() {
    for (name, problem) in grid() {
        let energy = |x: &[c64]| x.iter().map(|x| x.norm_sqr()).sum::<f64>();
        for choice in KroneckerSolver::all() {
            let label = format!("{choice:?} on {name}");
            let report = run(choice.solver(), &problem);
            assert!(report.outcome != Outcome::NotFinite, "{label}");
            assert!(report.trace.iter().all(|p| p.objective.is_finite() && 0.0 <= p.residual), "{label}");
            let solution = &report.solution;
            assert_eq!(solution.coefficients.len(), problem.unknowns(), "{label}");
            assert!(solution.coefficients.iter().all(|x| x.is_finite()), "{label}");
            assert!(solution.variances.iter().flatten().all(|g| 0.0 <= *g && g.is_finite()), "{label}");
            let fitted = problem.fitted(&solution.coefficients).unwrap();
            let left: Vec<c64> = problem.observation().iter().zip(fitted).map(|(y, f)| y - f).collect();
            assert!(energy(&left) <= energy(problem.observation()) * (1.0 + 1e-9), "{label}: worse than 0");
            let again =
                choice.solver().solve(&problem, Some(solution), choice.solver().stop(), &mut Silent::watch);
            assert!(again.unwrap().outcome != Outcome::NotFinite, "{label}");
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let factors = || vec![Mat::<c64>::identity(2, 2), Mat::identity(3, 3)];
    let new = KroneckerRecovery::new;
    assert!(matches!(new(vec![], vec![c64::ONE], None), Err(Error::Empty { .. })));
    assert!(matches!(
        new(factors(), vec![c64::ONE; 5], None),
        Err(Error::Size { found: 5, expected: 6, .. })
    ));
    let mut damaged = factors();
    damaged[1][(2, 0)] = c64::new(0.0, f64::NAN);
    let error = new(damaged, vec![c64::ONE; 6], None).unwrap_err();
    assert!(matches!(&error, Error::NotFinite { index, .. } if *index == [1, 2, 0]), "{error}");
    let error = new(factors(), vec![c64::new(f64::INFINITY, 0.0); 6], None).unwrap_err();
    assert_eq!(error.to_string(), "the observation has the entry `inf` at [0]");
    for noise in [0.0, -1.0, f64::NAN] {
        assert!(
            matches!(new(factors(), vec![c64::ONE; 6], Some(noise)), Err(Error::Setting { .. })),
            "{noise}"
        );
    }
    let problem = new(factors(), vec![c64::ONE; 6], Some(0.1)).unwrap();
    let refused =
        |solver: Solver<'_>| solver.solve(&problem, None, solver.stop(), &mut Silent::watch).unwrap_err();
    let error = refused(&AmKroSbl { prune: 1.0, ..AmKroSbl::default() });
    assert_eq!(error.to_string(), "`prune` is 1; it must be at least 0 and below 1");
    refused(&AmKroSbl { passes: 0, ..AmKroSbl::default() });
    refused(&SvdKroSbl { start: Start::Times(-1.0), ..SvdKroSbl::default() });
    refused(&PcKroSbl { coupling: -0.1, ..PcKroSbl::default() });
    let wrong = Recovered { coefficients: vec![c64::ONE; 5], variances: vec![], noise: None };
    for choice in KroneckerSolver::all() {
        let found = choice.solver().solve(&problem, Some(&wrong), choice.solver().stop(), &mut Silent::watch);
        assert!(matches!(found, Err(Error::Size { found: 5, expected: 6, .. })), "{choice:?}");
    }
    // Of a solver that sees no factors, and of other factors.
    let (am, sbl) = (AmKroSbl::default(), Sbl::default());
    let from = |solver: Solver<'_>, sizes: &[usize]| {
        let variances = sizes.iter().map(|&size| vec![1.0; size]).collect();
        let from = Recovered { coefficients: vec![c64::ONE; 6], variances, noise: None };
        solver.solve(&problem, Some(&from), solver.stop(), &mut Silent::watch)
    };
    assert!(from(&sbl, &[6]).is_ok() && from(&am, &[2, 3]).is_ok());
    for (sizes, expected) in [
        (&[6][..], "has 1 vectors of variances; expected 2, as the solver sees so many factors"),
        (&[][..], "has 0 vectors of variances; expected 2"),
        (
            &[2, 2][..],
            "a vector of variances to start from has 2 entries; expected 3, as its factor has so many",
        ),
    ] {
        let error = from(&am, sizes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn pursuits_go_on_from_the_support_of_a_solution() {
    let instance =
        Ensemble { rows: vec![6, 6], columns: vec![9, 9], nonzeros: 2 }.draw(&Rng::new(6)).unwrap();
    let problem = instance.noisy(30.0, &Rng::new(7)).unwrap();
    let (omp, kronecker) = (omp::Omp::default(), product_omp::KroOmp::default());
    for solver in [&omp as Solver<'_>, &kronecker] {
        let first = run(solver, &problem);
        let again = solver.solve(&problem, Some(&first.solution), solver.stop(), &mut Silent::watch).unwrap();
        assert!(2 < first.trace.len() && first.outcome == Outcome::Converged, "{:?}", first.outcome);
        assert_eq!((again.trace.len(), again.outcome), (1, Outcome::Converged));
        assert!(again.solution.relative_error(&first.solution.coefficients) < 1e-20);
        // Broken off half way, it ends as it would have.
        let half =
            solver.solve(&problem, None, Stop { steps: 2, tolerance: 0.0 }, &mut Silent::watch).unwrap();
        let end = solver.solve(&problem, Some(&half.solution), solver.stop(), &mut Silent::watch).unwrap();
        assert!(end.trace.len() < first.trace.len());
        assert!(end.solution.relative_error(&first.solution.coefficients) < 1e-20);
    }
}

#[test]
fn a_name_and_settings_make_a_solver() {
    let parsed: KroneckerSolver =
        serde_json::from_str(r#"{"pc-kro-sbl": {"coupling": 0.5, "start": "one"}}"#).unwrap();
    assert_eq!(
        parsed,
        KroneckerSolver::PcKroSbl(PcKroSbl { coupling: 0.5, start: Start::One, ..PcKroSbl::default() })
    );
    assert!(serde_json::from_str::<KroneckerSolver>(r#"{"pc-kro-sbl": {"beta": 0.5}}"#).is_err());
}
