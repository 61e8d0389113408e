//! Labelled images: two IDX files, or a folder with a folder of PNG and JPEG files for every class.

mod augment;
mod fault;
pub mod idx;
mod prepare;
mod preprocessor;
mod sample;

pub use augment::Augmentation;
pub use fault::Fault;
pub use prepare::{Half, Preparation, Resize};
pub use sample::{ImageBatch, ImageSummary, LabelledImage};

use crate::error::{Error, Result, io, names as listed};
use crate::labelled::class;
use image::{DynamicImage, GrayImage, ImageReader};
use prepare::Prepared;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Images that are decoded before their numbers are moved to the others.
const TOGETHER: usize = 1024;

/// Images of one size, with their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImages {
    /// Colours, height and width of an image.
    pub sides: [usize; 3],
    /// Every image; [images, colours, height, width].
    pub pixels: Vec<f32>,
    /// Class of every image; [images].
    pub labels: Vec<u32>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl LabelledImages {
    /// Images of a folder with a folder for every class, or of an IDX file with its labels beside it: `train-images-idx3-ubyte`
    /// has them in `train-labels-idx1-ubyte`.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder) and [`from_idx`](Self::from_idx); [`Fault::NoLabels`] where the file's name does
    /// not tell.
    pub fn read(path: &Path, preparation: &Preparation) -> Result<Self> {
        if path.is_dir() {
            return Self::from_folder(path, preparation);
        }
        let file = name(path);
        let labels = file.replacen("images", "labels", 1).replacen("idx3", "idx1", 1);
        match labels == file {
            true => {
                std::fs::metadata(path).map_err(io(path))?;
                Err(at(path, Fault::NoLabels))
            }
            false => Self::from_idx(path, &path.with_file_name(labels), preparation),
        }
    }

    /// Counts the classes as a network does that knows `names`: each is one of them, or the number of one. `path` is for
    /// messages.
    ///
    /// # Errors
    /// [`Fault::Unknown`] with the first class that has images and is none of them.
    pub fn name_classes(&mut self, names: &[String], path: &Path) -> Result<()> {
        let numbers: Vec<Option<u32>> = self.classes.iter().map(|own| class(own, names)).collect();
        for label in &mut self.labels {
            *label = numbers[*label as usize].ok_or_else(|| {
                let known = listed(names.iter().map(String::as_str));
                at(path, Fault::Unknown { class: self.classes[*label as usize].clone(), known })
            })?;
        }
        self.classes = names.to_vec();
        Ok(())
    }

    /// Grey images and their labels from two IDX files, as those of MNIST; classes are called by their numbers.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Images`]: damaged files, files that do not belong together, labels that are all the same.
    pub fn from_idx(images: &Path, labels: &Path, preparation: &Preparation) -> Result<Self> {
        let (pixels, classes) = (idx::read(images)?, idx::read(labels)?);
        let sizes = |path: &Path, expected: &str, found: &[usize]| {
            let (expected, found) = (expected.to_owned(), found.to_vec());
            at(path, Fault::Sizes { expected, found })
        };
        let &[count, height, width] = pixels.sizes.as_slice() else {
            return Err(sizes(images, "images, height and width", &pixels.sizes));
        };
        if height * width == 0 {
            return Err(sizes(images, "images with pixels", &pixels.sizes));
        }
        if classes.sizes != [count] {
            return Err(sizes(labels, &format!("{count} labels"), &classes.sizes));
        }
        let grey = |image: &&[u8]| {
            let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
            let image = GrayImage::from_raw(side(width), side(height), image.to_vec()).unwrap_or_default();
            preparation.apply(DynamicImage::ImageLuma8(image)).map_err(|fault| at(images, fault))
        };
        let all: Vec<&[u8]> = pixels.values.chunks_exact(height * width).collect();
        let (sides, pixels) = collected(&all, grey, |_, fault| at(images, fault))?;
        let count = classes.values.iter().max().map_or(0, |&last| u32::from(last) + 1);
        let names = (0..count).map(|class| class.to_string()).collect();
        let labels_of = classes.values.into_iter().map(u32::from).collect();
        Self { sides, pixels, labels: labels_of, classes: names }.several(labels)
    }

    /// Images of a folder that has a folder for every class; classes are in the order of their names.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Images`]: no classes or only one, a class without images, a file that is no image, images
    /// of different sizes or colours.
    pub fn from_folder(folder: &Path, preparation: &Preparation) -> Result<Self> {
        let folders = sorted(folder, Path::is_dir)?;
        if folders.is_empty() {
            return Err(at(folder, Fault::NoClass));
        }
        let (mut files, mut labels) = (Vec::new(), Vec::new());
        for (class, folder) in (0..).zip(&folders) {
            let found = sorted(folder, is_image)?;
            if found.is_empty() {
                return Err(at(folder, Fault::NoImages));
            }
            labels.extend(vec![class; found.len()]);
            files.extend(found);
        }
        let read = |path: &PathBuf| preparation.apply(open(path)?).map_err(|fault| at(path, fault));
        let (sides, pixels) = collected(&files, read, |path, fault| at(path, fault))?;
        let classes = folders.iter().map(|folder| name(folder)).collect();
        Self { sides, pixels, labels, classes }.several(folder)
    }

    /// The images at `rows`, which must exist, one after the other, and their classes.
    pub fn batch(&self, rows: &[usize]) -> (Vec<f32>, Vec<u32>) {
        let size: usize = self.sides.iter().product();
        let pixels = rows.iter().flat_map(|&row| &self.pixels[row * size..(row + 1) * size]);
        (pixels.copied().collect(), rows.iter().map(|&row| self.labels[row]).collect())
    }

    /// An error when all images are of one class; `path` is for messages.
    fn several(self, path: &Path) -> Result<Self> {
        match self.labels.first() {
            None => Err(at(path, Fault::NoImages)),
            Some(first) if self.labels.iter().all(|label| label == first) => {
                let class = self.classes[*first as usize].clone();
                Err(at(path, Fault::OneClass { class }))
            }
            Some(_) => Ok(self),
        }
    }
}

fn at(path: &Path, fault: Fault) -> Error {
    Error::Images { path: path.to_owned(), fault }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    path.is_file() && ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// What fits in a folder, by name; hidden entries do not.
fn sorted(folder: &Path, fits: fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if fits(&path) && !name(&path).starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn open(path: &Path) -> Result<DynamicImage> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(io(path))?;
    let unreadable = |error: image::ImageError| {
        at(path, Fault::Unreadable { reason: error.to_string().trim_end().to_owned() })
    };
    reader.decode().map_err(unreadable)
}

/// The sides that all images share, and their numbers in order.
fn collected<T: Sync>(
    items: &[T],
    prepare: impl Fn(&T) -> Result<Prepared> + Sync,
    named: impl Fn(&T, Fault) -> Error,
) -> Result<([usize; 3], Vec<f32>)> {
    let (mut sides, mut pixels) = (None, Vec::new());
    for part in items.chunks(TOGETHER) {
        let prepared: Vec<Result<Prepared>> = part.par_iter().map(&prepare).collect();
        for (item, image) in part.iter().zip(prepared) {
            let image = image?;
            let first = *sides.get_or_insert(image.sides);
            alike(first, image.sides).map_err(|fault| named(item, fault))?;
            pixels.extend(image.pixels);
        }
    }
    Ok((sides.unwrap_or_default(), pixels))
}

fn alike(expected: [usize; 3], found: [usize; 3]) -> Result<(), Fault> {
    let ([channels, height, width], [own, own_height, own_width]) = (expected, found);
    if channels != own {
        return Err(Fault::Channels { expected: channels, found: own });
    }
    if [height, width] != [own_height, own_width] {
        return Err(Fault::Unequal { expected: [height, width], found: [own_height, own_width] });
    }
    Ok(())
}
