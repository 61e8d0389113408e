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

/// One sentence of a claim that was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NotRun {
    /// What is claimed.
    pub claim: &'static str,
    /// What the paper reports.
    pub published: &'static str,
    /// What would measure it.
    pub remedy: &'static str,
}

/// Whether there are findings, and all of them agree.
pub(crate) fn hold(findings: &[Finding]) -> bool {
    !findings.is_empty() && findings.iter().all(|finding| finding.holds)
}

/// A page that opens with the claim.
pub(crate) fn page(story: &Story<'_>, findings: &[Finding]) -> Page {
    page_of_part(story, findings, &[])
}

/// The same where some sentences were not measured: they stand below those that were.
pub(crate) fn page_of_part(story: &Story<'_>, findings: &[Finding], not_run: &[NotRun]) -> Page {
    let verdict = match hold(findings) {
        true => "These measurements agree with the paper.",
        false => "Some of these measurements do not agree with the paper.",
    };
    let mut page = Page::new(story.title);
    let part = if not_run.is_empty() { "" } else { " Not all of the claim was run." };
    page.lead(format!("{} {verdict}{part}", story.about));
    let mut table = table(findings);
    for &NotRun { claim, published, remedy } in not_run {
        table.row([claim, published, remedy, "not run"].map(Cell::text));
    }
    section(story.statement, findings, table, &mut page);
    page
}

/// The section of the claim: whether it holds, and sentence by sentence.
pub(crate) fn show(statement: &str, findings: &[Finding], page: &mut Page) {
    section(statement, findings, table(findings), page);
}

fn section(statement: &str, findings: &[Finding], table: Table, page: &mut Page) {
    let level = if hold(findings) { Level::Success } else { Level::Warning };
    page.section("The claim").note(level, format!("{statement}: {}", verdict(findings))).table(table);
}

/// How many of the sentences that a claim failed in are named before the table.
const NAMED: usize = 3;

/// Whether a claim holds; where it does so in part, in which part it does not.
fn verdict(findings: &[Finding]) -> String {
    let failed: Vec<&Finding> = findings.iter().filter(|finding| !finding.holds).collect();
    match (findings.len() - failed.len(), failed.len()) {
        (0, _) => "does not hold here".to_owned(),
        (_, 0) => "holds here".to_owned(),
        (held, failures) => {
            let named: Vec<String> =
                failed.iter().take(NAMED).map(|finding| format!("“{}”", finding.claim)).collect();
            let more = match failures - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{held} of {} sentences hold here, not so {}{more}", findings.len(), named.join(", "))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_holds_in_part_says_in_which_it_does_not() {
        let found = |holds: &[bool]| {
            let finding =
                |(at, &holds): (usize, &bool)| Finding::new(format!("s{at}"), "", String::new(), holds);
            verdict(&holds.iter().enumerate().map(finding).collect::<Vec<_>>())
        };
        assert_eq!(found(&[true, true]), "holds here");
        assert_eq!(found(&[false, false]), "does not hold here");
        assert_eq!(found(&[]), "does not hold here");
        assert_eq!(found(&[true, false, true]), "2 of 3 sentences hold here, not so “s1”");
        let many = found(&[true, false, false, false, false, false]);
        assert_eq!(many, "1 of 6 sentences hold here, not so “s1”, “s2”, “s3” and 2 more");
    }
}
