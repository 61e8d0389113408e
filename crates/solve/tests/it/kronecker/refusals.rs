//! Wrong problems, settings and solutions to start from.

use super::Solver;
use faer::{Mat, c64};
use rankine_solve::kronecker::{
    KroneckerRecovery, KroneckerSolver, Recovered, am::AmKroSbl, bayes::Start, pattern_coupled::PcKroSbl,
    sbl::Sbl, svd::SvdKroSbl,
};
use rankine_solve::{Error, Silent};

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
