//! `cargo xtask generate`: documentation that comes out of the code.
//!
//! One file per document in `generate/`. `--check` writes nothing and fails where a document is stale.

mod cli;
pub mod page;
mod papers;

use crate::papers::Papers;
use crate::tidy::Finding;
use crate::workspace;
use anyhow::Result;
use std::path::Path;

/// Whether documents are written or only compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Write,
    Check,
}

/// A generated file.
pub struct Document {
    /// Its path below the root.
    pub path: &'static str,
    /// What it should hold.
    pub text: String,
}

/// Writes or compares all documents; false when one is stale. The program is built last, as it may not compile.
pub fn run(mode: Mode) -> Result<bool> {
    let root = workspace::root()?;
    let from_files = settle(root, mode, &from_files(root, &crate::papers::read(root)?))?;
    Ok(settle(root, mode, &[cli::document(root)?])? && from_files)
}

fn settle(root: &Path, mode: Mode, documents: &[Document]) -> Result<bool> {
    let stale = stale(root, documents);
    if mode == Mode::Check {
        stale.iter().for_each(|finding| println!("error: {finding}"));
        return Ok(stale.is_empty());
    }
    for Document { path, text } in documents {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap_or(root))?;
        fs_err::write(path, text)?;
    }
    stale.iter().for_each(|finding| println!("wrote {}", finding.path.display()));
    Ok(true)
}

/// The documents that need no built program.
pub fn from_files(root: &Path, papers: &Papers) -> Vec<Document> {
    vec![papers::document(papers, |path| root.join(path).is_file())]
}

/// The documents whose file holds something else.
pub fn stale(root: &Path, documents: &[Document]) -> Vec<Finding> {
    let differs = |document: &&Document| {
        fs_err::read_to_string(root.join(document.path)).map_or(true, |text| text != document.text)
    };
    let finding =
        |document: &Document| Finding::new(Path::new(document.path), 0, "stale: run `cargo xtask generate`");
    documents.iter().filter(differs).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_stale_when_its_file_differs_or_is_missing() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs_err::read_to_string(root.join("Cargo.toml")).unwrap();
        let document = |path, text: &str| Document { path, text: text.to_owned() };
        assert_eq!(stale(root, &[document("Cargo.toml", &text)]), []);
        assert_eq!(stale(root, &[document("Cargo.toml", "x"), document("no such file", "x")]).len(), 2);
    }
}
