//! Files written to a disk, and the room on it, where the system tells.

use crate::Context;
use crate::errors::Failure;
use anyhow::Context as _;
use rankine_report::{Cell, format};
use serde::Serialize;
use std::fs::File;
use std::io::ErrorKind::{QuotaExceeded, StorageFull};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a file, whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_with(path, |target| Ok(target.write_all(bytes)?))
}

/// A file under construction.
pub type Target<'a> = BufWriter<&'a mut File>;

/// Writes a file piece by piece, whole or not at all.
pub fn write_with(
    path: &Path,
    work: impl FnOnce(&mut Target<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let written: anyhow::Result<()> = rankine_checkpoint::write_file_with(path, |file| {
        let mut target = BufWriter::new(file);
        let written = work(&mut target).and_then(|()| Ok(target.flush()?));
        written.map_err(|error| if is_full(&error) { full(path).into() } else { error })
    });
    written.with_context(|| format!("while writing `{}`", path.display()))
}

/// Whether there was no room.
fn is_full(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| matches!(cause.kind(), StorageFull | QuotaExceeded))
}

fn full(path: &Path) -> rankine_checkpoint::Error {
    rankine_checkpoint::Error::DiskFull { path: path.to_owned() }
}

/// Bytes that can be written to the disk of `path`, or of the nearest folder above it that is there.
///
/// The standard library does not tell, so this asks `df`; `None` where there is none.
fn free(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|folder| folder.is_dir())?;
    let output = Command::new("df").arg("-Pk").arg(there).stdin(Stdio::null()).stderr(Stdio::null()).output();
    available(&String::from_utf8(output.ok()?.stdout).ok()?)
}

/// The room on the disk of an output.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Room {
    /// Bytes that are left; `None` where the system does not tell.
    bytes_free: Option<u64>,
}

impl Room {
    /// That on the disk of `output`, which is to hold so many bytes more. What unfinished work left beside it is gone on with or
    /// thrown away, so that it counts as room.
    ///
    /// # Errors
    /// When there is too little; a dry run is warned.
    pub fn ask(context: &Context, output: &Path, needed: u64, dry_run: bool) -> anyhow::Result<Self> {
        let room = Self { bytes_free: free(output) };
        match room.lack(output, needed) {
            None => Ok(room),
            Some((message, _)) if dry_run => {
                context.say(format!("warning: {message}"));
                Ok(room)
            }
            Some((message, hint)) => Err(Failure::with_hint(message, hint).into()),
        }
    }

    /// Warns where what is written may need more than there is, and how much shows later.
    pub fn warn_of_most(context: &Context, output: &Path, most: u64) {
        if let Some((message, _)) = (Self { bytes_free: free(output) }).lack(output, most) {
            context.say(format!("warning: {message} at most"));
        }
    }

    /// What is wrong, and what to do.
    fn lack(self, output: &Path, needed: u64) -> Option<(String, &'static str)> {
        let needed = needed.saturating_sub(rankine_surgery::unfinished_bytes(output));
        let free = self.bytes_free.filter(|free| *free < needed)?;
        let (needed, free) = (format::bytes(needed), format::bytes(free));
        let message =
            format!("the disk of `{}` has {free} left; the weights need {needed}", output.display());
        Some((message, "make room, choose another disk, or a smaller type"))
    }

    /// For a page.
    pub fn fact(self) -> (&'static str, Cell) {
        ("room on the disk", self.bytes_free.map_or(Cell::Missing, Cell::Bytes))
    }
}

/// What the portable format of `df` (POSIX) says in its fourth column. The first, a device, may have blanks in it.
fn available(said: &str) -> Option<u64> {
    let line = said.lines().nth(1)?;
    let numbers: Vec<&str> = line.split_whitespace().collect();
    let share = numbers.iter().rposition(|word| word.ends_with('%'))?;
    let kibibytes: u64 = numbers.get(share.checked_sub(1)?)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let error = write_with(&path, |target| {
            target.write_all(b"half")?;
            Err(std::io::Error::from(StorageFull).into())
        });
        let error = error.unwrap_err();
        assert!(
            matches!(error.downcast_ref(), Some(rankine_checkpoint::Error::DiskFull { .. })),
            "{error:?}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write_with(&path, |target| Ok(target.write_all(b"whole")?)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn the_portable_format_is_read() {
        let said =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a b 1000 300 700 30% /m n\n";
        assert_eq!(available(said), Some(700 * 1024));
        for said in ["", "Filesystem\n", "x\n/dev/a - - - - /\n", "x\n-5% /\n"] {
            assert_eq!(available(said), None, "{said}");
        }
        assert!(free(Path::new("/no/such/folder")).is_none_or(|bytes| 0 < bytes));
    }
}
