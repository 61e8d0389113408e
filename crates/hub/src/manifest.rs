//! `rankine.json` in a model's directory: where the files came from and which of them have arrived.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;

/// File name of the manifest.
const NAME: &str = "rankine.json";
/// A manifest is a few kilobytes; anything larger is not ours.
const LIMIT_BYTES: u64 = 1 << 20;

/// Origin and content of a model's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The source, as a user reads it.
    pub source: String,
    /// Commit of the repository, or version of the package.
    pub revision: String,
    /// Whether every file has arrived and was checked.
    pub complete: bool,
    /// The file that is the model, where it is one file and not the directory.
    pub model: Option<String>,
    /// The files, in the order in which they were asked for.
    pub files: Vec<ManifestFile>,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What the source calls its content: a SHA-256, or git's object name.
    pub identity: String,
    /// SHA-256 of what arrived; `None` until it has.
    pub sha256: Option<String>,
}

impl Manifest {
    /// The manifest of a model that [`Hub::resolve`](crate::Hub::resolve) found; `None` for one that we did
    /// not download.
    pub fn of(model: &Path) -> Option<Self> {
        Self::read(if model.is_dir() { model } else { model.parent()? })
    }

    /// The manifest in `directory`; one that cannot be read counts as none.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        let path = directory.join(NAME);
        if files::length(&path)? > LIMIT_BYTES {
            return None;
        }
        let manifest: Self = serde_json::from_slice(&fs_err::read(path).ok()?).ok()?;
        let names = manifest.files.iter().map(|file| &file.name).chain(&manifest.model);
        names.into_iter().all(|name| files::is_plain_name(name)).then_some(manifest)
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(NAME);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| Error::Io {
            action: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        text.push(b'\n');
        files::write(&path, &text)
    }

    /// The model in `directory`, if all of it is there.
    pub(crate) fn complete_model(directory: &Path) -> Option<PathBuf> {
        let manifest = Self::read(directory)?;
        let whole = manifest.complete && manifest.files.iter().all(|file| file.is_in(directory));
        whole.then(|| manifest.model.map_or(directory.into(), |name| directory.join(name)))
    }

    /// What keeps a directory that was begun from being a model; `None` if it was not begun.
    pub(crate) fn damage(directory: &Path) -> Option<String> {
        let manifest = Self::read(directory)?;
        if !manifest.complete {
            return Some("its download was interrupted".into());
        }
        let lost = manifest.files.iter().find(|file| !file.is_in(directory))?;
        Some(format!("`{}` is missing or has another length", directory.join(&lost.name).display()))
    }

    /// Whether `file` has arrived with this content before.
    pub(crate) fn has(&self, directory: &Path, file: &ManifestFile) -> bool {
        let same = |known: &&ManifestFile| known.name == file.name && known.identity == file.identity;
        self.files.iter().find(same).is_some_and(|known| known.sha256.is_some() && known.is_in(directory))
    }

    /// Whether what lies in `file`'s `.part` is a beginning of this content.
    pub(crate) fn began(&self, file: &ManifestFile) -> bool {
        self.files.iter().any(|known| known.name == file.name && known.identity == file.identity)
    }

    /// Notes `file`, replacing what was known under its name.
    pub(crate) fn note(&mut self, file: ManifestFile) {
        match self.files.iter_mut().find(|known| known.name == file.name) {
            Some(known) => *known = file,
            None => self.files.push(file),
        }
    }
}

impl ManifestFile {
    fn is_in(&self, directory: &Path) -> bool {
        files::length(&directory.join(&self.name)) == Some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let file =
            ManifestFile { name: "a.gguf".into(), bytes: 3, identity: "x".into(), sha256: Some("y".into()) };
        Manifest { complete: true, model: Some("a.gguf".into()), files: vec![file], ..Manifest::default() }
    }

    #[test]
    fn a_model_is_found_only_while_all_of_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gguf");
        sample().write(directory.path()).unwrap();
        assert_eq!(Manifest::complete_model(directory.path()), None);
        assert!(Manifest::damage(directory.path()).unwrap().contains("a.gguf"));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(Manifest::complete_model(directory.path()), Some(path.clone()));
        assert_eq!(Manifest::of(&path), Some(sample()));
        Manifest { complete: false, ..sample() }.write(directory.path()).unwrap();
        assert_eq!(Manifest::complete_model(directory.path()), None);
    }

    #[test]
    fn a_manifest_that_points_outside_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let mut manifest = sample();
        manifest.model = Some("../a.gguf".into());
        manifest.write(directory.path()).unwrap();
        assert_eq!(Manifest::read(directory.path()), None);
        std::fs::write(directory.path().join(NAME), "{").unwrap();
        assert_eq!(Manifest::read(directory.path()), None);
    }
}
