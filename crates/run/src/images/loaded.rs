//! Image classifiers with their adapters, and images as they see them.

use super::preparation;
use crate::{
    Error, Result,
    classes::named,
    classify::{brought_names, room},
    loading::{open_adapter, warning},
};
use rankine_checkpoint::{Adapter, ImageCheckpoint};
use rankine_data::images::{LabelledImage, LabelledImages, Preparation, Resize};
use rankine_nn::{
    ImageClassifier,
    models::{Storage, load_image_classifier},
};
use rankine_surgery::Merged;
use std::path::Path;

/// Height and width of images of no particular size, in pixels.
const SIDE: usize = 32;

/// An image classifier that is ready to run.
pub struct LoadedImages {
    /// The model; an adapter is already in its weights.
    pub model: Box<dyn ImageClassifier>,
    /// Names of its classes, in their order, where they are known.
    pub classes: Option<Vec<String>>,
    /// What is done to an image before the model sees it.
    pub preparation: Preparation,
    /// What the user should know about the adapter.
    pub warnings: Vec<String>,
}

/// Loads an opened image classifier, with an adapter applied in memory.
///
/// # Errors
/// When it has no head, the adapter does not fit it, or a file is at fault.
pub fn load_images(
    mut checkpoint: ImageCheckpoint,
    adapter: Option<&Path>,
    storage: Storage,
) -> Result<LoadedImages> {
    let mut warnings = Vec::new();
    let adapter = match adapter {
        Some(folder) => {
            let adapter = open_image_adapter(&mut checkpoint, folder)?;
            warnings.extend(warning(folder, &adapter));
            Some(adapter)
        }
        None => None,
    };
    if checkpoint.head_classes().is_none() {
        return Err(Error::NoHead { path: checkpoint.path().to_owned() });
    }
    let (network, tensors) = (checkpoint.network(), checkpoint.tensors());
    let model = match &adapter {
        Some(adapter) => load_image_classifier(network, &Merged::new(tensors, adapter)?, storage)?,
        None => load_image_classifier(network, tensors, storage)?,
    };
    let (classes, preparation) = (checkpoint.classes().map(<[String]>::to_vec), preparation(&checkpoint)?);
    Ok(LoadedImages { model, classes, preparation, warnings })
}

impl LoadedImages {
    /// Labelled images as the model sees them, counted by its classes.
    ///
    /// # Errors
    /// When they cannot be read, or are of other classes.
    pub fn read(&self, path: &Path) -> Result<LabelledImages> {
        read(path, &self.preparation, (self.classes.as_deref(), self.model.classes()))
    }

    /// Colours, height and width of an image as the model sees it; 32 by 32 pixels where it takes any.
    pub fn sides(&self) -> [usize; 3] {
        let Preparation { resize, cut, channels, .. } = &self.preparation;
        let [height, width] = match (cut, resize) {
            (Some(sides), _) | (None, Resize::Exact(sides) | Resize::Within { least: sides, .. }) => {
                sides.map(|side| side as usize)
            }
            _ => [SIDE; 2],
        };
        [channels.unwrap_or(3), height, width]
    }
}

/// Labelled images, counted by classes that are known by name or by their number.
fn read(
    path: &Path,
    preparation: &Preparation,
    (known, head): (Option<&[String]>, usize),
) -> Result<LabelledImages> {
    let mut images = LabelledImages::read(path, preparation)?;
    match (named(known, head, &images.classes), known) {
        (Some(names), _) => images.name_classes(&names, path)?,
        (None, Some(known)) => images.name_classes(known, path)?,
        (None, None) => {
            let (path, found) = (path.to_owned(), images.classes.len());
            return Err(Error::ImageClasses { path, found, head });
        }
    }
    Ok(images)
}

/// Labelled images as examples for a network, which has a head for their classes.
pub(crate) fn examples(checkpoint: &ImageCheckpoint, path: &Path) -> Result<Vec<LabelledImage>> {
    let Some(head) = checkpoint.head_classes() else {
        return Err(Error::NoHead { path: checkpoint.path().to_owned() });
    };
    Ok(read(path, &preparation(checkpoint)?, (checkpoint.classes(), head))?.samples())
}

/// The adapter in `folder` under the names of the model's files. The model gets the head that it brings: room for its tensors,
/// and the names of its classes, which a run keeps beside the adapter.
///
/// # Errors
/// When the adapter or the names cannot be read, or it does not fit the model.
pub fn open_image_adapter(checkpoint: &mut ImageCheckpoint, folder: &Path) -> Result<Adapter> {
    let adapter = open_adapter(checkpoint.path(), folder)?;
    fit_head(checkpoint, &adapter, folder)?;
    Ok(checkpoint.settle(adapter)?)
}

/// Gives the model the head that the adapter in `folder` brings: room for those of its tensors that are none of the model's,
/// and the names of its classes.
///
/// # Errors
/// When the names cannot be read.
pub(crate) fn fit_head(checkpoint: &mut ImageCheckpoint, adapter: &Adapter, folder: &Path) -> Result<()> {
    let head = checkpoint.network().head();
    let infos = checkpoint.tensors().infos();
    let is_there = |name: &str| match (infos.get(name), adapter.replaced.get(name)) {
        (Some(own), Some(brought)) => own.shape == brought.shape,
        _ => false,
    };
    let room = room(adapter, |name| {
        !is_there(name) && name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.'))
    });
    let own = checkpoint.classes().map(<[String]>::to_vec);
    if let Some(names) = brought_names(adapter, head, folder, own)? {
        checkpoint.make_classifier(&names, room);
    }
    Ok(())
}
