//! What a repository holds, and which of its files make a model.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::files;
use crate::http::Client;
use crate::manifest::ManifestFile;
use crate::repository::Repository;

/// Files that a model cannot do without, beside its weights.
pub(crate) const NEEDED: [&str; 2] = ["config.json", "tokenizer.json"];
/// Files that are taken where the repository has them.
const WELCOME: [&str; 9] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
];
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
const ADAPTER: &str = "adapter_config.json";
/// The first that is there is taken.
const ADAPTER_WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];
/// The index of the largest models has some megabytes.
const INDEX_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    oid: String,
    size: u64,
}

/// What one commit of a repository holds.
pub(crate) struct Listing {
    /// Address below which the files are.
    pub(crate) base: String,
    pub(crate) commit: String,
    pub(crate) files: Vec<ManifestFile>,
}

impl Listing {
    /// Asks the hub.
    pub(crate) fn ask(client: &Client, endpoint: &str, repository: &Repository) -> Result<Self> {
        let (id, what) = (&repository.id, repository.to_string());
        let url = format!("{endpoint}/api/models/{id}/revision/{}", repository.revision.replace('/', "%2F"));
        let Commit { sha } = client.json(&url, &what)?;
        if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::Answer { url, reason: format!("`{sha}` is not a commit") });
        }
        let url = format!("{endpoint}/api/models/{id}/tree/{sha}");
        let entries: Vec<Entry> = client.json(&url, &what)?;
        let files =
            entries.into_iter().filter(|entry| entry.kind == "file").filter_map(Entry::file).collect();
        Ok(Self { base: format!("{endpoint}/{id}/resolve/{sha}"), commit: sha, files })
    }
}

impl Entry {
    /// The file, unless its name could lead out of a directory.
    fn file(self) -> Option<ManifestFile> {
        let (identity, bytes) = self.lfs.map_or((self.oid, self.size), |large| (large.oid, large.size));
        files::is_plain_name(&self.path).then_some(ManifestFile {
            name: self.path,
            bytes,
            identity,
            sha256: None,
        })
    }
}

/// The files to take, small ones first; for a sharded model the index stands for its shards.
pub(crate) fn wanted(files: &[ManifestFile], repository: &Repository) -> Result<Vec<ManifestFile>> {
    let find = |name: &str| files.iter().find(|file| file.name == name).cloned();
    let need = |name: &str| find(name).ok_or_else(|| lacks(repository, name, files));
    let ggufs: Vec<_> = files.iter().filter(|file| file.name.ends_with(".gguf")).collect();
    let weights = find(WEIGHTS).or_else(|| find(INDEX));
    if repository.part.is_some() || (weights.is_none() && !ggufs.is_empty()) {
        return Ok(vec![one_gguf(&ggufs, repository, files)?.clone()]);
    }
    if find(NEEDED[0]).is_none()
        && let Some(config) = find(ADAPTER)
    {
        let weights = ADAPTER_WEIGHTS.into_iter().find_map(find);
        return Ok(vec![config, weights.ok_or_else(|| lacks(repository, ADAPTER_WEIGHTS[0], files))?]);
    }
    let mut taken: Vec<_> = NEEDED.into_iter().map(need).collect::<Result<_>>()?;
    taken.extend(WELCOME.into_iter().filter_map(find));
    taken.push(weights.ok_or_else(|| lacks(repository, WEIGHTS, files))?);
    Ok(taken)
}

/// The GGUF file that is meant; those split over several files do not count.
fn one_gguf<'a>(
    ggufs: &[&'a ManifestFile],
    repository: &Repository,
    files: &[ManifestFile],
) -> Result<&'a ManifestFile> {
    let part = repository.part.as_deref().unwrap_or("").to_ascii_lowercase();
    let fits = |file: &&&ManifestFile| {
        file.name.to_ascii_lowercase().contains(&part) && !file.name.contains("-of-0")
    };
    let mut fitting = ggufs.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(lacks(repository, &format!("*{part}*.gguf"), files)),
        _ => Err(Error::Ambiguous {
            repository: repository.id.clone(),
            files: ggufs.iter().filter(fits).map(|file| file.name.clone()).collect(),
        }),
    }
}

fn lacks(repository: &Repository, file: &str, files: &[ManifestFile]) -> Error {
    Error::Lacks {
        repository: repository.id.clone(),
        file: file.into(),
        found: files.iter().map(|file| file.name.clone()).collect(),
    }
}

/// The shards that the index at `path` names, as the listing describes them.
pub(crate) fn listed_shards(
    path: &Path,
    listing: &Listing,
    repository: &Repository,
) -> Result<Vec<ManifestFile>> {
    shards(path)?
        .iter()
        .map(|name| {
            let found = listing.files.iter().find(|file| file.name == *name).cloned();
            found.ok_or_else(|| lacks(repository, name, &listing.files))
        })
        .collect()
}

/// Names of the weight files in a `model.safetensors.index.json`.
pub(crate) fn shards(path: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let broken = |reason: String| Error::Index { file: path.display().to_string(), reason };
    if files::length(path).is_none_or(|bytes| bytes > INDEX_BYTES) {
        return Err(broken(format!("it is missing or has more than {INDEX_BYTES} bytes")));
    }
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.iter().find(|name| !files::is_plain_name(name)) {
        Some(name) => Err(broken(format!("`{name}` is not a plain file name"))),
        None if names.is_empty() => Err(broken("its `weight_map` is empty".into())),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<ManifestFile> {
        let file =
            |name: &&str| ManifestFile { name: (*name).into(), bytes: 1, identity: "i".into(), sha256: None };
        names.iter().map(file).collect()
    }

    fn choice(spec: &str, names: &[&str]) -> Result<Vec<String>> {
        let taken = wanted(&named(names), &Repository::parse(spec).unwrap())?;
        Ok(taken.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn weights_tokenizer_and_template_are_taken_and_nothing_else() {
        let names = [
            "pytorch_model.bin",
            "model.safetensors",
            "chat_template.jinja",
            "tokenizer.json",
            "config.json",
        ];
        let taken = choice("o/n", &names).unwrap();
        assert_eq!(taken, ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"]);
    }

    #[test]
    fn one_gguf_is_taken_of_several_only_by_name() {
        let names = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json"];
        assert_eq!(choice("o/n:q8", &names).unwrap(), ["m-Q8_0.gguf"]);
        assert!(matches!(choice("o/n", &names), Err(Error::Ambiguous { .. })));
        assert!(matches!(choice("o/n:Q2", &names), Err(Error::Lacks { .. })));
        assert_eq!(choice("o/n", &names[1..]).unwrap(), ["m-Q8_0.gguf"]);
    }

    #[test]
    fn an_adapter_repository_gives_its_two_files() {
        let names = ["adapter_model.safetensors", "adapter_config.json", "README.md"];
        assert_eq!(choice("o/n", &names).unwrap(), ["adapter_config.json", "adapter_model.safetensors"]);
        let both = ["adapter_model.bin", "adapter_config.json", "adapter_model.safetensors"];
        assert_eq!(choice("o/n", &both).unwrap(), ["adapter_config.json", "adapter_model.safetensors"]);
        assert_eq!(choice("o/n", &both[..2]).unwrap(), ["adapter_config.json", "adapter_model.bin"]);
        assert!(matches!(choice("o/n", &both[1..2]), Err(Error::Lacks { .. })));
    }

    #[test]
    fn a_repository_without_safetensors_or_tokenizer_is_refused_before_any_download() {
        let only_pickle = choice("o/n", &["config.json", "tokenizer.json", "pytorch_model.bin"]).unwrap_err();
        assert!(only_pickle.to_string().contains("pytorch_model.bin"), "{only_pickle}");
        let slow = choice("o/n", &["config.json", "model.safetensors", "tokenizer.model"]).unwrap_err();
        assert!(slow.to_string().contains("no `tokenizer.json`"), "{slow}");
    }

    #[test]
    fn an_index_may_not_name_files_outside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(INDEX);
        std::fs::write(&path, r#"{"weight_map": {"a": "b.safetensors", "c": "../../d"}}"#).unwrap();
        assert!(matches!(shards(&path), Err(Error::Index { .. })));
        std::fs::write(&path, r#"{"weight_map": {}}"#).unwrap();
        assert!(matches!(shards(&path), Err(Error::Index { .. })));
        std::fs::write(&path, r#"{"weight_map": {"a": "2", "b": "1", "c": "2"}}"#).unwrap();
        assert_eq!(Vec::from_iter(shards(&path).unwrap()), ["1", "2"]);
    }
}
