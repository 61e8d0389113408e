//! Labelled images as rows of numbers, and the classes of them that an experiment wants.

use crate::{Error, Result};
use rankine_data::images::idx;
use rankine_random::Rng;
use rankine_solve::Mat;
use rankine_tensor::Tensor;
use std::{path::Path, sync::Arc};

/// Labelled images.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Pixels, image by image; [images, pixels].
    pub pixels: Vec<f32>,
    /// Pixels of one image.
    pub width: usize,
    /// Class of every image; [images].
    pub labels: Vec<u32>,
}

/// Mean and standard deviation of Fashion-MNIST's training pixels, on the scale from 0 to 1.
const FASHION: (f32, f32) = (0.2860, 0.3530);

impl Images {
    /// Fashion-MNIST's `train` or `t10k` part, pixels standardised.
    ///
    /// # Errors
    /// [`Error::Missing`] with the way to get it; [`Error::Sizes`] and the errors of [`idx::read`] for damaged files.
    pub fn fashion_mnist(folder: &Path, part: &str) -> Result<Self> {
        let open = |name: &str| -> Result<_> {
            let path = folder.join(name);
            let plain = path.with_extension("");
            let found = [&path, &plain].into_iter().find(|path| path.is_file()).cloned();
            let remedy = "`apt-get install dataset-fashion-mnist`, or name the folder with its four files";
            let path = found.ok_or(Error::Missing { what: "Fashion-MNIST", path, remedy })?;
            Ok((idx::read(&path)?, path))
        };
        let (images, images_path) = open(&format!("{part}-images-idx3-ubyte.gz"))?;
        let (labels, labels_path) = open(&format!("{part}-labels-idx1-ubyte.gz"))?;
        let &[count, 28, 28] = images.sizes.as_slice() else {
            let expected = "images of 28 by 28 pixels were expected".to_owned();
            return Err(Error::Sizes { path: images_path, expected, found: images.sizes });
        };
        if labels.sizes != [count] {
            let expected = format!("{count} labels were expected");
            return Err(Error::Sizes { path: labels_path, expected, found: labels.sizes });
        }
        let pixels = images.values.iter().map(|&byte| standardised(f32::from(byte) / 255.0)).collect();
        Ok(Self { pixels, width: 28 * 28, labels: labels.values.into_iter().map(u32::from).collect() })
    }

    /// The same images after a change of each, which sees its pixels from 0 to 1; what it puts outside is cut off.
    pub(crate) fn changed(&self, mut change: impl FnMut(&mut [f32])) -> Self {
        let (mean, deviation) = FASHION;
        let mut images = self.clone();
        for image in images.pixels.chunks_exact_mut(images.width) {
            image.iter_mut().for_each(|pixel| *pixel = *pixel * deviation + mean);
            change(image);
            image.iter_mut().for_each(|pixel| *pixel = standardised(pixel.clamp(0.0, 1.0)));
        }
        images
    }

    /// The images of some classes, which are numbered anew by their places in `classes`.
    ///
    /// # Errors
    /// [`Error::NoImages`] when there is none.
    pub fn of_classes(&self, classes: &[u8]) -> Result<Self> {
        let place = |label: u32| classes.iter().position(|&class| u32::from(class) == label);
        let mut chosen = Self { pixels: Vec::new(), width: self.width, labels: Vec::new() };
        for (row, &label) in self.pixels.chunks_exact(self.width).zip(&self.labels) {
            if let Some(place) = place(label) {
                chosen.pixels.extend_from_slice(row);
                chosen.labels.push(place as u32);
            }
        }
        if chosen.labels.is_empty() {
            return Err(Error::NoImages { classes: classes.to_vec() });
        }
        Ok(chosen)
    }

    /// The first `count` images of each class, in the order in which they stand.
    pub fn of_each_class(&self, count: usize) -> Self {
        let mut found = vec![0; self.labels.iter().max().map_or(0, |&label| label as usize + 1)];
        let mut chosen = Self { pixels: Vec::new(), width: self.width, labels: Vec::new() };
        for (row, &label) in self.pixels.chunks_exact(self.width).zip(&self.labels) {
            if found[label as usize] < count {
                found[label as usize] += 1;
                chosen.pixels.extend_from_slice(row);
                chosen.labels.push(label);
            }
        }
        chosen
    }

    /// The images at `rows`, with their classes; [rows, pixels].
    ///
    /// # Errors
    /// None where the rows exist.
    pub fn batch(&self, rows: &[usize]) -> Result<(Tensor, Arc<[u32]>)> {
        let row = |&row: &usize| &self.pixels[row * self.width..(row + 1) * self.width];
        let images: Vec<&[f32]> = rows.iter().map(row).collect();
        let x = Tensor::new(images.concat(), &[rows.len(), self.width])?;
        Ok((x, rows.iter().map(|&row| self.labels[row]).collect()))
    }

    /// Pixels of the images at `rows`; [rows, pixels].
    pub(crate) fn matrix(&self, rows: &[usize]) -> Mat<f64> {
        let pixel = |i: usize, j: usize| f64::from(self.pixels[rows[i] * self.width + j]);
        Mat::from_fn(rows.len(), self.width, pixel)
    }

    /// Rows of step after step: every epoch in an order of its own, without the last incomplete batch.
    pub fn steps(&self, size: usize, rng: &Rng) -> impl Iterator<Item = Vec<usize>> {
        let (images, rng) = (self.labels.len(), rng.clone());
        let size = size.clamp(1, images.max(1));
        (0..).flat_map(move |epoch| {
            let mut order: Vec<usize> = (0..images).collect();
            rng.fork_index("epoch", epoch).shuffle(&mut order);
            order.chunks_exact(size).map(<[usize]>::to_vec).collect::<Vec<_>>()
        })
    }
}

/// A pixel from 0 to 1 as networks see it.
pub(crate) fn standardised(pixel: f32) -> f32 {
    let (mean, deviation) = FASHION;
    (pixel - mean) / deviation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_sees_pixels_from_0_to_1() {
        let pixels = [0.0, 0.25, 1.0].map(standardised).to_vec();
        let images = Images { pixels, width: 3, labels: vec![0] };
        let mut seen = Vec::new();
        let changed = images.changed(|image| {
            seen = image.to_vec();
            image.iter_mut().for_each(|pixel| *pixel += 0.5);
        });
        assert!(seen.iter().zip([0.0, 0.25, 1.0]).all(|(x, y)| (x - y).abs() < 1e-6), "{seen:?}");
        let expected = [0.5, 0.75, 1.0].map(standardised);
        assert!(changed.pixels.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5));
    }

    #[test]
    fn classes_are_chosen_and_numbered_anew() {
        let images =
            Images { pixels: (0..8).map(|x| x as f32).collect(), width: 2, labels: vec![3, 1, 0, 3] };
        let chosen = images.of_classes(&[1, 3]).unwrap();
        assert_eq!((chosen.labels, chosen.pixels), (vec![1, 0, 1], vec![0.0, 1.0, 2.0, 3.0, 6.0, 7.0]));
        assert!(matches!(images.of_classes(&[9]), Err(Error::NoImages { .. })));
    }

    #[test]
    fn each_class_gives_its_first_images() {
        let pixels = (0..6).map(|x| x as f32).collect();
        let images = Images { pixels, width: 1, labels: vec![2, 0, 2, 2, 0, 1] };
        let chosen = images.of_each_class(2);
        assert_eq!((chosen.labels, chosen.pixels), (vec![2, 0, 2, 0, 1], vec![0.0, 1.0, 2.0, 4.0, 5.0]));
    }

    #[test]
    fn an_epoch_sees_every_image_once() {
        let images = Images { pixels: vec![0.0; 7], width: 1, labels: vec![0; 7] };
        let epochs: Vec<Vec<usize>> = images.steps(3, &Rng::new(1)).take(4).collect();
        let mut first: Vec<usize> = epochs[..2].concat();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 6);
        assert_ne!(epochs[..2], epochs[2..]);
    }

    #[test]
    fn an_absent_data_set_says_how_to_get_it() {
        let error = Images::fashion_mnist(Path::new("nowhere"), "train").unwrap_err();
        assert!(error.to_string().contains("train-images-idx3-ubyte.gz"), "{error}");
        assert!(error.hint().unwrap().contains("apt-get install dataset-fashion-mnist"));
    }
}
