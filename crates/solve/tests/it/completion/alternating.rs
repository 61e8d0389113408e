//! What [robust_completion] says of alternating least squares, and agreement with numpy.

use super::{MATRIX, hide, problem, run};
use faer::Mat;
use rankine_solve::recovery::completion::alternating::{Alternating, State};
use rankine_solve::recovery::completion::{
    Completion, Entries, Entry, Hidden, HiddenMatrix, Regression, exact::Exact,
};
use rankine_solve::recovery::{Factors, trajectory};
use rankine_solve::{Error, Iterate, Outcome, Pulse, Silent, Solve, Stop};
use serde_json::Value;

fn steps(count: usize) -> Alternating {
    Alternating { regression: Regression::Steps { count, first: 10.max(count) }, ..Alternating::default() }
}

/// Relative errors after every round.
fn errors(solver: &impl Iterate<Completion, State = State>, hidden: &Hidden, rounds: usize) -> Vec<f64> {
    let norm = hidden.truth.norm();
    let measure = |state: &State| state.iterand.factors().distance_to(&hidden.truth) / norm;
    trajectory(solver, &problem(hidden), rounds, measure).unwrap()
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
fn alternating_least_squares_are_those_of_numpy() {
    let document: Value = serde_json::from_str(include_str!("../../fixtures/als.json")).unwrap();
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
