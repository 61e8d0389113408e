//! An adapter to its folder.

use crate::{Result, output};
use rankine_checkpoint::{Adapter, Existing, OutputFolder};
use std::path::{Path, PathBuf};

/// Where an adapter goes. The folder appears whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterOutput<'a> {
    /// The folder.
    pub target: &'a Path,
    /// What to do with one that is there already.
    pub existing: Existing,
    /// Files and folders that are read: a folder that is one of them, or holds one, is not replaced.
    pub inputs: Vec<PathBuf>,
}

impl AdapterOutput<'_> {
    /// Whether the folder can be written, before the work is done.
    ///
    /// # Errors
    /// When it is there and may not be replaced, lies inside what is read, or cannot be made.
    pub fn check(&self) -> Result<()> {
        output::check_outside(self.target, &self.inputs)?;
        output::check(self.target, self.existing, &self.inputs)?;
        drop(OutputFolder::create(self.target, self.existing)?);
        Ok(())
    }

    /// Writes `adapter` as peft reads it.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when writing fails.
    pub fn write(&self, adapter: &Adapter) -> Result<()> {
        self.write_with(adapter, None)
    }

    /// The same with a file beside it: its name and what is in it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with(&self, adapter: &Adapter, companion: Option<(&str, &[u8])>) -> Result<()> {
        output::check(self.target, self.existing, &self.inputs)?;
        let folder = OutputFolder::create(self.target, self.existing)?;
        adapter.write(&folder)?;
        if let Some((name, bytes)) = companion {
            folder.write_file(name, bytes)?;
        }
        Ok(folder.finish()?)
    }
}
