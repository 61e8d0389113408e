//! What can be wrong with a record of a data file, and how to mend it.

/// What is wrong with one record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON.
    #[error("invalid JSON at column {column}: {reason}")]
    Json {
        /// The column of the fault; from 1.
        column: usize,
        /// The parser's reason.
        reason: String,
    },
    /// Not a line of CSV.
    #[error("invalid CSV: {reason}")]
    Csv {
        /// The parser's reason.
        reason: String,
    },
    /// Bytes that are not UTF-8.
    #[error("invalid UTF-8 at byte {column} of the line")]
    Utf8 {
        /// The position in the line; from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("expected {expected}, found {found}")]
    NotAnObject {
        /// What belongs there.
        expected: &'static str,
        /// The JSON type found.
        found: &'static str,
    },
    /// A field that must be there is not.
    #[error("missing field `{field}`; found {found}")]
    MissingField {
        /// The field, as a path.
        field: String,
        /// The fields found.
        found: String,
    },
    /// A field of the wrong type.
    #[error("field `{field}`: expected {expected}, found {found}")]
    WrongType {
        /// The field, as a path.
        field: String,
        /// The type that belongs there.
        expected: &'static str,
        /// The JSON type found.
        found: &'static str,
    },
    /// A speaker nobody knows.
    #[error("field `{field}`: unknown role `{role}`; known are {known}")]
    UnknownRole {
        /// The field, as a path.
        field: String,
        /// The role found.
        role: String,
        /// The roles known.
        known: String,
    },
    /// A content part that is not text.
    #[error("field `{field}`: content of type `{found}`, but only text is read")]
    NotText {
        /// The field, as a path.
        field: String,
        /// The type of the part.
        found: String,
    },
    /// A conversation in which nobody answers.
    #[error("no answer to learn: the conversation has no message of the assistant")]
    NoAnswer,
    /// A text or a label of nothing but blanks.
    #[error("field `{field}` is empty")]
    EmptyText {
        /// The field.
        field: String,
    },
    /// Fields of no known format.
    #[error("fields {found} belong to no known format")]
    UnknownFields {
        /// The fields found.
        found: String,
    },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Json { .. } => {
                "each line must be one whole JSON object, or the file one array of objects".into()
            }
            Self::Csv { .. } => {
                "put a field with separators, quotes or line breaks in double quotes, and double the quotes in it"
                    .into()
            }
            Self::Utf8 { .. } => "save the file as UTF-8".into(),
            Self::UnknownFields { .. } => {
                "rename the fields, or name the columns that hold the prompt and the answer".into()
            }
            Self::MissingField { .. } => {
                "rename the fields, or name the columns: those of prompt and answer with `--prompt-column` and \
                 `--answer-column`, those of a classifier with `--text-column` and `--label-column`"
                    .into()
            }
            Self::EmptyText { .. } => "fill it, or leave the row out".into(),
            _ => return None,
        })
    }
}
