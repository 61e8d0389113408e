//! A model of any kind: of texts, of images, or weights without a configuration.

use crate::image::ImageCheckpoint;
use crate::{Checkpoint, Error, Result, Tensors, open_tensors};
use std::path::{Path, PathBuf};

/// A model that was opened without knowing of which kind it is.
pub enum Opened {
    /// A language model or an encoder.
    Texts(Box<Checkpoint>),
    /// An image classifier.
    Images(Box<ImageCheckpoint>),
    /// Named tensors of which nothing else is known.
    Bare(Bare),
}

/// Weights without a configuration: a file, or a folder of them.
pub struct Bare {
    path: PathBuf,
    tensors: Box<dyn Tensors>,
}

impl Bare {
    /// Tensors that lie in memory; messages call the place `path`.
    pub fn new(path: impl Into<PathBuf>, tensors: Box<dyn Tensors>) -> Self {
        Self { path: path.into(), tensors }
    }

    /// The file or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> &dyn Tensors {
        self.tensors.as_ref()
    }
}

impl Opened {
    /// Opens what lies at `path`: an image classifier where it is one, else a language model or an encoder, else, where there is
    /// no `config.json`, the tensors alone.
    ///
    /// # Errors
    /// Those of the readers; that of [`Checkpoint::open`] where there are no weights at all; [`Error::IsAdapter`] of an adapter.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(images) = ImageCheckpoint::open(path)? {
            return Ok(Self::Images(Box::new(images)));
        }
        match Checkpoint::open(path) {
            Ok(texts) => Ok(Self::Texts(Box::new(texts))),
            // Such a folder or file has weights perhaps, though it is no model.
            Err(error @ Error::NoModel { .. }) => match open_tensors(path) {
                Ok(tensors) => Ok(Self::Bare(Bare { path: path.to_owned(), tensors })),
                Err(_) if path.join("adapter_config.json").is_file() => {
                    Err(Error::IsAdapter { path: path.to_owned() })
                }
                Err(_) if path.is_dir() => Err(error),
                Err(other) => Err(other),
            },
            Err(error) => Err(error),
        }
    }

    /// The tensors alone, whatever a configuration says of them.
    ///
    /// # Errors
    /// Those of [`open_tensors`].
    pub fn bare(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::Bare(Bare { path: path.to_owned(), tensors: open_tensors(path)? }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_testkit::fixtures;

    #[test]
    fn every_kind_of_model_opens_as_what_it_is() {
        let open = |name: &str| Opened::open(fixtures::path(name)).unwrap();
        assert!(matches!(open("models/llama_tied"), Opened::Texts(_)));
        assert!(matches!(open("images/vit"), Opened::Images(_)));
        let folder = tempfile::TempDir::new().unwrap();
        let file = fixtures::path("models/llama_tied/model.safetensors");
        std::fs::copy(&file, folder.path().join("model.safetensors")).unwrap();
        for place in [folder.path().to_owned(), folder.path().join("model.safetensors")] {
            let opened = Opened::open(&place).unwrap();
            assert!(matches!(opened, Opened::Bare(_)));
            assert_eq!((opened.path(), opened.tensors().infos().is_empty()), (place.as_path(), false));
        }
    }

    #[test]
    fn adapters_are_told_from_folders_without_a_model() {
        let folder = tempfile::TempDir::new().unwrap();
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let error = Opened::open(folder.path()).err().unwrap();
        assert!(matches!(error, Error::IsAdapter { .. }), "{error}");
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("rankine adapter check") && hint.contains("rankine diff BASE --adapter"),
            "{hint}"
        );
    }

    /// Whoever only looks can pass over what a configuration says.
    #[test]
    fn packed_weights_open_bare() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut config = fixtures::json("models/llama_tied/config.json");
        config["quantization_config"] = serde_json::json!({ "quant_method": "fp8" });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let file = fixtures::path("float8/model.safetensors");
        std::fs::copy(&file, folder.path().join("model.safetensors")).unwrap();
        assert!(matches!(Opened::open(folder.path()), Err(Error::Config { .. })));
        let bare = Opened::bare(folder.path()).unwrap();
        assert_eq!((bare.path(), bare.tensors().infos().len()), (folder.path(), 8));
    }

    #[test]
    fn what_holds_no_weights_is_refused_as_no_model() {
        let empty = tempfile::TempDir::new().unwrap();
        let error = Opened::open(empty.path()).err().unwrap();
        assert!(matches!(error, Error::NoModel { .. }), "{error}");
        assert!(Opened::open(empty.path().join("nothing")).is_err());
    }
}
