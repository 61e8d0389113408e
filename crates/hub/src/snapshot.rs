//! Models that Hugging Face's own tools have already downloaded.
//!
//! ```text
//! models--OWNER--NAME/refs/REVISION           the commit, as text
//! models--OWNER--NAME/snapshots/COMMIT/FILE   links to the files
//! ```

use std::path::{Path, PathBuf};

use crate::files;
use crate::listing::{INDEX, NEEDED, WEIGHTS, shards};
use crate::repository::Repository;

/// The repository's snapshot below `cache`, if all of the model is there.
pub(crate) fn find(cache: &Path, repository: &Repository) -> Option<PathBuf> {
    if repository.part.is_some() {
        return None;
    }
    let root = cache.join(format!("models--{}", repository.id.replace('/', "--")));
    let noted = root.join("refs").join(&repository.revision);
    let commit = match files::length(&noted) {
        Some(bytes) if bytes <= 100 => fs_err::read_to_string(noted).ok()?.trim().to_owned(),
        _ => repository.revision.clone(),
    };
    let snapshot = files::is_plain_name(&commit).then(|| root.join("snapshots").join(commit))?;
    is_whole(&snapshot).then_some(snapshot)
}

/// Whether configuration, tokenizer and every weight file are there.
fn is_whole(snapshot: &Path) -> bool {
    let has = |name: &str| files::length(&snapshot.join(name)).is_some_and(|bytes| bytes > 0);
    let sharded = || shards(&snapshot.join(INDEX)).is_ok_and(|names| names.iter().all(|name| has(name)));
    NEEDED.into_iter().all(has) && (has(WEIGHTS) || sharded())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_counts_only_when_every_shard_is_there() {
        let cache = tempfile::tempdir().unwrap();
        let root = cache.path().join("models--o--n");
        let snapshot = root.join("snapshots/abc");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(root.join("refs")).unwrap();
        std::fs::write(root.join("refs/main"), "abc\n").unwrap();
        let put = |name: &str, text: &str| std::fs::write(snapshot.join(name), text).unwrap();
        put("config.json", "{}");
        put("tokenizer.json", "{}");
        put(INDEX, r#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#);
        put("one.safetensors", "x");
        let repository = Repository::main("o/n");
        assert_eq!(find(cache.path(), &repository), None);
        put("two.safetensors", "x");
        assert_eq!(find(cache.path(), &repository), Some(snapshot.clone()));
        assert_eq!(find(cache.path(), &Repository::parse("o/n@abc").unwrap()), Some(snapshot));
        assert_eq!(find(cache.path(), &Repository::parse("o/n@other").unwrap()), None);
    }
}
