//! The exact plan, by the network simplex.
//!
//!     minimise ⟨C, P⟩     dual: maximise Σ a·f + Σ b·g subject to f_i + g_j ≤ C_ij
//!
//! A basis is a spanning tree of rows and columns, f_i + g_j = C_ij on its arcs. An arc of negative reduced cost
//! C_ij − f_i − g_j enters, mass goes round the cycle that it closes, and the arc that runs empty leaves. Arcs are priced in
//! blocks of √(n·m) and the best of a block enters; the tree is strongly feasible (Cunningham 1976), so that ties and empty
//! masses do not make it cycle. At most n + m − 1 entries carry mass. Holds the cost and O(n + m).
//!
//! The first basis is greedy; from a plan, its row potentials are taken off the costs first. The objective is ⟨C, P⟩, which
//! falls. Every iterate meets the constraints, so the residual is what rounding leaves of their violation,
//! and the duality gap over the mass and the size of costs and potentials: P is optimal where it is zero. A step is n + m exchanges.

mod greedy;
mod tree;

use super::{Coupling, Plan, Sparse, Transport, scan};
use crate::{Error, Iterate, Progress, Pulse, Result, Solve as _, Step, Stop};
use serde::{Deserialize, Serialize};
use tree::Tree;

/// The solver; it has no settings and takes every regularisation, which it leaves aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exact {}

/// Fewest arcs that are priced before the best of them enters.
const BLOCK: usize = 64;

/// Exchanges between two questions whether to go on.
const ASKED: usize = 8;

/// Reduced cost, in units of the costs and potentials that count, that is put down to rounding.
const ROUNDING: f64 = 1e-13;

impl Iterate<Transport> for Exact {
    type State = Basis;
    type Solution = Plan;

    fn stop(&self) -> Stop {
        Stop { steps: 100_000, tolerance: 1e-12 }
    }

    fn start(&self, problem: &Transport, from: Option<&Plan>, _: &Pulse<'_>) -> Result<Basis> {
        let (rows, columns) = (problem.source().len(), problem.target().len());
        let price = match from.filter(|plan| !plan.source_potential.is_empty()) {
            Some(plan) => {
                problem.check_potentials(plan)?;
                plan.source_potential.clone()
            }
            None => cheapest_of_rows(problem),
        };
        let arcs = greedy::basis(|j| problem.column(j), &price, problem.source(), problem.target());
        let mut tree = Tree::new(rows, columns, columns - 1, &arcs);
        tree.price(|i, j| problem.cost()[(i, j)]);
        let block = (((rows * columns) as f64).sqrt() as usize).max(BLOCK);
        let unit = unit(problem, &tree);
        Ok(Basis { tree, row: 0, column: 0, block, unit })
    }

    fn step(&self, problem: &Transport, state: &mut Basis, pulse: &Pulse<'_>) -> Result<Step> {
        let exchanges = problem.source().len() + problem.target().len();
        let mut optimal = false;
        for made in 0..exchanges {
            if made.is_multiple_of(ASKED) && !pulse.beats() {
                state.tree.balance(problem.source(), problem.target());
                return Err(Error::INTERRUPTED);
            }
            if !state.exchange(problem) {
                optimal = true;
                break;
            }
        }
        state.tree.balance(problem.source(), problem.target());
        let (objective, residual) = state.measure(problem);
        Ok(Step { stalled: optimal, ..Step::new(objective, residual) })
    }

    fn finish(&self, problem: &Transport, state: Basis) -> Result<Plan> {
        let (source_potential, target_potential) =
            (state.tree.source().to_vec(), state.tree.target().to_vec());
        let plan = state.plan();
        let cost = problem.cost_of(&plan);
        Ok(Plan { plan, source_potential, target_potential, cost })
    }
}

/// An exact plan, for solvers that build on one; one that is not yet exact where `pulse` stops.
pub(super) fn plan(problem: &Transport, from: Option<&Plan>, pulse: &Pulse<'_>) -> Result<Plan> {
    let exact = Exact::default();
    let mut watch = |_: &Progress| pulse.flow();
    Ok(exact.solve(problem, from, Iterate::stop(&exact), &mut watch)?.solution)
}

/// A basis, and where pricing goes on.
#[derive(Clone, Debug)]
pub struct Basis {
    tree: Tree,
    row: usize,
    column: usize,
    block: usize,
    /// The size of costs and potentials when these were last made anew.
    unit: f64,
}

/// Part of a column: its first and last row, the column, its least reduced cost.
type Segment = (usize, usize, usize, f64);

impl Basis {
    /// Lets one arc enter; false where none has a negative reduced cost by potentials made anew.
    fn exchange(&mut self, problem: &Transport) -> bool {
        let found = self.entering(problem).or_else(|| {
            self.tree.price(|i, j| problem.cost()[(i, j)]);
            self.unit = unit(problem, &self.tree);
            self.entering(problem)
        });
        let Some((first, last, column, reduced)) = found else { return false };
        let (potential, cost) = (self.tree.source(), problem.column(column));
        let target = self.tree.target()[column];
        let row = (first..last).find(|&row| target + (potential[row] - cost[row]) >= -reduced);
        self.tree.exchange(row.unwrap_or(first), column, reduced);
        true
    }

    /// Where the best arc of the next block that has a good one is.
    fn entering(&mut self, problem: &Transport) -> Option<Segment> {
        let (rows, columns) = (problem.source().len(), problem.target().len());
        let (mut best, mut seen, mut room) = (None, 0, self.block);
        let mut least = -ROUNDING * self.unit;
        while seen < rows * columns {
            let (first, last, column) = (self.row, (self.row + room).min(rows), self.column);
            let part = first..last;
            let highest = scan::highest(&self.tree.source()[part.clone()], &problem.column(column)[part]);
            let reduced = -(self.tree.target()[column] + highest);
            if reduced < least {
                (least, best) = (reduced, Some((first, last, column, reduced)));
            }
            seen += last - first;
            room -= last - first;
            self.row = if last == rows { 0 } else { last };
            self.column = if last == rows { (column + 1) % columns } else { column };
            if room == 0 {
                if best.is_some() {
                    return best;
                }
                room = self.block;
            }
        }
        best
    }

    /// Cost of the plan, and how far from optimal it is.
    fn measure(&self, problem: &Transport) -> (f64, f64) {
        let cost: f64 = self.tree.arcs().map(|(i, j, mass)| problem.cost()[(i, j)] * mass).sum();
        let (rows, columns) = self.plan().sums();
        let violation = problem.violation_of_sums(&rows, &columns);
        let target = self.tree.target();
        let mut least = vec![f64::INFINITY; rows.len()];
        for (j, potential) in target.iter().enumerate() {
            let reduced = problem.column(j).iter().map(|cost| cost - potential);
            least.iter_mut().zip(reduced).for_each(|(least, reduced)| *least = least.min(reduced));
        }
        let total = |potential: &[f64], masses: &[f64]| -> f64 {
            potential.iter().zip(masses).map(|(potential, mass)| potential * mass).sum()
        };
        let dual = total(&least, problem.source()) + total(target, problem.target());
        let scale = self.unit * problem.mass();
        let gap = if scale > 0.0 { ((cost - dual) / scale).max(0.0) } else { 0.0 };
        (cost, violation + gap)
    }

    /// The arcs that carry mass.
    fn plan(&self) -> Coupling {
        let (rows, columns) = (self.tree.source().len(), self.tree.target().len());
        Sparse::new(rows, columns, self.tree.arcs().collect()).into()
    }
}

/// What rounding is relative to: costs that no plan avoids, and potentials. Costs that forbid arcs do not count once their arcs have
/// left the tree.
fn unit(problem: &Transport, tree: &Tree) -> f64 {
    let potentials = tree.source().iter().chain(tree.target());
    potentials.fold(problem.needed_cost(), |largest, potential| largest.max(potential.abs()))
}

/// min_j C_ij; [n].
fn cheapest_of_rows(problem: &Transport) -> Vec<f64> {
    let mut cheapest = problem.column(0).to_vec();
    for column in 1..problem.target().len() {
        let costs = problem.column(column).iter();
        cheapest.iter_mut().zip(costs).for_each(|(cheapest, cost)| *cheapest = cheapest.min(*cost));
    }
    cheapest
}
