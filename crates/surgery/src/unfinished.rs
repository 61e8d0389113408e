//! An output folder under way, which may break off and be gone on with.
//!
//!     .OUTPUT.partial/                    beside the output, and renamed to it when all is there
//!       rankine-journal.jsonl             a line that tells what the work depends on, then one for every finished file
//!       model-00001-of-00007.safetensors  finished: on the disk, renamed, and then in the journal
//!       model-00002-of-00007.safetensors.partial
//!
//! A file counts as finished if its line is whole and its length is that of the line; how far its tensors moved stands there
//! too, as the bits of the numbers, so that a report does not depend on where the work broke off. Whoever writes holds a lock on
//! the journal. Without [`Resume`] the folder has another name each time, and nothing is left behind.

use crate::fingerprint::fingerprint;
use crate::journal::{Finished, JOURNAL, Journal};
use crate::write::{Moved, Shard, WriteOptions};
use crate::{Error, Progress, Result, Stage, Watch};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Error as FileError, OutputFolder, ShardPlan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Finished files are kept when the work breaks off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Go on with what is there; otherwise it is thrown away.
    pub again: bool,
    /// Name and value of everything that the numbers depend on, beside what is read and the type of the weights: work that was
    /// begun with other settings is not gone on with.
    pub settings: BTreeMap<String, String>,
}

/// A folder under way.
pub(crate) struct Unfinished {
    pub folder: OutputFolder,
    /// `None`: nothing is kept.
    journal: Option<Journal>,
}

/// Where finished files are, and how many.
pub(crate) struct Kept {
    folder: PathBuf,
    files: usize,
}

/// Bytes of what work on `target` left unfinished: they are gone on with, or thrown away.
pub fn unfinished_bytes(target: &Path) -> u64 {
    let entries = OutputFolder::partial(target).ok().and_then(|folder| std::fs::read_dir(folder).ok());
    let lengths = entries.into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok());
    lengths.map(|found| found.len()).sum()
}

/// An error where there is unfinished work to go on with, and it was begun otherwise.
pub(crate) fn check(target: &Path, options: &WriteOptions) -> Result<()> {
    let Some(resume) = options.resume.as_ref().filter(|resume| resume.again) else { return Ok(()) };
    match Journal::open(&OutputFolder::partial(target)?)? {
        Some(journal) => journal.check(&fingerprint(&resume.settings, options, None)),
        None => Ok(()),
    }
}

impl Unfinished {
    /// Begins `target`, or goes on with it; `watch` hears which.
    pub fn begin(target: &Path, plan: &ShardPlan, options: &WriteOptions, watch: &mut Watch) -> Result<Self> {
        let Some(resume) = &options.resume else {
            return Ok(Self { folder: OutputFolder::create(target, options.existing)?, journal: None });
        };
        let begun = fingerprint(&resume.settings, options, Some(plan));
        let partial = OutputFolder::partial(target)?;
        let there = Journal::open(&partial)?;
        if let Some(journal) = there.as_ref().filter(|_| resume.again) {
            journal.check(&begun)?;
        }
        // From here on the folder goes with an error, unless something in it is to be kept.
        let mut folder = OutputFolder::reopen(target, options.existing)?;
        let left = there.as_ref().map_or(0, |journal| journal.finished.len());
        let journal = match there {
            Some(journal) if resume.again && 0 < left => {
                folder.keep();
                journal
            }
            Some(journal) => journal.cleared(begun)?,
            None => Journal::create(&partial, begun).inspect_err(|error| {
                if matches!(error, Error::Busy { .. }) {
                    folder.keep();
                }
            })?,
        };
        let unfinished = Self { folder, journal: Some(journal) };
        let told =
            |stage, done: usize, total: usize| Progress { stage, done: done as u64, total: total as u64 };
        if resume.again {
            let files: Vec<String> = plan.files().map(|(name, _)| name).collect();
            let finished = files.iter().filter(|name| unfinished.finished(name).is_some()).count();
            told(Stage::Resuming, finished, files.len()).tell(watch)?;
        } else if 0 < left {
            told(Stage::Discarding, left, left).tell(watch)?;
        }
        Ok(unfinished)
    }

    /// How far the tensors of a file moved, if it is finished.
    pub fn finished(&self, name: &str) -> Option<&Moved> {
        let Finished { bytes, moved } = self.journal.as_ref()?.finished.get(name)?;
        let found = std::fs::metadata(self.folder.path(name).ok()?).ok()?;
        (found.len() == *bytes).then_some(moved)
    }

    /// Begins a file.
    pub fn open(&self, name: &str, shard: &Shard) -> Result<TensorsWriter> {
        Ok(TensorsWriter::create(&self.folder.path(&under_way(name))?, shard)?)
    }

    /// Ends a file, of which all tensors are written.
    pub fn close(&mut self, name: &str, writer: TensorsWriter, moved: &Moved) -> Result<()> {
        writer.finish()?;
        let path = self.folder.path(name)?;
        let io = |source| FileError::io(&path, source);
        std::fs::rename(self.folder.path(&under_way(name))?, &path).map_err(io)?;
        if let Some(journal) = &mut self.journal {
            let bytes = std::fs::metadata(&path).map_err(io)?.len();
            journal.add(name, Finished { bytes, moved: moved.clone() })?;
            self.folder.keep();
        }
        Ok(())
    }

    /// What stays if the work breaks off now.
    pub fn kept(&self) -> Option<Kept> {
        let journal = self.journal.as_ref()?;
        let Journal { folder, finished, .. } = journal;
        (!finished.is_empty()).then(|| Kept { folder: folder.clone(), files: finished.len() })
    }

    /// Gives the folder its name.
    pub fn finish(self) -> Result<()> {
        let (kept, target) = (self.kept(), self.folder.target().to_owned());
        self.folder.finish().map_err(|error| broken_off(error.into(), kept))?;
        if let Some(journal) = self.journal {
            drop(journal);
            let path = target.join(JOURNAL);
            std::fs::remove_file(&path).map_err(|source| FileError::io(&path, source))?;
        }
        Ok(())
    }
}

/// The error that ended the work, with what is kept of it.
pub(crate) fn broken_off(error: Error, kept: Option<Kept>) -> Error {
    match kept {
        Some(Kept { folder, files }) => Error::Unfinished { folder, files, source: Box::new(error) },
        None => error,
    }
}

/// Name of a file until it is whole.
fn under_way(name: &str) -> String {
    format!("{name}.partial")
}
