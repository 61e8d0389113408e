//! Pursuits that go on from a solution.

use super::{Solver, run};
use rankine_random::Rng;
use rankine_solve::kronecker::{Ensemble, omp, product_omp};
use rankine_solve::{Outcome, Silent, Stop};

#[test]
fn pursuits_go_on_from_the_support_of_a_solution() {
    let instance =
        Ensemble { rows: vec![6, 6], columns: vec![9, 9], nonzeros: 2 }.draw(&Rng::new(6)).unwrap();
    let problem = instance.noisy(30.0, &Rng::new(7)).unwrap();
    let (omp, kronecker) = (omp::Omp::default(), product_omp::KroOmp::default());
    for solver in [&omp as Solver<'_>, &kronecker] {
        let first = run(solver, &problem);
        let again = solver.solve(&problem, Some(&first.solution), solver.stop(), &mut Silent::watch).unwrap();
        assert!(2 < first.trace.len() && first.outcome == Outcome::Converged, "{:?}", first.outcome);
        assert_eq!((again.trace.len(), again.outcome), (1, Outcome::Converged));
        assert!(again.solution.relative_error(&first.solution.coefficients) < 1e-20);
        // Broken off half way, it ends as it would have.
        let half =
            solver.solve(&problem, None, Stop { steps: 2, tolerance: 0.0 }, &mut Silent::watch).unwrap();
        let end = solver.solve(&problem, Some(&half.solution), solver.stop(), &mut Silent::watch).unwrap();
        assert!(end.trace.len() < first.trace.len());
        assert!(end.solution.relative_error(&first.solution.coefficients) < 1e-20);
    }
}
