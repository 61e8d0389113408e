//! What the runs say, and the page that shows it.

use super::{OURS, PLAIN, Run, STABILISED, SWEEPS, Spy, TOLERANCE, WEAK, WHOLE};
use crate::{
    Claim,
    findings::{self, Finding},
};
use rankine_report::{Axis, Cell, Column, Heat, Level, Lines, Page, Series, Table, format};

const STATEMENT: &str = "at weak regularisation (η = 1200) SNS reaches 1e-9 in tens of iterations where Sinkhorn's sweeps \
                         need thousands, in a fifth of their time at most";

/// The claim with its page.
pub fn claim(runs: &[Run], fixed: &[Run], spies: &[Spy]) -> Claim {
    let findings: Vec<Finding> = spies.iter().flat_map(|spy| of_problem(runs, &spy.problem)).collect();
    let holds = findings::hold(&findings);
    let mut page = Page::new("Sinkhorn-Newton-Sparse: Newton's steps for sweeps");
    page.lead(
        "SNS stops Sinkhorn's sweeps early and goes on with Newton's steps on the dual, whose Hessian keeps only the large \
         entries of the plan.",
    );
    findings::show(STATEMENT, &findings, &mut page);
    page.section("All runs").text(SETTING).table(table(runs));
    show_strong(runs, &mut page);
    page.section("Convergence");
    for spy in spies {
        for eta in etas(runs, &spy.problem) {
            page.plot(plot(runs, &spy.problem, eta, true)).plot(plot(runs, &spy.problem, eta, false));
        }
    }
    page.section("A fixed count of entries").text(FIXED).table(table(fixed));
    page.section("The plans").text("Where the entries are that come to 1e-8 of the largest, at η = 1200.");
    for Spy { problem, parts, share } in spies {
        let title = format!("{problem}: {} of the plan", format::percent(*share));
        page.plot(Heat::new(title, Axis::linear("share of the entries"), parts.clone()));
    }
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "runs": runs, "fixed": fixed });
    Claim { statement: STATEMENT.to_owned(), holds, page, numbers }
}

const SETTING: &str = "Every solver stops at a violation of both marginals of 1e-9 (L1) or at its most steps; a step is a sweep \
    of rows and columns or one of Newton's. SNS and Newton make 20 sweeps first, at a regularisation that falls to the \
    problem's; without annealing all sweeps are at the problem's own, as the paper has them. Seconds are those of one run.";

const FIXED: &str = "The paper keeps a fixed share of the Hessian. Too few entries make convergence linear: here that many \
    entries a row are kept instead of those above a hundredth of the gradient, at η = 1200.";

/// The run of a solver.
fn of<'a>(runs: &'a [Run], problem: &str, eta: f64, solver: &str) -> Option<&'a Run> {
    runs.iter().find(|run| run.problem == problem && run.eta == eta && run.solver == solver)
}

fn of_problem(runs: &[Run], problem: &str) -> Vec<Finding> {
    let [Some(ours), Some(sweeps), Some(stabilised)] =
        [OURS, SWEEPS, STABILISED].map(|solver| of(runs, problem, WEAK, solver))
    else {
        return Vec::new();
    };
    let (limit, published, published_sweeps, published_seconds) = published(problem);
    let at_least = |run: &Run| format!("{}{}", if run.converged { "" } else { "more than " }, run.steps);
    vec![
        Finding::new(
            format!(
                "{problem}: 1e-9 in fewer than {limit} iterations, sweeps before Newton's steps included"
            ),
            published,
            format!("{}, left at {:.0e}", at_least(ours), ours.residual),
            ours.converged && ours.steps < limit,
        ),
        Finding::new(
            format!("{problem}: sweeps need more than 2000"),
            published_sweeps,
            at_least(sweeps),
            2000 < sweeps.steps,
        ),
        Finding::new(
            format!("{problem}: at least 5 times faster than sweeps in the log domain"),
            published_seconds,
            against(ours, sweeps),
            ours.converged && 5.0 * ours.seconds <= sweeps.seconds,
        ),
        Finding::new(
            format!("{problem}: faster than stabilised sweeps with falling regularisation"),
            "not compared",
            against(ours, stabilised),
            ours.converged && ours.seconds < stabilised.seconds,
        ),
    ]
}

/// Both times, and where the sweeps stand when the other is done.
fn against(ours: &Run, sweeps: &Run) -> String {
    let before = sweeps.trace.iter().take_while(|point| point.1 <= ours.seconds).last();
    let standing =
        before.map_or_else(|| "before their first step".to_owned(), |point| format!("at {:.0e}", point.2));
    format!(
        "{} against {}{}: {:.1} times; the sweeps are {standing} by then",
        format::duration(ours.seconds),
        format::duration(sweeps.seconds),
        if sweeps.converged { String::new() } else { format!(", left at {:.0e}", sweeps.residual) },
        sweeps.seconds / ours.seconds,
    )
}

/// Iterations that are claimed, and the paper's table 1: iterations of SNS, of Sinkhorn, seconds of both.
fn published(problem: &str) -> (usize, &'static str, &'static str, &'static str) {
    match problem {
        "random assignment" => (60, "29 (20 + 9)", "56,199", "0.34 s against 233 s"),
        "images, squared distance" => (60, "53 (20 + 33), MNIST", "2041", "2.33 s against 18.8 s"),
        _ => (777, "777 (700 + 77), MNIST", "5748", "12.2 s against 45.8 s"),
    }
}

/// Strong regularisation is no case for SNS.
fn show_strong(runs: &[Run], page: &mut Page) {
    for ours in runs.iter().filter(|run| run.eta < WEAK && run.solver == OURS) {
        let best =
            [SWEEPS, STABILISED].into_iter().filter_map(|solver| of(runs, &ours.problem, ours.eta, solver));
        let best = best.filter(|run| run.converged).min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        if let Some(best) = best.filter(|best| best.seconds < 2.0 * ours.seconds) {
            page.note(
                Level::Note,
                format!(
                    "{} at η = {}: {} takes {} ({} steps), SNS {} ({}): there is little or no gain at this regularisation",
                    ours.problem,
                    ours.eta,
                    best.solver,
                    format::duration(best.seconds),
                    best.steps,
                    format::duration(ours.seconds),
                    ours.steps,
                ),
            );
        }
    }
}

fn table(runs: &[Run]) -> Table {
    let columns = [
        Column::text("Problem"),
        Column::number("η"),
        Column::text("Solver"),
        Column::number("Steps"),
        Column::number("Time"),
        Column::number("Violation"),
        Column::text("At 1e-9"),
    ];
    let mut table = Table::new(columns);
    for run in runs {
        table.row([
            Cell::text(&run.problem),
            Cell::number(run.eta, 4),
            Cell::text(&run.solver),
            Cell::from(run.steps),
            Cell::text(format::duration(run.seconds)),
            Cell::text(format!("{:.1e}", run.residual)),
            Cell::text(if run.converged { "yes" } else { "no" }),
        ]);
    }
    table
}

fn etas(runs: &[Run], problem: &str) -> Vec<f64> {
    runs.iter().filter(|run| run.problem == problem && run.solver == OURS).map(|run| run.eta).collect()
}

/// Violation against steps, or against seconds.
fn plot(runs: &[Run], problem: &str, eta: f64, by_steps: bool) -> Lines {
    let title = format!("{problem}, η = {eta}");
    let x = if by_steps { Axis::log("step") } else { Axis::log("seconds") };
    let mut plot = Lines::new(title, x, Axis::log("violation of the marginals, L1"));
    for run in
        [OURS, PLAIN, WHOLE, STABILISED, SWEEPS].iter().filter_map(|solver| of(runs, problem, eta, solver))
    {
        // A violation of nothing is drawn at what rounding leaves.
        let points = run.trace.iter().map(|&(step, seconds, residual)| {
            (if by_steps { step as f64 } else { seconds }, residual.max(1e-7 * TOLERANCE))
        });
        plot = plot.series(Series::new(run.solver.clone(), points));
    }
    plot
}
