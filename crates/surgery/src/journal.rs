//! The journal of an output under way: JSON, a line for what the work depends on, then one for every finished file.
//!
//!     { "file": NAME, "bytes": LENGTH, "moved": { TENSOR: [BITS, BITS], … } }
//!
//! Numbers stand there as their bits, so that they come back as they were. A line that is not whole, as a crash leaves it, ends
//! the journal, and the next one overwrites it.

use crate::fingerprint::changes;
use crate::merged::Squares;
use crate::write::Moved;
use crate::{Error, Result};
use indexmap::IndexMap;
use rankine_checkpoint::Error as FileError;
use serde_json::{Map, Value, json};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(crate) const JOURNAL: &str = "rankine-journal.jsonl";

/// Which files are finished.
pub(crate) struct Journal {
    /// Where it lies, and the files too.
    pub folder: PathBuf,
    /// Locked while this is open.
    file: File,
    /// Bytes of the whole lines.
    bytes: u64,
    /// What the work depends on.
    begun: Value,
    pub finished: IndexMap<String, Finished>,
}

/// A finished file.
pub(crate) struct Finished {
    /// Its length.
    pub bytes: u64,
    /// How far its tensors moved.
    pub moved: Moved,
}

impl Journal {
    /// That of the folder, if it is there.
    ///
    /// # Errors
    /// When another process holds it, or the folder holds other things and no journal.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(JOURNAL);
        let io = |source| FileError::io(&path, source);
        let mut file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut entries = std::fs::read_dir(folder).into_iter().flatten();
                return match entries.next() {
                    None => Ok(None),
                    Some(_) => Err(Error::PartialIsForeign { folder: folder.to_owned() }),
                };
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory && folder.is_file() => {
                return Err(Error::PartialIsForeign { folder: folder.to_owned() });
            }
            Err(error) => return Err(io(error).into()),
        };
        lock(&file, folder)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let (mut bytes, mut begun, mut finished) = (0, Value::Null, IndexMap::new());
        for line in text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Ok(value) = serde_json::from_slice::<Value>(line) else { break };
            if bytes == 0 {
                begun = value;
            } else {
                let Some((name, file)) = Finished::of_json(&value) else { break };
                finished.insert(name, file);
            }
            bytes += line.len() as u64;
        }
        Ok(Some(Self { folder: folder.to_owned(), file, bytes, begun, finished }))
    }

    /// Of work that begins.
    pub fn create(folder: &Path, begun: Value) -> Result<Self> {
        let path = folder.join(JOURNAL);
        let file = match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => file,
            // Somebody else began at the same time.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::Busy { folder: folder.to_owned() });
            }
            Err(error) => return Err(FileError::io(&path, error).into()),
        };
        lock(&file, folder)?;
        let folder = folder.to_owned();
        Self { folder, file, bytes: 0, begun: Value::Null, finished: IndexMap::new() }.begin(begun)
    }

    /// For work that begins anew: everything else in the folder is removed.
    pub fn cleared(mut self, begun: Value) -> Result<Self> {
        let io = |source| FileError::io(&self.folder, source);
        let entries = std::fs::read_dir(&self.folder).map_err(io)?.flatten();
        for entry in entries.filter(|entry| entry.file_name() != JOURNAL) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            let removed = if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            removed.map_err(io)?;
        }
        self.finished.clear();
        self.bytes = 0;
        self.begin(begun)
    }

    fn begin(mut self, begun: Value) -> Result<Self> {
        self.append(&begun)?;
        self.begun = begun;
        Ok(self)
    }

    /// An error where something is finished, and was begun otherwise.
    pub fn check(&self, now: &Value) -> Result<()> {
        let changes = if self.finished.is_empty() { Vec::new() } else { changes(&self.begun, now) };
        match changes.is_empty() {
            true => Ok(()),
            false => Err(Error::BegunOtherwise { folder: self.folder.clone(), changes }),
        }
    }

    /// A file is finished, and on the disk.
    pub fn add(&mut self, name: &str, file: Finished) -> Result<()> {
        self.append(&file.json(name))?;
        self.finished.insert(name.to_owned(), file);
        Ok(())
    }

    /// A line behind the whole ones.
    fn append(&mut self, line: &Value) -> Result<()> {
        let line = format!("{line}\n");
        let written = self.file.set_len(self.bytes).and_then(|()| {
            self.file.seek(SeekFrom::Start(self.bytes))?;
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()
        });
        written.map_err(|source| FileError::io(&self.folder.join(JOURNAL), source))?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

impl Finished {
    fn json(&self, name: &str) -> Value {
        let bits = |(name, Squares { before, moved }): (&String, &Squares)| {
            (name.clone(), json!([before.to_bits(), moved.to_bits()]))
        };
        let moved: Map<String, Value> = self.moved.iter().map(bits).collect();
        json!({ "file": name, "bytes": self.bytes, "moved": moved })
    }

    fn of_json(line: &Value) -> Option<(String, Self)> {
        let squares = |(name, bits): (&String, &Value)| {
            let number = |at: usize| Some(f64::from_bits(bits.get(at)?.as_u64()?));
            Some((name.clone(), Squares { before: number(0)?, moved: number(1)? }))
        };
        let moved = line.get("moved")?.as_object()?.iter().map(squares).collect::<Option<Moved>>()?;
        let name = line.get("file")?.as_str()?.to_owned();
        Some((name, Self { bytes: line.get("bytes")?.as_u64()?, moved }))
    }
}

/// For this process alone; a file system without locks is worked on without one.
fn lock(file: &File, folder: &Path) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::Busy { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
            Err(FileError::io(folder, error).into())
        }
        _ => Ok(()),
    }
}
