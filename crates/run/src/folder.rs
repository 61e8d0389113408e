//! The files of a run, each written beside its place and renamed.

use crate::{Error, Recipe, Result, residual};
use rankine_checkpoint::{Adapter, Existing, OutputFolder, write_file_atomically};
use rankine_train::State;
use std::path::{Path, PathBuf};

/// The folder of a run.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder that may be written: fresh, to be replaced, or the one that is gone on with. Nothing is changed yet.
    pub fn check(path: &Path, recipe: &Recipe, resume: bool, force: bool) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        if resume {
            folder.check_resumable(recipe)?;
        } else if folder.is_occupied() && !force {
            return Err(Error::Exists { path: path.to_owned() });
        }
        Ok(folder)
    }

    /// Makes it ready: what an earlier run left is removed unless it is gone on with.
    pub fn open(&self, recipe: &Recipe, resume: bool) -> Result<()> {
        if !resume && self.is_occupied() {
            self.clear()?;
        }
        fs_err::create_dir_all(&self.path).map_err(self.io(&self.path))?;
        self.write("recipe.toml", recipe.to_toml()?.as_bytes())
    }

    fn is_occupied(&self) -> bool {
        fs_err::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some())
    }

    fn check_resumable(&self, recipe: &Recipe) -> Result<()> {
        let (state, file) = (self.path.join("state"), self.path.join("recipe.toml"));
        if !state.join("state.json").is_file() {
            return Err(Error::NoState { path: self.path.clone() });
        }
        let text = fs_err::read_to_string(&file).map_err(self.io(&file))?;
        match Recipe::parse(&text, &file)?.difference(recipe)? {
            Some(key) => Err(Error::OtherRecipe { path: self.path.clone(), key }),
            None => Ok(()),
        }
    }

    /// Removes the files of an earlier run, and nothing else.
    fn clear(&self) -> Result<()> {
        const FILES: [&str; 5] = [
            "adapter_config.json",
            "adapter_model.safetensors",
            "recipe.toml",
            "metrics.jsonl",
            "report.html",
        ];
        for entry in fs_err::read_dir(&self.path).map_err(self.io(&self.path))? {
            let entry = entry.map_err(self.io(&self.path))?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if ["state", "best", residual::FOLDER].contains(&name.as_ref()) {
                fs_err::remove_dir_all(&path).map_err(self.io(&path))?;
            } else if FILES.contains(&name.as_ref()) || name.starts_with("events.out.tfevents.") {
                fs_err::remove_file(&path).map_err(self.io(&path))?;
            }
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(write_file_atomically(&self.path.join(name), bytes)?)
    }

    /// The state of the last saved moment.
    pub fn state(&self) -> Result<State> {
        Ok(State::read(&self.path.join("state"))?)
    }

    pub fn has_state(&self) -> bool {
        self.path.join("state/state.json").is_file()
    }

    pub fn write_state(&self, state: &State) -> Result<()> {
        let folder = OutputFolder::create(&self.path.join("state"), Existing::Replace)?;
        state.write(&folder)?;
        Ok(folder.finish()?)
    }

    /// The adapter as `best/`.
    pub fn write_best(&self, adapter: &Adapter) -> Result<()> {
        let folder = OutputFolder::create(&self.path.join("best"), Existing::Replace)?;
        adapter.write(&folder)?;
        Ok(folder.finish()?)
    }

    /// The adapter at the top: both files are complete before either takes its place.
    pub fn write_adapter(&self, adapter: &Adapter) -> Result<()> {
        let staging = self.path.join("adapter.partial");
        let folder = OutputFolder::create(&staging, Existing::Replace)?;
        adapter.write(&folder)?;
        folder.finish()?;
        for name in ["adapter_model.safetensors", "adapter_config.json"] {
            let (from, to) = (staging.join(name), self.path.join(name));
            fs_err::rename(&from, &to).map_err(self.io(&to))?;
        }
        fs_err::remove_dir_all(&staging).map_err(self.io(&staging))
    }

    fn io(&self, path: &Path) -> impl Fn(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { path: path.clone(), source }
    }
}
