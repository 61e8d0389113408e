//! What lies in the workspace: its root, its packages, their Rust files.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A package of the workspace.
pub struct Package {
    /// The name of its folder: `kernels`, `xtask`.
    pub name: String,
    /// Its folder below the root: `crates/kernels`.
    pub folder: PathBuf,
}

/// The root of the workspace.
pub fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace root")
}

/// The crates and xtask, in the order of their names.
pub fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut packages = vec![Package { name: "xtask".to_owned(), folder: "xtask".into() }];
    for entry in fs_err::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let folder = Path::new("crates").join(&name);
        if root.join(&folder).join("Cargo.toml").is_file() {
            packages.push(Package { name, folder });
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The Rust files of a package below the root, in order.
pub fn rust_files(root: &Path, package: &Package) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![package.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
