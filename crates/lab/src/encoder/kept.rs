//! Finished runs in a file, so that the pages of several papers share those that they have in common.
//!
//! A run is found by all that decides it, but for the code: a file is to be thrown away where that has changed.

use super::Tuned;
use crate::{Error, Result};
use rankine_checkpoint::write_file_atomically;
use std::path::Path;

/// A run and what it is found by.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    key: String,
    tuned: Tuned,
}

/// The run of a key: that of the file at `path`, else the one that `make` gives, which is then kept there. Numbers that are
/// not finite have no place in the file; a run with such is made whenever it is asked for.
pub(super) fn or_made(path: &Path, key: &str, make: impl FnOnce() -> Result<Tuned>) -> Result<Tuned> {
    let mut all = read(path)?;
    if let Some(found) = all.iter().find(|kept| kept.key == key) {
        return Ok(found.tuned.clone());
    }
    let tuned = make()?;
    if tuned.run.losses.iter().all(|loss| loss.is_finite()) {
        all.push(Kept { key: key.to_owned(), tuned: tuned.clone() });
        write_file_atomically(path, serde_json::json!(all).to_string().as_bytes())?;
    }
    Ok(tuned)
}

fn read(path: &Path) -> Result<Vec<Kept>> {
    let fault = |reason: String| Error::Kept { path: path.to_owned(), reason };
    match fs_err::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| fault(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fault(error.to_string())),
    }
}
