//! A folder that appears whole or not at all.

use super::Fault;
use crate::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use tempfile::{Builder, TempDir};

/// What to do with an output that is there already. An empty folder counts as not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Replace it, once the new one is complete.
    Replace,
}

/// A folder under construction: files go to a temporary sibling of the target until [`finish`](Self::finish).
/// Dropped before that, it leaves nothing behind, unless it is to be [kept](Self::keep).
#[derive(Debug)]
pub struct OutputFolder {
    target: PathBuf,
    existing: Existing,
    temporary: Temporary,
    // Dropped after the folder inside it.
    parents: MadeParents,
}

impl OutputFolder {
    /// Begins `target`; its parent folders are made where absent.
    pub fn create(target: &Path, existing: Existing) -> Result<Self> {
        let name = name_of(target)?;
        refuse_existing(target, existing)?;
        let parent = parent_of(target);
        let parents = MadeParents::make(target, parent)?;
        let mut builder = Builder::new();
        let (prefix, permissions) = (format!(".{name}."), folder_permissions());
        builder.prefix(&prefix).suffix(".partial");
        if let Some(permissions) = permissions {
            builder.permissions(permissions);
        }
        let temporary = builder.tempdir_in(parent).map_err(|source| Error::io(parent, source))?;
        let temporary = Temporary { path: temporary.keep(), kept: false };
        Ok(Self { target: target.to_owned(), existing, temporary, parents })
    }

    /// As [`create`](Self::create), in the folder [`partial`](Self::partial), which may be there from before, with what is in
    /// it. Two of them at once would write into each other: the caller sees to it that there is one.
    pub fn reopen(target: &Path, existing: Existing) -> Result<Self> {
        let path = Self::partial(target)?;
        refuse_existing(target, existing)?;
        let parents = MadeParents::make(target, parent_of(target))?;
        std::fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        let temporary = Temporary { path, kept: false };
        Ok(Self { target: target.to_owned(), existing, temporary, parents })
    }

    /// Where [`reopen`](Self::reopen) constructs `target`: the hidden sibling `.NAME.partial`.
    pub fn partial(target: &Path) -> Result<PathBuf> {
        Ok(target.with_file_name(format!(".{}.partial", name_of(target)?)))
    }

    /// From now on the folder stays when this is dropped unfinished.
    pub fn keep(&mut self) {
        self.temporary.kept = true;
    }

    /// Where the finished folder will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where the file `name` lies until the folder is finished; its parent inside the folder is made.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let mut components = Path::new(name).components().peekable();
        if components.peek().is_none() || !components.all(|part| matches!(part, Component::Normal(_))) {
            return Err(fault(&self.target, Fault::Name { name: name.to_owned() }));
        }
        let path = self.temporary.path.join(name);
        let parent = parent_of(&path);
        std::fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        Ok(path)
    }

    /// Writes a small file.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name)?;
        std::fs::write(&path, bytes).map_err(|source| Error::io(&path, source))
    }

    /// Writes a JSON file as transformers does: indented by two.
    pub fn write_json(&self, name: &str, value: &serde_json::Value) -> Result<()> {
        self.write_file(name, format!("{value:#}\n").as_bytes())
    }

    /// Copies the file `source` to `name`.
    pub fn copy_file(&self, source: &Path, name: &str) -> Result<()> {
        let path = self.path(name)?;
        // Opened apart, so that a message names the side that failed.
        let mut from = std::fs::File::open(source).map_err(|error| Error::io(source, error))?;
        let mut to = std::fs::File::create(&path).map_err(|error| Error::io(&path, error))?;
        std::io::copy(&mut from, &mut to).map_err(|error| Error::io(&path, error))?;
        Ok(())
    }

    /// Gives the folder its name. What was there under this name is removed only after that.
    pub fn finish(self) -> Result<()> {
        // The first of them is dropped last.
        let Self { parents: _parents, target, existing, mut temporary } = self;
        refuse_existing(&target, existing)?;
        let io = |source| Error::io(&target, source);
        let displaced = displace(&target)?;
        if let Err(error) = std::fs::rename(&temporary.path, &target) {
            if let Some(displaced) = displaced {
                // Put back what was there; the first error is the one to report.
                let _ = std::fs::rename(displaced.path().join("old"), &target);
            }
            return Err(io(error));
        }
        // Renamed away: there is nothing left for the guard to remove.
        temporary.kept = true;
        match displaced {
            Some(displaced) => displaced.close().map_err(io),
            None => Ok(()),
        }
    }
}

/// A folder that is removed when this is dropped, unless it is to be kept.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody can be told that something stays.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Folders above an output that were made for it, the lowest first; dropped, it removes those that are empty.
#[derive(Debug)]
pub(super) struct MadeParents(Vec<PathBuf>);

impl MadeParents {
    pub(super) fn make(target: &Path, parent: &Path) -> Result<Self> {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        if let Some(file) = parent.ancestors().find(|path| there(path)).filter(|path| !path.is_dir()) {
            return Err(fault(target, Fault::InFile { file: file.to_owned() }));
        }
        let absent = parent.ancestors().take_while(|path| *path != Path::new("") && !there(path));
        let made = Self(absent.map(Path::to_owned).collect());
        std::fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        Ok(made)
    }
}

impl Drop for MadeParents {
    fn drop(&mut self) {
        for folder in &self.0 {
            // Refused where something is inside, as it should be.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Moves an existing target into a temporary folder beside it, as `old`.
fn displace(target: &Path) -> Result<Option<TempDir>> {
    let io = |source| Error::io(target, source);
    if target.symlink_metadata().is_err() {
        return Ok(None);
    }
    let shelter = Builder::new().prefix(".replaced.").tempdir_in(parent_of(target)).map_err(io)?;
    std::fs::rename(target, shelter.path().join("old")).map_err(io)?;
    Ok(Some(shelter))
}

pub(super) fn refuse_existing(target: &Path, existing: Existing) -> Result<()> {
    let there = target.symlink_metadata().is_ok() && !is_empty_folder(target);
    if there && existing == Existing::Refuse {
        return Err(fault(target, Fault::Exists));
    }
    Ok(())
}

fn is_empty_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Writes `bytes` to `path`, which holds either the old content or the new, whatever happens.
pub fn write_file_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_file_with(path, |file| file.write_all(bytes).map_err(|source| Error::io(path, source)))
}

/// As [`write_file_atomically`] of what `work` writes, which may be more than memory holds.
///
/// # Errors
/// Those of the disk, and of `work`; there is nothing new at `path` then.
pub fn write_file_with<E: From<Error>>(
    path: &Path,
    work: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let io = |source| Error::io(path, source);
    let parent = parent_of(path);
    std::fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
    let mut builder = Builder::new();
    builder.prefix(".partial.");
    if let Some(permissions) = file_permissions() {
        builder.permissions(permissions);
    }
    let mut file = builder.tempfile_in(parent).map_err(io)?;
    work(file.as_file_mut())?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// The last part of a path at which a folder can be made.
fn name_of(target: &Path) -> Result<&str> {
    target.file_name().and_then(|name| name.to_str()).ok_or_else(|| fault(target, Fault::Path))
}

/// The folder of `path`; a bare name lies in the current one.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(super) fn fault(path: &Path, fault: Fault) -> Error {
    Error::Output { path: path.to_owned(), fault }
}

/// Temporary files are private by default; these become the output, so they get what the process's mask allows.
#[cfg(unix)]
fn permissions(mode: u32) -> Option<std::fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permissions(_mode: u32) -> Option<std::fs::Permissions> {
    None
}

fn folder_permissions() -> Option<std::fs::Permissions> {
    permissions(0o777)
}

pub(super) fn file_permissions() -> Option<std::fs::Permissions> {
    permissions(0o666)
}
