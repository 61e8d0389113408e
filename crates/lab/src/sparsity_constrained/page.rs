//! What is claimed, and the page with the numbers behind it.

use super::clouds::{Case, Clouds, Curve, TOLERANCE};
use super::routing::{Router, Routing};
use crate::{
    Claim,
    findings::{self, Finding},
};
use rankine_report::{Axis, Cell, Column, Heat, Level, Lines, Page, Series, Table, format};

const STATEMENT: &str = "plans with at most k entries a column are found by smooth maximisation, faster the larger k is, and \
                         route tokens to experts without dropping any, at a score not below S-BASE's and greedy routing's";

/// Relative difference of values that are the same but for the tolerance.
const SAME: f64 = 1e-5;

pub(super) fn claim(plan: &super::Plan, clouds: &Clouds, maps: Vec<Heat>, routing: &Routing) -> Claim {
    let findings =
        [clouds_findings(&clouds.cases), vec![speed_finding(&clouds.curves)], routing_findings(routing)];
    let findings = findings.concat();
    let holds = findings::hold(&findings);
    let mut page = Page::new("Sparsity-constrained transport");
    page.lead("Transport with a squared penalty, every column of the plan held to at most k entries.");
    page.section("The claim");
    let verdict = if holds { "holds here" } else { "does not hold here in every part" };
    page.note(if holds { Level::Success } else { Level::Warning }, format!("{STATEMENT}: {verdict}"));
    page.table(findings::table(&findings));
    let [n, m] = plan.points;
    page.section("Clouds").text(format!(
        "{n} points of a Gaussian in the plane onto themselves and onto {m} others, half a unit away; squared distances, \
         even masses. Where no choice among ties meets the masses, the plan is mended on supports of k rows; where that \
         fails too, k is too small for these masses and the error stands."
    ));
    page.table(cases_table(&clouds.cases)).plot(curves_plot(&clouds.curves));
    page.section("On the line").text("A Gaussian (rows) onto a mixture of two (columns).");
    maps.into_iter().for_each(|map| _ = page.plot(map));
    page.section("Routing").text(format!(
        "{} patches of Fashion-MNIST to {} experts with room for {} times their even share; means over {} seeds. S-BASE \
         and sparse plans have the best of three penalties each. Plans give every expert its even share of mass, so that the \
         exact and the sparse one hardly use the room beyond it; S-BASE's experts fill it with tokens of their own.",
        format::count(routing.setting.tokens as u64),
        routing.setting.experts,
        routing.setting.slack,
        routing.setting.seeds.len(),
    ));
    page.table(routing_table(routing));
    let numbers =
        serde_json::json!({ "holds": holds, "findings": findings, "clouds": clouds, "routing": routing });
    Claim { statement: STATEMENT.to_owned(), holds, page, numbers }
}

fn clouds_findings(cases: &[Case]) -> Vec<Finding> {
    let most = cases.iter().map(|case| case.fullest as f64 / case.k as f64).fold(0.0, f64::max);
    let apart = |found: f64, expected: f64| (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    let single = cases.iter().filter(|case| case.k == 1);
    let single =
        single.map(|case| (case.first - case.single - case.exact).abs() / (case.exact + case.single));
    let single = findings::largest(single);
    let widest = cases.iter().map(|case| case.k).max().unwrap_or(0);
    let quadratic = cases.iter().filter(|case| case.k == widest);
    let quadratic = findings::largest(quadratic.map(|case| apart(case.value, case.quadratic)));
    let same = |left: &Case, right: &Case| {
        (&left.clouds, left.regularization) == (&right.clouds, right.regularization)
    };
    let met =
        cases.windows(2).filter(|pair| same(&pair[0], &pair[1]) && pair[0].converged && pair[1].converged);
    let rise = met.map(|pair| pair[1].value / pair[0].value - 1.0).fold(f64::NEG_INFINITY, f64::max);
    vec![
        Finding::new(
            "at most k entries a column",
            "by construction",
            format!("at most {} of k", format::percent(most)),
            most <= 1.0,
        ),
        Finding::new(
            "k = 1 is transport without a penalty, but for a constant",
            "equal",
            format!("dual apart by {}", format::number(single, 2)),
            single <= SAME,
        ),
        Finding::new(
            "k as large as a column is the quadratic penalty",
            "equal",
            format!("values apart by {}", format::number(quadratic, 2)),
            quadratic <= SAME,
        ),
        Finding::new(
            "the value does not rise in k, where the masses are met",
            "by construction",
            format!("largest rise {}", format::number(rise.max(0.0), 2)),
            rise.is_finite() && rise <= SAME,
        ),
    ]
}

/// Steps to the tolerance; none where it was not reached.
fn steps(curve: &Curve) -> Option<usize> {
    curve.converged.then_some(curve.residuals.len())
}

fn speed_finding(curves: &[Curve]) -> Finding {
    let words: Vec<String> = curves
        .iter()
        .map(|curve| match steps(curve) {
            Some(steps) => format!("{steps} (k = {})", curve.k),
            None => format!("never (k = {})", curve.k),
        })
        .collect();
    // A tenth more is no rise: the path of L-BFGS is not smooth in k.
    let counts = curves.iter().map(|curve| steps(curve).map_or(f64::INFINITY, |steps| steps as f64));
    let counts: Vec<f64> = counts.collect();
    let found = counts.last().is_some_and(|steps| steps.is_finite());
    let falls = found && counts.windows(2).all(|pair| pair[1] <= 1.1 * pair[0]);
    let claim = format!("the larger k, the fewer steps to a marginal error of {TOLERANCE:e}");
    Finding::new(claim, "convergence improves with k", words.join(", "), falls)
}

fn routing_findings(routing: &Routing) -> Vec<Finding> {
    let [greedy, s_base, _, sparse] = Router::ALL.map(|router| routing.mean(router, |run| run.score));
    let dropped = routing.mean(Router::Sparse, |run| run.dropped);
    let number = |value: f64| format::number(value, 4);
    vec![
        Finding::new(
            "sparse plans drop no token within the capacity",
            "zero overflow",
            format::percent(dropped),
            dropped <= 0.0,
        ),
        Finding::new(
            "routed score not below that of S-BASE at equal capacity",
            "JFT precision 44.30 against 44.26 (recalled, unconfirmed)",
            format!("{} against {}", number(sparse), number(s_base)),
            sparse >= s_base,
        ),
        Finding::new(
            "routed score not below that of greedy routing at equal capacity",
            "JFT precision 44.30 against 43.47 (Top-k; recalled, unconfirmed)",
            format!("{} against {}", number(sparse), number(greedy)),
            sparse >= greedy,
        ),
    ]
}

fn cases_table(cases: &[Case]) -> Table {
    let columns = [
        Column::text("Clouds"),
        Column::number("ε"),
        Column::number("k"),
        Column::number("Steps"),
        Column::number("Marginal error"),
        Column::number("Entries"),
        Column::number("Cost and penalty"),
    ];
    let mut table = Table::new(columns).caption("Semi-dual, L-BFGS, with stages and mending");
    for case in cases {
        table.row([
            Cell::text(&case.clouds),
            Cell::number(case.regularization, 2),
            Cell::from(case.k),
            Cell::from(case.steps),
            Cell::number(case.residual, 2),
            Cell::from(case.nonzeros),
            Cell::number(case.value, 6),
        ]);
    }
    table
}

fn curves_plot(curves: &[Curve]) -> Lines {
    let mut plot =
        Lines::new("Marginal error, L-BFGS from zero", Axis::linear("step"), Axis::log("marginal error"));
    for curve in curves.iter().rev() {
        let points = curve.residuals.iter().enumerate();
        let points = points.map(|(step, &residual)| (step as f64 + 1.0, residual));
        plot = plot.series(Series::new(format!("k = {}", curve.k), points));
    }
    plot
}

fn routing_table(routing: &Routing) -> Table {
    let columns = [
        Column::text("Routing"),
        Column::number("Mean score"),
        Column::number("Dropped"),
        Column::number("Fullest expert over its room"),
        Column::number("Time"),
    ];
    let mut table = Table::new(columns);
    for router in Router::ALL {
        table.row([
            Cell::text(router.name()),
            Cell::fixed(routing.mean(router, |run| run.score), 4),
            Cell::Percent(routing.mean(router, |run| run.dropped)),
            Cell::Percent(routing.mean(router, |run| run.fullest)),
            Cell::Seconds(routing.mean(router, |run| run.seconds)),
        ]);
    }
    table
}
