//! `docs/papers/NN-KEY.md`: the page of one experiment, from its full run.
//!
//! A run takes minutes, so pages are not made with the other documents, and `--check` does not ask for them.

use crate::papers::{Paper, Papers};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// Runs the experiment of `key` in full with these options of `rankine reproduce`, and writes its page and figures; false when
/// they could not be written. That a claim does not hold is an answer.
pub fn write(root: &Path, papers: &Papers, key: &str, options: &[&str]) -> Result<bool> {
    let paper = shown(papers, key)?;
    let page = root.join(paper.page());
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package", "rankine", "--", "reproduce", key, "--full"])
        .arg("--markdown")
        .arg(&page)
        .args(options)
        .status()
        .context("while starting cargo")?;
    if !matches!(status.code(), Some(0 | 1)) || !page.is_file() {
        return Ok(false);
    }
    println!("wrote {}", paper.page());
    remove_others(&page)?;
    Ok(true)
}

/// The paper of that key, which has an experiment.
fn shown<'a>(papers: &'a Papers, key: &str) -> Result<&'a Paper> {
    let paper = papers.list.iter().find(|paper| paper.key == key);
    let paper = paper.with_context(|| format!("no paper `{key}` in `{}`", crate::papers::PATH))?;
    ensure!(!paper.experiment.is_empty(), "`{key}` has no experiment");
    Ok(paper)
}

/// Removes figures of the page that it no longer shows.
fn remove_others(page: &Path) -> Result<()> {
    let (text, folder) = (fs_err::read_to_string(page)?, page.parent().unwrap_or(page));
    let stem = page.file_stem().unwrap_or_default().to_string_lossy();
    for entry in fs_err::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(".svg"));
        let is_figure = number.is_some_and(|number| number.parse::<usize>().is_ok());
        if is_figure && !text.contains(&format!("]({name})")) {
            fs_err::remove_file(folder.join(&*name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_a_page_no_longer_shows_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["01-svfit-1.svg", "01-svfit-2.svg", "01-svfit-x.svg", "02-sorsa-2.svg"] {
            fs_err::write(path(name), "").unwrap();
        }
        fs_err::write(path("01-svfit.md"), "![a plot](01-svfit-1.svg)").unwrap();
        remove_others(&path("01-svfit.md")).unwrap();
        let left = ["01-svfit-1.svg", "01-svfit-2.svg", "01-svfit-x.svg", "02-sorsa-2.svg"];
        assert_eq!(left.map(|name| path(name).exists()), [true, false, true, true]);
    }

    #[test]
    fn only_papers_with_an_experiment_have_a_page() {
        let papers = crate::papers::read(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap();
        assert_eq!(shown(&papers, "svfit").unwrap().page(), "docs/papers/01-svfit.md");
        assert!(shown(&papers, "no_such_paper").unwrap_err().to_string().contains("papers.toml"));
    }
}
