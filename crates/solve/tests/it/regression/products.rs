//! Laws of every solver of problems on Kronecker products.

use super::{apart, exact, gaussian, largest, normals, tilted};
use faer::Mat;
use rankine_linalg::kronecker;
use rankine_solve::regression::Regression;
use rankine_solve::regression::kronecker::{KroneckerRegression, KroneckerSolver};
use rankine_solve::{Error, Outcome, Silent};

/// Problems on products, each with the same where the product is formed.
fn products() -> Vec<(&'static str, KroneckerRegression, Regression)> {
    let whole = |first: Mat<f64>, second: Mat<f64>, target: Vec<f64>| {
        let formed = Regression::new(kronecker(&[first.as_ref(), second.as_ref()]), target.clone()).unwrap();
        (KroneckerRegression::new(first, second, target).unwrap(), formed)
    };
    let cases = [
        ("random", gaussian(9, 3, 1), gaussian(8, 2, 2), normals(72, 1)),
        ("square", gaussian(3, 3, 3), gaussian(4, 4, 4), normals(12, 2)),
        ("one", gaussian(1, 1, 5), gaussian(1, 1, 6), normals(1, 3)),
        ("a column", gaussian(12, 1, 7), gaussian(6, 4, 8), normals(72, 4)),
        ("tilted", tilted(20, 4, 10.0), tilted(12, 3, 10.0), normals(240, 5)),
        ("ill-conditioned", tilted(20, 4, 1e2), tilted(12, 3, 1e2), normals(240, 6)),
        ("zero", gaussian(9, 3, 1), gaussian(8, 2, 2), vec![0.0; 72]),
    ];
    let posed = cases.into_iter().map(|(name, first, second, target)| {
        let (problem, formed) = whole(first, second, target);
        (name, problem, formed)
    });
    posed.collect()
}

#[test]
fn every_solver_answers_every_product() {
    for (name, problem, formed) in products() {
        let best = exact(&formed);
        for choice in KroneckerSolver::all() {
            let label = format!("{choice:?} on {name}");
            let sketched = matches!(choice, KroneckerSolver::TensorSrht(_));
            let iterative = matches!(choice, KroneckerSolver::ConjugateGradients(_));
            let slow = iterative && name == "ill-conditioned";
            let solver = choice.solver();
            let report = match solver.solve(&problem, None, solver.stop(), &mut Silent::watch) {
                Err(Error::Dependent { .. }) if sketched && ["square", "one"].contains(&name) => continue,
                report => report.unwrap(),
            };
            assert!(sketched || slow || report.outcome == Outcome::Converged, "{label}: {:?}", report.last());
            let step = problem.measure(&report.solution.coefficients).unwrap();
            assert_eq!(step.objective, report.solution.distance, "{label}");
            let slack = if sketched || slow { 0.5 } else { 1e-9 };
            // A small gradient is no small distance where there is none at the solution.
            let rounding = largest(problem.target()) * if iterative { 1e-5 } else { 1e-9 };
            let (least, most) = (best.distance - rounding, best.distance * (1.0 + slack) + rounding);
            assert!((least..=most).contains(&step.objective), "{label}: {step:?} {}", best.distance);
            if matches!(choice, KroneckerSolver::Exact(_)) {
                let error = apart(&report.solution.coefficients, &best.coefficients);
                assert!(error <= 1e-8 * largest(&best.coefficients), "{label}: {error:e}");
            }
        }
    }
}
