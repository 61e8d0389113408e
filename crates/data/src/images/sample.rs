//! Images one by one, and batches of them.

use super::LabelledImages;
use crate::batch::Sample;
use crate::split::Labelled;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One image of a set.
#[derive(Clone, Debug)]
pub struct LabelledImage {
    images: Arc<LabelledImages>,
    row: usize,
}

/// What a network sees at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageBatch {
    /// Every image; [images, colours, height, width].
    pub pixels: Vec<f32>,
    /// Colours, height and width of an image.
    pub sides: [usize; 3],
    /// The class of each image; [images].
    pub labels: Vec<u32>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageSummary {
    /// The file or folder.
    pub path: PathBuf,
    /// Images in all.
    pub images: usize,
    /// Colours, height and width of an image.
    pub sides: [usize; 3],
    /// Every class, and how many images it has.
    pub classes: Vec<(String, usize)>,
}

impl LabelledImages {
    /// The images one by one; no number is copied.
    pub fn samples(self) -> Vec<LabelledImage> {
        let images = Arc::new(self);
        (0..images.labels.len()).map(|row| LabelledImage { images: images.clone(), row }).collect()
    }

    /// What was read; `path` is where from.
    pub fn summary(&self, path: &Path) -> ImageSummary {
        let mut classes: Vec<(String, usize)> = self.classes.iter().map(|name| (name.clone(), 0)).collect();
        for &label in &self.labels {
            classes[label as usize].1 += 1;
        }
        ImageSummary { path: path.to_owned(), images: self.labels.len(), sides: self.sides, classes }
    }
}

impl LabelledImage {
    /// Its numbers; [colours, height, width].
    pub fn pixels(&self) -> &[f32] {
        let size: usize = self.images.sides.iter().product();
        &self.images.pixels[self.row * size..(self.row + 1) * size]
    }

    /// Its number in the set, from 0.
    pub fn row(&self) -> usize {
        self.row
    }
}

impl Labelled for LabelledImage {
    fn label(&self) -> u32 {
        self.images.labels[self.row]
    }
}

impl Sample for LabelledImage {
    type Batch = ImageBatch;

    /// One: images are counted.
    fn length(&self) -> usize {
        1
    }

    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> ImageBatch {
        let mut batch = ImageBatch::default();
        for sample in samples {
            batch.sides = sample.images.sides;
            batch.pixels.extend(sample.pixels());
            batch.labels.push(sample.label());
        }
        batch
    }
}
