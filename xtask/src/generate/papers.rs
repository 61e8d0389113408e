//! `docs/papers.md`: the table of papers, from `papers.toml`.

use super::Document;
use crate::papers::{Paper, Papers, Reference, Status};

pub fn document(papers: &Papers) -> Document {
    let count = |status| papers.list.iter().filter(|paper| paper.status == status).count();
    let mut text = format!(
        "<!-- Written by `cargo xtask generate` from papers.toml. -->\n\n# Papers\n\n\
         Of {} papers, {} work, {} work partly and {} are not there yet.\n\n\
         | # | key | paper | status | code | experiment |\n| ---: | --- | --- | --- | --- | --- |\n",
        papers.list.len(),
        count(Status::Works),
        count(Status::Partly),
        count(Status::NotYet),
    );
    text.extend(papers.list.iter().map(row));
    if !papers.references.is_empty() {
        text += "\n## Works they build on\n\n| key | work |\n| --- | --- |\n";
        text.extend(papers.references.iter().map(reference));
    }
    Document { path: "docs/papers.md", text }
}

fn row(paper: &Paper) -> String {
    let Paper { key, number, title, authors, year, arxiv, status, code, experiment } = paper;
    let code: Vec<String> = code.iter().map(|path| link(path)).collect();
    let experiment = if experiment.is_empty() { String::new() } else { link(experiment) };
    let work = work(title, authors, *year, arxiv);
    format!("| {number} | `{key}` | {work} | {} | {} | {experiment} |\n", status.word(), code.join(", "))
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
    format!("[{name}](../{path})")
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
                      [pissa.rs](../crates/method/src/pissa.rs) | [pissa.rs](../crates/lab/src/pissa.rs) |\n";
        assert_eq!(row(&papers.list[0]), wanted);
        assert!(
            document(&papers).text.contains("Of 1 papers, 1 work, 0 work partly and 0 are not there yet")
        );
    }
}
