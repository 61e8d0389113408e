//! What can be wrong with a problem or a setting.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a problem was not solved. That a tolerance was not reached is an outcome, not an error.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must agree do not.
    #[error("{what} has {found} {unit}; expected {expected}, as {reason}")]
    Size {
        /// Which part of the problem.
        what: &'static str,
        /// What is counted: rows, columns, entries.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
        /// What they must agree with.
        reason: &'static str,
    },
    /// There is nothing to solve.
    #[error("{what} is empty")]
    Empty {
        /// Which part of the problem.
        what: &'static str,
    },
    /// An entry is infinite or not a number.
    #[error("{what} has the entry `{value}` at {index:?}")]
    NotFinite {
        /// Which part of the problem.
        what: &'static str,
        /// Its place, from 0: one number in a vector, two (row, column) in a matrix.
        index: Vec<usize>,
        /// The entry.
        value: f64,
    },
    /// An entry that may not be negative is.
    #[error("{what} has the negative entry `{value}` at {index}")]
    Negative {
        /// Which part of the problem.
        what: &'static str,
        /// Its place, from 0.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A setting is outside its range.
    #[error("`{name}` is {found}; it must be {range}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What it is.
        found: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A setting is outside the range that the problem allows.
    #[error("`{name}` is {found}; this problem takes {least} to {most}")]
    Fit {
        /// Name of the setting.
        name: &'static str,
        /// What it is.
        found: usize,
        /// The least that fits.
        least: usize,
        /// The most that fits.
        most: usize,
    },
    /// What leaves is not what arrives.
    #[error(
        "the source has the mass {source_sum} and the target {target_sum}; they must agree and be above 0"
    )]
    Masses {
        /// Sum of the source.
        source_sum: f64,
        /// Sum of the target.
        target_sum: f64,
    },
    /// A decomposition failed.
    #[error(transparent)]
    Linalg(#[from] rankine_linalg::Error),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => Some("replace or leave out entries that are not numbers".into()),
            Self::Linalg(_) | Self::Size { .. } | Self::Empty { .. } | Self::Negative { .. } => None,
            Self::Masses { .. } => Some("divide each side by its sum where the masses are shares".into()),
            Self::Setting { .. } | Self::Fit { .. } => None,
        }
    }
}
