//! What a paper says, sentence by sentence, beside what was measured.

use rankine_report::{Cell, Column, Table};

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

pub(crate) fn table(findings: &[Finding]) -> Table {
    let columns = ["Claim", "Published", "Here", "Verdict"].map(Column::text);
    let mut table = Table::new(columns);
    for Finding { claim, published, here, holds } in findings {
        let verdict = if *holds { "holds" } else { "does not hold" };
        table.row([claim.as_str(), published, here, verdict].map(Cell::text));
    }
    table
}
