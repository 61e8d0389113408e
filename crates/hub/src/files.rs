//! Files that are whole or not there: written under another name, flushed, renamed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Error, Result};

/// The place of a file while it is not whole: `FILE.part`.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Makes a directory and those above it.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|source| Error::Io { action: "create", path: path.into(), source })
}

/// Removes a file; that it was not there is as good.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    gone(path, std::fs::remove_file(path))
}

/// Removes a directory and what is in it; that it was not there is as good.
pub(crate) fn remove_directory(path: &Path) -> Result<()> {
    gone(path, std::fs::remove_dir_all(path))
}

fn gone(path: &Path, result: io::Result<()>) -> Result<()> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: path.into(), source })
        }
        _ => Ok(()),
    }
}

/// Bytes of the file, `None` if there is no such file.
pub(crate) fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
}

/// Gives a whole `part` its real name, after its bytes have reached the disk.
pub(crate) fn publish(part: &Path, target: &Path) -> Result<()> {
    let flushed = std::fs::File::options().append(true).open(part).and_then(|file| file.sync_all());
    flushed.and_then(|()| std::fs::rename(part, target)).map_err(|source| Error::Io {
        action: "write",
        path: target.into(),
        source,
    })
}

/// Writes a small file at once.
pub(crate) fn write(target: &Path, bytes: &[u8]) -> Result<()> {
    let part = part_of(target);
    std::fs::File::create(&part).and_then(|mut file| file.write_all(bytes)).map_err(|source| Error::Io {
        action: "write",
        path: part.clone(),
        source,
    })?;
    publish(&part, target)
}

/// Whether `name` is a file name that can be joined to a directory without leaving it.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_the_directory_is_not_plain() {
        for name in ["config.json", "model-00001-of-00002.safetensors"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\0b", "c:x"] {
            assert!(!is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn writing_replaces_and_leaves_no_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(!part_of(&path).exists());
    }
}
