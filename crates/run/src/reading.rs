//! A model and some data, by what the model reads: where everyone begins who runs a model on data without training it.
//!
//! | model | data |
//! | --- | --- |
//! | of images | a folder or file of images with their classes |
//! | of texts that it tells apart, or any other where a column of labels or of their texts is named | texts with labels |
//! | any other | texts to continue |

use crate::{
    DataSection, Error, Result,
    classify::{head_classes, tells_classes},
};
use rankine_checkpoint::{Checkpoint, ImageCheckpoint};
use std::path::Path;

/// The files of a model, by what it reads; [`Runnable::examples`](crate::kind::Runnable::examples) are of that kind.
pub(crate) enum Reading {
    /// Texts to continue.
    Language(Checkpoint),
    /// Texts with labels.
    Texts(Checkpoint),
    /// Images.
    Images(ImageCheckpoint),
}

impl Reading {
    /// The model at `model`, which is to read `data`.
    ///
    /// # Errors
    /// When there is no model.
    pub fn new(model: &Path, data: &DataSection) -> Result<Self> {
        if let Some(images) = ImageCheckpoint::open(model)? {
            return Ok(Self::Images(images));
        }
        let files = Checkpoint::open(model)?;
        Ok(match data.is_labelled() || tells_classes(&files)? {
            true => Self::Texts(files),
            false => Self::Language(files),
        })
    }

    /// The same of a model that has a head for its classes, where it reads labelled texts.
    ///
    /// # Errors
    /// [`Error::NoHead`] where it has none.
    pub fn with_head(model: &Path, data: &DataSection) -> Result<Self> {
        match Self::new(model, data)? {
            Self::Texts(files) if head_classes(&files)?.is_none() => {
                Err(Error::NoHead { path: model.to_owned() })
            }
            reading => Ok(reading),
        }
    }
}
