//! The data and the head of an image classifier's run.
//!
//! The head of the model stays where the data's classes fit it: all are among its own by their names, or there are as many and
//! one side knows them by numbers only. Else a new one is drawn from the run's seed, for the classes of the data. The head, old
//! or new, is trained whole beside what the method takes over.
//!
//! Images are made to what the model looks at: as its `preprocessor_config.json` says, else to the size of a vision transformer
//! and standardised by 0.5, as ImageNet for MobileNetV2, to a size that a plain chain of layers takes where that is known, and left as
//! they are for a small ResNet.

mod loaded;

pub use loaded::{LoadedImages, load_images, open_image_adapter};
pub(crate) use loaded::{examples, fit_head};

use crate::{
    Error, Recipe, Result, TargetSection, TaskName,
    classes::named,
    page::Described,
    run::{Job, Notice, Watch, batched, hex},
};
use rankine_checkpoint::{ImageCheckpoint, Network, config::Sides};
use rankine_data::{
    Labelled as _,
    images::{ImageSummary, LabelledImage, LabelledImages, Preparation, Resize},
    split_stratified,
};
use rankine_nn::models::new_image_head;
use rankine_random::Rng;
use rankine_report::Cell;
use rankine_train::ClassifyImages;
use sha2::{Digest as _, Sha256};

/// Reads and splits the images of a recipe, and gives the model a head for their classes where its own is for others.
pub(crate) fn job<'a>(
    recipe: &'a Recipe,
    checkpoint: &mut ImageCheckpoint,
    watch: Watch<'_>,
) -> Result<Job<'a, ClassifyImages>> {
    refuse(recipe)?;
    let section = &recipe.data;
    let mut images = LabelledImages::read(&section.path, &preparation(checkpoint)?)?;
    let kept = checkpoint.head_classes().and_then(|head| named(checkpoint.classes(), head, &images.classes));
    let names = match kept {
        Some(names) => {
            images.name_classes(&names, &section.path)?;
            checkpoint.make_classifier(&names, Vec::new());
            names
        }
        None => {
            give_head(checkpoint, &images.classes, recipe.seed);
            images.classes.clone()
        }
    };
    let summary = images.summary(&section.path);
    let (train, validation) = split_stratified(images.samples(), section.share(), recipe.seed)?;
    let _ = watch(Notice::Images(&summary, train.len(), validation.len()));
    let whole = trained_whole(checkpoint, &recipe.targets.whole);
    Ok(Job {
        recipe,
        task: ClassifyImages { augmentation: section.augmentation },
        checksum: checksum(train.iter().chain(&validation)),
        batches: batched(recipe, train, validation)?,
        described: described(&summary),
        targets: TargetSection { whole, ..recipe.targets.clone() },
        classes: names,
    })
}

/// Gives a network a new head for these classes, drawn from the seed of a run.
pub(crate) fn give_head(checkpoint: &mut ImageCheckpoint, names: &[String], seed: u64) {
    let head = new_image_head(checkpoint, names.len(), &Rng::new(seed).fork("head"));
    checkpoint.make_classifier(names, head);
}

fn refuse(recipe: &Recipe) -> Result<()> {
    let setting = |key, expected, found: &str| Err(Error::Setting { key, expected, found: found.to_owned() });
    if recipe.task == Some(TaskName::Language) {
        return setting("task", "`classify` for a model of images", "language");
    }
    if recipe.distill.is_some() && !recipe.data.augmentation.is_off() {
        return setting(
            "data.augmentation",
            "left out with a teacher, who sees the images as they are",
            "set",
        );
    }
    Ok(())
}

/// The head, and the modules that the recipe names.
pub(crate) fn trained_whole(checkpoint: &ImageCheckpoint, named: &[String]) -> Vec<String> {
    let head = checkpoint.network().head();
    let others = named.iter().filter(|name| *name != head).cloned();
    std::iter::once(head.to_owned()).chain(others).collect()
}

fn preparation(checkpoint: &ImageCheckpoint) -> Result<Preparation> {
    let channels = Some(checkpoint.channels()).filter(|&channels| 0 < channels);
    let own = match (checkpoint.preprocessor()?, checkpoint.network()) {
        (Some((path, json)), _) => Preparation::from_json(&json, &path)?,
        (None, Network::Vit(sizes)) => {
            let (mean, deviation) = (vec![0.5], vec![0.5]);
            let resize = Resize::Exact(pixels([sizes.image_size; 2]));
            Preparation { resize, mean, deviation, ..Preparation::default() }
        }
        (None, Network::MobileNetV2) => Preparation::imagenet(),
        (None, Network::Chain(chain)) => {
            Preparation { resize: chain.sides.map_or(Resize::Not, within), ..Preparation::default() }
        }
        (None, Network::ResNet) => Preparation::default(),
    };
    Ok(Preparation { channels, ..own })
}

/// What fills the first matrix of a chain.
fn within(sides: Sides) -> Resize {
    Resize::Within { least: pixels(sides.least), most: pixels(sides.most) }
}

/// A height and width.
fn pixels(sides: [usize; 2]) -> [u32; 2] {
    sides.map(|side| u32::try_from(side).unwrap_or(u32::MAX))
}

/// SHA-256 over all images and their classes, those to learn from first.
fn checksum<'a>(samples: impl Iterator<Item = &'a LabelledImage>) -> String {
    let mut hash = Sha256::new();
    for sample in samples {
        sample.pixels().iter().for_each(|pixel| hash.update(pixel.to_le_bytes()));
        hash.update(sample.label().to_le_bytes());
    }
    hex(hash)
}

fn described(data: &ImageSummary) -> Described {
    let [channels, height, width] = data.sides;
    let classes = data.classes.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>();
    let facts = vec![
        ("images from", Cell::text(data.path.display().to_string())),
        ("images", Cell::Count(data.images as u64)),
        ("colours, height and width", Cell::text(format!("{channels} × {height} × {width}"))),
        ("classes", Cell::text(classes.join(", "))),
    ];
    Described { unit: "nats per image", facts }
}
