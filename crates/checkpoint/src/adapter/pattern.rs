//! Regular expressions of peft's configuration, with the meaning of Python's `re`.
//!
//! `fancy-regex` has look-around and back-references, which real adapters use (`^(?!.*vision).*q_proj`), and gives
//! up on an expression that backtracks without end.

use super::TargetFault;
use fancy_regex::{Captures, Regex, RegexBuilder};

/// Longer ones are refused: compiling takes time in their length.
const LONGEST: usize = 20_000;
/// Bytes of a compiled expression; repetitions in repetitions grow without end.
const SIZE: usize = 10 << 20;
/// Steps after which matching one name is given up.
const BACKTRACKS: usize = 100_000;

/// A compiled expression that knows its source for messages.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// `re.fullmatch(source, …)`.
    pub fn full(source: &str) -> Result<Self, TargetFault> {
        Self::compile(source, &format!(r"\A(?:{source})\z"))
    }

    /// `re.match(wrapped, …)`; `source` is the part of it that the user wrote.
    pub fn start(source: &str, wrapped: &str) -> Result<Self, TargetFault> {
        Self::compile(source, &format!(r"\A(?:{wrapped})"))
    }

    fn compile(source: &str, whole: &str) -> Result<Self, TargetFault> {
        if LONGEST < source.len() {
            return Err(unusable(source, "it is too long"));
        }
        let regex = RegexBuilder::new(whole).backtrack_limit(BACKTRACKS).delegate_size_limit(SIZE).build();
        let regex = regex.map_err(|error| unusable(source, &error.to_string()))?;
        Ok(Self { source: source.to_owned(), regex })
    }

    pub fn matches(&self, name: &str) -> Result<bool, TargetFault> {
        self.regex.is_match(name).map_err(|error| unusable(&self.source, &error.to_string()))
    }

    pub fn captures<'t>(&self, name: &'t str) -> Result<Option<Captures<'t>>, TargetFault> {
        self.regex.captures(name).map_err(|error| unusable(&self.source, &error.to_string()))
    }
}

fn unusable(pattern: &str, reason: &str) -> TargetFault {
    // The library's messages may span lines to point into the expression.
    let reason = reason.lines().last().unwrap_or("").trim().to_owned();
    TargetFault::Pattern { pattern: crate::fields::shorten(pattern), reason }
}
