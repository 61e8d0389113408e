//! What two models do not have alike: names and shapes of their tensors.

use crate::adapter::Misshapen;
use crate::{Tensors, names};
use std::fmt;

/// Tensors of two models, of which one should be a changed copy of the other, that do not fit each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Tensors of the first that the second lacks, each of the first few with the nearest name that only the second has.
    pub missing: Vec<(String, Option<String>)>,
    /// Tensors that only the second has.
    pub added: Vec<String>,
    /// Tensors of both that have another shape; `expected` is that of the first.
    pub misshapen: Vec<Misshapen>,
}

impl Difference {
    /// How many tensors of each list a message shows.
    pub const SHOWN: usize = 5;

    /// Compares names and shapes, and no numbers.
    pub fn between(first: &dyn Tensors, second: &dyn Tensors) -> Self {
        let (ours, theirs) = (first.infos(), second.infos());
        let added: Vec<String> = theirs.keys().filter(|name| !ours.contains_key(*name)).cloned().collect();
        let absent = ours.keys().filter(|name| !theirs.contains_key(*name)).enumerate();
        let missing = absent.map(|(index, name)| {
            // Comparing all names with all others would take minutes where nothing fits.
            let among = if index < Self::SHOWN { added.as_slice() } else { &[] };
            (name.clone(), names::nearest(name, among.iter().map(String::as_str), 1).pop())
        });
        let missing = missing.collect();
        let misshapen = ours.iter().filter_map(|(key, info)| {
            let found = theirs.get(key)?.shape.clone();
            let (key, expected) = (key.clone(), info.shape.clone());
            (found != expected).then_some(Misshapen { key, expected, found })
        });
        let misshapen = misshapen.collect();
        Self { missing, added, misshapen }
    }

    /// Whether the two fit.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.added.is_empty() && self.misshapen.is_empty()
    }
}

/// The first few, a line each; begins with a line break.
impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Misshapen { key, expected, found } in self.misshapen.iter().take(Self::SHOWN) {
            write!(out, "\n  `{key}` is {expected:?} in the first and {found:?} in the second")?;
        }
        for (name, nearest) in self.missing.iter().take(Self::SHOWN) {
            write!(out, "\n  `{name}` is not in the second")?;
            if let Some(nearest) = nearest {
                write!(out, "; nearest is `{nearest}`")?;
            }
        }
        for name in self.added.iter().take(Self::SHOWN) {
            write!(out, "\n  `{name}` is not in the first")?;
        }
        let shown = |length: usize| length.saturating_sub(Self::SHOWN);
        match shown(self.misshapen.len()) + shown(self.missing.len()) + shown(self.added.len()) {
            0 => Ok(()),
            more => write!(out, "\n  and {more} more"),
        }
    }
}
