//! A recipe as a tree, whatever it was written in: every key and value knows where it stands.

use super::fault::{Misplaced, Wrong};
use rankine_checkpoint::nearest;
use std::ops::Range;

/// A value, and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

/// What stands there. Numbers of both kinds are one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub span: Range<usize>,
    pub node: Node,
    /// In the outermost table of YAML: something in it is marked by an anchor that is used.
    pub is_anchored: bool,
}

impl Node {
    /// The entries of a table; nothing counts as one without entries.
    pub fn table(&self, key: &str) -> Result<&[Entry], Misplaced> {
        match &self.value {
            Value::Table(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            _ => Err(self.unlike(key, "a table of keys and values")),
        }
    }

    /// The entries of a table that has no others than these.
    pub fn entries(&self, key: &str, known: &'static [&'static str]) -> Result<&[Entry], Misplaced> {
        self.entries_beside(key, known, |_| false)
    }

    /// The same where entries may stand beside them that say nothing themselves, as their keys tell, or an anchor in them.
    pub fn entries_and_asides(
        &self,
        key: &str,
        known: &'static [&'static str],
    ) -> Result<&[Entry], Misplaced> {
        let is_named = |name: &str| name.starts_with("x-") || name.starts_with('.');
        self.entries_beside(key, known, |entry| entry.is_anchored || is_named(&entry.key))
    }

    fn entries_beside(
        &self,
        key: &str,
        known: &'static [&'static str],
        is_aside: impl Fn(&Entry) -> bool,
    ) -> Result<&[Entry], Misplaced> {
        let entries = self.table(key)?;
        match entries.iter().find(|entry| !known.contains(&entry.key.as_str()) && !is_aside(entry)) {
            None => Ok(entries),
            Some(Entry { key, span, .. }) => {
                let nearest = nearest(key, known.iter().copied(), 3);
                Err(Wrong::Key { found: key.clone(), nearest, known }.at(span))
            }
        }
    }

    pub fn list(&self, key: &str) -> Result<&[Node], Misplaced> {
        match &self.value {
            Value::List(items) => Ok(items),
            _ => Err(self.unlike(key, "a list")),
        }
    }

    pub fn text(&self, key: &str) -> Result<&str, Misplaced> {
        match &self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.unlike(key, "a text")),
        }
    }

    /// A whole number from 0.
    pub fn count(&self, key: &str) -> Result<usize, Misplaced> {
        match self.value {
            Value::Number(number) if number.fract() == 0.0 && (0.0..1e9).contains(&number) => {
                Ok(number as usize)
            }
            _ => Err(self.unlike(key, "a whole number from 0")),
        }
    }

    /// This is not what stands under `key`.
    pub fn unlike(&self, key: &str, expected: &'static str) -> Misplaced {
        Wrong::Kind { key: key.to_owned(), expected }.at(&self.span)
    }
}

/// The value of a key; one that is there and empty counts as absent.
pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    let entry = entries.iter().find(|entry| entry.key == key)?;
    Some(&entry.node).filter(|node| node.value != Value::Null)
}
