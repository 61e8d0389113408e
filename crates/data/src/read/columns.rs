//! Columns that the caller names.

use super::Format;

/// Which fields hold what.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Columns {
    /// A prompt and its answer.
    Pair {
        /// The field of the prompt.
        prompt: String,
        /// The field of the answer.
        answer: String,
        /// The field of the system message, if there is one.
        #[serde(default)]
        system: Option<String>,
    },
    /// Plain text.
    Text(String),
}

impl Columns {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Pair { .. } => Format::Pairs,
            Self::Text(_) => Format::Text,
        }
    }
}
