//! What is settled by the entries: biases, the ridge, and when to stop.

use super::{MATRIX, hide, problem, run};
use rankine_solve::recovery::completion::{
    Completion, Entries, Entry, HiddenMatrix, alternating::Alternating, exact::Exact,
};
use rankine_solve::{Iterate, Outcome, Progress, Silent, Solve};
use std::ops::ControlFlow;

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
    let mut last = f64::NAN;
    let mut watch = |progress: &Progress| {
        last = progress.residual;
        ControlFlow::Continue(())
    };
    let exact = Exact::default();
    let report = exact.solve(&problem, None, Iterate::stop(&exact), &mut watch).unwrap();
    assert_eq!(report.outcome, Outcome::Stalled);
    let least = report.trace.iter().map(|progress| progress.residual).fold(f64::INFINITY, f64::min);
    let held = problem.validation().unwrap();
    let found = held.rmse_of(&report.solution) / held.rmse(|_, _| 0.0);
    assert!((found - least).abs() < 1e-12 && found < last);
    assert_eq!(report.last().unwrap().residual, least);
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
