//! Laws of every Kronecker solver on every problem of a grid.

use super::{run, small};
use faer::{Mat, c64};
use rankine_random::Rng;
use rankine_solve::kronecker::{
    Ensemble, KroneckerRecovery, KroneckerSolver, bayes::Start, pattern_coupled::PcKroSbl,
};
use rankine_solve::{Outcome, Silent};

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
fn a_name_and_settings_make_a_solver() {
    let parsed: KroneckerSolver =
        serde_json::from_str(r#"{"pc-kro-sbl": {"coupling": 0.5, "start": "one"}}"#).unwrap();
    assert_eq!(
        parsed,
        KroneckerSolver::PcKroSbl(PcKroSbl { coupling: 0.5, start: Start::One, ..PcKroSbl::default() })
    );
    assert!(serde_json::from_str::<KroneckerSolver>(r#"{"pc-kro-sbl": {"beta": 0.5}}"#).is_err());
}
