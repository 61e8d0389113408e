//! Too few measurements, wrong ones, and wrong settings.

use super::{PLANTED, packed, plain};
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::sensing::gradient::{Gradient, Rebalance};
use rankine_solve::recovery::sensing::subgradient::{Pace, Subgradient};
use rankine_solve::recovery::sensing::{Packed, Plain, Sampled, Sensing};
use rankine_solve::{Error, Iterate, Outcome, Silent, Solve};
use std::sync::Arc;

#[test]
fn what_is_wrong_is_named() {
    let operator = plain(20, 4, 3);
    let enough = PLANTED.rectangular(plain(13, 9, 5)).unwrap().problem;
    assert_eq!((enough.freedom(), enough.enough()), (2 * (9 + 5 - 2), Ok(())));
    let few = PLANTED.rectangular(plain(12, 9, 5)).unwrap().problem;
    assert_eq!(few.enough(), Err(Error::Few { found: 12, rows: 9, columns: 5, least: 13 }));
    assert_eq!(PLANTED.positive(packed(9, 5)).unwrap().problem.symmetric_freedom(), 2 * 5 - 1);
    let error = |measured: Vec<f64>, rank| Sensing::new(Arc::clone(&operator), measured, rank).unwrap_err();
    assert!(matches!(error(vec![0.0; 19], 1), Error::Size { found: 19, expected: 20, .. }));
    let mut measured = vec![1.0; 20];
    measured[7] = f64::INFINITY;
    assert!(matches!(error(measured, 1), Error::NotFinite { index, .. } if index == [7]));
    assert_eq!(error(vec![1.0; 20], 4), Error::Fit { name: "rank", found: 4, least: 1, most: 3 });
    assert!(matches!(Plain::new(2, 2, vec![1.0_f64; 7]), Err(Error::Size { found: 7, expected: 8, .. })));
    assert!(matches!(Plain::new(1, 2, vec![1.0, f64::NAN]), Err(Error::NotFinite { .. })));
    let outside = Sampled::new(2, 2, vec![(0, 2)]);
    assert_eq!(outside, Err(Error::Outside { what: "column", found: 2, limit: 2 }));
    let empty = Sampled::new(0, 2, vec![(0, 0)]);
    assert_eq!(empty, Err(Error::Fit { name: "rows", found: 0, least: 1, most: u32::MAX as usize }));
    let rectangular = Plain::<f64>::gaussian(5, 4, 3, 1).unwrap();
    assert_eq!(Packed::new(&rectangular), Err(Error::NotSquare { rows: 4, columns: 3 }));

    let plant = PLANTED.positive(plain(60, 5, 5)).unwrap();
    let refused = |solver: &dyn Solve<Sensing, Solution = Factors>| {
        solver.solve(&plant.problem, None, solver.stop(), &mut Silent::watch).unwrap_err()
    };
    let slow = Subgradient { pace: Pace::Geometric { eta: 0.1, rho: 1.5 }, ..Subgradient::default() };
    assert!(matches!(refused(&slow), Error::Setting { name: "rho", .. }));
    let late = Gradient {
        rebalance: Some(Rebalance { trigger: 2.0, ..Rebalance::default() }),
        ..Gradient::default()
    };
    assert!(matches!(refused(&late), Error::Setting { name: "trigger", .. }));
    let wild = Gradient { eta: 1e3, ..Gradient::default() };
    let report = wild.solve(&plant.problem, None, Iterate::stop(&wild), &mut Silent::watch).unwrap();
    assert_eq!(report.outcome, Outcome::NotFinite);
    assert!(report.solution.product().is_all_finite());
}
