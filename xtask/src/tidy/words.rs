//! Words that have a place: the backend's name, `unsafe`, printing, attributes that silence.

use super::Finding;
use crate::source::{Kind, Source, Token, closing};
use crate::workspace::Package;
use std::path::Path;

const PRINTING: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];
const UNFINISHED: [&str; 2] = ["todo", "unimplemented"];

/// Packages that print.
const PRINTERS: [&str; 4] = ["cli", "report", "xtask", "bench"];

/// The package that may write `unsafe`, and the one file beside it: the memory map of model files.
const UNSAFE: &str = "kernels";
const MAPPING: &str = "crates/checkpoint/src/mapping.rs";

/// The rules on words in one file.
pub fn check(package: &Package, source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |line, message: String| found.push(Finding::new(&source.path, line, message));
    let all: Vec<&Token> = source.tokens.iter().collect();
    for (line, attribute) in attributes(&all) {
        if let Some(message) = silencing(&attribute) {
            say(line, message);
        }
    }
    for (line, name) in macros(&all).filter(|(_, name)| UNFINISHED.contains(name)) {
        say(line, format!("`{name}!` is no way to leave a file"));
    }
    if package.name != "tensor" {
        for token in all.iter().filter(|token| token.is_word("burn")) {
            say(token.line, "the tensor backend is named in `crates/tensor` only".to_owned());
        }
    }
    if package.name != UNSAFE && source.path != Path::new(MAPPING) {
        for token in all.iter().filter(|token| token.is_word("unsafe")) {
            say(token.line, format!("`unsafe` stands in `crates/{UNSAFE}` and in {MAPPING} only"));
        }
    }
    if source.is_test() {
        return found;
    }
    if !PRINTERS.contains(&package.name.as_str()) {
        for (line, name) in macros(&source.production()).filter(|(_, name)| PRINTING.contains(name)) {
            say(line, format!("`{name}!` in `{}`: only the command line and reports print", package.name));
        }
    }
    if !source.text.trim_start().starts_with("//!") {
        say(1, "the file does not start with its module documentation".to_owned());
    }
    found
}

/// Every macro call: its line and the macro's name.
fn macros<'a>(tokens: &'a [&'a Token]) -> impl Iterator<Item = (usize, &'a str)> {
    tokens.windows(3).filter_map(|window| {
        let called = window[1].is_sign('!') && matches!(window[2].kind, Kind::Open(_));
        Some((window[0].line, window[0].word()?)).filter(|_| called)
    })
}

/// Every attribute: its line and its tokens between the brackets.
fn attributes<'a>(tokens: &'a [&'a Token]) -> impl Iterator<Item = (usize, Vec<&'a Token>)> {
    (0..tokens.len()).filter(|&at| tokens[at].is_sign('#')).filter_map(|at| {
        let inner = usize::from(tokens.get(at + 1)?.is_sign('!'));
        let open = at + 1 + inner;
        (tokens.get(open)?.kind == Kind::Open('[')).then_some(())?;
        Some((tokens[at].line, tokens[open + 1..closing(tokens, open)].to_vec()))
    })
}

fn silencing(attribute: &[&Token]) -> Option<String> {
    match attribute.first()?.word()? {
        word @ ("ignore" | "should_panic") => {
            Some(format!("`#[{word}]`: a test runs and says what it expects"))
        }
        _ => attribute
            .windows(2)
            .any(|pair| pair[0].is_word("allow") && pair[1].kind == Kind::Open('('))
            .then(|| "`allow` outlives its reason: use `#[expect(.., reason = \"..\")]`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(package: &str, path: &str, text: &str) -> Vec<usize> {
        let package = Package { name: package.to_owned(), folder: "crates".into() };
        let source = Source::new(Path::new(path), format!("//! Doc.\n{text}")).unwrap();
        check(&package, &source).iter().map(|finding| finding.line).collect()
    }

    fn in_nn(text: &str) -> Vec<usize> {
        found("nn", "crates/nn/src/lib.rs", text)
    }

    #[test]
    fn the_backend_is_named_in_one_crate() {
        assert_eq!(in_nn("use burn::tensor::Tensor;"), [2]);
        assert_eq!(in_nn("// burn\nlet x = \"burn\";"), [0; 0]);
        assert_eq!(found("tensor", "crates/tensor/src/lib.rs", "use burn::tensor::Tensor;"), [0; 0]);
    }

    #[test]
    fn libraries_do_not_print() {
        assert_eq!(in_nn("fn f() {\n println!(\"a\");\n dbg!(1); }"), [3, 4]);
        assert_eq!(in_nn("#[cfg(test)] mod tests { fn f() { println!(\"a\"); } }"), [0; 0]);
        assert_eq!(found("cli", "crates/cli/src/main.rs", "fn f() { println!(\"a\"); }"), [0; 0]);
        assert_eq!(found("nn", "crates/nn/tests/it/main.rs", "fn f() { println!(\"a\"); }"), [0; 0]);
    }

    #[test]
    fn silencing_attributes_are_found_in_tests_too() {
        let test = "crates/nn/tests/it/main.rs";
        assert_eq!(found("nn", test, "#[test]\n#[ignore]\nfn f() {}"), [3]);
        assert_eq!(found("nn", test, "#[should_panic(expected = \"a\")] fn f() {}"), [2]);
        assert_eq!(in_nn("#![allow(dead_code)]\n#[cfg_attr(unix, allow(unused))] fn f() {}"), [2, 3]);
        assert_eq!(
            in_nn("#[expect(dead_code, reason = \"why\")]\n#[arg(allow_hyphen_values = true)] fn f() {}"),
            [0; 0]
        );
    }

    #[test]
    fn unfinished_code_is_found() {
        assert_eq!(in_nn("fn f() { todo!() }\nfn g() { unimplemented!(\"later\") }"), [2, 3]);
        assert_eq!(in_nn("fn todo() -> bool { a != b }"), [0; 0]);
    }

    #[test]
    fn a_file_starts_with_its_documentation() {
        let package = Package { name: "nn".to_owned(), folder: "crates/nn".into() };
        let source = |path: &str| Source::new(Path::new(path), "fn f() {}".to_owned()).unwrap();
        assert_eq!(check(&package, &source("crates/nn/src/a.rs")).len(), 1);
        assert_eq!(check(&package, &source("crates/nn/src/tests.rs")).len(), 0);
    }

    #[test]
    fn unsafe_has_its_place() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(found("kernels", "crates/kernels/src/lib.rs", text), [0; 0]);
        assert_eq!(found("checkpoint", MAPPING, text), [0; 0]);
        assert_eq!(found("checkpoint", "crates/checkpoint/src/lib.rs", text), [2]);
        assert_eq!(in_nn(text), [2]);
        assert_eq!(in_nn("#![forbid(unsafe_code)]"), [0; 0]);
    }
}
