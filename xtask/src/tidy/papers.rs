//! `papers.toml` against the tree: what it claims exists, and what the code cites is in it.

use super::Finding;
use crate::papers::{PATH, Paper, Papers, Status};
use crate::source::{Kind, Source};
use std::collections::BTreeSet;
use std::path::Path;

/// How many papers there are.
const COUNT: usize = 49;

/// The list itself: numbers, keys, and paths behind every claim.
pub fn check_list(root: &Path, papers: &Papers) -> Vec<Finding> {
    let mut messages = Vec::new();
    if !papers.list.iter().map(|paper| paper.number).eq(1..=COUNT) {
        messages.push(format!("the papers are numbered 1 to {COUNT}, in order"));
    }
    let mut keys = BTreeSet::new();
    for key in papers.keys() {
        if !keys.insert(key) {
            messages.push(format!("the key `{key}` is given twice"));
        }
        if !is_key(key) {
            messages.push(format!("`{key}` is no key: small letters, digits and `_`"));
        }
    }
    messages.extend(papers.list.iter().flat_map(|paper| claims(paper, |path| root.join(path).is_file())));
    messages.into_iter().map(|message| Finding::new(Path::new(PATH), 0, message)).collect()
}

/// What a paper's status promises and the tree does not hold.
fn claims(paper: &Paper, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let Paper { key, status, code, experiment, .. } = paper;
    let word = status.word();
    let mut messages = Vec::new();
    match status {
        Status::NotYet if !code.is_empty() || !experiment.is_empty() => {
            messages.push(format!("`{key}` has code or an experiment, but its status is `{word}`"));
        }
        Status::Works | Status::Partly if code.is_empty() => {
            messages.push(format!("`{key}` is `{word}` without code"))
        }
        _ => {}
    }
    if *status == Status::Works && experiment.is_empty() {
        messages.push(format!("`{key}` is `{word}` without an experiment that shows it"));
    }
    let page = paper.page();
    if !experiment.is_empty() && !exists(&page) {
        let how = format!("rankine reproduce {key} --full --markdown {page}");
        messages.push(format!("`{key}` has an experiment, but no page of it: `{how}` writes one"));
    }
    let paths = code.iter().chain(Some(experiment).filter(|path| !path.is_empty()));
    messages.extend(
        paths.filter(|path| !exists(path)).map(|path| format!("`{key}` names `{path}`: no such file")),
    );
    messages
}

/// The keys that a file cites: on lines of documentation with `Paper:`, and in `paper: "key"` or `PAPER = "key"`.
pub fn check_keys(papers: &Papers, source: &Source) -> Vec<Finding> {
    let unknown = |(_, key): &(usize, String)| papers.keys().all(|known| known != key);
    let cited = in_documentation(&source.text).chain(in_code(source));
    let message = |key| format!("`{key}` is no key of `{PATH}`");
    cited.filter(unknown).map(|(line, key)| Finding::new(&source.path, line, message(key))).collect()
}

fn in_documentation(text: &str) -> impl Iterator<Item = (usize, String)> {
    text.lines().zip(1..).flat_map(|(line, number)| {
        let documentation = line.trim_start().strip_prefix("//").filter(|rest| rest.starts_with(['!', '/']));
        let cited = documentation.and_then(|line| line.split_once("Paper: ")).map_or("", |(_, cited)| cited);
        let keys = cited.split('[').skip(1).filter_map(|rest| Some(rest.split_once(']')?.0));
        keys.filter(|key| is_key(key)).map(|key| (number, key.to_owned())).collect::<Vec<_>>()
    })
}

fn in_code(source: &Source) -> impl Iterator<Item = (usize, String)> {
    /// Tokens between the word and its string at most: `PAPER: &str = "key"`, `paper: Some("key")`.
    const REACH: usize = 6;
    let cites = source.path.starts_with("crates/method/src") || source.path.starts_with("crates/lab/src");
    let tokens = if cites { source.production() } else { Vec::new() };
    let starts: Vec<usize> =
        (0..tokens.len()).filter(|&at| tokens[at].is_word("paper") || tokens[at].is_word("PAPER")).collect();
    starts.into_iter().filter_map(move |at| {
        let ended = |kind: &Kind| matches!(kind, Kind::Sign(',' | ';' | '.', _) | Kind::Close(_));
        let near = tokens[at + 1..].iter().take(REACH).take_while(|token| !ended(&token.kind));
        near.filter_map(|token| match &token.kind {
            Kind::Literal(text) => Some((token.line, text.strip_prefix('"')?.strip_suffix('"')?.to_owned())),
            _ => None,
        })
        .next()
    })
}

fn is_key(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(status: Status, code: &[&str], experiment: &str) -> Paper {
        Paper {
            key: "pissa".to_owned(),
            number: 5,
            title: String::new(),
            authors: String::new(),
            year: 2024,
            arxiv: String::new(),
            status,
            code: code.iter().map(|path| (*path).to_owned()).collect(),
            experiment: experiment.to_owned(),
        }
    }

    #[test]
    fn claims_need_files() {
        let exists = |path: &str| ["a.rs", "lab.rs", "docs/papers/05-pissa.md"].contains(&path);
        let count = |status, code, experiment| claims(&paper(status, code, experiment), exists).len();
        assert_eq!(count(Status::Works, &["a.rs"], "lab.rs"), 0);
        assert_eq!(count(Status::Works, &["a.rs", "b.rs"], "lab.rs"), 1);
        assert_eq!(count(Status::Works, &["a.rs"], ""), 1);
        assert_eq!(count(Status::Partly, &["a.rs"], ""), 0);
        assert_eq!(count(Status::Partly, &[], "gone.rs"), 2);
        assert_eq!(count(Status::NotYet, &[], ""), 0);
        assert_eq!(count(Status::NotYet, &["a.rs"], ""), 1);
        let without_page = |path: &str| exists(path) && !path.ends_with(".md");
        assert_eq!(claims(&paper(Status::Works, &["a.rs"], "lab.rs"), without_page).len(), 1);
    }

    #[test]
    fn the_list_is_whole_and_its_keys_differ() {
        let one = paper(Status::NotYet, &[], "");
        let list = |papers: &[Paper]| {
            check_list(Path::new("."), &Papers { list: papers.to_vec(), ..Papers::default() }).len()
        };
        let whole: Vec<Paper> =
            (1..=COUNT).map(|number| Paper { key: format!("p{number}"), number, ..one.clone() }).collect();
        assert_eq!(list(&whole), 0);
        assert_eq!(list(&whole[1..]), 1);
        let mut twice = whole.clone();
        twice[3].key = "p1".to_owned();
        assert_eq!(list(&twice), 1);
        twice[3].key = "P 4".to_owned();
        assert_eq!(list(&twice), 1);
    }

    #[test]
    fn cited_keys_exist() {
        let papers = Papers { list: vec![paper(Status::NotYet, &[], "")], ..Papers::default() };
        let lines = |path: &str, text: &str| {
            let source = Source::new(Path::new(path), text.to_owned()).unwrap();
            check_keys(&papers, &source).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        let method = "crates/method/src/x.rs";
        assert_eq!(lines(method, "//! Paper: [pissa] §3.\n//! Paper: [pisa], [pissa].\n//! x: [rows]"), [2]);
        assert_eq!(lines(method, "const C: Card = Card { paper: Some(\"pisa\"), name: \"x\" };"), [1]);
        assert_eq!(lines(method, "const PAPER: &str = \"pissa\";\nfn f() { g(paper.key, \"no\") }"), [0; 0]);
        assert_eq!(lines("crates/cli/src/x.rs", "fn f() { g(paper, \"no\") }"), [0; 0]);
    }
}
