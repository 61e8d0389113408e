//! Sizes that make one stop and think. Reported, never an error.

use super::Finding;
use crate::source::{Kind, Source, Token, closing, end_of_item};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
const ARGUMENTS: usize = 5;

/// What is larger than usual in a file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |line, message: String| found.push(Finding::new(&source.path, line, message));
    let lines = source.text.lines().count();
    if lines > FILE_LINES {
        say(0, format!("{lines} lines (a file has {FILE_LINES} at most)"));
    }
    for Function { name, line, lines, arguments } in functions(&source.tokens) {
        if lines > FUNCTION_LINES {
            say(line, format!("`{name}` has {lines} lines (a function has {FUNCTION_LINES} at most)"));
        }
        if arguments > ARGUMENTS {
            say(line, format!("`{name}` takes {arguments} arguments ({ARGUMENTS} at most)"));
        }
    }
    found
}

#[derive(Debug, PartialEq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    /// From `fn` to the closing brace.
    lines: usize,
    /// Without `self`.
    arguments: usize,
}

fn functions(tokens: &[Token]) -> impl Iterator<Item = Function<'_>> {
    let starts = (0..tokens.len()).filter(|&at| tokens[at].is_word("fn"));
    starts.filter_map(|at| {
        let name = tokens.get(at + 1)?.word()?;
        let open = after_generics(tokens, at + 2);
        (tokens.get(open)?.kind == Kind::Open('(')).then_some(())?;
        let close = closing(tokens, open);
        let line = tokens[at].line;
        let lines = tokens.get(end_of_item(tokens, close + 1) - 1)?.line + 1 - line;
        Some(Function { name, line, lines, arguments: arguments(&tokens[open + 1..close]) })
    })
}

/// The index behind `<…>`, if that is what stands at `at`.
fn after_generics(tokens: &[Token], at: usize) -> usize {
    let mut angles = Angles::default();
    (at..tokens.len()).find(|&at| !angles.inside(&tokens[at])).unwrap_or(tokens.len())
}

/// How many arguments there are without `self`, whatever its type.
fn arguments(tokens: &[Token]) -> usize {
    let (mut count, mut at) = (0, 0);
    while at < tokens.len() {
        let end = end_of_argument(tokens, at);
        let mut pattern = tokens[at..end].iter().take_while(|token| !token.is_sign(':'));
        count += usize::from(!pattern.any(|token| token.is_word("self")));
        at = end + 1;
    }
    count
}

/// The index of the comma behind the argument at `start`, or the end.
fn end_of_argument(tokens: &[Token], start: usize) -> usize {
    let mut angles = Angles::default();
    let mut at = start;
    while at < tokens.len() && (angles.inside(&tokens[at]) || !tokens[at].is_sign(',')) {
        at = if matches!(tokens[at].kind, Kind::Open(_)) { closing(tokens, at) } else { at } + 1;
    }
    at
}

/// Keeps count of `<` and `>` that are brackets; `->` and `=>` are not.
#[derive(Default)]
struct Angles {
    depth: usize,
    arrow: bool,
}

impl Angles {
    /// Whether the token stands between angle brackets, or is one.
    fn inside(&mut self, token: &Token) -> bool {
        let before = self.depth;
        match token.kind {
            Kind::Sign('<', _) => self.depth += 1,
            Kind::Sign('>', _) if !self.arrow => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.arrow = matches!(token.kind, Kind::Sign('-' | '=', true));
        before > 0 || self.depth > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sizes(text: &str) -> Vec<(usize, usize)> {
        let source = Source::new(Path::new("a.rs"), text.to_owned()).unwrap();
        functions(&source.tokens).map(|function| (function.lines, function.arguments)).collect()
    }

    #[test]
    fn lines_run_from_fn_to_the_brace() {
        assert_eq!(
            sizes("fn a() {\n}\n\nfn b()\nwhere\n    T: C,\n{\n    d\n}\nfn e();"),
            [(2, 0), (6, 0), (1, 0)]
        );
        assert_eq!(sizes("fn a() -> [u8; 2] {\n}"), [(2, 0)]);
    }

    #[test]
    fn arguments_are_counted_without_self() {
        let text = "fn a(&self, x: u8) {} fn b<'a, F: Fn(u8) -> Vec<u8>>(&'a mut self, f: F, (y, z): (u8, u8),) {}
                    fn c(map: HashMap<u8, Vec<(u8, u8)>>, f: impl Fn(u8, u8) -> Result<u8, u8>, last: [u8; 2]) {}
                    fn d(mut self, pointer: fn(u8, u8) -> u8) {} fn e(self: Box<Self>, x: u8) {} fn f(self) {}";
        assert_eq!(
            sizes(text).iter().map(|&(_, arguments)| arguments).collect::<Vec<_>>(),
            [1, 2, 3, 1, 1, 0]
        );
    }

    #[test]
    fn what_is_too_large_is_said() {
        let body = "    x();\n".repeat(60);
        let text = format!("fn long() {{\n{body}}}\nfn wide(a: A, b: A, c: A, d: A, e: A, f: A) {{}}\n");
        let source = Source::new(Path::new("a.rs"), text).unwrap();
        assert_eq!(check(&source).iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 63]);
        let tall = Source::new(Path::new("a.rs"), "//! A.\n".repeat(401)).unwrap();
        assert_eq!(check(&tall).len(), 1);
    }
}
