//! A model of any kind: of texts, of images, or weights without a configuration.

use crate::image::ImageCheckpoint;
use crate::{Checkpoint, Dtype, Error, Result, Tensors, checkpoint, config, gguf, mapping, open_tensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.json";

/// Small files that models of other kinds have beside their weights, besides those of [`Checkpoint`].
const COMPANIONS: [&str; 5] = [
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
];

/// A model that was opened without knowing of which kind it is.
pub enum Opened {
    /// A language model or an encoder.
    Texts(Box<Checkpoint>),
    /// An image classifier.
    Images(Box<ImageCheckpoint>),
    /// Named tensors of which nothing else is known.
    Bare(Bare),
}

/// Weights without a configuration, or with one of a kind that is not known here: a file, or a folder of them.
pub struct Bare {
    path: PathBuf,
    tensors: Box<dyn Tensors>,
    foreign: Option<Foreign>,
}

/// A configuration that is not known here.
struct Foreign {
    /// What of it.
    why: String,
    /// `config.json`; null of a GGUF file.
    config: Value,
}

impl Bare {
    /// Tensors that lie in memory; messages call the place `path`.
    pub fn new(path: impl Into<PathBuf>, tensors: Box<dyn Tensors>) -> Self {
        Self { path: path.into(), tensors, foreign: None }
    }

    fn open(path: &Path, foreign: Option<Foreign>) -> Result<Self> {
        Ok(Self { path: path.to_owned(), tensors: open_tensors(path)?, foreign })
    }

    /// The file or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> &dyn Tensors {
        self.tensors.as_ref()
    }

    /// What a configuration calls the architecture, which is not known here.
    pub fn architecture(&self) -> Option<&str> {
        self.foreign.as_ref()?.config["model_type"].as_str()
    }

    /// An error where a configuration says that the weights are of something that is not known here: no plain chain of layers then,
    /// though their shapes may be those of one.
    ///
    /// # Errors
    /// [`Error::Foreign`].
    pub fn check_plain(&self) -> Result<()> {
        match &self.foreign {
            Some(Foreign { why, .. }) => Err(Error::Foreign { path: self.path.clone(), why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Small files beside the weights that a copy should have too where a configuration says what it is, besides those that
    /// [`describe`](Self::describe) gives.
    pub fn companions(&self) -> Vec<PathBuf> {
        if self.foreign.is_none() {
            return Vec::new();
        }
        let names = checkpoint::COMPANIONS.iter().chain(&COMPANIONS);
        names.map(|name| self.path.join(name)).filter(|path| path.is_file()).collect()
    }

    /// Name and content of the file that says what a copy is, whose weights are stored as `dtype`: as it was.
    pub fn describe(&self, dtype: Option<Dtype>) -> Vec<(&'static str, Value)> {
        let Some(Foreign { config: Value::Object(config), .. }) = &self.foreign else { return Vec::new() };
        let says_dtype = ["dtype", "torch_dtype"].into_iter().any(|key| config.contains_key(key));
        let mut config = Value::Object(config.clone());
        if says_dtype {
            config::set_dtype(&mut config, dtype);
        }
        vec![(CONFIG, config)]
    }
}

impl Opened {
    /// Opens what lies at `path`: an image classifier where it is one, else a language model or an encoder, else, where there is
    /// no `config.json` or one that describes what is not known here, the tensors alone.
    ///
    /// # Errors
    /// Those of the readers; that of [`Checkpoint::open`] where there are no weights at all; [`Error::IsAdapter`] of an adapter.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let error = match Self::known(path) {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if let Some(why) = foreign(&error) {
            let config = mapping::read_json_if_there(&path.join(CONFIG))?.unwrap_or_default();
            return Bare::open(path, Some(Foreign { why, config })).map(Self::Bare).map_err(|_| error);
        }
        // Such a folder or file has weights perhaps, though it is no model.
        if !matches!(error, Error::NoModel { .. } | Error::Undescribed { .. }) {
            return Err(error);
        }
        match Bare::open(path, None) {
            Ok(bare) => Ok(Self::Bare(bare)),
            Err(_) if path.join("adapter_config.json").is_file() => {
                Err(Error::IsAdapter { path: path.to_owned() })
            }
            Err(_) if path.is_dir() && matches!(error, Error::NoModel { .. }) => Err(error),
            Err(other) => Err(other),
        }
    }

    fn known(path: &Path) -> Result<Self> {
        Ok(match ImageCheckpoint::open(path)? {
            Some(images) => Self::Images(Box::new(images)),
            None => Self::Texts(Box::new(Checkpoint::open(path)?)),
        })
    }

    /// What those should know who take a model for its tensors alone although a configuration stands beside them.
    pub fn note(&self) -> Option<String> {
        let Self::Bare(Bare { path, foreign: Some(Foreign { why, .. }), .. }) = self else { return None };
        Some(format!(
            "note: `{}`: {why}; its tensors are taken as they are, under the names of the file, and nothing is computed with them: \
             which is the head, which are tied and what a token costs is not told",
            path.display()
        ))
    }

    /// The tensors alone, whatever a configuration says of them.
    ///
    /// # Errors
    /// Those of [`open_tensors`].
    pub fn bare(path: impl AsRef<Path>) -> Result<Self> {
        Bare::open(path.as_ref(), None).map(Self::Bare)
    }

    /// All tensors.
    pub fn tensors(&self) -> &dyn Tensors {
        match self {
            Self::Texts(model) => model.tensors(),
            Self::Images(model) => model.tensors(),
            Self::Bare(bare) => bare.tensors(),
        }
    }

    /// The folder or the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Texts(model) => model.path(),
            Self::Images(model) => model.path(),
            Self::Bare(bare) => bare.path(),
        }
    }
}

/// What a file describes that is not known here, where that is all that is wrong with it.
fn foreign(error: &Error) -> Option<String> {
    match error {
        Error::Config { fault, .. } if fault.is_foreign() => Some(fault.to_string()),
        Error::Gguf {
            fault: fault @ (gguf::Fault::Architecture { .. } | gguf::Fault::Feature { .. }),
            ..
        } => Some(fault.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
