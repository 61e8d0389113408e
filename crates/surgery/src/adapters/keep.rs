//! How much of a change is kept.

use crate::{Error, Result};
use rankine_linalg::energy_rank;

/// How much of a change is kept, by its singular values s, largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Keep {
    /// Every direction that is more than rounding.
    #[default]
    Exact,
    /// At most so many directions. All modules get the same rank, filled up with zeros where fewer would do, so that readers
    /// that know one rank only read it right.
    Rank(usize),
    /// The fewest directions with this share of Σ s²; above 0, at most 1.
    Energy(f64),
}

/// Singular values below this share of the largest are what rounding of f32 factors leaves.
const ROUNDING: f32 = 1e-6;

impl Keep {
    /// An error unless something can be kept.
    pub(crate) fn check(self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match self {
            Self::Rank(0) => setting("rank", "1 or more", "0".to_owned()),
            Self::Energy(share) if !(0.0 < share && share <= 1.0) => {
                setting("energy", "above 0 and at most 1", share.to_string())
            }
            _ => Ok(()),
        }
    }

    /// How many of the singular values `s` are kept; 1 at least, because there are no factors of rank 0.
    pub(crate) fn rank(self, s: &[f32]) -> usize {
        let limit = s.first().copied().unwrap_or(0.0) * ROUNDING;
        let significant = s.iter().filter(|&&s| limit < s).count();
        let wanted = match self {
            Self::Exact => significant,
            Self::Rank(rank) => rank.min(significant),
            Self::Energy(share) => energy_rank(s, share).min(significant),
        };
        wanted.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_counted() {
        let s = [2.0, 1.0, 1.0, 1e-7];
        for (keep, rank) in [
            (Keep::Exact, 3),
            (Keep::Rank(2), 2),
            (Keep::Rank(9), 3),
            (Keep::Energy(0.6), 1),
            (Keep::Energy(0.7), 2),
            (Keep::Energy(1.0), 3),
        ] {
            assert_eq!(keep.rank(&s), rank, "{keep:?}");
        }
        assert_eq!(Keep::Exact.rank(&[0.0, 0.0]), 1);
    }

    #[test]
    fn nothing_is_no_answer() {
        for keep in [Keep::Rank(0), Keep::Energy(0.0), Keep::Energy(1.1), Keep::Energy(f64::NAN)] {
            assert!(keep.check().is_err(), "{keep:?}");
        }
        assert!(Keep::Energy(1.0).check().is_ok());
    }
}
