//! Wrong entries, problems and settings.

use faer::Mat;
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::completion::{Completion, Entries, Entry, Regression, alternating::Alternating};
use rankine_solve::{Error, Iterate, Pulse, Silent, Solve};

#[test]
fn what_is_wrong_is_named() {
    let entry = |row, column, value| Entry { row, column, value };
    let entries = |list: &[Entry]| Entries::new(3, 2, list);
    assert_eq!(entries(&[entry(3, 0, 1.0)]), Err(Error::Outside { what: "row", found: 3, limit: 3 }));
    let twice = [entry(1, 1, 1.0), entry(0, 1, 2.0), entry(1, 1, 3.0)];
    assert_eq!(entries(&twice), Err(Error::Twice { row: 1, column: 1 }));
    let not_finite = entries(&[entry(1, 0, f64::NAN)]).unwrap_err();
    assert!(matches!(not_finite, Error::NotFinite { index, .. } if index == [1, 0]));
    let fine = entries(&[entry(1, 0, 1.0)]).unwrap();
    let above = Completion::new(fine.clone(), 3, 0.0).unwrap_err();
    assert_eq!(above, Error::Fit { name: "rank", found: 3, least: 1, most: 2 });
    assert!(matches!(Completion::new(fine.clone(), 1, -0.1), Err(Error::Setting { name: "ridge", .. })));
    assert!(matches!(Completion::new(entries(&[]).unwrap(), 1, 0.0), Err(Error::Empty { .. })));
    let problem = Completion::new(fine, 1, 0.0).unwrap();
    let refused = |solver: &dyn Solve<Completion, Solution = Factors>| {
        solver.solve(&problem, None, solver.stop(), &mut Silent::watch).unwrap_err()
    };
    let accuracy = Regression::Accuracy { epsilon: 1.0 };
    let solver = Alternating { regression: accuracy, ..Alternating::default() };
    assert!(matches!(refused(&solver), Error::Setting { name: "epsilon", .. }));
    let solver = Alternating { clip: Some(0.5), ..Alternating::default() };
    assert!(matches!(refused(&solver), Error::Setting { name: "clip", .. }));
    let short = Factors { left: Mat::zeros(2, 1), right: Mat::zeros(2, 1) };
    let error = solver.start(&problem, Some(&short), &Pulse::new(&mut Silent::watch)).unwrap_err();
    assert!(matches!(error, Error::Size { what: "left factor", found: 2, expected: 3, .. }));
}
