//! Real ratings: a tenth is held out and predicted by every solver from the others.

use crate::{Result, findings::Finding};
use rankine_data::arrays::Ratings;
use rankine_report::{Axis, Bars, Cell, Column, Page, Table};
use rankine_solve::recovery::completion::{Completion, CompletionSolver, Entries, Entry};
use rankine_solve::{Silent, Stop};
use std::path::Path;

/// How they are completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// k.
    pub rank: usize,
    /// Ways to hold out, over which errors and seconds are averaged.
    pub splits: u64,
}

/// Shares that are held out, by which the ridge is chosen, and by which solvers stop; the damping of biases.
const HELD: f64 = 0.1;
const CHOOSING: f64 = 0.1;
const STOPPING: f64 = 0.05;
const DAMPING: f64 = 5.0;

/// When a solver is done at the latest: it stops by itself where it no longer gets nearer.
const STOP: Stop = Stop { steps: 200, tolerance: 1e-8 };

/// Means over the splits.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Judged {
    ratings: usize,
    users: usize,
    items: usize,
    rank: usize,
    splits: u64,
    /// λ, as alternating least squares choose it.
    ridge: f64,
    /// Root mean square error of the biases of users and items alone.
    biases: f64,
    arms: Vec<Arm>,
}

/// A solver.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Arm {
    solver: String,
    rmse: f64,
    /// Of the whole, and of a round or a pass.
    seconds: f64,
    seconds_a_round: f64,
    rounds: f64,
}

const APPROXIMATE: &str = "alternating";
const EXACT: &str = "exact";

/// Every rating of a file.
pub(super) fn read(path: &Path) -> Result<Entries> {
    let Ratings { matrix, .. } = Ratings::read(path, None)?;
    let entry = |&(row, column, value): &(usize, usize, f64)| Entry { row, column, value };
    let entries: Vec<Entry> = matrix.entries.iter().map(entry).collect();
    Ok(Entries::new(matrix.rows, matrix.columns, &entries)?)
}

impl Plan {
    pub(super) fn judge(&self, all: &Entries, watch: &mut dyn FnMut(&str)) -> Result<Judged> {
        let arm = |choice: &CompletionSolver| Arm {
            solver: rankine_solve::Solvers::name(choice),
            rmse: 0.0,
            seconds: 0.0,
            seconds_a_round: 0.0,
            rounds: 0.0,
        };
        let choices = CompletionSolver::all();
        let mut judged = Judged {
            ratings: all.count(),
            users: all.rows(),
            items: all.columns(),
            rank: self.rank,
            splits: self.splits,
            ridge: 0.0,
            biases: 0.0,
            arms: choices.iter().map(arm).collect(),
        };
        let share = 1.0 / self.splits as f64;
        for seed in 0..self.splits {
            let (kept, held) = all.split(HELD, seed)?;
            watch(&format!("ratings, split {}: choosing the ridge", seed + 1));
            let problem = Completion::new(kept, self.rank, 0.0)?.centred(DAMPING)?;
            let problem = problem.with_best_ridge(CHOOSING, seed, &mut Silent::watch)?;
            judged.ridge += share * problem.ridge();
            let biases = |i, j| problem.biases().map_or(0.0, |biases| biases.predict(i, j));
            judged.biases += share * held.rmse(biases);
            let stopping = problem.clone().validated(STOPPING, seed)?;
            for (choice, arm) in choices.iter().zip(&mut judged.arms) {
                watch(&format!("ratings, split {}: {}", seed + 1, arm.solver));
                let report = choice.solver().solve(&stopping, None, STOP, &mut Silent::watch)?;
                let rounds = report.trace.len() as f64;
                arm.rmse += share * problem.holdout_rmse(&report.solution, &held);
                arm.seconds += share * report.seconds;
                arm.seconds_a_round += share * report.seconds / rounds;
                arm.rounds += share * rounds;
            }
        }
        Ok(judged)
    }
}

impl Judged {
    fn rmse(&self, solver: &str) -> f64 {
        self.arms.iter().find(|arm| arm.solver == solver).map_or(f64::NAN, |arm| arm.rmse)
    }

    pub(super) fn findings(&self) -> [Finding; 2] {
        let (ours, exact) = (self.rmse(APPROXIMATE), self.rmse(EXACT));
        [
            Finding::new(
                "held-out ratings are predicted as well as by exact solves: an error at most 1 % larger",
                "alternating minimisation bears errors; no experiments",
                format!("{ours:.4} against {exact:.4}"),
                ours <= 1.01 * exact,
            ),
            Finding::new(
                "they are predicted better than by the biases of users and items",
                "no experiments",
                format!("{ours:.4} against {:.4}", self.biases),
                ours < self.biases,
            ),
        ]
    }

    pub(super) fn show(&self, page: &mut Page) {
        let Self { ratings, users, items, rank, splits, ridge, .. } = self;
        page.section("Ratings").text(format!(
            "{ratings} ratings of {items} items by {users} users, {:.0} % of them held out, {splits} times; k = {rank}, biases taken \
             out. λ = {ridge:.3} on average, by which alternating least squares predict best a tenth of the others; all solvers have \
             it, and all stop by {:.0} % of what they are shown. Seconds on all threads; stochastic gradients have one.",
            100.0 * HELD,
            100.0 * STOPPING,
        ));
        let columns = ["Held-out error", "Seconds", "Rounds"].map(Column::number);
        let columns = columns.into_iter().chain([Column::number("A round").unit("ms")]);
        let mut table = Table::new([Column::text("Solver")].into_iter().chain(columns));
        table.row([
            Cell::text("biases"),
            Cell::fixed(self.biases, 4),
            Cell::Missing,
            Cell::Missing,
            Cell::Missing,
        ]);
        let mut bars = Bars::new("Error of held-out ratings", Axis::linear("root mean square error"));
        bars = bars.bar("biases", self.biases);
        for Arm { solver, rmse, seconds, seconds_a_round, rounds } in &self.arms {
            table.row([
                Cell::text(solver),
                Cell::fixed(*rmse, 4),
                Cell::Seconds(*seconds),
                Cell::fixed(*rounds, 0),
                Cell::number(1e3 * seconds_a_round, 3),
            ]);
            bars = bars.bar(solver.as_str(), *rmse);
        }
        page.table(table).plot(bars);
    }
}
