//! The way to the maximum, and from there to a plan that meets the row sums.

use super::search::{Method, Progressing, Search};
use crate::transport::smooth::Objective;
use crate::transport::{Coupling, Plan, exact};
use crate::{Pulse, Result, Step};
use rankine_linalg::keep_largest;

/// Factor of the penalty from stage to stage; [sparsity_constrained]'s page.
const STAGE: f64 = 0.3;
/// Share of the mass out of place at which a stage is done.
const STAGE_RESIDUAL: f64 = 1e-2;
/// Steps of a stage at most.
const STAGE_STEPS: usize = 20;
/// Stages at most; by then the penalty has fallen by a factor of 1e16.
const STAGES: usize = 32;

/// The maximiser at its iterate.
#[derive(Clone, Debug)]
pub struct Ascent {
    phase: Phase,
    search: Search,
    progress: Progressing,
    /// ε of the stage.
    regularization: f64,
    /// Rows that each column is held to; [m].
    supports: Option<Vec<Vec<usize>>>,
    /// Where the function no longer grew, and the end of each phase since then.
    ends: Vec<End>,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The penalty is larger than the problem's: stages left, steps of this one.
    Stage(usize, usize),
    /// The function itself is maximised.
    Whole,
    /// The plan is sought on the best rows at its maximum.
    Best,
    /// The plan is sought on rows of an exact plan.
    Exact,
    /// Nothing is left to try.
    Over,
}

/// Where a phase ended.
#[derive(Clone, Debug)]
struct End {
    residual: f64,
    x: Vec<f64>,
    supports: Option<Vec<Vec<usize>>>,
}

impl Ascent {
    pub(super) fn new(method: &Method, target: &Objective<'_>, x: Vec<f64>, stages: usize) -> Self {
        let stages = stages.min(STAGES);
        let regularization = target.regularization / STAGE.powi(stages as i32);
        let search = Search::new(method, &Objective { regularization, ..*target }, x);
        let phase = if stages > 0 { Phase::Stage(stages, 0) } else { Phase::Whole };
        let (progress, supports) = (Progressing::default(), None);
        Self { phase, search, progress, regularization, supports, ends: Vec::new() }
    }

    /// One step, measured at the penalty of the problem.
    pub(super) fn step(
        &mut self,
        method: &Method,
        target: &Objective<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<Step> {
        let (regularization, supports) = (self.regularization, self.supports.as_deref());
        let moved = self.search.step(&Objective { regularization, supports, ..*target });
        self.turn(method, target, moved, pulse)?;
        let (value, residual) = match self.phase {
            Phase::Stage(..) => {
                let mut gradient = vec![0.0; target.variables()];
                (target.evaluate(self.search.x(), &mut gradient), target.residual(&gradient))
            }
            _ => (self.search.value(), self.residual(target)),
        };
        Ok(Step { stalled: self.phase == Phase::Over, ..Step::new(-value, residual) })
    }

    /// The plan at the iterate.
    pub(super) fn plan(&self, target: &Objective<'_>) -> Plan {
        Objective { supports: self.supports.as_deref(), ..*target }.plan(self.search.x())
    }

    fn residual(&self, target: &Objective<'_>) -> f64 {
        target.residual(self.search.gradient())
    }

    /// Goes over to the next phase where this one is done.
    fn turn(
        &mut self,
        method: &Method,
        target: &Objective<'_>,
        moved: bool,
        pulse: &Pulse<'_>,
    ) -> Result<()> {
        let corners = target.nonzeros < target.problem.source().len();
        let settled = !moved || corners && self.progress.settled(&self.search, target);
        let out = settled || self.is_infeasible(target);
        self.phase = match self.phase {
            Phase::Stage(left, steps) => {
                let near = self.residual(target) <= STAGE_RESIDUAL;
                let done = settled || near || steps >= STAGE_STEPS;
                if done { self.next_stage(method, target, left) } else { Phase::Stage(left, steps + 1) }
            }
            Phase::Whole if settled && corners => {
                let maximum = self.end(target);
                self.hold(target, target.best_rows(&maximum), maximum);
                Phase::Best
            }
            Phase::Best if out => {
                self.end(target);
                let maximum = self.ends[0].x.clone();
                let exact = exact::plan(target.problem, Some(&target.plan(&maximum)), pulse)?.plan;
                self.hold(target, filled(&exact, target.best_rows(&maximum), target.nonzeros), maximum);
                Phase::Exact
            }
            Phase::Exact if out => {
                self.end(target);
                self.restore(target);
                Phase::Over
            }
            Phase::Whole if settled => Phase::Over,
            phase => phase,
        };
        Ok(())
    }

    fn next_stage(&mut self, method: &Method, target: &Objective<'_>, left: usize) -> Phase {
        self.regularization = if left == 1 { target.regularization } else { self.regularization * STAGE };
        let objective = Objective { regularization: self.regularization, ..*target };
        self.search = Search::new(method, &objective, self.search.x().to_vec());
        self.progress = Progressing::default();
        if left == 1 { Phase::Whole } else { Phase::Stage(left - 1, 0) }
    }

    /// Notes where the phase ends, and returns it.
    fn end(&mut self, target: &Objective<'_>) -> Vec<f64> {
        let (residual, x) = (self.residual(target), self.search.x().to_vec());
        self.ends.push(End { residual, x: x.clone(), supports: self.supports.take() });
        x
    }

    /// Holds every column to some rows from now on.
    fn hold(&mut self, target: &Objective<'_>, supports: Vec<Vec<usize>>, x: Vec<f64>) {
        self.search = Search::limited(&Objective { supports: Some(&supports), ..*target }, x);
        self.supports = Some(supports);
        self.progress = Progressing::default();
    }

    /// Goes back to the end with the least residual, the first of equals.
    fn restore(&mut self, target: &Objective<'_>) {
        let ends = std::mem::take(&mut self.ends).into_iter();
        if let Some(best) = ends.min_by(|left, right| left.residual.total_cmp(&right.residual)) {
            self.search =
                Search::limited(&Objective { supports: best.supports.as_deref(), ..*target }, best.x);
            self.supports = best.supports;
        }
    }

    /// Whether the dual is above what any plan on the supports costs, so that there is none.
    fn is_infeasible(&self, target: &Objective<'_>) -> bool {
        let problem = target.problem;
        let dearest = |(column, rows): (usize, &Vec<usize>)| {
            let (mass, costs) = (problem.target()[column], problem.column(column));
            let most = rows.iter().fold(f64::NEG_INFINITY, |most, &row| most.max(costs[row]));
            if mass > 0.0 { mass * (most + target.regularization / 2.0 * mass) } else { 0.0 }
        };
        self.supports.as_ref().is_some_and(|supports| {
            let most: f64 = supports.iter().enumerate().map(dearest).sum();
            -self.search.value() > most + target.noise()
        })
    }
}

/// The rows of a plan, of every column the `most` heaviest, filled up to as many by the best; [m].
fn filled(plan: &Coupling, best: Vec<Vec<usize>>, most: usize) -> Vec<Vec<usize>> {
    let mut carried: Vec<Vec<(usize, f64)>> = vec![Vec::new(); best.len()];
    plan.each(|row, column, mass| carried[column].push((row, mass)));
    let fill = |(mut carried, best): (Vec<(usize, f64)>, Vec<usize>)| {
        keep_largest(&mut carried, most);
        let mut rows: Vec<usize> = carried.into_iter().map(|entry| entry.0).collect();
        for row in best {
            if rows.len() < most && !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows.sort_unstable();
        rows
    };
    carried.into_iter().zip(best).map(fill).collect()
}
