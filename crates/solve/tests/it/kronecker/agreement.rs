//! Agreement with numpy (`fixtures/kronecker.json`).

use super::{Solver, apart};
use faer::{Mat, c64};
use rankine_linalg::always;
use rankine_solve::kronecker::{
    KroneckerRecovery, am::AmKroSbl, bayes::Start, ksbl::KroSbl, pattern_coupled::PcKroSbl,
    posterior::Posterior, svd::SvdKroSbl,
};
use rankine_solve::{Silent, Stop};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<c64> {
    numbers(value).chunks_exact(2).map(|pair| c64::new(pair[0], pair[1])).collect()
}

fn fixture() -> Vec<Value> {
    let document: Value = serde_json::from_str(include_str!("../../fixtures/kronecker.json")).unwrap();
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
