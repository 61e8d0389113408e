//! How work and time grow with the rank and with the known entries.

use crate::{Result, findings::Finding};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};
use rankine_solve::recovery::completion::{Completion, HiddenMatrix, Regression, alternating::Alternating};
use rankine_solve::recovery::trajectory;
use rankine_solve::{Silent, Solve as _, Stop};

/// What is timed.
pub(super) struct Plan {
    /// Rows and columns, and share of entries, where ranks are compared.
    pub side: usize,
    pub share: f64,
    /// Ascending.
    pub ranks: Vec<usize>,
    /// Rows and columns of rank [`RANK`] with [`ENTRIES`] known entries in each, ascending.
    pub sides: Vec<usize>,
}

const RANK: usize = 8;
const ENTRIES: f64 = 100.0;

/// Rounds that are timed, after a first one.
const ROUNDS: usize = 4;

/// One problem: what a round takes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Timed {
    rank: usize,
    entries: usize,
    approximate: Round,
    exact: Round,
}

/// A round.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
struct Round {
    multiply_adds: f64,
    seconds: f64,
}

/// Both comparisons.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Growth {
    ranks: Vec<Timed>,
    sides: Vec<Timed>,
}

impl Plan {
    pub(super) fn measure(&self, watch: &mut dyn FnMut(&str)) -> Result<Growth> {
        let ranks = self.ranks.iter().map(|&rank| {
            watch(&format!("timing rank {rank}"));
            timed(self.side, rank, self.share)
        });
        let ranks = ranks.collect::<Result<_>>()?;
        let sides = self.sides.iter().map(|&side| {
            watch(&format!("timing {side} rows and columns"));
            timed(side, RANK, (ENTRIES / side as f64).min(1.0))
        });
        Ok(Growth { ranks, sides: sides.collect::<Result<_>>()? })
    }
}

fn timed(side: usize, rank: usize, share: f64) -> Result<Timed> {
    let matrix =
        HiddenMatrix { rows: side, columns: side, rank, condition: 1.0, share, deviation: 0.1, seed: 1 };
    let hidden = matrix.hide()?;
    let entries = hidden.entries.count();
    let problem = Completion::new(hidden.entries, rank, 0.0)?;
    let approximate = round(Alternating::default().regression, &problem)?;
    Ok(Timed { rank, entries, approximate, exact: round(Regression::Exact, &problem)? })
}

/// The mean work and the least time of all rounds but the first.
fn round(regression: Regression, problem: &Completion) -> Result<Round> {
    let solver = Alternating { regression, ..Alternating::default() };
    let work = trajectory(&solver, problem, ROUNDS + 1, |state| state.work as f64)?;
    let stop = Stop { steps: ROUNDS + 1, tolerance: 0.0 };
    let trace = solver.solve(problem, None, stop, &mut Silent::watch)?.trace;
    let seconds = trace.windows(2).map(|pair| pair[1].seconds - pair[0].seconds);
    Ok(Round {
        multiply_adds: (work[ROUNDS + 1] - work[1]) / ROUNDS as f64,
        seconds: seconds.fold(f64::INFINITY, f64::min),
    })
}

/// The exponent with which y grows with x from the first to the last.
fn exponent(timed: &[Timed], x: impl Fn(&Timed) -> f64, y: impl Fn(&Timed) -> f64) -> f64 {
    match timed {
        [first, .., last] => (y(last) / y(first)).ln() / (x(last) / x(first)).ln(),
        _ => f64::NAN,
    }
}

impl Growth {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let rank = |timed: &Timed| timed.rank as f64;
        let work =
            |round: fn(&Timed) -> Round| exponent(&self.ranks, rank, |timed| round(timed).multiply_adds);
        let (ours, exact) = (work(|timed| timed.approximate), work(|timed| timed.exact));
        let entries = |timed: &Timed| timed.entries as f64;
        let time = exponent(&self.sides, entries, |timed| timed.approximate.seconds);
        vec![
            Finding::new(
                "multiply-adds of a round grow like the rank, of exact solves like its square: exponents within 0.3",
                "O~(|Ω|·k) against O~(|Ω|·k²)",
                format!("{ours:.2} and {exact:.2}"),
                (ours - 1.0).abs() <= 0.3 && (exact - 2.0).abs() <= 0.3,
            ),
            Finding::new(
                "the time of a round grows like the known entries: exponent at most 1.3",
                "O~(|Ω|·k)",
                format!("{time:.2}"),
                time <= 1.3,
            ),
        ]
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.section("Time of a round").text(
            "Alternating least squares by three steps of conjugate gradients and by normal equations, on all threads; the first \
             round is left out.",
        );
        page.plot(lines("Seconds against the rank", "rank", &self.ranks, |timed| timed.rank as f64));
        page.table(table(&self.ranks));
        let title = format!("Seconds against the known entries, rank {RANK}");
        page.plot(lines(&title, "known entries", &self.sides, |timed| timed.entries as f64));
        page.table(table(&self.sides));
    }
}

fn lines(title: &str, label: &str, timed: &[Timed], x: impl Fn(&Timed) -> f64) -> Lines {
    let points = |round: fn(&Timed) -> Round| -> Vec<(f64, f64)> {
        timed.iter().map(|timed| (x(timed), round(timed).seconds)).collect()
    };
    Lines::new(title, Axis::log(label), Axis::log("seconds"))
        .series(Series::new("three steps", points(|timed| timed.approximate)).style(Style::Marked))
        .series(Series::new("exact", points(|timed| timed.exact)).style(Style::Marked))
}

fn table(timed: &[Timed]) -> Table {
    let columns = [
        Column::number("Rank"),
        Column::number("Known entries"),
        Column::number("Three steps").unit("ms"),
        Column::number("Exact").unit("ms"),
        Column::number("Three steps").unit("10⁹ multiply-adds"),
        Column::number("Exact").unit("10⁹ multiply-adds"),
    ];
    let mut table = Table::new(columns);
    for Timed { rank, entries, approximate, exact } in timed {
        table.row([
            Cell::text(rank.to_string()),
            Cell::text(entries.to_string()),
            Cell::number(1e3 * approximate.seconds, 3),
            Cell::number(1e3 * exact.seconds, 3),
            Cell::number(1e-9 * approximate.multiply_adds, 3),
            Cell::number(1e-9 * exact.multiply_adds, 3),
        ]);
    }
    table
}
