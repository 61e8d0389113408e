//! `papers.toml`: the papers, how far each of them is and where it lives, and other works that the code cites.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// The file below the root.
pub const PATH: &str = "papers.toml";

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    /// The papers that are the content of the program.
    #[serde(rename = "paper")]
    pub list: Vec<Paper>,
    /// Works that these build on.
    #[serde(rename = "reference", default)]
    pub references: Vec<Reference>,
}

/// A work that is not of the list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub key: String,
    pub title: String,
    pub authors: String,
    pub year: u16,
    pub arxiv: String,
}

/// A paper of the list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// The word that code, CLI and configuration use for it.
    pub key: String,
    /// Its place in the list, from 1.
    pub number: usize,
    pub title: String,
    /// Up to four names, or the first and "et al.".
    pub authors: String,
    /// Year of the first version.
    pub year: u16,
    /// arXiv identifier.
    pub arxiv: String,
    pub status: Status,
    /// Files that implement it.
    pub code: Vec<String>,
    /// The file of the lab that shows its claim; empty where there is none.
    pub experiment: String,
}

/// How far a paper is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Status {
    #[serde(rename = "works")]
    Works,
    #[serde(rename = "partly")]
    Partly,
    #[serde(rename = "not yet")]
    NotYet,
}

impl Paper {
    /// Where its experiment's page lies below the root: what was measured, with its figures.
    pub fn page(&self) -> String {
        format!("docs/papers/{:02}-{}.md", self.number, self.key)
    }
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Partly => "partly",
            Self::NotYet => "not yet",
        }
    }
}

impl Papers {
    /// Every key, those of the references included.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let references = self.references.iter().map(|reference| reference.key.as_str());
        self.list.iter().map(|paper| paper.key.as_str()).chain(references)
    }
}

/// The papers as they stand in the file.
pub fn read(root: &Path) -> Result<Papers> {
    let path = root.join(PATH);
    parse(&fs_err::read_to_string(&path)?).with_context(|| format!("while reading `{}`", path.display()))
}

pub fn parse(text: &str) -> Result<Papers> {
    Ok(toml::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_does_not_exist_is_refused() {
        let text = |status| {
            format!(
                "[[paper]]\nkey = 'a'\nnumber = 1\ntitle = 't'\nauthors = 'a'\nyear = 2024\narxiv = '1'\n\
                 status = '{status}'\ncode = []\nexperiment = ''"
            )
        };
        assert_eq!(parse(&text("partly")).unwrap().list[0].status, Status::Partly);
        let error = parse(&text("nearly")).unwrap_err().to_string();
        assert!(error.contains("nearly") && error.contains("not yet"), "{error}");
    }
}
