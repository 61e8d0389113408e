//! `rankine papers`: what this program builds on, out of `papers.toml`.

use crate::errors::Failure;
use crate::{Context, Exit};
use anyhow::Context as _;
use rankine_report::{Cell, Column, Page, Table};
use serde::{Deserialize, Serialize};

/// List the papers this program builds on and how far each is, or show one
///
/// A paper `works` when its code and an experiment that shows its claim are here; `rankine reproduce KEY` runs that.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Papers {
    /// Show the paper with this key or number
    key: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine papers
  rankine papers pissa
  rankine papers --json";

const PAPERS: &str = include_str!("../../../../papers.toml");

/// The whole file.
#[derive(Deserialize)]
struct Library {
    paper: Vec<Paper>,
    #[serde(default)]
    reference: Vec<Paper>,
}

/// A paper, or a reference, which has neither number nor status.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    title: String,
    authors: String,
    year: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    arxiv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default)]
    code: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    experiment: String,
}

impl Papers {
    /// Shows them.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let library: Library = toml::from_str(PAPERS).context("while reading the embedded `papers.toml`")?;
        match (self.key, self.json) {
            (Some(key), true) => context.show_json(library.find(&key)?)?,
            (Some(key), false) => context.show(&page(library.find(&key)?))?,
            (None, true) => context.show_json(&library.paper)?,
            (None, false) => context.show(&library.page())?,
        }
        Ok(Exit::Done)
    }
}

impl Library {
    fn find(&self, key: &str) -> anyhow::Result<&Paper> {
        let number: Option<u32> = key.parse().ok();
        let wanted = |paper: &&Paper| paper.key == key || (number.is_some() && paper.number == number);
        let found = self.paper.iter().chain(&self.reference).find(wanted);
        let unknown = || Failure::with_hint(format!("no paper has the key `{key}`"), self.nearest(key));
        Ok(found.ok_or_else(unknown)?)
    }

    /// Keys and titles that contain the word, and keys that resemble it.
    fn nearest(&self, key: &str) -> String {
        let word = key.to_lowercase();
        let near = |paper: &&Paper| {
            let contains = paper.key.contains(&word) || paper.title.to_lowercase().contains(&word);
            !word.is_empty() && (contains || 3 * strsim::levenshtein(&paper.key, &word) <= word.len())
        };
        let all = self.paper.iter().chain(&self.reference);
        let keys: Vec<String> = all.filter(near).take(5).map(|paper| format!("`{}`", paper.key)).collect();
        match keys.is_empty() {
            true => "`rankine papers` lists all keys".to_owned(),
            false => format!("did you mean {}?", keys.join(", ")),
        }
    }

    fn page(&self) -> Page {
        let number = |name| Column::number(name);
        let columns = [
            number("no."),
            Column::text("key"),
            Column::text("title"),
            number("year"),
            Column::text("status"),
        ];
        let mut table = Table::new(columns);
        for paper in &self.paper {
            table.row([
                paper.number.map_or(Cell::Missing, |number| Cell::Count(number.into())),
                Cell::text(&paper.key),
                Cell::text(&paper.title),
                Cell::text(paper.year.to_string()),
                Cell::text(paper.status.as_deref().unwrap_or("–")),
            ]);
        }
        let with =
            |wanted: &str| self.paper.iter().filter(|paper| paper.status.as_deref() == Some(wanted)).count();
        let mut page = Page::new("Papers");
        page.lead(format!("{} of {} work, {} partly.", with("works"), self.paper.len(), with("partly")));
        page.table(table);
        page
    }
}

fn page(paper: &Paper) -> Page {
    let arxiv = match paper.arxiv.as_str() {
        "" => None,
        arxiv => Some(format!("https://arxiv.org/abs/{arxiv}")),
    };
    let facts = [
        ("key", Some(paper.key.clone())),
        ("number", paper.number.map(|number| number.to_string())),
        ("authors", Some(paper.authors.clone())),
        ("year", Some(paper.year.to_string())),
        ("arXiv", arxiv),
        ("status", paper.status.clone()),
        ("code", Some(paper.code.join(", ")).filter(|code| !code.is_empty())),
        ("experiment", Some(paper.experiment.clone()).filter(|file| !file.is_empty())),
    ];
    let given =
        |(label, value): (&'static str, Option<String>)| value.map(|value| (label, Cell::text(value)));
    let mut page = Page::new(&paper.title);
    page.facts(&facts.into_iter().filter_map(given).collect::<Vec<_>>());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_paper_is_found_by_key_and_number() {
        let library: Library = toml::from_str(PAPERS).unwrap();
        for paper in &library.paper {
            let number = paper.number.unwrap().to_string();
            assert_eq!(library.find(&number).unwrap().key, paper.key);
            assert_eq!(library.find(&paper.key).unwrap().number, paper.number);
        }
        assert!(library.find("lora").is_ok() && library.find("").is_err());
        assert!(library.nearest("piss").contains("`pissa`"));
    }
}
