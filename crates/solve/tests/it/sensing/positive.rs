//! Questions for positive semidefinite matrices, whose measurements see symmetric parts only.

use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::{Loss, Packed, Plain, Sensing, SensingSolver};
use rankine_solve::{Error, Outcome, Silent, Stop};
use std::sync::Arc;

fn problem(side: usize, entries: Vec<f64>, measured: Vec<f64>, rank: usize) -> Sensing {
    let packed = Packed::new(&Plain::new(side, side, entries).unwrap()).unwrap();
    Sensing::new(Arc::new(packed), measured, rank).unwrap()
}

#[test]
fn both_factors_are_one_whatever_the_solver() {
    let entries = vec![1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    let plain = Plain::new(2, 2, entries.clone()).unwrap();
    let measured = vec![3.0, 1.0];
    let whole = |rank| Sensing::new(Arc::new(plain.clone()), measured.clone(), rank).unwrap();
    for rank in [1, 2] {
        let problem = problem(2, entries.clone(), measured.clone(), rank);
        for choice in SensingSolver::all() {
            let solver = choice.solver();
            let report = solver.solve(&problem, None, solver.stop(), &mut Silent::watch).unwrap();
            let Factors { left, right } = &report.solution;
            assert_eq!(left, right, "{choice:?}");
            // The same by the measurements as they were given.
            let values = whole(rank).pass(left.as_ref(), right.as_ref(), Loss::Square).values;
            let (found, told) = (whole(rank).measure(&values), report.last().unwrap());
            assert!((found.residual - told.residual).abs() < 1e-14, "{choice:?}: {found:?}, {told:?}");
            let subgradient = matches!(choice, SensingSolver::Subgradient(_));
            assert!(subgradient || report.outcome == Outcome::Converged, "{choice:?}, {rank}: {told:?}");
        }
    }
}

#[test]
fn what_no_positive_matrix_fits_is_not_fitted() {
    let problem = problem(1, vec![2.0], vec![-6.0], 1);
    for choice in SensingSolver::all() {
        let stop = Stop { steps: 200, tolerance: 1e-8 };
        let report = choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
        assert!(0.0 <= report.solution.entry(0, 0), "{choice:?}");
        assert_ne!(report.outcome, Outcome::Converged, "{choice:?}");
        assert!(1.0 <= report.last().unwrap().residual, "{choice:?}");
    }
}

#[test]
fn measurements_of_nothing_are_refused() {
    let nothing = Err(Error::Nothing { what: "measurement matrices" });
    assert_eq!(Plain::new(2, 2, vec![0.0; 12]), nothing);
    // The squares are what the steps are in units of.
    assert_eq!(Plain::new(2, 2, vec![1e-170; 12]), nothing);
    // A start beyond the numbers.
    let tiny = problem(1, vec![1e-155], vec![1e200], 1);
    for choice in SensingSolver::all() {
        let solver = choice.solver();
        match solver.solve(&tiny, None, solver.stop(), &mut Silent::watch) {
            Err(error) => assert!(matches!(error, Error::NotFinite { .. } | Error::Linalg(_)), "{error}"),
            Ok(report) => assert!(report.solution.entry(0, 0).is_finite(), "{choice:?}"),
        }
    }
}
