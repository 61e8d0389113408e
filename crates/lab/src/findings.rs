//! What a paper says, sentence by sentence, beside what was measured.

use rankine_report::{Cell, Column, Level, Page, Table};

/// What an experiment is about.
pub(crate) struct Story<'a> {
    /// Heading of the page.
    pub title: &'a str,
    /// The claim, in one sentence.
    pub statement: &'a str,
    /// What the method does, in one sentence.
    pub about: &'a str,
}

/// One sentence of a claim.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Finding {
    /// What is claimed.
    pub claim: String,
    /// What the paper reports.
    pub published: String,
    /// What was measured here.
    pub here: String,
    /// Whether that agrees with the claim.
    pub holds: bool,
}

impl Finding {
    pub(crate) fn new(claim: impl Into<String>, published: &str, here: String, holds: bool) -> Self {
        Self { claim: claim.into(), published: published.to_owned(), here, holds }
    }
}

/// Whether there are findings, and all of them agree.
pub(crate) fn hold(findings: &[Finding]) -> bool {
    !findings.is_empty() && findings.iter().all(|finding| finding.holds)
}

/// A page that opens with the claim.
pub(crate) fn page(story: &Story<'_>, findings: &[Finding]) -> Page {
    let verdict = match hold(findings) {
        true => "These measurements agree with the paper.",
        false => "Some of these measurements do not agree with the paper.",
    };
    let mut page = Page::new(story.title);
    page.lead(format!("{} {verdict}", story.about));
    show(story.statement, findings, &mut page);
    page
}

/// The section of the claim: whether it holds, and sentence by sentence.
pub(crate) fn show(statement: &str, findings: &[Finding], page: &mut Page) {
    let (level, verdict) = match hold(findings) {
        true => (Level::Success, "holds here"),
        false => (Level::Warning, "does not hold here"),
    };
    page.section("The claim").note(level, format!("{statement}: {verdict}")).table(table(findings));
}

/// The largest of some numbers that are not negative, 0 of none; NaN where one is no number, so that no bound holds.
pub(crate) fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |most, number| if number.is_nan() || most < number { number } else { most })
}

pub(crate) fn table(findings: &[Finding]) -> Table {
    let columns = ["Claim", "Published", "Here", "Verdict"].map(Column::text);
    let mut table = Table::new(columns);
    for Finding { claim, published, here, holds } in findings {
        let verdict = if *holds { "holds" } else { "does not hold" };
        table.row([claim.as_str(), published, here, verdict].map(Cell::text));
    }
    table
}
