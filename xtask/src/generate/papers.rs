//! `docs/papers.md`: the table of papers, from `papers.toml`, with the pages of their experiments.

use super::Document;
use crate::papers::{Paper, Papers, Reference, Status};

/// `exists` tells which files are below the root.
pub fn document(papers: &Papers, exists: impl Fn(&str) -> bool) -> Document {
    let count = |status| papers.list.iter().filter(|paper| paper.status == status).count();
    let mut text = format!(
        "<!-- Written by `cargo xtask generate` from papers.toml. -->\n\n# Papers\n\n\
         Of {} papers, {} work, {} work partly and {} are not there yet.\n\n\
         | # | key | paper | status | code | experiment | measured |\n| ---: | --- | --- | --- | --- | --- | --- |\n",
        papers.list.len(),
        count(Status::Works),
        count(Status::Partly),
        count(Status::NotYet),
    );
    text.extend(papers.list.iter().map(|paper| row(paper, &exists)));
    if !papers.references.is_empty() {
        text += "\n## Works they build on\n\n| key | work |\n| --- | --- |\n";
        text.extend(papers.references.iter().map(reference));
    }
    Document { path: "docs/papers.md", text }
}

fn row(paper: &Paper, exists: impl Fn(&str) -> bool) -> String {
    let Paper { key, number, title, authors, year, arxiv, status, code, experiment } = paper;
    let code: Vec<String> = code.iter().map(|path| link(path)).collect();
    let experiment = if experiment.is_empty() { String::new() } else { link(experiment) };
    let page = paper.page();
    let measured = if exists(&page) { link(&page) } else { String::new() };
    let (work, code) = (work(title, authors, *year, arxiv), code.join(", "));
    format!("| {number} | `{key}` | {work} | {} | {code} | {experiment} | {measured} |\n", status.word())
}

fn reference(Reference { key, title, authors, year, arxiv }: &Reference) -> String {
    format!("| `{key}` | {} |\n", work(title, authors, *year, arxiv))
}

fn work(title: &str, authors: &str, year: u16, arxiv: &str) -> String {
    format!("[{}](https://arxiv.org/abs/{arxiv}), {authors}, {year}", title.replace('|', "\\|"))
}

/// A link from docs/ to a file of the tree, shown by its name.
fn link(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match path.strip_prefix("docs/") {
        Some(below) => format!("[{name}]({below})"),
        None => format!("[{name}](../{path})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_links_the_paper_and_its_files() {
        let text = "[[paper]]\nkey = 'pissa'\nnumber = 5\ntitle = 'A | B'\nauthors = 'F. Meng'\nyear = 2024\n\
                    arxiv = '2404.02948'\nstatus = 'works'\ncode = ['crates/method/src/pissa.rs']\n\
                    experiment = 'crates/lab/src/pissa.rs'";
        let papers = crate::papers::parse(text).unwrap();
        let wanted = "| 5 | `pissa` | [A \\| B](https://arxiv.org/abs/2404.02948), F. Meng, 2024 | works | \
                      [pissa.rs](../crates/method/src/pissa.rs) | [pissa.rs](../crates/lab/src/pissa.rs) |";
        let found = |path: &str| path == "docs/papers/05-pissa.md";
        assert_eq!(row(&papers.list[0], found), format!("{wanted} [05-pissa.md](papers/05-pissa.md) |\n"));
        assert_eq!(row(&papers.list[0], |_| false), format!("{wanted}  |\n"));
        assert!(
            document(&papers, found)
                .text
                .contains("Of 1 papers, 1 work, 0 work partly and 0 are not there yet")
        );
    }
}
