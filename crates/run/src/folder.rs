//! The files of a run, each written beside its place and renamed.

use crate::{Error, Recipe, Result, classify::CLASSES, kind::ModelFiles, residual, search, thin};
use rankine_checkpoint::{Adapter, Existing, OutputFolder, write_file_atomically};
use rankine_nn::Model;
use rankine_train::State;
use std::path::{Path, PathBuf};

/// The checksum of the examples, as tokens.
const DATA: &str = "data.sha256";

/// Name of the folder with the last saved moment of the training.
const STATE: &str = "state";

/// The same of the search before it; there until the training has one.
const SEARCH: &str = "search";

/// Name of the folder with the adapter of the lowest held-out loss.
pub(crate) const BEST: &str = "best";

/// Whether a folder holds a run that was begun.
pub fn is_run(folder: &Path) -> bool {
    folder.join(DATA).is_file()
}

/// How far the run in a folder is.
pub(crate) enum Reached {
    /// Nothing of it counts.
    Nothing,
    /// It was stopped in its search, or before the first saved moment behind it.
    Search(State),
    /// It has a saved moment of its training.
    Training(State),
}

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
            return Err(Error::Exists { path: path.to_owned(), resumable: folder.is_resumable() });
        }
        let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
        let there = path.ancestors().find(|place| place.exists() || place.as_os_str().is_empty());
        let there = there.filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Gone again when it is dropped: whether it can be made is found before a large model is loaded.
        tempfile::tempfile_in(there).map_err(unwritable)?;
        Ok(folder)
    }

    /// Makes it ready: what an earlier run left is removed unless it is gone on with, which must be with the same data.
    pub fn open(&self, recipe: &Recipe, data: &str, resume: bool) -> Result<()> {
        if !resume && self.is_occupied() {
            self.clear()?;
        }
        fs_err::create_dir_all(&self.path).map_err(self.io(&self.path))?;
        if resume && fs_err::read_to_string(self.path.join(DATA)).is_ok_and(|old| old != data) {
            return Err(Error::OtherData { path: self.path.clone() });
        }
        self.write(DATA, data.as_bytes())?;
        self.write("recipe.toml", recipe.to_toml()?.as_bytes())
    }

    fn is_occupied(&self) -> bool {
        fs_err::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_some())
    }

    fn check_resumable(&self, recipe: &Recipe) -> Result<()> {
        let file = self.path.join("recipe.toml");
        if !self.is_resumable() {
            return Err(Error::NoState { path: self.path.clone() });
        }
        let text = fs_err::read_to_string(&file).map_err(self.io(&file))?;
        match Recipe::parse(&text, &file)?.difference(recipe)? {
            Some(key) => Err(Error::OtherRecipe { path: self.path.clone(), key }),
            None => Ok(()),
        }
    }

    fn is_resumable(&self) -> bool {
        self.holds_state(STATE) || self.holds_state(SEARCH)
    }

    fn holds_state(&self, name: &str) -> bool {
        self.path.join(name).join("state.json").is_file()
    }

    /// Removes the files of an earlier run, and nothing else.
    fn clear(&self) -> Result<()> {
        const FILES: [&str; 8] = [
            DATA,
            CLASSES,
            search::FILE,
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
            if [STATE, SEARCH, BEST, thin::FOLDER, residual::FOLDER].contains(&name.as_ref()) {
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

    pub fn write_json(&self, name: &str, value: &serde_json::Value) -> Result<()> {
        self.write(name, format!("{value:#}\n").as_bytes())
    }

    /// What a run that is gone on with goes on from.
    pub fn reached(&self, resume: bool) -> Result<Reached> {
        let state = |name: &str| State::read(&self.path.join(name));
        Ok(match resume {
            false => Reached::Nothing,
            true if self.holds_state(STATE) => Reached::Training(state(STATE)?),
            true => Reached::Search(state(SEARCH)?),
        })
    }

    /// Training or search stopped; what was saved before stays.
    pub fn stopped(&self, source: rankine_train::Error) -> Error {
        Error::Stopped { source: Box::new(source), last_good: self.last_good() }
    }

    /// The last saved state, else the best adapter, which is there since the first evaluation, else the state of the search.
    fn last_good(&self) -> Option<PathBuf> {
        let places = [(STATE, "state.json"), (BEST, "adapter_config.json"), (SEARCH, "state.json")];
        let folders = places.map(|(folder, file)| (self.path.join(folder), file));
        folders.into_iter().find_map(|(folder, file)| folder.join(file).is_file().then_some(folder))
    }

    /// A moment of the training, which needs nothing of the search any more.
    pub fn write_state(&self, state: &State) -> Result<()> {
        self.write_folder(STATE, |folder| Ok(state.write(folder)?))?;
        let search = self.path.join(SEARCH);
        match search.is_dir() {
            true => fs_err::remove_dir_all(&search).map_err(self.io(&search)),
            false => Ok(()),
        }
    }

    /// A moment of the search.
    pub fn write_search(&self, state: &State) -> Result<()> {
        self.write_folder(SEARCH, |folder| Ok(state.write(folder)?))
    }

    /// The adapter as `best/`.
    pub fn write_best(&self, adapter: &Adapter) -> Result<()> {
        self.write_folder(BEST, |folder| Ok(adapter.write(folder)?))
    }

    /// The whole model as `thin/`, with two thin layers where a weight was factored.
    pub fn write_thin(&self, model: &dyn Model, original: &dyn ModelFiles) -> Result<()> {
        thin::write(model, original, &self.path.join(thin::FOLDER))
    }

    /// A folder that is there when it is complete.
    fn write_folder(&self, name: &str, write: impl FnOnce(&OutputFolder) -> Result<()>) -> Result<()> {
        let folder = OutputFolder::create(&self.path.join(name), Existing::Replace)?;
        write(&folder)?;
        Ok(folder.finish()?)
    }

    /// The adapter at the top: both files are complete before either takes its place.
    pub fn write_adapter(&self, adapter: &Adapter) -> Result<()> {
        const STAGING: &str = "adapter.partial";
        self.write_folder(STAGING, |folder| Ok(adapter.write(folder)?))?;
        let staging = self.path.join(STAGING);
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
