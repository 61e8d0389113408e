//! One process at a time in a model's directory: an advisory lock that the system releases with the process.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Progress, Stage};

/// Waits until `key` is ours; it stays ours while the returned file is open.
///
/// A file system without locks (some network ones) is worked on without a lock rather than refused.
pub(crate) fn hold(cache: &Path, key: &str, watch: &mut dyn FnMut(Progress)) -> Result<File> {
    let directory = cache.join("locks");
    files::make_directory(&directory)?;
    let path = directory.join(format!("{key}.lock"));
    let io = |source| Error::Io { action: "lock", path: path.clone(), source };
    let file = File::options().create(true).append(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(io(error)),
        Err(TryLockError::WouldBlock) => {
            watch(Progress::new(key, Stage::Waiting));
            file.lock().map_err(io)?;
            Ok(file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_for_the_first() {
        let cache = tempfile::tempdir().unwrap();
        let first = hold(cache.path(), "k", &mut |_| panic!("nobody else holds it")).unwrap();
        let (said, heard) = mpsc::channel();
        let path = cache.path().to_owned();
        let second = std::thread::spawn(move || {
            hold(&path, "k", &mut |progress| said.send(progress.stage).unwrap()).unwrap();
        });
        assert_eq!(heard.recv().unwrap(), Stage::Waiting);
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap();
    }
}
