//! What can go wrong with a model file, and how to mend it.
//!
//! Faults of one format are enums beside its reader ([`safetensors::Fault`](crate::safetensors::Fault),
//! [`config::Fault`](crate::config::Fault), …); the variants here say in which file they were found.

use crate::{Dtype, adapter, config, gguf, pickle, safetensors, thin, writer};
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault of a model file; every variant names the file and what was found there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Writing failed because no space is left.
    #[error("`{}`: the disk is full", path.display())]
    DiskFull {
        /// The file that could not be written.
        path: PathBuf,
    },
    /// A file that should be small is not.
    #[error("`{}`: {bytes} bytes are more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A JSON file does not parse.
    #[error("`{}`: not valid JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A text file is not UTF-8.
    #[error("`{}`: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A path leads to no model.
    #[error("`{}`: no model here: {reason}", path.display())]
    NoModel {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        reason: &'static str,
    },
    /// Weights of which no file says what they compute.
    #[error("`{}`: no model here: no `config.json` says what these weights compute", path.display())]
    Undescribed {
        /// The file or folder.
        path: PathBuf,
        /// A `config.json` that may fit them.
        example: Option<String>,
    },
    /// Weights of which a file says that they compute what is not known here.
    #[error("`{}`: {why}, so what these weights compute is not known", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// What is not known.
        why: String,
    },
    /// A file of torch is not what it says, or calls for more than tensors.
    #[error("`{}`: {fault}", path.display())]
    Pickle {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: pickle::Fault,
    },
    /// A model folder has no tokenizer.
    #[error("`{}`: no `tokenizer.json` in this folder", path.display())]
    MissingTokenizer {
        /// The folder.
        path: PathBuf,
        /// A file of another kind of tokenizer that is there.
        other: Option<&'static str>,
    },
    /// A tensor that was asked for is not there.
    #[error("`{}`: no tensor `{name}`", path.display())]
    MissingTensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor's name.
        name: String,
        /// The most similar names that are there.
        nearest: Vec<String>,
    },
    /// A buffer has another length than the tensor that should go into or come out of it.
    #[error("tensor `{name}` has {expected} numbers; the buffer has room for {found}")]
    Length {
        /// The tensor's name.
        name: String,
        /// How many numbers the tensor has.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
    /// Rows that a tensor does not have, or a buffer that they do not fill.
    #[error("tensor `{name}` is {shape:?}; rows {rows:?} were asked for, into a buffer of {found} numbers")]
    Rows {
        /// The tensor's name.
        name: String,
        /// The rows asked for.
        rows: std::ops::Range<usize>,
        /// The tensor's shape.
        shape: Vec<usize>,
        /// The buffer's length.
        found: usize,
    },
    /// The plain bytes of a tensor were asked for that is quantised, or stored as a product.
    #[error("`{}`: tensor `{name}` is not stored as plain numbers", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        name: String,
    },
    /// The numbers of a tensor were asked for whose type is not read.
    #[error("tensor `{name}` is stored as `{}`, whose numbers are not read", dtype.name())]
    Unread {
        /// The tensor's name.
        name: String,
        /// Its type.
        dtype: Dtype,
    },
    /// A folder holds an adapter where a model is wanted.
    #[error("`{}`: this is an adapter, which is no model without its base", path.display())]
    IsAdapter {
        /// The folder.
        path: PathBuf,
    },
    /// A safetensors file or its index is not what it says.
    #[error("`{}`: {fault}", path.display())]
    Safetensors {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: safetensors::Fault,
    },
    /// A model with thin layers lacks a factor, or does not say which layers are thin.
    #[error("`{}`: {fault}", path.display())]
    Thin {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: thin::Fault,
    },
    /// A `config.json` cannot be used.
    #[error("`{}`: {fault}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: config::Fault,
    },
    /// A GGUF file is not what it says, or holds what is not read.
    #[error("`{}`: {fault}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: gguf::Fault,
    },
    /// An adapter folder cannot be used.
    #[error("`{}`: {fault}", path.display())]
    Adapter {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: adapter::Fault,
    },
    /// The modules to adapt could not be chosen.
    #[error(transparent)]
    Targets(#[from] adapter::TargetFault),
    /// A file or folder cannot be written as planned.
    #[error("`{}`: {fault}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: writer::Fault,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { source, .. } => return io_hint(source.kind()),
            Self::DiskFull { .. } => {
                "free some space or write to another disk; nothing half-written was kept"
            }
            Self::TooLarge { .. } => {
                "this is probably another kind of file; check the path or download it again"
            }
            Self::Json { .. } => {
                "the file is cut off or was edited by hand; mend that line or download it again"
            }
            Self::NotText { .. } => "save the file as UTF-8 or download it again",
            Self::NoModel { .. } | Self::Undescribed { example: None, .. } => {
                "name a folder with `config.json` and `model.safetensors` or `pytorch_model.bin` (or shards), or a `.gguf` file"
            }
            Self::Undescribed { path, example: Some(example) } => {
                let beside = path.parent().unwrap_or(Path::new(""));
                let folder = if path.is_dir() { path.as_path() } else { beside };
                return Some(format!(
                    "a plain network needs a file `{}` that says what it was trained with, such as {example}",
                    folder.join("config.json").display()
                ));
            }
            Self::Foreign { .. } => {
                "name a model that is run here, or the file of its weights where they are a plain chain of layers"
            }
            Self::Pickle { fault, .. } => return fault.hint(),
            Self::MissingTokenizer { other: Some(_), .. } => {
                "make one from the older files: in Python, `AutoTokenizer.from_pretrained(folder)\
                 .save_pretrained(folder)`"
            }
            Self::MissingTokenizer { .. } => {
                "copy `tokenizer.json` and `tokenizer_config.json` of the original model into the folder"
            }
            Self::MissingTensor { nearest, .. } => return nearest_hint(nearest),
            Self::Length { .. } => "give a buffer of the tensor's element count",
            Self::Rows { .. } => "ask for rows below the first side, with a buffer of rows · row length",
            Self::NotPlain { .. } => "read it dequantised, as f32",
            Self::Unread { .. } => {
                "save it as F32, F16, BF16 or signed integers where it was made, or leave it out: `rankine convert` copies it as it is"
            }
            Self::IsAdapter { path } => {
                let folder = path.display();
                return Some(format!(
                    "`rankine adapter check {folder}` looks into the adapter, and `rankine diff BASE --adapter {folder}` at what it \
                     does to its base"
                ));
            }
            Self::Safetensors { fault, .. } => return fault.hint(),
            Self::Thin { fault, .. } => return fault.hint(),
            Self::Config { fault, .. } => return fault.hint(),
            Self::Gguf { fault, .. } => return fault.hint(),
            Self::Adapter { fault, .. } => return fault.hint(),
            Self::Targets(fault) => return fault.hint(),
            Self::Output { fault, .. } => return fault.hint(),
        };
        Some(hint.to_owned())
    }

    /// [`Error::MissingTensor`] with the most similar of the names that are there.
    pub(crate) fn missing_tensor<'a>(
        path: &Path,
        name: &str,
        there: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let nearest = crate::names::nearest(name, there.into_iter().map(String::as_str), 3);
        Self::MissingTensor { path: path.to_owned(), name: name.to_owned(), nearest }
    }

    /// A failed read or write of `path`; a full disk has its own variant.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match source.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull { path: path.to_owned() },
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}

fn io_hint(kind: std::io::ErrorKind) -> Option<String> {
    use std::io::ErrorKind::{AlreadyExists, NotADirectory, NotFound, PermissionDenied};
    match kind {
        NotFound => Some("check the path".to_owned()),
        PermissionDenied => Some("check who may read and write there".to_owned()),
        AlreadyExists | NotADirectory => {
            Some("a part of the path is a file where a folder is needed; check the path".to_owned())
        }
        _ => None,
    }
}

/// "did you mean": the names that are most like the one that was not found.
pub(crate) fn nearest_hint(nearest: &[String]) -> Option<String> {
    let quoted: Vec<_> = nearest.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("the nearest names are {}", quoted.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        use std::io::Write;
        let path = Path::new("/dev/full");
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let error = Error::io(path, file.write_all(b"x").unwrap_err());
        assert!(matches!(error, Error::DiskFull { .. }), "{error}");
        assert!(error.hint().unwrap().contains("free some space"));
    }

    #[test]
    fn a_missing_tensor_names_its_neighbours() {
        let names = ["model.norm.weight".to_owned(), "lm_head.weight".to_owned()];
        let error = Error::missing_tensor(Path::new("m"), "model.norms.weight", &names);
        assert_eq!(error.to_string(), "`m`: no tensor `model.norms.weight`");
        assert!(error.hint().unwrap().contains("`model.norm.weight`"));
    }
}
