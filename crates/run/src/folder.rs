//! The files of a run, each written beside its place and renamed.

use crate::{Error, Recipe, Result, classify::CLASSES, residual, search};
use rankine_checkpoint::{Adapter, Existing, OutputFolder, write_file_atomically};
use rankine_method::thin;
use rankine_nn::Model;
use rankine_train::State;
use std::path::{Path, PathBuf};

/// The checksum of the examples, as tokens.
const DATA: &str = "data.sha256";

/// Name of the folder with the model as thin layers.
const THIN: &str = "thin";

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
            let resumable = folder.state_file().is_file();
            return Err(Error::Exists { path: path.to_owned(), resumable });
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
        if !self.state_file().is_file() {
            return Err(Error::NoState { path: self.path.clone() });
        }
        let text = fs_err::read_to_string(&file).map_err(self.io(&file))?;
        match Recipe::parse(&text, &file)?.difference(recipe)? {
            Some(key) => Err(Error::OtherRecipe { path: self.path.clone(), key }),
            None => Ok(()),
        }
    }

    fn state_file(&self) -> PathBuf {
        self.path.join("state/state.json")
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
            if ["state", "best", THIN, residual::FOLDER].contains(&name.as_ref()) {
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

    /// The last saved state, else the best adapter, which is there since the first evaluation.
    pub fn last_good(&self) -> Option<PathBuf> {
        let state = self.path.join("state");
        let best = self.path.join("best");
        [(state, "state.json"), (best, "adapter_config.json")]
            .into_iter()
            .find_map(|(folder, file)| folder.join(file).is_file().then_some(folder))
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

    /// The whole model as `thin/`, with two thin layers where a weight was factored.
    pub fn write_thin(&self, model: &dyn Model) -> Result<()> {
        let folder = OutputFolder::create(&self.path.join(THIN), Existing::Replace)?;
        thin::write(model, &folder)?;
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
