//! Plain chains of layers that are described by a file beside their weights: scored, walked between, aligned.

use crate::starts::on;
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, ImageCheckpoint, Opened, TensorInfo};
use rankine_data::images::{LabelledImages, Preparation};
use rankine_random::Rng;
use rankine_run::{DataSection, Examiner};
use rankine_surgery::{
    Alignment, PermutationSpec, Permutations, Permuted, StraightThrough, Subject, UnitKind, WriteOptions,
    pair, write_image_model,
};
use rankine_testkit::{assert_close, fixtures, tiny};
use std::fs;
use std::path::Path;

const SIDE: usize = 5;
const CLASSES: usize = 2;

/// Name, shape and numbers.
type Held = Vec<(&'static str, Vec<usize>, Vec<f32>)>;

fn write(path: &Path, held: &Held) -> Opened {
    let info = |shape: &[usize]| TensorInfo {
        shape: shape.to_vec(),
        dtype: Dtype::F32,
        bytes: 4 * shape.iter().product::<usize>() as u64,
    };
    let infos: IndexMap<String, TensorInfo> =
        held.iter().map(|(name, shape, _)| ((*name).to_owned(), info(shape))).collect();
    let writer = TensorsWriter::create(path, &infos).unwrap();
    held.iter().for_each(|(name, _, values)| writer.write(name, values).unwrap());
    writer.finish().unwrap();
    Opened::open(path).unwrap()
}

fn drawn(seed: u64, shapes: &[(&'static str, &[usize])]) -> Held {
    let numbers =
        |name: &str, shape: &[usize]| Rng::new(seed).fork(name).normals(shape.iter().product(), 0.7);
    shapes.iter().map(|&(name, shape)| (name, shape.to_vec(), numbers(name, shape))).collect()
}

/// The middle of two.
fn middle(first: &Held, second: &Held) -> Held {
    let mean = |(a, b): (&f32, &f32)| (a + b) / 2.0;
    let both = first.iter().zip(second);
    both.map(|((name, shape, a), (_, _, b))| (*name, shape.clone(), a.iter().zip(b).map(mean).collect()))
        .collect()
}

/// Mean −ln p and accuracy of scores, written out.
fn score(images: &LabelledImages, logits: impl Fn(&[f32]) -> Vec<f64>) -> [f64; 2] {
    let size = images.sides.iter().product();
    let (mut nll, mut right) = (0.0, 0.0);
    for (pixels, &label) in images.pixels.chunks(size).zip(&images.labels) {
        let scores = logits(pixels);
        let own = scores[label as usize];
        nll += scores.iter().map(|score| score.exp()).sum::<f64>().ln() - own;
        right += if scores.iter().all(|score| *score <= own) { 1.0 } else { 0.0 };
    }
    [nll, right].map(|sum| sum / images.labels.len() as f64)
}

/// W·x + b.
fn affine(weight: &[f32], bias: Option<&[f32]>, x: &[f64]) -> Vec<f64> {
    let row = |(at, row): (usize, &[f32])| {
        let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
        sum + bias.map_or(0.0, |bias| f64::from(bias[at]))
    };
    weight.chunks(x.len()).enumerate().map(row).collect()
}

fn perceptron(held: &Held, pixels: &[f32]) -> Vec<f64> {
    let x: Vec<f64> = pixels.iter().map(|&x| f64::from(x)).collect();
    let h: Vec<f64> = affine(&held[0].2, Some(&held[1].2), &x).into_iter().map(|h| h.max(0.0)).collect();
    affine(&held[2].2, None, &h)
}

/// One convolution of two channels with kernels of 2 × 2, tanh, the largest of windows of 2 × 2, and a head.
fn convolved(held: &Held, pixels: &[f32]) -> Vec<f64> {
    let taps = &held[0].2;
    let mut maps = Vec::new();
    for (channel, &bias) in held[1].2.iter().enumerate() {
        let at = |row: usize, column: usize| {
            let tap = |r: usize, s: usize| {
                f64::from(taps[4 * channel + 2 * r + s]) * f64::from(pixels[SIDE * (row + r) + column + s])
            };
            (tap(0, 0) + tap(0, 1) + tap(1, 0) + tap(1, 1) + f64::from(bias)).tanh()
        };
        for [row, column] in [[0, 0], [0, 2], [2, 0], [2, 2]] {
            let window = [at(row, column), at(row, column + 1), at(row + 1, column), at(row + 1, column + 1)];
            maps.push(window.into_iter().fold(f64::NEG_INFINITY, f64::max));
        }
    }
    affine(&held[2].2, Some(&held[3].2), &maps)
}

#[test]
fn a_line_between_chains_is_that_written_out() {
    let perceptron_of: [(&str, &[usize]); 3] =
        [("0.weight", &[3, SIDE * SIDE]), ("0.bias", &[3]), ("2.weight", &[CLASSES, 3])];
    let convolved_of: [(&str, &[usize]); 4] = [
        ("conv1.weight", &[2, 1, 2, 2]),
        ("conv1.bias", &[2]),
        ("fc.weight", &[CLASSES, 8]),
        ("fc.bias", &[CLASSES]),
    ];
    type Shapes<'a> = &'a [(&'static str, &'static [usize])];
    type Logits = fn(&Held, &[f32]) -> Vec<f64>;
    let cases: [(&str, Shapes<'_>, Logits); 2] = [
        (r#"{"model_type": "mlp"}"#, &perceptron_of, perceptron),
        (r#"{"model_type": "lenet", "activation": "tanh", "pool": [2]}"#, &convolved_of, convolved),
    ];
    for (config, shapes, logits) in cases {
        let root = tempfile::tempdir().unwrap();
        let data = tiny::idx_images(root.path(), 10, SIDE, CLASSES);
        let images = LabelledImages::read(&data, &Preparation::default()).unwrap();
        fs::write(root.path().join("config.json"), config).unwrap();
        let [a, b] = ["a", "b"].map(|name| root.path().join(format!("{name}.safetensors")));
        let held = [drawn(1, shapes), drawn(2, shapes)];
        let (first, second) = (write(&a, &held[0]), write(&b, &held[1]));
        assert!(matches!(first, Opened::Images(_)), "{config}");
        let examiner = Examiner::open(&a, &DataSection::new(&data), 4).unwrap();
        let pair = pair([first.tensors(), second.tensors()], [&a, &b]).unwrap();
        let points = examiner.along(pair, 3, &mut on).unwrap();
        let models = [held[0].clone(), middle(&held[0], &held[1]), held[1].clone()];
        for (point, model) in points.iter().zip(&models) {
            let expected = score(&images, |pixels| logits(model, pixels));
            assert_close!([point.nll], [expected[0]], absolute = 5e-5, "{config}");
            assert_eq!(point.accuracy, expected[1], "{config}");
        }
    }
}

#[test]
fn a_permuted_chain_is_found_by_weights_and_by_what_it_does() {
    // Functions that are never flat: every unit does something on every image.
    for (name, side, config) in [
        ("mlp/model.pth", 6, r#"{"model_type": "mlp", "activation": "gelu"}"#),
        (
            "lenet/model.safetensors",
            12,
            r#"{"model_type": "lenet", "activation": "silu", "padding": [2, 0]}"#,
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let model = root.path().join(name.rsplit_once('/').unwrap().1);
        fs::copy(fixtures::path(&format!("images/{name}")), &model).unwrap();
        fs::write(root.path().join("config.json"), config).unwrap();
        let data = tiny::idx_images(root.path(), 30, side, 3);
        let first = ImageCheckpoint::open(&model).unwrap().unwrap();
        let subject = Subject::Images(&first);
        let spec = PermutationSpec::of(subject, &UnitKind::ALL).unwrap();
        let drawn = Permutations::random(&spec, &Rng::new(2));
        assert_ne!(drawn, Permutations::identity(&spec));
        let (copy, moved) = (Permuted::new(first.tensors(), &spec, &drawn), root.path().join("moved"));
        write_image_model(&copy, &first, &moved, &WriteOptions::default(), &mut on).unwrap();
        let second = ImageCheckpoint::open(&moved).unwrap().unwrap();
        let models = (subject, Subject::Images(&second));
        let examiner = Examiner::open(&model, &DataSection::new(&data), 10).unwrap();
        let aligned = examiner.match_activations(&Alignment::default(), models, &mut on).unwrap();
        assert_eq!(aligned.permutations, drawn.inverse(), "{name}");
        let back = aligned.applied(models.1);
        let line = pair([first.tensors(), &back], [&model, &moved]).unwrap();
        let points = examiner.along(line, 2, &mut on).unwrap();
        assert_close!([points[1].nll], [points[0].nll], absolute = 1e-5, "{name}");
        let aligned = Alignment::default().find(subject, models.1, &mut on).unwrap();
        assert!(aligned.after.apart <= aligned.before.apart, "{name}");
        let search = StraightThrough { steps: 3, ..StraightThrough::default() };
        let losses =
            examiner.straight_through(&search, &Alignment::default(), models, &mut on).unwrap().losses;
        assert!(losses.best <= losses.start && losses.best <= losses.naive, "{name}: {losses:?}");
    }
}
