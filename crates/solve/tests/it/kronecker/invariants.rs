//! The page's invariants.

use super::{Solver, apart, run, small};
use faer::{Mat, c64};
use proptest::prelude::*;
use rankine_linalg::always;
use rankine_random::Rng;
use rankine_solve::kronecker::bayes::{Bayesian, Factor, Start};
use rankine_solve::kronecker::{
    Ensemble, KroneckerRecovery, KroneckerSolver, am::AmKroSbl, ksbl::KroSbl, pattern_coupled::PcKroSbl,
    posterior::Posterior, sbl::Sbl, svd::SvdKroSbl,
};
use rankine_solve::{Silent, Stop};

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
