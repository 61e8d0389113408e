//! `cargo xtask tidy`: the rules of the house that the compiler does not know.
//!
//! A broken rule is an error and fails the check. Sizes are reported only: a long file is a reason to think, not
//! to cut it in half.

mod arrows;
mod papers;
mod sizes;
mod words;

use crate::source::Source;
use crate::{generate, workspace};
use anyhow::Result;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// Something found in a file.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// The file below the root.
    pub path: PathBuf,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    pub fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = if self.line > 0 { format!(":{}", self.line) } else { String::new() };
        write!(f, "{}{line}: {}", self.path.display(), self.message)
    }
}

/// Checks everything; true when no rule is broken.
pub fn run() -> Result<bool> {
    let root = workspace::root()?;
    let papers = crate::papers::read(root)?;
    let packages = workspace::packages(root)?;
    let mut errors = papers::check_list(root, &papers);
    errors.extend(generate::stale(root, &generate::from_files(root, &papers)));
    let mut remarks = Vec::new();
    for package in &packages {
        errors.extend(arrows::check(root, package)?);
        for path in workspace::rust_files(root, package)? {
            let source = Source::read(root, &path)?;
            errors.extend(words::check(package, &source));
            errors.extend(papers::check_keys(&papers, &source));
            remarks.extend(sizes::check(&source));
        }
    }
    report(&errors, &remarks);
    Ok(errors.is_empty())
}

fn report(errors: &[Finding], remarks: &[Finding]) {
    remarks.iter().for_each(|remark| println!("note: {remark}"));
    errors.iter().for_each(|error| println!("error: {error}"));
    println!("tidy: {} broken rules, {} sizes to think about", errors.len(), remarks.len());
}
