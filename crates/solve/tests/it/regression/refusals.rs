//! Dependent columns, wrong data and settings.

use super::{gaussian, normals, problem, solve};
use faer::Mat;
use rankine_solve::regression::{Fit, Regression, RegressionSolver, precondition, sketched};
use rankine_solve::{Error, Outcome, Silent, Stop};

#[test]
fn dependent_columns_are_named() {
    let raw = gaussian(120, 4, 17);
    let design = Mat::from_fn(120, 4, |row, column| match column {
        2 => raw[(row, 0)] - 2.0 * raw[(row, 1)],
        _ => raw[(row, column)],
    });
    let twins = Regression::new(design, normals(120, 18)).unwrap();
    let zeros = Regression::new(
        Mat::from_fn(120, 4, |row, column| raw[(row, column)] * f64::from(u8::from(column != 2))),
        normals(120, 18),
    );
    for problem in [twins, zeros.unwrap()] {
        for choice in RegressionSolver::all() {
            match (solve(choice.solver(), &problem), &choice) {
                (Ok(report), RegressionSolver::ConjugateGradients(_)) => {
                    assert_eq!(report.outcome, Outcome::Converged);
                }
                (Err(error @ Error::Dependent { column: 2, .. }), _) => assert!(error.hint().is_some()),
                (other, _) => panic!("{choice:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn wrong_input_is_told() {
    let ones = |rows, columns| Mat::full(rows, columns, 1.0);
    let error = |design, target| Regression::new(design, target).unwrap_err();
    assert_eq!(error(Mat::zeros(0, 2), vec![]), Error::Empty { what: "design" });
    assert_eq!(error(ones(2, 3), vec![1.0; 2]), Error::Wide { what: "design", rows: 2, columns: 3 });
    assert!(matches!(error(ones(3, 1), vec![1.0; 2]), Error::Size { found: 2, expected: 3, .. }));
    let mut wrong = ones(3, 2);
    wrong[(1, 1)] = f64::INFINITY;
    assert!(matches!(error(wrong, vec![1.0; 3]), Error::NotFinite { index, .. } if index == [1, 1]));
    assert!(matches!(error(ones(2, 1), vec![0.0, f64::NAN]), Error::NotFinite { index, .. } if index == [1]));
    let problem = problem(9, 2, 1);
    for eps in [0.0, 1.5, f64::NAN] {
        let solver = sketched::Srht { eps, ..Default::default() };
        assert!(matches!(solve(&solver, &problem), Err(Error::Setting { name: "eps", .. })));
    }
    let solver = sketched::Osnap { nonzeros: 0, ..Default::default() };
    assert!(matches!(solve(&solver, &problem), Err(Error::Fit { name: "nonzeros", .. })));
    let solver = precondition::SketchAndPrecondition { oversampling: 0.5, ..Default::default() };
    assert!(matches!(solve(&solver, &problem), Err(Error::Setting { name: "oversampling", .. })));
    let other = Fit { coefficients: vec![0.0; 3], distance: 0.0, rows: 9, condition: None };
    let gradients = RegressionSolver::ConjugateGradients(Default::default());
    let stop = Stop { steps: 5, tolerance: 0.1 };
    let refused = gradients.solver().solve(&problem, Some(&other), stop, &mut Silent::watch);
    assert!(matches!(refused, Err(Error::Size { found: 3, expected: 2, .. })));
}

#[test]
fn designs_whose_squares_underflow_are_refused() {
    for factor in [1e-165, 1e-200, 1e160] {
        let error = Regression::new(factor * gaussian(20, 3, 5), normals(20, 6)).unwrap_err();
        assert!(matches!(error, Error::Magnitude { what: "‖design‖ · ‖target‖", .. }), "{error}");
    }
    let small: Vec<f64> = normals(20, 6).iter().map(|value| 1e-90 * value).collect();
    assert!(Regression::new(1e-90 * gaussian(20, 3, 5), small).is_err());
    assert!(Regression::new(Mat::zeros(3, 1), vec![1e-200; 3]).is_ok());
    assert!(Regression::new(1e-100 * gaussian(20, 3, 5), normals(20, 6)).is_ok());
}
