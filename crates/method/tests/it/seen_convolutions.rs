//! Convolutions in the calibration pass: what lies under their kernels, and EVA on it.

use crate::support::{leaf, named};
use rankine_checkpoint::ImageCheckpoint;
use rankine_linalg::svd;
use rankine_method::{Base, Calibration, Error, Needs, Shown, Statistics, attach, calibrate, count, export};
use rankine_nn::{
    ImageClassifier, Pass,
    models::{Storage, load_image_classifier},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};

const ALL: Needs = Needs {
    second_moment: true,
    magnitude: true,
    square: true,
    principal: None,
    batches: 1,
    answers_only: false,
};

fn model(name: &str) -> Box<dyn ImageClassifier> {
    let opened = ImageCheckpoint::open(fixtures::path(name)).unwrap().unwrap();
    load_image_classifier(opened.network(), opened.tensors(), Storage::File).unwrap()
}

fn images() -> Tensor {
    let values = (0..288).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::new(values, &[2, 1, 12, 12]).unwrap()
}

fn logits(model: &dyn ImageClassifier) -> Vec<f32> {
    model.logits(&images(), &mut Pass::quiet()).unwrap().to_vec()
}

fn calibrated(
    model: &mut dyn ImageClassifier,
    modules: &[&str],
    needs: &Needs,
) -> Result<Calibration, Error> {
    let modules: Vec<String> = modules.iter().map(|&module| module.to_owned()).collect();
    let mut left = needs.batches;
    calibrate(model, &modules, needs, &Rng::new(1), &mut |model| {
        if left == 0 {
            return Ok(Shown::Nothing);
        }
        left -= 1;
        model.logits(&images(), &mut Pass::quiet())?;
        Ok(Shown::All)
    })
}

/// What a kernel of 3 × 3 with a border of zeros sees of the images; [288, 9].
fn under_the_stem() -> Vec<[f32; 9]> {
    let values = images().to_vec();
    let at = |image: usize, y: usize, x: usize| match (y.checked_sub(1), x.checked_sub(1)) {
        (Some(y), Some(x)) if y < 12 && x < 12 => values[(image * 12 + y) * 12 + x],
        _ => 0.0,
    };
    let places = (0..288).map(|place| [place / 144, place / 12 % 12, place % 12]);
    places.map(|[image, i, j]| std::array::from_fn(|tap| at(image, i + tap / 3, j + tap % 3))).collect()
}

#[test]
fn a_convolution_sees_what_lies_under_its_kernel() {
    let (mut model, rows) = (model("images/resnet"), under_the_stem());
    let before = logits(model.as_ref());
    let modules = ["conv1", "layer2.0.conv1", "layer2.0.downsample.0"];
    let calibration = calibrated(model.as_mut(), &modules, &ALL).unwrap();
    assert_eq!(logits(model.as_ref()), before, "nobody watches any more");
    let stem = &calibration.sites["conv1.weight"];
    let mean = |value: &dyn Fn(&[f32; 9]) -> f32| {
        rows.iter().map(|row| f64::from(value(row))).sum::<f64>() / rows.len() as f64
    };
    let moment: Vec<f64> = (0..81).map(|at| mean(&|row| row[at / 9] * row[at % 9])).collect();
    let magnitude: Vec<f64> = (0..9).map(|at| mean(&|row| row[at].abs())).collect();
    assert_eq!(stem.rows, 288);
    assert_close!(stem.second_moment.clone().unwrap(), moment, absolute = 1e-5);
    assert_close!(stem.magnitude.clone().unwrap(), magnitude, absolute = 1e-6);
    let square: Vec<f64> = moment.iter().step_by(10).copied().collect();
    assert_close!(stem.square.clone().unwrap(), square, absolute = 1e-5);
    // Both stride over the same four maps of 12 × 12, under nine taps and under one.
    let [conv, shortcut] =
        ["conv1", "downsample.0"].map(|name| &calibration.sites[&format!("layer2.0.{name}.weight")]);
    let columns = |found: &Statistics| found.magnitude.as_ref().unwrap().len();
    assert_eq!([conv.rows, columns(conv), shortcut.rows, columns(shortcut)], [72, 36, 72, 4]);
    let middle: Vec<f64> = conv.magnitude.as_ref().unwrap().iter().skip(4).step_by(9).copied().collect();
    assert_close!(shortcut.magnitude.clone().unwrap(), middle, absolute = 1e-9);
}

#[test]
fn eva_starts_in_the_directions_under_the_kernel() {
    let choice = named("eva", "rank = 3\nrho = 1.0\nsvd = 'exact'\nmax_batches = 1");
    let mut model = model("images/resnet");
    let before = logits(model.as_ref());
    let calibration = calibrated(model.as_mut(), &["conv1"], &choice.method().needs()).unwrap();
    let informed = calibration.inform(choice.method());
    attach(model.as_mut(), &informed, &["conv1".to_owned()], &Rng::new(0), &mut |_, _| ()).unwrap();
    assert_close!(logits(model.as_ref()), before, absolute = 1e-6);
    let parameters = model.parameters();
    let stem = parameters.into_iter().find(|found| found.path() == "conv1.weight").unwrap();
    let rows = under_the_stem();
    let mean: [f32; 9] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at]).sum::<f32>() / rows.len() as f32);
    let centred: Vec<f32> =
        rows.iter().flat_map(|row| std::array::from_fn::<f32, 9, _>(|at| row[at] - mean[at])).collect();
    let expected = svd(&centred, rows.len(), 9).unwrap().vt;
    let a = leaf(stem.weight.as_ref(), "a").to_vec();
    assert_eq!(a.len(), 27);
    for (found, expected) in a.chunks(9).zip(expected.chunks(9)) {
        let cosine: f32 = found.iter().zip(expected).map(|(x, y)| x * y).sum();
        assert_close!([cosine.abs()], [1.0], absolute = 1e-4);
    }
    let adapter = export(model.as_ref(), Base::Original, None).unwrap();
    assert_eq!((adapter.low_rank["conv1"].rank, adapter.low_rank["conv1"].inputs), (3, 9));
}

#[test]
fn a_convolution_in_groups_is_refused_by_name() {
    let (path, modules) = ("images/mobilenet/model.pth", ["features.3.conv.1.0"]);
    let mut model = model(path);
    let choice = named("eva", "rank = 2");
    let watched = calibrated(model.as_mut(), &modules, &choice.method().needs());
    let counted = count(model.as_ref(), choice.method(), &modules.map(str::to_owned));
    for error in [watched.unwrap_err(), counted.unwrap_err()] {
        assert!(matches!(&error, Error::Grouped { groups: 24, .. }), "{error}");
        assert!(error.to_string().starts_with("`features.3.conv.1.0.weight` is a convolution in 24 groups"));
        assert!(error.hint().unwrap().contains("`lora`"));
    }
    assert!(count(model.as_ref(), named("lora", "rank = 2").method(), &modules.map(str::to_owned)).is_ok());
}
