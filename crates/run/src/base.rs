//! The base of adapters that are checked or remade: no model is loaded, only its files are opened.

use crate::{Result, classify, images};
use rankine_checkpoint::{Adapter, Checkpoint, ImageCheckpoint, Tensors};
use std::path::Path;

/// A model with adapters.
#[derive(Debug)]
pub enum AdapterBase {
    /// One that reads texts.
    Texts(Box<Checkpoint>),
    /// One that sees images.
    Images(Box<ImageCheckpoint>),
}

impl AdapterBase {
    /// Opens a model of any kind that adapters are made for.
    ///
    /// # Errors
    /// When there is none, or a file is at fault.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(match ImageCheckpoint::open(path)? {
            Some(base) => Self::Images(Box::new(base)),
            None => Self::Texts(Box::new(Checkpoint::open(path)?)),
        })
    }

    /// Gives a classifier the head that the adapter in `folder` brings: room for what the base lacks of it, and the names of
    /// its classes.
    ///
    /// # Errors
    /// When the names cannot be read.
    pub fn fit_head(&mut self, adapter: &Adapter, folder: &Path) -> Result<()> {
        match self {
            Self::Texts(base) => classify::fit_head(base, adapter, folder),
            Self::Images(base) => images::fit_head(base, adapter, folder),
        }
    }

    /// All tensors, by the names of the files.
    pub fn tensors(&self) -> &dyn Tensors {
        match self {
            Self::Texts(base) => base.tensors(),
            Self::Images(base) => base.tensors(),
        }
    }
}
