//! What is wrong with a problem, and how it is told.

use super::random;
use faer::Mat;
use rankine_solve::linear::dcdm::Dcdm;
use rankine_solve::linear::{
    Identity, LinearSolver, LinearSystem, Obstacle, Operator, Poisson, SineInverse, SparseSymmetric, Unknowns,
};
use rankine_solve::{Error, Outcome, Silent, Solve, Stop};

/// Eigenvalues 3, −1 and 1, with a positive diagonal.
pub fn indefinite() -> LinearSystem {
    let entries = vec![(0, 0, 1.0), (1, 1, 1.0), (0, 1, 2.0), (1, 0, 2.0), (2, 2, 1.0)];
    LinearSystem::new(SparseSymmetric::new(3, entries).unwrap(), vec![1.0, -0.5, 1.0]).unwrap()
}

/// An operator that is known by its products only.
#[derive(Debug)]
struct Opaque(f64);

impl Operator for Opaque {
    fn size(&self) -> usize {
        5
    }

    fn apply(&self, x: &[f64], product: &mut [f64]) {
        product.iter_mut().zip(x).for_each(|(product, x)| *product = self.0 * x);
    }
}

fn answer(choice: &LinearSolver, problem: &LinearSystem) -> Result<Outcome, Error> {
    let stop = Stop { steps: 100, tolerance: 1e-9 };
    choice.solver().solve(problem, None, stop, &mut Silent::watch).map(|report| report.outcome)
}

#[test]
fn every_solver_sees_that_a_matrix_is_not_definite() {
    for choice in LinearSolver::all() {
        match answer(&choice, &indefinite()) {
            Err(Error::NotPositive { pivot: 1, value, .. }) => assert_eq!(value, -3.0, "{choice:?}"),
            Err(Error::Curvature { value, .. }) => assert!(value < 0.0, "{choice:?}"),
            other => panic!("{choice:?}: {other:?}"),
        }
    }
    let by_pivot = LinearSolver::all()
        .into_iter()
        .filter(|choice| matches!(answer(choice, &indefinite()), Err(Error::NotPositive { .. })));
    assert_eq!(by_pivot.count(), 2);
}

#[test]
fn a_singular_matrix_is_not_definite() {
    let ring = vec![(0, 0, 1.0), (0, 1, -1.0), (1, 1, 2.0), (1, 2, -1.0), (2, 2, 1.0)];
    let singular = SparseSymmetric::from_triangle(3, ring).unwrap();
    let problem = LinearSystem::new(singular, vec![1.0, 1.0, 2.0]).unwrap();
    for choice in LinearSolver::all() {
        assert_ne!(answer(&choice, &problem), Ok(Outcome::Converged), "{choice:?}");
    }
}

#[test]
fn matrices_are_checked_entry_by_entry() {
    let new = |entries: &[(usize, usize, f64)]| SparseSymmetric::new(3, entries.to_vec()).unwrap_err();
    assert!(matches!(new(&[(0, 3, 1.0)]), Error::OutsideMatrix { row: 0, column: 3, size: 3, .. }));
    assert!(
        matches!(new(&[(0, 0, 1.0), (2, 1, f64::NAN)]), Error::NotFinite { index, .. } if index == [2, 1])
    );
    assert!(
        matches!(new(&[(1, 1, f64::MAX), (1, 1, f64::MAX)]), Error::NotFinite { index, .. } if index == [1, 1])
    );
    let skew = new(&[(0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.5), (1, 0, 0.25)]);
    assert_eq!(skew, Error::NotSymmetric { row: 0, column: 1, value: 0.5, mirror: 0.25 });
    assert!(skew.hint().is_some());
    let lone = new(&[(0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.5)]);
    assert_eq!(lone, Error::NotSymmetric { row: 0, column: 1, value: 0.5, mirror: 0.0 });
    assert!(matches!(new(&[(0, 0, 1.0), (1, 1, -2.0)]), Error::NotPositive { pivot: 1, value: -2.0, .. }));
    assert!(matches!(
        new(&[(0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0)]),
        Error::NotPositive { pivot: 0, value: 0.0, .. }
    ));
    assert_eq!(SparseSymmetric::new(0, vec![]), Err(Error::Empty { what: "the matrix" }));
    let wide = SparseSymmetric::from_dense(Mat::zeros(2, 3).as_ref());
    assert!(matches!(wide, Err(Error::Size { found: 3, expected: 2, .. })));
}

#[test]
fn right_sides_and_starts_are_checked() {
    let short = LinearSystem::new(random(3), vec![1.0; 4]).unwrap_err();
    assert!(matches!(short, Error::Size { found: 4, expected: 3, .. }), "{short}");
    let broken = LinearSystem::new(random(3), vec![1.0, f64::INFINITY, 0.0]).unwrap_err();
    assert!(matches!(broken, Error::NotFinite { index, .. } if index == [1]));
    let empty = SparseSymmetric::new(2, vec![(0, 0, 1.0)]).unwrap();
    assert_eq!(
        LinearSystem::new(empty, vec![1.0, 2.0]).unwrap_err(),
        Error::NoSolution { row: 1, value: 2.0 }
    );
    let problem = LinearSystem::new(random(3), vec![1.0; 3]).unwrap();
    for x in [vec![0.0; 2], vec![f64::NAN; 3]] {
        let from = Unknowns { x, residual: 0.0, products: 0, replaced: 0 };
        for choice in LinearSolver::all() {
            let stop = choice.solver().stop();
            assert!(
                choice.solver().solve(&problem, Some(&from), stop, &mut Silent::watch).is_err(),
                "{choice:?}"
            );
        }
    }
}

#[test]
fn an_operator_that_gives_nan_is_no_answer() {
    let problem = LinearSystem::new(Opaque(f64::NAN), vec![1.0; 5]).unwrap();
    let stop = Stop { steps: 10, tolerance: 1e-9 };
    let dcdm = Dcdm::default();
    let report = dcdm.along(&Identity).solve(&problem, None, stop, &mut Silent::watch).unwrap();
    assert_eq!((report.outcome, report.solution.x), (Outcome::NotFinite, vec![0.0; 5]));
    assert_eq!(answer(&LinearSolver::all()[0], &problem), Ok(Outcome::NotFinite));
}

#[test]
fn what_a_solver_needs_of_the_operator_is_said() {
    let problem = LinearSystem::new(Opaque(2.0), vec![1.0; 5]).unwrap();
    for choice in LinearSolver::all() {
        match (answer(&choice, &problem), &choice) {
            (Ok(outcome), LinearSolver::Cg(_) | LinearSolver::Spectral(_) | LinearSolver::Dcdm(_)) => {
                assert_eq!(outcome, Outcome::Converged);
            }
            (Err(Error::Lacks { .. }), _) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn settings_are_checked() {
    let problem = LinearSystem::new(random(6), vec![1.0; 6]).unwrap();
    let refused = [
        (r#"{"incomplete-cholesky": {"modified": 1.5}}"#, "modified"),
        (r#"{"spectral": {"vectors": 0}}"#, "vectors"),
        (r#"{"spectral": {"vectors": 20, "steps": 10}}"#, "steps"),
        (r#"{"multigrid": {"sweeps": 0}}"#, "sweeps"),
        (r#"{"multigrid": {"coarsest": 0}}"#, "coarsest"),
        (r#"{"multigrid": {"strength": -0.1}}"#, "strength"),
        (r#"{"dcdm": {"guide": {"multigrid": {"sweeps": 0}}}}"#, "sweeps"),
    ];
    for (text, setting) in refused {
        let choice: LinearSolver = serde_json::from_str(text).unwrap();
        assert!(
            matches!(answer(&choice, &problem), Err(Error::Setting { name, .. }) if name == setting),
            "{text}"
        );
    }
    let small: LinearSolver = serde_json::from_str(r#"{"cholesky": {"largest": 5}}"#).unwrap();
    let large = answer(&small, &problem).unwrap_err();
    assert_eq!(large, Error::Large { what: "a dense factor", unknowns: 6, limit: 5 });
}

#[test]
fn grids_are_checked() {
    let mut solid = vec![true; 9];
    assert_eq!(Poisson::new(&[3, 3], &solid), Err(Error::Empty { what: "the grid" }));
    assert_eq!(Poisson::new(&[], &[false]), Err(Error::Empty { what: "the grid" }));
    assert!(matches!(Poisson::new(&[3, 4], &solid), Err(Error::Size { found: 9, expected: 12, .. })));
    assert!(matches!(Poisson::cube(usize::MAX, 2), Err(Error::Large { .. })));
    solid[4] = false;
    assert_eq!(Poisson::new(&[3, 3], &solid), Err(Error::Enclosed { cell: 4 }));
    let disk = Obstacle::Ball { radius: 0.3 }.poisson(&[8, 8]).unwrap();
    assert!(matches!(SineInverse::new(&disk), Err(Error::Lacks { .. })));
}
