//! SHA-256 of files, in lower-case hexadecimal.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::progress::{Progress, Stage};

/// Bytes read at a time.
pub(crate) const CHUNK: usize = 1 << 17;

/// A running SHA-256.
pub(crate) struct Digest(Sha256);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// SHA-256 of the file `path`, shown to `watch` as `name`.
pub(crate) fn of_file(path: &Path, name: &str, watch: &mut dyn FnMut(Progress)) -> Result<String> {
    let io = |source| Error::Io { action: "read", path: path.into(), source };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let total = file.metadata().map_err(io)?.len();
    let (mut digest, mut done, mut chunk) = (Digest::new(), 0, vec![0; CHUNK]);
    loop {
        let count = file.read(&mut chunk).map_err(io)?;
        if count == 0 {
            return Ok(digest.finish());
        }
        digest.update(&chunk[..count]);
        done += count as u64;
        watch(Progress::bytes(name, Stage::Verifying, done, total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, the message "abc".
    #[test]
    fn the_digest_is_that_of_the_standard() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(file.path(), "abc", &mut |_| ()).unwrap(), expected);
    }
}
