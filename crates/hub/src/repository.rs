//! A repository of the Hugging Face hub (or of a mirror that speaks the same interface).
//!
//! | request | answer |
//! | --- | --- |
//! | `/api/models/ID/revision/REV` | `{"sha": COMMIT, …}` |
//! | `/api/models/ID/tree/COMMIT` | `[{"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}}, …]` |
//! | `/ID/resolve/COMMIT/FILE` | the bytes; mostly by way of a redirect |
//!
//! Everything is asked of one commit, so that files of two versions never mix. `lfs.oid` is the SHA-256 of a
//! large file; small files carry git's object name only, and are checked by length.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Hub;
use crate::digest;
use crate::error::{Error, Result};
use crate::files;
use crate::http::{Client, Download};
use crate::listing::{INDEX, Listing, listed_shards, wanted};
use crate::manifest::{Manifest, ManifestFile};
use crate::progress::{Progress, Stage};
use crate::spec::Source;

/// A repository, one of its revisions, and maybe one of its GGUF files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`.
    pub id: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Part of the name of the GGUF file that is meant.
    pub part: Option<String>,
}

impl Repository {
    /// The newest state of `id`.
    pub fn main(id: &str) -> Self {
        Self { id: id.into(), revision: "main".into(), part: None }
    }

    /// Reads `owner/name[@revision][:part]`; `None` if it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, part) = text.split_once(':').map_or((text, None), |(rest, part)| (rest, Some(part)));
        let (id, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let (owner, name) = id.split_once('/')?;
        let named = |word: &str| files::is_plain_name(word) && word.len() <= 96 && !word.contains('+');
        let fits = named(owner)
            && named(name)
            && revision.split('/').all(files::is_plain_name)
            && part.is_none_or(files::is_plain_name);
        fits.then(|| Self { id: id.into(), revision: revision.into(), part: part.map(Into::into) })
    }

    /// Name of its directory in the cache.
    pub(crate) fn key(&self) -> String {
        let mut key = self.id.replace('/', "--");
        if self.revision != "main" {
            key += &format!("@{}", self.revision.replace('/', "--"));
        }
        if let Some(part) = &self.part {
            key += &format!("+{part}");
        }
        key
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        self.part.as_ref().map_or(Ok(()), |part| write!(f, ":{part}"))
    }
}

/// Brings the repository's model into `directory`.
pub(crate) fn pull(
    hub: &Hub,
    repository: &Repository,
    directory: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<PathBuf> {
    let source = Source::Hub(repository.clone()).to_string();
    watch(Progress::new(&source, Stage::Connecting));
    let client = Client::new(hub)?;
    let listing = Listing::ask(&client, &hub.endpoint, repository)?;
    let before = Manifest::read(directory).unwrap_or_default();
    let mut manifest =
        Manifest { source, revision: listing.commit.clone(), complete: false, ..before.clone() };
    let mut wanted = wanted(&listing.files, repository)?;
    manifest.model = wanted.iter().find(|file| file.name.ends_with(".gguf")).map(|file| file.name.clone());
    for file in &wanted {
        fetch(&client, &listing.base, directory, (file, &mut manifest), watch)?;
    }
    if wanted.iter().any(|file| file.name == INDEX) {
        let shards = listed_shards(&directory.join(INDEX), &listing, repository)?;
        for file in &shards {
            fetch(&client, &listing.base, directory, (file, &mut manifest), watch)?;
        }
        wanted.extend(shards);
    }
    let stale = |file: &ManifestFile| wanted.iter().all(|kept| kept.name != file.name);
    before.files.iter().filter(|file| stale(file)).try_for_each(|file| forget(directory, &file.name))?;
    manifest.files.retain(|file| !stale(file));
    manifest.complete = true;
    manifest.write(directory)?;
    Ok(manifest.model.map_or(directory.into(), |name| directory.join(name)))
}

/// Brings one file into `directory`, unless it is there already.
fn fetch(
    client: &Client,
    base: &str,
    directory: &Path,
    (file, manifest): (&ManifestFile, &mut Manifest),
    watch: &mut dyn FnMut(Progress),
) -> Result<()> {
    if manifest.has(directory, file) {
        return Ok(());
    }
    // Only a large file, whose SHA-256 will be checked, is taken up where it broke off.
    let is_large = file.identity.len() == 64;
    if !is_large || !manifest.began(file) {
        forget(directory, &file.name)?;
    }
    manifest.note(file.clone());
    manifest.write(directory)?;
    let target = directory.join(&file.name);
    let part = files::part_of(&target);
    let resumed = files::length(&part).is_some();
    let url = format!("{base}/{}", file.name);
    let download = Download { url: &url, name: &file.name, part: &part, bytes: file.bytes };
    let mut sha256 = collect(client, &download, watch)?;
    if is_large && resumed && sha256 != file.identity {
        // The beginning may have been spoilt when the machine stopped: once more, from nothing.
        files::remove_file(&part)?;
        sha256 = collect(client, &download, watch)?;
    }
    if is_large && sha256 != file.identity {
        files::remove_file(&part)?;
        return Err(Error::Checksum {
            file: file.name.clone(),
            expected: file.identity.clone(),
            found: sha256,
        });
    }
    files::publish(&part, &target)?;
    manifest.note(ManifestFile { sha256: Some(sha256), ..file.clone() });
    manifest.write(directory)
}

/// Downloads a file into its part and returns the SHA-256 of what arrived.
fn collect(client: &Client, download: &Download, watch: &mut dyn FnMut(Progress)) -> Result<String> {
    client.download(download, watch)?;
    digest::of_file(download.part, download.name, watch)
}

/// Removes a file and its beginning.
fn forget(directory: &Path, name: &str) -> Result<()> {
    let path = directory.join(name);
    files::remove_file(&files::part_of(&path))?;
    files::remove_file(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_reads_back_as_it_was_written() {
        for text in ["o/n", "o/n@v1.0", "o/n:Q8_0", "o/n@refs/pr/3:Q8_0"] {
            assert_eq!(Repository::parse(text).unwrap().to_string(), text);
        }
        for text in ["n", "o/n/m", "o//n", "/n", "o/", "o/n@", "o/n@a//b", "o/n@..", "o/..", "o/n:a/b"] {
            assert_eq!(Repository::parse(text), None, "{text}");
        }
    }
}
