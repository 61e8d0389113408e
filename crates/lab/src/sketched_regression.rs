//! [sketched_regression]: least squares of a dense sketch are near in every coefficient, those of a sparse one are not.
//!
//!     q = √d·‖x′ − x*‖_∞ / (OPT·‖A⁺‖)        below √(2·log 2d)·√(d/m) for a dense sketch of m rows, up to a constant
//!
//! A. Spread: on Count-Sketch's counterexample, on Gaussian and on heavy-tailed data, and at full scale on the pixels of
//!    Fashion-MNIST, q of six sketches against m. Shows: dense sketches fall like 1/√m; Count-Sketch misses a coefficient of the
//!    counterexample however many rows it has.
//! B. Speed: sketches, QR and the normal equations side by side, with what each is good for.
//! C. Condition: conjugate gradients in the basis of a sketch and without one.
//!
//! Departure: the paper has no experiments; the bound is its theorem, and the numbers beside it come from no one else.

mod instances;
mod page;
mod spread;
mod work;

use crate::{
    Claim, Experiment, Materials, Result, Scale,
    findings::{self, Finding},
};
use instances::Instance;
use rankine_report::Page;
use spread::{Kind, Spread};
use work::{Descent, Time};

/// The error of every coefficient of six sketches, their time, and what they do as preconditioners.
#[derive(Clone, Copy, Debug, Default)]
pub struct SketchedRegressionExperiment;

impl Experiment for SketchedRegressionExperiment {
    fn paper(&self) -> &'static str {
        "sketched_regression"
    }

    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim> {
        let plan = Plan::of(scale);
        let mut instances = instances::made(plan.rows, plan.columns)?;
        if scale == Scale::Full {
            watch("reading Fashion-MNIST");
            instances.push(instances::pixels(&materials.fashion_mnist)?);
        }
        measure(&plan, &instances, watch)
    }
}

/// What is tried.
#[derive(Clone, Debug, PartialEq)]
struct Plan {
    /// n and d of the instances that are made.
    rows: usize,
    columns: usize,
    /// Rows of a sketch to a column, ascending: m = factor·d.
    factors: Vec<usize>,
    /// Sketches drawn of each kind and size.
    draws: u64,
    /// n and d of the problems that are timed.
    timed: Vec<(usize, usize)>,
    /// Conditions of the designs of part C.
    conditions: Vec<f64>,
}

impl Plan {
    fn of(scale: Scale) -> Self {
        // d²/2 rows at most: with many more, no two of the counterexample's rows are likely to meet.
        let (rows, columns, factors, draws, timed) = match scale {
            Scale::Quick => (4096, 32, vec![4, 8, 16], 15, vec![(8192, 64)]),
            Scale::Full => {
                (32_768, 64, vec![8, 16, 32], 31, vec![(20_000, 200), (200_000, 200), (100_000, 500)])
            }
        };
        Self { rows, columns, factors, draws, timed, conditions: vec![1.0, 1e2, 1e4, 1e6] }
    }
}

fn measure(plan: &Plan, instances: &[Instance], watch: &mut dyn FnMut(&str)) -> Result<Claim> {
    let mut spreads = Vec::new();
    for instance in instances {
        watch(&format!("sketches of {}", instance.name));
        spreads.extend(spread::measure(instance, &plan.factors, plan.draws)?);
    }
    let mut times = Vec::new();
    for &(rows, columns) in &plan.timed {
        watch(&format!("timing [{rows}, {columns}]"));
        times.extend(work::times(rows, columns)?);
    }
    watch("conditions");
    let descents = work::descents(plan.rows, plan.columns, &plan.conditions)?;
    Ok(claim(plan, &spreads, &times, &descents))
}

const STATEMENT: &str = "the least squares of a dense sketch are near in every coefficient, and a sparse sketch misses one of \
                         the counterexample";

fn claim(plan: &Plan, spreads: &[Spread], times: &[Time], descents: &[Descent]) -> Claim {
    let findings = findings(plan, spreads, times, descents);
    let holds = findings::hold(&findings);
    let mut page = Page::new("Regression by sketches: an error bound for every coefficient");
    page.lead(
        "A sketch takes the n rows of a least-squares problem to m random combinations of them, and solves those. The paper \
         bounds not only the residual but every coefficient, for dense sketches.",
    );
    findings::show(STATEMENT, &findings, &mut page);
    page::show(spreads, times, descents, &mut page);
    let numbers = serde_json::json!({
        "holds": holds, "findings": findings, "spreads": spreads, "times": times, "conditions": descents,
    });
    Claim { statement: STATEMENT.to_owned(), holds, page, numbers }
}

fn findings(plan: &Plan, spreads: &[Spread], times: &[Time], descents: &[Descent]) -> Vec<Finding> {
    let [few, most] = [plan.factors.first(), plan.factors.last()].map(|factor| factor.copied().unwrap_or(1));
    let of = |kind: Kind, instance: &str, factor: usize| spread::median(spreads, kind, instance, factor);
    let [dense, sparse, several] =
        [Kind::Srht, Kind::CountSketch, Kind::Osnap].map(|kind| of(kind, instances::HARD, most));
    let slope = (of(Kind::Srht, instances::HARD, few) / dense).ln() / (most as f64 / few as f64).ln();
    let benign = [Kind::Srht, Kind::Gaussian, Kind::CountSketch, Kind::Osnap]
        .map(|kind| of(kind, instances::GAUSSIAN, most) / of(Kind::Srht, instances::GAUSSIAN, most));
    let apart = benign.into_iter().map(|ratio| ratio.max(ratio.recip())).fold(1.0, f64::max);
    let mut findings = vec![
        within(spreads),
        Finding::new(
            "on the counterexample the error of the Hadamard sketch falls like 1/√m",
            "ε = √(d/m), up to logarithms",
            format!("like m^−{slope:.2} from m = {few}·d to {most}·d"),
            (0.3..0.75).contains(&slope),
        ),
        Finding::new(
            "Count-Sketch misses a coefficient of the counterexample, the Hadamard sketch does not",
            "sparse sketches need more than linearly many rows",
            format!("q = {} against {dense:.2} at m = {most}·d", spread::words(sparse)),
            1.5 * dense < sparse,
        ),
        Finding::new(
            "eight entries a column behave like a dense sketch there",
            "not in the paper; the page's recommendation",
            format!("q = {} against {dense:.2}", spread::words(several)),
            several < 1.5 * dense,
        ),
        Finding::new(
            "on Gaussian data all sketches are alike",
            "the gap is one of coherent data",
            format!("q within a factor of {apart:.2} at m = {most}·d"),
            apart < 1.5,
        ),
    ];
    findings.extend(work::findings(times, descents));
    findings
}

/// The theorem, for every instance, size and draw of the Hadamard sketch.
fn within(spreads: &[Spread]) -> Finding {
    let own: Vec<&Spread> = spreads.iter().filter(|spread| spread.kind == Kind::Srht).collect();
    let draws: usize = own.iter().map(|spread| spread.errors.len()).sum();
    let inside: usize = own.iter().map(|spread| spread.within_bound()).sum();
    Finding::new(
        "every coefficient of the Hadamard sketch is within 4.5·√(2·log 2d)·√(d/m)·OPT·‖A⁺‖/√d in 95 % of the draws",
        "with probability 1 − δ, with more logarithms (theorem)",
        format!("in {inside} of {draws} draws"),
        0.95 * draws as f64 <= inside as f64 && 0 < draws,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_a_page_with_finite_numbers() {
        let plan = Plan {
            rows: 512,
            columns: 8,
            factors: vec![8, 32],
            draws: 5,
            timed: vec![(600, 6)],
            conditions: vec![1.0, 1e3],
        };
        let claim = measure(&plan, &instances::made(plan.rows, plan.columns).unwrap(), &mut |_| {}).unwrap();
        let (html, words) = (claim.page.html(), claim.page.terminal(120, false));
        assert!(html.contains("<table") && html.contains("<svg") && !words.contains("NaN"), "{words}");
        assert_eq!(claim.numbers["holds"], claim.holds);
        let spreads = claim.numbers["spreads"].as_array().unwrap();
        assert_eq!(spreads.len(), 3 * 6 * 2);
        let errors = |spread: &serde_json::Value| spread["errors"].as_array().unwrap().len();
        assert!(
            spreads.iter().all(|spread| errors(spread) as u64 + spread["deficient"].as_u64().unwrap() == 5)
        );
        assert_eq!(claim.numbers["times"].as_array().unwrap().len(), work::CONTESTANTS);
        assert_eq!(claim.numbers["conditions"].as_array().unwrap().len(), 2 * 2);
    }

    #[test]
    fn the_scales_are_as_declared() {
        let [quick, full] = [Scale::Quick, Scale::Full].map(Plan::of);
        assert_eq!((quick.draws, full.draws), (15, 31));
        for plan in [quick, full] {
            assert_eq!(plan.factors.last(), Some(&(plan.columns / 2)));
            assert!(2 * plan.columns * plan.columns <= plan.rows);
        }
    }
}
