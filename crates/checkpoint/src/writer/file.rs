//! A file that appears whole or not at all.

use super::Fault;
use super::folder::{Existing, MadeParents, fault, file_permissions, parent_of, refuse_existing};
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// A file under construction: a temporary sibling of the target until [`finish`](Self::finish). Dropped before that, it
/// leaves nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    target: PathBuf,
    existing: Existing,
    temporary: NamedTempFile,
    // Dropped after the file below it.
    parents: MadeParents,
}

impl OutputFile {
    /// Begins `target`; its parent folders are made where absent.
    ///
    /// # Errors
    /// When the target is there and may not be replaced, is a folder, or cannot be made.
    pub fn create(target: &Path, existing: Existing) -> Result<Self> {
        if target.is_dir() {
            return Err(fault(target, Fault::Folder));
        }
        if target.file_name().is_none() {
            return Err(fault(target, Fault::Path));
        }
        refuse_existing(target, existing)?;
        let parent = parent_of(target);
        let parents = MadeParents::make(target, parent)?;
        let mut builder = Builder::new();
        builder.prefix(".partial.");
        if let Some(permissions) = file_permissions() {
            builder.permissions(permissions);
        }
        let temporary = builder.tempfile_in(parent).map_err(|source| Error::io(parent, source))?;
        Ok(Self { target: target.to_owned(), existing, temporary, parents })
    }

    /// Where the finished file will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where the content goes.
    pub fn file(&self) -> &File {
        self.temporary.as_file()
    }

    /// Gives the file its name, in one step with the removal of what had it.
    ///
    /// # Errors
    /// When the target appeared meanwhile and may not be replaced, or the disk is full.
    pub fn finish(self) -> Result<()> {
        // The first of them is dropped last.
        let Self { parents: _parents, target, existing, temporary } = self;
        refuse_existing(&target, existing)?;
        let io = |source| Error::io(&target, source);
        temporary.as_file().sync_all().map_err(io)?;
        temporary.persist(&target).map_err(|error| io(error.error))?;
        Ok(())
    }
}
