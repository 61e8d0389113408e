//! A Rust file as a flat list of tokens with their lines.
//!
//! Rules look at tokens and not at text, so that a word in a comment or a string never counts, and code inside a
//! macro call does.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::path::{Path, PathBuf};

/// A Rust file that was read.
pub struct Source {
    /// Its path below the root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<Token>,
}

/// A token and the line it stands on, from 1.
#[derive(Debug)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

/// What a token is; groups are their two brackets.
#[derive(Debug, PartialEq)]
pub enum Kind {
    Word(String),
    /// A sign, and whether the next one belongs to it as in `->`.
    Sign(char, bool),
    Open(char),
    Close(char),
    /// A literal as written.
    Literal(String),
}

impl Source {
    pub fn read(root: &Path, path: &Path) -> Result<Self> {
        Self::new(path, fs_err::read_to_string(root.join(path))?)
    }

    pub fn new(path: &Path, text: String) -> Result<Self> {
        let stream: TokenStream =
            text.parse().map_err(|error| anyhow!("`{}` is not Rust: {error}", path.display()))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Ok(Self { path: path.to_owned(), text, tokens })
    }

    /// Whether the file is nothing but tests, benches or examples.
    pub fn is_test(&self) -> bool {
        let folders = ["tests", "benches", "examples"];
        self.path.components().any(|part| folders.iter().any(|folder| part.as_os_str() == *folder))
            || self.path.file_name().is_some_and(|name| name == "tests.rs")
    }

    /// The tokens outside `#[cfg(test)]` items.
    pub fn production(&self) -> Vec<&Token> {
        let mut kept = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if is_cfg_test(&self.tokens[at..]) {
                at = end_of_item(&self.tokens, at + CFG_TEST);
            } else {
                kept.push(&self.tokens[at]);
                at += 1;
            }
        }
        kept
    }
}

impl Token {
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(found) if found == word)
    }

    pub fn is_sign(&self, sign: char) -> bool {
        matches!(self.kind, Kind::Sign(found, _) if found == sign)
    }

    pub fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let kind = match tree {
            TokenTree::Group(group) => {
                let brackets = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                tokens.push(Token { kind: Kind::Open(brackets.0), line });
                let line = group.span_close().end().line;
                flatten(group.stream(), tokens);
                tokens.push(Token { kind: Kind::Close(brackets.1), line });
                continue;
            }
            TokenTree::Ident(word) => Kind::Word(word.to_string()),
            TokenTree::Punct(sign) => Kind::Sign(sign.as_char(), sign.spacing() == Spacing::Joint),
            TokenTree::Literal(literal) => Kind::Literal(literal.to_string()),
        };
        tokens.push(Token { kind, line });
    }
}

/// Tokens of `#[cfg(test)]`.
const CFG_TEST: usize = 7;

fn is_cfg_test(tokens: &[Token]) -> bool {
    let pattern = [
        Kind::Sign('#', false),
        Kind::Open('['),
        Kind::Word("cfg".to_owned()),
        Kind::Open('('),
        Kind::Word("test".to_owned()),
        Kind::Close(')'),
        Kind::Close(']'),
    ];
    tokens.len() >= CFG_TEST && tokens.iter().zip(&pattern).all(|(token, kind)| token.kind == *kind)
}

/// The index behind the item that starts at `at`: behind its first `;` or braces outside any other bracket.
pub fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Open('{') => return closing(tokens, at) + 1,
            Kind::Open(_) => at = closing(tokens, at) + 1,
            Kind::Sign(';', _) => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The index of the bracket that closes the one at `open`.
pub fn closing<T: std::borrow::Borrow<Token>>(tokens: &[T], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.borrow().kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let source = Source::new(Path::new("crates/x/src/lib.rs"), text.to_owned()).unwrap();
        source.production().iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        assert_eq!(
            words("// burn\nlet x = \"burn\"; /* burn */ let y = burn::z;"),
            ["let", "x", "let", "y", "burn", "z"]
        );
    }

    #[test]
    fn test_items_are_left_out() {
        let text = "fn a() {} #[cfg(test)] mod tests { fn b() {} } fn c() {} #[cfg(test)] mod d; fn e() {}";
        assert_eq!(words(text), ["fn", "a", "fn", "c", "fn", "e"]);
        let with_attribute = "#[cfg(test)] #[derive(Debug)] struct A { b: u8 } struct C;";
        assert_eq!(words(with_attribute), ["struct", "C"]);
    }

    #[test]
    fn lines_count_from_one() {
        let source = Source::new(Path::new("a.rs"), "a\n{\n b\n}".to_owned()).unwrap();
        assert_eq!(source.tokens.iter().map(|token| token.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
