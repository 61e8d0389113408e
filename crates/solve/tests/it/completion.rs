//! Laws of every completion solver on every problem of a grid, and what [robust_completion] says of alternating ones.

use faer::Mat;
use proptest::prelude::*;
use rankine_solve::recovery::completion::alternating::{Alternating, State};
use rankine_solve::recovery::completion::{
    Completion, CompletionSolver, Entries, Entry, Hidden, HiddenMatrix, Regression, exact::Exact,
};
use rankine_solve::recovery::{Factors, trajectory};
use rankine_solve::{Error, Iterate, Outcome, Progress, Pulse, Report, Silent, Solve, Stop};
use serde_json::Value;
use std::ops::ControlFlow;

const MATRIX: HiddenMatrix =
    HiddenMatrix { rows: 60, columns: 50, rank: 3, condition: 3.0, share: 0.5, deviation: 0.0, seed: 1 };

fn hide(matrix: HiddenMatrix) -> Hidden {
    matrix.hide().unwrap()
}

fn problem(hidden: &Hidden) -> Completion {
    Completion::new(hidden.entries.clone(), hidden.truth.left.ncols(), 0.0).unwrap()
}

fn steps(count: usize) -> Alternating {
    Alternating { regression: Regression::Steps { count, first: 10.max(count) }, ..Alternating::default() }
}

/// Relative errors after every round.
fn errors(solver: &impl Iterate<Completion, State = State>, hidden: &Hidden, rounds: usize) -> Vec<f64> {
    let norm = hidden.truth.norm();
    let measure = |state: &State| state.iterand.factors().distance_to(&hidden.truth) / norm;
    trajectory(solver, &problem(hidden), rounds, measure).unwrap()
}

fn run<S: Solve<Completion, Solution = Factors> + ?Sized>(
    solver: &S,
    problem: &Completion,
) -> Report<Factors> {
    solver.solve(problem, None, solver.stop(), &mut Silent::watch).unwrap()
}

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

/// Page 28: 150 × 150, k = 4, p = 0.3, condition 10; relative errors after rounds 9 and 25: exact 8e-5, 5e-11; three steps 1e-4, 7e-11;
/// one step 1e-1, 4e-6.
#[test]
fn three_steps_do_what_exact_solves_do() {
    let hidden =
        hide(HiddenMatrix { rows: 150, columns: 150, rank: 4, condition: 10.0, share: 0.3, ..MATRIX });
    let exact = errors(&Exact::default(), &hidden, 40);
    let three = errors(&steps(3), &hidden, 40);
    assert!(exact[9] < 1e-3 && exact[25] < 1e-9 && exact[40] < 1e-13, "{exact:?}");
    for (round, (exact, three)) in exact.iter().zip(&three).enumerate() {
        assert!(*three < 3.0 * exact + 1e-14, "{round}: {three:e}, {exact:e}");
    }
    let one = errors(&steps(1), &hidden, 25);
    assert!(one[25] > 10.0 * exact[25] && one[25] < 1e-4, "{:e}", one[25]);
    let per_round = (exact[1] / exact[25]).powf(1.0 / 24.0);
    assert!(1.5 <= per_round, "{per_round}");
}

#[test]
fn many_steps_are_exact() {
    let hidden = hide(HiddenMatrix { deviation: 0.1, ..MATRIX });
    let stop = Stop { steps: 6, tolerance: 0.0 };
    for ridge in [0.0, 0.05] {
        let problem = Completion::new(hidden.entries.clone(), 3, ridge).unwrap();
        let solve = |solver: &dyn Solve<Completion, Solution = Factors>| {
            solver.solve(&problem, None, stop, &mut Silent::watch).unwrap().solution
        };
        let (many, exact) = (solve(&steps(50)), solve(&Exact::default()));
        assert!(many.distance_to(&exact) < 1e-8 * exact.norm(), "{ridge}: {:e}", many.distance_to(&exact));
    }
}

#[test]
fn an_accuracy_is_a_floor() {
    let hidden = hide(MATRIX);
    for epsilon in [1e-2, 1e-4] {
        let solver = Alternating { regression: Regression::Accuracy { epsilon }, ..Alternating::default() };
        let last = errors(&solver, &hidden, 40)[40];
        assert!((epsilon / 20.0..5.0 * epsilon).contains(&last), "{epsilon:e}: {last:e}");
    }
}

#[test]
fn a_whole_matrix_is_truncated_in_one_round() {
    let hidden = hide(HiddenMatrix { share: 1.0, deviation: 0.5, ..MATRIX });
    let (rows, columns) = (MATRIX.rows, MATRIX.columns);
    let mut whole = Mat::zeros(rows, columns);
    hidden.entries.iter().for_each(|Entry { row, column, value }| whole[(row, column)] = value);
    let truncated = rankine_linalg::double::thin_svd(whole.as_ref()).unwrap();
    // From the space of the leading vectors, one round gives the truncated SVD.
    let left = truncated.u.get(.., ..3).to_owned();
    let scaled = Mat::from_fn(columns, 3, |j, c| truncated.v[(j, c)] * truncated.s[c]);
    let best = Factors { left: left.clone(), right: scaled };
    let from = Factors { left, right: Mat::zeros(columns, 3) };
    let stop = Stop { steps: 1, tolerance: 0.0 };
    let found = Exact::default().solve(&problem(&hidden), Some(&from), stop, &mut Silent::watch).unwrap();
    assert!(found.solution.distance_to(&best) < 1e-12 * best.norm());
    // Of rank 3 and without noise, any start does.
    let hidden = hide(HiddenMatrix { share: 1.0, ..MATRIX });
    assert!(errors(&Exact::default(), &hidden, 1)[1] < 1e-12);
}

#[test]
fn exact_halves_never_raise_the_sum_of_squares() {
    let hidden = hide(HiddenMatrix { deviation: 0.3, share: 0.3, ..MATRIX });
    let (problem, solver) = (problem(&hidden), Exact::default());
    let mut state = solver.start(&problem, None, &Pulse::new(&mut Silent::watch)).unwrap();
    let mut last = f64::INFINITY;
    for _ in 0..15 {
        solver.step(&problem, &mut state, &Pulse::new(&mut Silent::watch)).unwrap();
        for half in state.halves {
            assert!(half <= last * (1.0 + 1e-12), "{half}, {last}");
            last = half;
        }
    }
    let ridged = Completion::new(hidden.entries, 3, 0.05).unwrap();
    let trace = run(&solver, &ridged).trace;
    assert!(trace.windows(2).all(|pair| pair[1].objective <= pair[0].objective * (1.0 + 1e-12)));
}

/// The algorithm of the theory: lines solved by their sketches, no entry seen twice.
#[test]
fn sketched_lines_are_solved_as_exactly_as_by_normal_equations() {
    let hidden = hide(HiddenMatrix { rows: 150, columns: 120, rank: 3, condition: 10.0, ..MATRIX });
    let exact = errors(&Exact::default(), &hidden, 12);
    let sketched = |count, oversampling| {
        let regression = Regression::Sketched { count, oversampling };
        errors(&Alternating { regression, ..Alternating::default() }, &hidden, 12)
    };
    for (round, (sketched, exact)) in sketched(60, 4.0).iter().zip(&exact).enumerate() {
        assert!((sketched - exact).abs() <= 1e-8 + 1e-6 * exact, "{round}: {sketched:e}, {exact:e}");
    }
    // Few steps leave what the next round goes on from.
    for (round, (sketched, exact)) in sketched(10, 4.0).iter().zip(&exact).enumerate() {
        assert!(*sketched <= 5.0 * exact.max(1e-12), "{round}: {sketched:e}, {exact:e}");
    }
    let ridged = Completion::new(hide(HiddenMatrix { deviation: 0.3, ..MATRIX }).entries, 3, 0.05).unwrap();
    let solver = Alternating { regression: Regression::SKETCHED, ..Alternating::default() };
    let (found, wanted) = (run(&solver, &ridged).solution, run(&Exact::default(), &ridged).solution);
    assert!(found.distance_to(&wanted) < 1e-3 * wanted.norm());
    // Lines with fewer entries than the rank have no triangle.
    let thin = hide(HiddenMatrix { share: 0.06, ..MATRIX });
    assert_ne!(run(&solver, &problem(&thin)).outcome, Outcome::NotFinite);
    let wrong = Alternating { regression: Regression::Sketched { count: 3, oversampling: 1.0 }, ..solver };
    let refused =
        wrong.solve(&ridged, None, Iterate::<Completion>::stop(&wrong), &mut Silent::watch).unwrap_err();
    assert!(matches!(refused, Error::Setting { name: "oversampling", .. }), "{refused}");
}

#[test]
fn entries_that_are_split_are_seen_once() {
    let hidden =
        hide(HiddenMatrix { rows: 400, columns: 400, rank: 1, condition: 1.0, share: 1.0, ..MATRIX });
    let solver = Alternating::theory(6);
    let stop = Stop { steps: 50, tolerance: 0.0 };
    let report = solver.solve(&problem(&hidden), None, stop, &mut Silent::watch).unwrap();
    // After the last part the residual is what it was.
    assert_eq!((report.outcome, report.trace.len()), (Outcome::Stalled, 7));
    assert_eq!(report.trace[6].residual, report.trace[5].residual);
    let error = report.solution.distance_to(&hidden.truth) / hidden.truth.norm();
    assert!(error < 1e-3, "{error:e}");
    let few =
        Completion::new(Entries::new(4, 3, &[Entry { row: 0, column: 0, value: 1.0 }]).unwrap(), 1, 0.0);
    let refused = solver
        .solve(&few.unwrap(), None, Iterate::<Completion>::stop(&solver), &mut Silent::watch)
        .unwrap_err();
    assert!(matches!(refused, Error::Empty { .. }), "{refused}");
}

#[test]
fn work_is_in_proportion_to_entries_times_rank() {
    for rank in [8, 16, 32] {
        let hidden = hide(HiddenMatrix { rows: 120, columns: 100, rank, share: 0.7, ..MATRIX });
        let (problem, solver) = (problem(&hidden), steps(3));
        let mut state = solver.start(&problem, None, &Pulse::new(&mut Silent::watch)).unwrap();
        (0..4).for_each(|_| _ = solver.step(&problem, &mut state, &Pulse::new(&mut Silent::watch)).unwrap());
        let unit = hidden.entries.count() * rank;
        // Two sides: 2 + 2·10 passes in the first round, 2 + 2·3 in three more.
        let most = 2 * (22 + 3 * 8) * unit;
        assert!((most / 2..=most).contains(&state.work), "{rank}: {} of {most}", state.work);
    }
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

#[test]
fn alternating_least_squares_are_those_of_numpy() {
    let document: Value = serde_json::from_str(include_str!("../fixtures/als.json")).unwrap();
    for case in document["cases"].as_array().unwrap() {
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        let numbers = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let (rows, columns, rank) = (size("rows"), size("columns"), size("rank"));
        let place = |place: &Value| Entry {
            row: place[0].as_u64().unwrap() as usize,
            column: place[1].as_u64().unwrap() as usize,
            value: place[2].as_f64().unwrap(),
        };
        let entries: Vec<Entry> = case["entries"].as_array().unwrap().iter().map(place).collect();
        let entries = Entries::new(rows, columns, &entries).unwrap();
        let problem = Completion::new(entries, rank, case["ridge"].as_f64().unwrap()).unwrap();
        let start = numbers("start");
        let left = Mat::from_fn(rows, rank, |i, c| start[i * rank + c]);
        let from = Factors { left, right: Mat::zeros(columns, rank) };
        let stop = Stop { steps: size("rounds"), tolerance: 0.0 };
        let report = Exact::default().solve(&problem, Some(&from), stop, &mut Silent::watch).unwrap();
        let expected = numbers("product");
        let expected = Mat::from_fn(rows, columns, |i, j| expected[i * columns + j]);
        let apart = (report.solution.product() - &expected).norm_max();
        assert!(apart < 1e-9 * expected.norm_max(), "{apart:e}");
        let objective = case["objective"].as_f64().unwrap();
        assert!((report.last().unwrap().objective - objective).abs() <= 1e-9 * objective + 1e-20);
    }
}

#[test]
fn biases_are_taken_out_and_put_back() {
    let places = (0..40).flat_map(|row| (0..30).map(move |column| (row, column)));
    let value = |row: usize, column: usize| 3.0 + 0.1 * row as f64 - 0.2 * column as f64;
    let entries: Vec<Entry> = places
        .filter(|(row, column)| (row * 7 + column * 3) % 5 < 3)
        .map(|(row, column)| Entry { row, column, value: value(row, column) })
        .collect();
    let entries = Entries::new(40, 30, &entries).unwrap();
    let (known, held) = entries.split(0.1, 5).unwrap();
    assert_eq!(known.count() + held.count(), entries.count());
    let problem = Completion::new(known, 2, 0.05).unwrap().centred(0.0).unwrap();
    let report = run(&Alternating::default(), &problem);
    assert!(problem.holdout_rmse(&report.solution, &held) < 1e-3);
    assert!(problem.entries().rmse(|_, _| 0.0) < 1e-3);
}

#[test]
fn entries_set_aside_stop_the_solver_and_choose_the_answer() {
    let hidden = hide(HiddenMatrix { deviation: 1.0, share: 0.3, ..MATRIX });
    let problem = Completion::new(hidden.entries, 6, 0.0).unwrap().validated(0.2, 3).unwrap();
    let report = run(&Exact::default(), &problem);
    assert_eq!(report.outcome, Outcome::Stalled);
    let least = report.trace.iter().map(|progress| progress.residual).fold(f64::INFINITY, f64::min);
    let held = problem.validation().unwrap();
    let found = held.rmse_of(&report.solution) / held.rmse(|_, _| 0.0);
    assert!((found - least).abs() < 1e-12 && found < report.last().unwrap().residual);
}

#[test]
fn the_best_ridge_is_that_of_the_entries() {
    let watch = &mut Silent::watch;
    let exact = problem(&hide(MATRIX)).with_best_ridge(0.1, 0, watch).unwrap();
    assert_eq!(exact.ridge(), 0.0);
    assert_eq!(exact.entries().count(), hide(MATRIX).entries.count());
    // Noise as large as what is sought, and a rank that fits it.
    let noisy = HiddenMatrix { share: 0.3, deviation: 1.0, ..MATRIX };
    let hidden = hide(noisy);
    let open = Completion::new(hidden.entries.clone(), 6, 0.0).unwrap();
    let chosen = open.clone().with_best_ridge(0.1, 0, watch).unwrap();
    assert!(0.0 < chosen.ridge(), "{}", chosen.ridge());
    let error = |problem: &Completion| run(&Exact::default(), problem).solution.distance_to(&hidden.truth);
    assert!(error(&chosen) < error(&open), "{} {}", error(&chosen), error(&open));
    // It is in units of the entries.
    let scaled: Vec<Entry> =
        hidden.entries.iter().map(|entry| Entry { value: 100.0 * entry.value, ..entry }).collect();
    let scaled = Completion::new(Entries::new(60, 50, &scaled).unwrap(), 6, 0.0).unwrap();
    let scaled = scaled.with_best_ridge(0.1, 0, watch).unwrap().ridge();
    assert!((scaled / chosen.ridge() - 100.0).abs() < 1e-6, "{scaled}");
    let one =
        Completion::new(Entries::new(2, 2, &[Entry { row: 0, column: 0, value: 1.0 }]).unwrap(), 1, 0.2);
    assert_eq!(one.unwrap().with_best_ridge(0.1, 0, watch).unwrap().ridge(), 0.2);
}

#[test]
fn who_breaks_off_has_the_best_ridge_so_far() {
    let mut told = Vec::new();
    let watch = &mut |progress: &Progress| {
        told.push(progress.step);
        if told.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let chosen = problem(&hide(MATRIX)).with_best_ridge(0.1, 0, watch).unwrap();
    assert!(0.0 < chosen.ridge());
    assert_eq!(told, [1, 2, 3]);
}

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
