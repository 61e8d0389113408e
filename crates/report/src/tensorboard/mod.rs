//! TensorBoard event files: scalars that `tensorboard --logdir` shows while a run goes on.
//!
//! A file is a sequence of TFRecords, each an `Event` message:
//!
//!     length: u64 | masked CRC32C of length: u32 | event: [u8; length] | masked CRC32C of event: u32      (little-endian)
//!
//! The first event names the version of the format. A run that is resumed writes a new file in the same directory;
//! TensorBoard reads them in the order of their names, which start with the time.

mod crc32c;
mod event;

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::{Error, Result};

/// Files of one name and second that may exist before we give up.
const NEIGHBOURS: usize = 1000;

/// An event file that is being written. What was not flushed may be lost in a crash; dropping flushes.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Creates `dir/events.out.tfevents.<seconds>.<run>` (and `dir`); an existing file is never touched, the new one
    /// gets a number instead. `started_unix_seconds` is the time of the first event.
    ///
    /// # Errors
    /// When the directory or the file cannot be created or written.
    pub fn create(dir: impl AsRef<Path>, started_unix_seconds: f64, run_name: &str) -> Result<Self> {
        let dir = dir.as_ref();
        fs_err::create_dir_all(dir).map_err(|source| Error::Create { path: dir.to_owned(), source })?;
        let seconds = started_unix_seconds.max(0.0) as u64;
        let name = format!("events.out.tfevents.{seconds:010}.{}", file_word(run_name));
        for neighbour in 0..NEIGHBOURS {
            let path = match neighbour {
                0 => dir.join(&name),
                _ => dir.join(format!("{name}.{neighbour}")),
            };
            match File::create_new(&path) {
                Ok(file) => {
                    let mut events = Self { path, file: BufWriter::new(file) };
                    events.append(&event::version(started_unix_seconds))?;
                    events.flush()?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Create { path, source }),
            }
        }
        Err(Error::Taken { path: dir.join(name), tried: NEIGHBOURS - 1 })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that the run goes on from `step`: TensorBoard forgets what earlier files hold from that step on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn resumed(&mut self, step: u64, wall_time: f64) -> Result<()> {
        self.append(&event::session_start(step, wall_time))
    }

    /// Appends one value of the curve `tag`; `wall_time` in Unix seconds. Values that are not finite are kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, wall_time: f64, value: f32) -> Result<()> {
        self.append(&event::scalar(tag, step, wall_time, value))
    }

    /// Hands everything written so far to the system, so that a running TensorBoard sees it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    fn append(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&record(event)).map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// `event` in its frame.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&crc32c::masked(&length).to_le_bytes());
    record.extend_from_slice(event);
    record.extend_from_slice(&crc32c::masked(event).to_le_bytes());
    record
}

/// A run's name as the end of a file name: whatever could lead elsewhere or be unreadable becomes `_`.
fn file_word(name: &str) -> String {
    let word: String = name
        .chars()
        .take(100)
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' })
        .collect();
    if word.is_empty() { "run".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by TensorBoard itself; see `tests/fixtures/README.md`.
    const FIXTURE: &[u8] = include_bytes!("../../tests/fixtures/events.tfevents");

    fn write_events(dir: &Path) -> PathBuf {
        let mut events = EventFile::create(dir, 1_795_000_000.25, "first run/λ").unwrap();
        events.scalar("train/loss", 1, 1_795_000_001.5, 2.9356).unwrap();
        events.scalar("train/loss", 2, 1_795_000_002.5, f32::NAN).unwrap();
        events.scalar("learning rate", 300, 1_795_000_003.0, 2e-4).unwrap();
        events.resumed(2, 1_795_000_004.0).unwrap();
        events.scalar("train/loss", 2, 1_795_000_005.0, -0.5).unwrap();
        events.flush().unwrap();
        events.path().to_owned()
    }

    #[test]
    fn the_bytes_are_the_ones_tensorboard_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_events(&dir.path().join("a/b"));
        assert_eq!(path.file_name().unwrap(), "events.out.tfevents.1795000000.first_run__");
        assert_eq!(fs_err::read(path).unwrap(), FIXTURE);
    }

    #[test]
    fn an_existing_file_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let first = EventFile::create(dir.path(), 5.0, "../x").unwrap();
        let second = EventFile::create(dir.path(), 5.0, "../x").unwrap();
        assert_eq!(first.path(), dir.path().join("events.out.tfevents.0000000005..._x"));
        assert_eq!(second.path(), dir.path().join("events.out.tfevents.0000000005..._x.1"));
    }

    #[test]
    fn a_file_in_the_way_is_an_error_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs_err::write(&file, "").unwrap();
        let error = EventFile::create(&file, 0.0, "").unwrap_err();
        assert!(matches!(&error, Error::Create { path, .. } if *path == file), "{error:?}");
        assert!(error.hint().is_some());
    }
}
