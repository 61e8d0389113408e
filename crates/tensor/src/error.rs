//! Wrong shapes are the one thing a tensor operation can be given wrong.

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A tensor operation was given something it cannot work on.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Shapes do not fit the operation.
    #[error("`{operation}` needs {expected}; found {found}")]
    Shape {
        /// The operation's name.
        operation: &'static str,
        /// What it needs, in words.
        expected: String,
        /// The shapes it was given.
        found: String,
    },
    /// A backward pass was asked of something that no trained variable reaches.
    #[error("no trained variable reaches this value: it has no gradient")]
    NotTracked,
}

impl Error {
    /// What the caller can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Shape { .. } => None,
            Self::NotTracked => {
                Some("train at least one weight: check which targets were selected".to_owned())
            }
        }
    }

    pub(crate) fn shape(operation: &'static str, expected: impl Into<String>, found: &[&[usize]]) -> Self {
        let found = found.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" and ");
        Self::Shape { operation, expected: expected.into(), found }
    }
}
