//! What a sketch does as a preconditioner.

use super::{exact, normals, solve, tilted};
use rankine_solve::regression::{Regression, precondition};
use rankine_solve::{Outcome, Silent, Solve};

#[test]
fn a_preconditioner_makes_the_condition_irrelevant() {
    for (condition, reached) in [(1.0, 1e-10), (1e4, 1e-10), (1e8, 1e-6)] {
        let problem = Regression::new(tilted(2000, 20, condition), normals(2000, 15)).unwrap();
        for sketch in [precondition::Kind::Srht, precondition::Kind::Gaussian, precondition::Kind::Osnap] {
            let solver = precondition::SketchAndPrecondition { sketch, ..Default::default() };
            let report = solve(&solver, &problem).unwrap();
            let (label, last) = (format!("{sketch:?} at {condition:e}"), *report.last().unwrap());
            // Rounding times the condition is as far as it gets.
            let converged = report.outcome == Outcome::Converged;
            assert!(
                converged || (report.outcome == Outcome::Stalled && 1e8 <= condition),
                "{label}: {last:?}"
            );
            assert!(last.residual <= reached && report.trace.len() <= 40, "{label}: {last:?}");
            let (found, best) = (report.solution.distance, exact(&problem).distance);
            assert!(found <= best * (1.0 + reached), "{label}: {found} {best}");
            let again = Solve::stop(&solver);
            let warm = solver.solve(&problem, Some(&report.solution), again, &mut Silent::watch).unwrap();
            assert!(1e8 <= condition || warm.trace.len() <= 2, "{label}: {}", warm.trace.len());
        }
    }
}
