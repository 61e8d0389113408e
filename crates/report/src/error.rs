//! What can go wrong: only writing an event file touches the outside.

use std::io;
use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an event file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or the file could not be created.
    #[error("could not create the event file `{path}`")]
    Create {
        /// The file that was wanted.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Every candidate for the file's name exists already.
    #[error("could not create the event file `{path}`: it and {tried} numbered neighbours exist already")]
    Taken {
        /// The name without a number.
        path: PathBuf,
        /// How many numbered names were tried.
        tried: usize,
    },
    /// An event could not be appended.
    #[error("could not write to the event file `{path}`")]
    Write {
        /// The open file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl Error {
    /// How to mend it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => Some("remove old event files from the directory".to_owned()),
            Self::Create { source, .. } | Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => {
                    Some("free some disk space, or choose another output directory".to_owned())
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("choose an output directory that you may write to".to_owned())
                }
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                    Some("a file is in the way of the directory; move it or choose another".to_owned())
                }
                _ => None,
            },
        }
    }
}
