//! Files written to a disk, and the room on it, where the system tells.

use crate::errors::Failure;
use anyhow::Context as _;
use rankine_report::format;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a file, whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = rankine_checkpoint::write_file_atomically(path, bytes);
    written.with_context(|| format!("while writing `{}`", path.display()))
}

/// Bytes that can be written to the disk of `path`, or of the nearest folder above it that is there.
///
/// The standard library does not tell, so this asks `df`; `None` where there is none.
pub fn free(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|folder| folder.is_dir())?;
    let output = Command::new("df").arg("-Pk").arg(there).stdin(Stdio::null()).stderr(Stdio::null()).output();
    available(&String::from_utf8(output.ok()?.stdout).ok()?)
}

/// An error where the disk of `output` has too little room for so many bytes. What unfinished work left beside it is gone on with
/// or thrown away, so that it counts as room.
pub fn check_room(output: &Path, needed: u64) -> anyhow::Result<()> {
    check_left(output, free(output), needed)
}

/// The same where the room was asked for already.
pub fn check_left(output: &Path, free: Option<u64>, needed: u64) -> anyhow::Result<()> {
    let needed = needed.saturating_sub(rankine_surgery::unfinished_bytes(output));
    match free {
        Some(free) if free < needed => {
            let (needed, free) = (format::bytes(needed), format::bytes(free));
            let message =
                format!("the disk of `{}` has {free} left; the weights need {needed}", output.display());
            Err(Failure::with_hint(message, "make room, choose another disk, or a smaller type").into())
        }
        _ => Ok(()),
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
