//! Laws of every completion solver on every problem of a grid.

use super::{MATRIX, hide, problem, run};
use proptest::prelude::*;
use rankine_solve::recovery::Factors;
use rankine_solve::recovery::completion::alternating::Alternating;
use rankine_solve::recovery::completion::{Completion, CompletionSolver, Entries, Entry, HiddenMatrix};
use rankine_solve::{Outcome, Silent, Stop};

#[test]
fn every_solver_answers_every_problem() {
    let awkward = |places: &[(usize, usize, f64)], rank, ridge| {
        let entries: Vec<Entry> =
            places.iter().map(|&(row, column, value)| Entry { row, column, value }).collect();
        Completion::new(Entries::new(4, 3, &entries).unwrap(), rank, ridge).unwrap()
    };
    let hidden =
        |matrix: HiddenMatrix, rank, ridge| Completion::new(hide(matrix).entries, rank, ridge).unwrap();
    let one = HiddenMatrix { rows: 1, columns: 1, rank: 1, share: 1.0, ..MATRIX };
    let problems = [
        ("1 × 1", hidden(one, 1, 0.0)),
        ("a row", hidden(HiddenMatrix { rows: 1, rank: 1, ..MATRIX }, 1, 0.0)),
        ("noise", hidden(HiddenMatrix { deviation: 0.3, ..MATRIX }, 3, 0.05)),
        ("rank too large", hidden(MATRIX, 6, 0.0)),
        ("ill-conditioned", hidden(HiddenMatrix { condition: 1e4, ..MATRIX }, 3, 0.0)),
        ("zeros", awkward(&[(0, 0, 0.0), (1, 2, 0.0)], 1, 0.0)),
        ("one entry", awkward(&[(3, 1, -2.0)], 2, 0.0)),
        ("empty lines and a ridge", awkward(&[(0, 0, 1.0), (0, 2, 2.0), (2, 0, 3.0)], 2, 0.1)),
    ];
    for (name, problem) in &problems {
        for choice in CompletionSolver::all() {
            let report = choice.solver().solve(
                problem,
                None,
                Stop { steps: 60, tolerance: 1e-10 },
                &mut Silent::watch,
            );
            let (report, label) = (report.unwrap(), format!("{choice:?} on {name}"));
            assert_ne!(report.outcome, Outcome::NotFinite, "{label}");
            let (entries, last) = (problem.entries(), *report.last().unwrap());
            let whole = entries.rmse(|_, _| 0.0);
            let rmse = entries.rmse_of(&report.solution) / if whole > 0.0 { whole } else { 1.0 };
            assert!((rmse - last.residual).abs() <= 1e-9 + 1e-6 * rmse, "{label}: {rmse}, {last:?}");
            assert!(last.objective <= 1.01 * report.trace[0].objective + 1e-12, "{label}: {last:?}");
        }
    }
}

#[test]
fn every_solver_finds_a_matrix_from_half_of_it() {
    let hidden = hide(MATRIX);
    for choice in CompletionSolver::all() {
        let report = run(choice.solver(), &problem(&hidden));
        let error = report.solution.distance_to(&hidden.truth) / hidden.truth.norm();
        assert!(error < 1e-4, "{choice:?}: {error:e}, {:?}", report.outcome);
        let again = choice
            .solver()
            .solve(
                &problem(&hidden),
                Some(&report.solution),
                Stop { steps: 1, tolerance: 0.0 },
                &mut Silent::watch,
            )
            .unwrap();
        let error = again.solution.distance_to(&hidden.truth) / hidden.truth.norm();
        assert!(error < 2e-4, "{choice:?} from there: {error:e}");
    }
}

#[test]
fn settings_are_read_back_and_misspelt_ones_refused() {
    for choice in CompletionSolver::all() {
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<CompletionSolver>(&text).unwrap(), choice);
    }
    let misspelt = serde_json::from_str::<CompletionSolver>(r#"{"sgd": {"rte": 0.1}}"#);
    assert!(misspelt.unwrap_err().to_string().contains("rte"));
}

#[test]
fn a_transposed_or_permuted_matrix_has_the_same_answer() {
    let hidden = hide(MATRIX);
    let found = run(&Alternating::default(), &problem(&hidden)).solution;
    let moved = |rows, columns, place: &dyn Fn(Entry) -> Entry| {
        let entries: Vec<Entry> = hidden.entries.iter().map(place).collect();
        let problem = Completion::new(Entries::new(rows, columns, &entries).unwrap(), 3, 0.0).unwrap();
        run(&Alternating::default(), &problem).solution
    };
    let flipped = moved(50, 60, &|entry| Entry { row: entry.column, column: entry.row, ..entry });
    let back = Factors { left: flipped.right, right: flipped.left };
    assert!(back.distance_to(&found) < 1e-6 * found.norm());
    let reversed = moved(60, 50, &|entry| Entry { row: 59 - entry.row, ..entry });
    let back = Factors { left: reversed.left.reverse_rows().to_owned(), right: reversed.right };
    assert!(back.distance_to(&found) < 1e-6 * found.norm());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let problem = problem(&hide(HiddenMatrix { rows: 150, columns: 140, deviation: 0.1, ..MATRIX }));
    for choice in CompletionSolver::all() {
        let solve = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let stop = Stop { steps: 3, tolerance: 0.0 };
            pool.install(|| choice.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap().solution)
        };
        assert!(solve(1) == solve(3), "{choice:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The distance through small cores is that of the whole matrices.
    #[test]
    fn distances_need_no_whole_matrix(seed in 0_u64..1000, rows in 1_usize..9, columns in 1_usize..9) {
        let draw = |seed| hide(HiddenMatrix { rows, columns, rank: 1, share: 0.5, seed, ..MATRIX }).truth;
        let (one, other) = (draw(seed), draw(seed + 1));
        let whole = (one.product() - other.product()).norm_l2();
        prop_assert!((one.distance_to(&other) - whole).abs() < 1e-12 * (1.0 + whole));
    }
}
