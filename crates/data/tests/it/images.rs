//! Labelled images.

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use rankine_data::images::{Fault, Half, LabelledImages, Preparation, Resize};
use rankine_data::{Error, Labelled as _, Result, Sample as _, Share, split_stratified};
use std::path::Path;
use tempfile::TempDir;

/// A grey image that is brighter to the right.
fn grey(width: u32, height: u32) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, _| Luma([(x * 20) as u8])).into()
}

fn red(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_pixel(width, height, Rgb([255, 0, 51])).into()
}

fn folder(files: &[(&str, DynamicImage)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, image) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }
    folder
}

fn read(folder: &TempDir, preparation: &Preparation) -> Result<LabelledImages> {
    LabelledImages::from_folder(folder.path(), preparation)
}

fn fault(result: Result<LabelledImages>) -> Fault {
    match result {
        Err(Error::Images { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let sizes_in_bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, 8, sizes.len() as u8], &sizes_in_bytes[..], values].concat()
}

fn from_idx(images: &[u8], labels: &[u8]) -> Result<LabelledImages> {
    let folder = TempDir::new().unwrap();
    let [images_path, labels_path] = ["images", "labels"].map(|name| folder.path().join(name));
    std::fs::write(&images_path, images).unwrap();
    std::fs::write(&labels_path, labels).unwrap();
    LabelledImages::from_idx(&images_path, &labels_path, &Preparation::default())
}

#[test]
fn a_folder_gives_its_classes_by_name() {
    let folder = folder(&[
        ("dog/2.png", grey(3, 2)),
        ("cat/1.png", grey(3, 2)),
        ("dog/10.PNG", grey(3, 2)),
        (".cache/0.png", red(9, 9)),
    ]);
    std::fs::write(folder.path().join("dog/notes.txt"), "x").unwrap();
    let read = read(&folder, &Preparation::default()).unwrap();
    assert_eq!(
        (read.classes, read.labels, read.sides),
        (vec!["cat".into(), "dog".into()], vec![0, 1, 1], [1, 2, 3])
    );
    let row = [0.0, 20.0 / 255.0, 40.0 / 255.0];
    assert_eq!(read.pixels, [row; 6].concat());
}

#[test]
fn colours_lie_one_behind_the_other_and_are_standardised() {
    let folder = folder(&[("a/1.png", red(2, 1)), ("b/1.png", red(2, 1))]);
    let preparation =
        Preparation { mean: vec![0.5, 0.0, 0.1], deviation: vec![0.5, 1.0, 0.1], ..Preparation::default() };
    let read = read(&folder, &preparation).unwrap();
    let (pixels, labels) = read.batch(&[1]);
    assert_eq!((read.sides, labels), ([3, 1, 2], vec![1]));
    for (found, expected) in pixels.iter().zip([1.0, 1.0, 0.0, 0.0, 1.0, 1.0]) {
        assert!((found - expected).abs() < 1e-5, "{pixels:?}");
    }
}

#[test]
fn images_of_all_sizes_and_formats_become_alike() {
    let folder = folder(&[("a/1.jpg", red(60, 41)), ("a/2.png", red(8, 20)), ("b/1.jpeg", red(33, 33))]);
    let preparation =
        Preparation { resize: Resize::Shorter(16), cut: Some([14, 12]), ..Preparation::default() };
    let read = read(&folder, &preparation).unwrap();
    assert_eq!((read.sides, read.labels.len()), ([3, 14, 12], 3));
    for image in read.pixels.chunks(3 * 14 * 12) {
        for (plane, expected) in image.chunks(14 * 12).zip([1.0, 0.0, 0.2]) {
            assert!(plane.iter().all(|x| (x - expected).abs() < 0.02), "{expected}");
        }
    }
}

#[test]
fn the_middle_is_cut_out_of_a_smaller_image() {
    let folder = folder(&[("a/1.png", grey(12, 6)), ("b/1.png", grey(12, 6))]);
    let preparation = Preparation { resize: Resize::Shorter(3), cut: Some([1, 2]), ..Preparation::default() };
    let read = read(&folder, &preparation).unwrap();
    // Halved, column j is the mean around 2j + 0.5, which is where the image has it; of 6 columns the middle ones are 2 and 3.
    let expected = [4.5, 6.5].map(|x| x * 20.0 / 255.0);
    for (found, expected) in read.pixels.iter().zip(expected) {
        assert!((found - expected).abs() < 0.01, "{:?}", read.pixels);
    }
}

#[test]
fn a_cut_at_half_a_pixel_goes_where_its_users_put_it() {
    // 7 columns of which 4 are cut out: 1.5 are left at either side.
    let folder = folder(&[("a/1.png", grey(7, 1)), ("b/1.png", grey(7, 1))]);
    for (half, first) in [(Half::Down, 1.0), (Half::Even, 2.0)] {
        let read = read(&folder, &Preparation { cut: Some([1, 4]), half, ..Preparation::default() }).unwrap();
        assert!((read.pixels[0] - first * 20.0 / 255.0).abs() < 1e-6, "{half:?}: {:?}", read.pixels);
    }
    assert_eq!(Preparation::imagenet().half, Half::Even);
}

#[test]
fn colours_become_grey_as_pillow_has_it() {
    let pixels = [([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([12, 200, 99], 132)];
    for (colours, expected) in pixels {
        let image: DynamicImage = RgbImage::from_pixel(2, 2, Rgb(colours)).into();
        let folder = folder(&[("a/1.png", image.clone()), ("b/1.png", image)]);
        let read = read(&folder, &Preparation { channels: Some(1), ..Preparation::default() }).unwrap();
        assert_eq!(read.sides, [1, 2, 2]);
        let found = (read.pixels[0] * 255.0).round() as i32;
        assert_eq!(found, expected, "{colours:?}");
    }
}

#[test]
fn what_cannot_be_used_is_named() {
    type Files = Vec<(&'static str, DynamicImage)>;
    type Is = fn(&Fault) -> bool;
    let plain = Preparation::default();
    let cut = Preparation { cut: Some([4, 4]), ..plain.clone() };
    let two = Preparation { mean: vec![0.0; 2], ..plain.clone() };
    let zero = Preparation { deviation: vec![0.0], ..plain.clone() };
    let large = Preparation { resize: Resize::Shorter(1 << 20), ..plain.clone() };
    let pair = |second| vec![("a/1.png", grey(3, 3)), ("b/1.png", second)];
    let cases: [(Files, &Preparation, Is); 9] = [
        (vec![], &plain, |f| *f == Fault::NoClass),
        (vec![("1.png", grey(3, 3))], &plain, |f| *f == Fault::NoClass),
        (vec![("a/1.png", grey(3, 3))], &plain, |f| matches!(f, Fault::OneClass { class } if class == "a")),
        (pair(red(3, 3)), &plain, |f| *f == Fault::Channels { expected: 1, found: 3 }),
        (pair(grey(4, 3)), &plain, |f| *f == Fault::Unequal { expected: [3, 3], found: [3, 4] }),
        (pair(grey(3, 3)), &cut, |f| matches!(f, Fault::Small { found: [3, 3], .. })),
        (pair(grey(3, 3)), &two, |f| matches!(f, Fault::Standard { channels: 1, .. })),
        (pair(grey(3, 3)), &zero, |f| matches!(f, Fault::Standard { .. })),
        (pair(grey(3, 3)), &large, |f| matches!(f, Fault::Large { .. })),
    ];
    for (files, preparation, is) in cases {
        let found = fault(read(&folder(&files), preparation));
        assert!(is(&found) && found.hint().is_some(), "{found:?}");
    }
}

#[test]
fn broken_files_and_empty_classes_are_named_with_their_path() {
    let folder = folder(&[("a/1.png", grey(3, 3)), ("b/1.png", grey(3, 3))]);
    let broken = folder.path().join("b/2.png");
    let whole = std::fs::read(folder.path().join("b/1.png")).unwrap();
    for bytes in [&b"text"[..], &[], &whole[..whole.len() / 2]] {
        std::fs::write(&broken, bytes).unwrap();
        let error = read(&folder, &Preparation::default()).unwrap_err();
        assert!(
            matches!(&error, Error::Images { path, fault: Fault::Unreadable { .. } } if *path == broken),
            "{error}"
        );
        assert!(error.hint().is_some(), "{error}");
    }
    std::fs::create_dir(folder.path().join("c")).unwrap();
    std::fs::remove_file(broken).unwrap();
    assert_eq!(fault(read(&folder, &Preparation::default())), Fault::NoImages);
    let nowhere = LabelledImages::from_folder(Path::new("nowhere at all"), &Preparation::default());
    assert!(matches!(nowhere, Err(Error::Io { .. })));
    let nowhere = LabelledImages::read(Path::new("nowhere at all"), &Preparation::default());
    assert!(matches!(nowhere, Err(Error::Io { .. })), "{nowhere:?}");
}

#[test]
fn two_idx_files_are_images_and_their_labels() {
    let read = from_idx(&idx(&[3, 1, 2], &[0, 51, 102, 153, 204, 255]), &idx(&[3], &[2, 0, 2])).unwrap();
    assert_eq!((read.sides, &read.labels[..]), ([1, 1, 2], &[2, 0, 2][..]));
    assert_eq!(read.classes, ["0", "1", "2"]);
    for (found, expected) in read.pixels.iter().zip([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]) {
        assert!((found - expected).abs() < 1e-6, "{:?}", read.pixels);
    }
}

#[test]
fn idx_files_that_do_not_belong_together_are_refused() {
    let images = idx(&[2, 1, 2], &[0; 4]);
    let of = |labels: &[u8]| fault(from_idx(&images, labels));
    assert!(matches!(of(&idx(&[3], &[0; 3])), Fault::Sizes { found, .. } if found == [3]));
    assert!(matches!(of(&images), Fault::Sizes { .. }));
    assert!(matches!(fault(from_idx(&idx(&[1, 0, 2], &[]), &idx(&[1], &[0]))), Fault::Sizes { .. }));
    assert!(matches!(of(&idx(&[2], &[4, 4])), Fault::OneClass { class } if class == "4"));
    assert!(matches!(fault(from_idx(&idx(&[4], &[0; 4]), &idx(&[4], &[0; 4]))), Fault::Sizes { .. }));
    assert_eq!(fault(from_idx(&idx(&[0, 1, 2], &[]), &idx(&[0], &[]))), Fault::NoImages);
}

#[test]
fn all_images_get_the_colours_and_the_size_of_a_network() {
    let folder = folder(&[("a/1.png", red(8, 4)), ("b/1.png", grey(3, 9))]);
    let of = |channels| Preparation {
        resize: Resize::Exact([2, 3]),
        channels: Some(channels),
        ..Preparation::default()
    };
    let colour = read(&folder, &of(3)).unwrap();
    assert_eq!(colour.sides, [3, 2, 3]);
    assert_eq!(colour.pixels[..6], [1.0; 6]);
    assert_eq!(read(&folder, &of(1)).unwrap().sides, [1, 2, 3]);
    assert_eq!(fault(read(&folder, &of(4))), Fault::Colours { found: 4 });
}

#[test]
fn images_of_a_size_that_will_do_keep_it() {
    let of = |width: u32, height: u32| {
        let folder = folder(&[("a/1.png", grey(width, height)), ("b/1.png", grey(width, height))]);
        let resize = Resize::Within { least: [2, 3], most: [4, 5] };
        read(&folder, &Preparation { resize, ..Preparation::default() }).unwrap().sides
    };
    for (width, height) in [(3, 2), (5, 4), (4, 3)] {
        assert_eq!(of(width, height), [1, height as usize, width as usize]);
    }
    for (width, height) in [(6, 4), (5, 5), (2, 4), (3, 1)] {
        assert_eq!(of(width, height), [1, 2, 3]);
    }
}

#[test]
fn samples_are_split_class_by_class_and_laid_together() {
    let names: Vec<String> =
        (0..10).map(|at| format!("{}/{at}.png", if at < 4 { "a" } else { "b" })).collect();
    let files: Vec<_> = names.iter().zip(1..).map(|(name, width)| (name.as_str(), grey(width, 2))).collect();
    let exact = Preparation { resize: Resize::Exact([1, 1]), ..Preparation::default() };
    let images = read(&folder(&files), &exact).unwrap();
    let summary = images.summary(Path::new("x"));
    assert_eq!((summary.images, summary.classes), (10, vec![("a".to_owned(), 4), ("b".to_owned(), 6)]));
    let expected = images.batch(&[7, 2]);
    let samples = images.samples();
    let batch = rankine_data::images::LabelledImage::batch([&samples[7], &samples[2]].into_iter());
    assert_eq!((batch.pixels, batch.labels, batch.sides), (expected.0, expected.1, [1, 1, 1]));
    let (train, held) = split_stratified(samples, Share::Fraction(0.5), 1).unwrap();
    let of_class = |part: &[rankine_data::images::LabelledImage]| {
        part.iter().filter(|sample| sample.label() == 0).count()
    };
    assert_eq!((of_class(&train), of_class(&held), held.len()), (2, 2, 5));
}

#[test]
fn classes_are_counted_as_a_network_counts_them() {
    let folder = folder(&[("dog/1.png", grey(3, 3)), ("0/1.png", grey(3, 3))]);
    let names = ["cat", "bird", "dog"].map(str::to_owned);
    let mut images = read(&folder, &Preparation::default()).unwrap();
    images.name_classes(&names, folder.path()).unwrap();
    assert_eq!((&images.labels[..], &images.classes[..]), (&[0, 2][..], &names[..]));
    let error = images.clone().name_classes(&names[..2], folder.path()).unwrap_err();
    let Error::Images { fault, .. } = &error else { panic!("{error}") };
    assert!(matches!(fault, Fault::Unknown { class, .. } if class == "dog"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn labels_lie_beside_an_idx_file_of_images() {
    let folder = TempDir::new().unwrap();
    let images = folder.path().join("t10k-images-idx3-ubyte");
    std::fs::write(&images, idx(&[2, 1, 1], &[0, 255])).unwrap();
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx(&[2], &[1, 0])).unwrap();
    let read = LabelledImages::read(&images, &Preparation::default()).unwrap();
    assert_eq!((read.labels, read.pixels), (vec![1, 0], vec![0.0, 1.0]));
    let other = folder.path().join("digits");
    std::fs::rename(&images, &other).unwrap();
    assert_eq!(fault(LabelledImages::read(&other, &Preparation::default())), Fault::NoLabels);
}
