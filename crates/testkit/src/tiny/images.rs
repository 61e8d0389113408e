//! Images small enough to be learnt in a few steps: grey noise with a bright band, whose place tells the class.

use std::fs;
use std::path::{Path, PathBuf};

use rankine_random::Rng;

/// Writes `count` images of `side` × `side` pixels and their labels, class after class in turn, as two IDX files into `folder`;
/// the path of the images.
///
/// # Panics
/// When a file cannot be written.
pub fn idx_images(folder: &Path, count: usize, side: usize, classes: usize) -> PathBuf {
    let path = folder.join("train-images-idx3-ubyte");
    let pixels = (0..count).flat_map(|image| pixels(image, side, classes)).collect();
    write(&path, &[count, side, side], pixels);
    let labels = (0..count).map(|image| (image % classes) as u8).collect();
    write(&folder.join("train-labels-idx1-ubyte"), &[count], labels);
    path
}

fn pixels(image: usize, side: usize, classes: usize) -> Vec<u8> {
    let mut rng = Rng::new(7).fork_index("image", image);
    let pixel = |at: usize| {
        let bright = at % side * classes / side == image % classes;
        rng.below(80) as u8 + if bright { 150 } else { 0 }
    };
    (0..side * side).map(pixel).collect()
}

fn write(path: &Path, sizes: &[usize], values: Vec<u8>) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    bytes.extend(values);
    fs::write(path, bytes).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_where_the_class_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = idx_images(folder.path(), 5, 6, 3);
        let (images, labels) =
            (fs::read(path).unwrap(), fs::read(folder.path().join("train-labels-idx1-ubyte")).unwrap());
        assert_eq!((images.len(), &labels[8..]), (16 + 5 * 36, &[0, 1, 2, 0, 1][..]));
        for (row, &label) in images[16..].chunks(36).zip(&labels[8..]) {
            for (column, &pixel) in row[..6].iter().enumerate() {
                assert_eq!(150 <= pixel, column / 2 == usize::from(label));
            }
        }
    }
}
