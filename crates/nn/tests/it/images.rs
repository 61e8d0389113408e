//! Image classifiers against torch and transformers: see `PROVENANCE.md` of the fixtures.

use rankine_checkpoint::{
    ImageCheckpoint, Network,
    config::{self, Activation},
    open_tensors,
};
use rankine_nn::{
    Error, ImageClassifier, Kind, Model, Parameter, Pass, for_each_trained,
    layers::{BatchNorm2d, Statistics},
    models::{LeNet, Mlp, MobileNetV2, ResNet, ResNetSizes, Storage, Vit, load_image_classifier},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, ops};
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::collections::BTreeMap;

fn mobilenet() -> MobileNetV2 {
    let tensors = open_tensors(&fixtures::path("images/mobilenet/model.pth")).unwrap();
    MobileNetV2::load(tensors.as_ref(), Storage::File).unwrap()
}

fn resnet() -> ResNet {
    let tensors = open_tensors(&fixtures::path("images/resnet/model.safetensors")).unwrap();
    ResNet::load(tensors.as_ref(), Storage::File).unwrap()
}

fn vit() -> Vit {
    let folder = fixtures::path("images/vit");
    let config = config::Vit::read(&folder).unwrap();
    Vit::load(&config, open_tensors(&folder).unwrap().as_ref(), Storage::File).unwrap()
}

/// A plain chain of layers by its file, and with another function than that says where one is given.
fn chain(name: &str, activation: Option<Activation>) -> Box<dyn ImageClassifier> {
    let place = if name == "mlp" { "images/mlp/model.pth" } else { "images/lenet" };
    let model = ImageCheckpoint::open(fixtures::path(place)).unwrap().unwrap();
    let Network::Chain(mut chain) = model.network().clone() else { panic!("another network") };
    chain.activation = activation.unwrap_or(chain.activation);
    load_image_classifier(&Network::Chain(chain), model.tensors(), Storage::File).unwrap()
}

fn expected(name: &str) -> Value {
    fixtures::json(&format!("images/{name}/expected.json"))
}

/// The images that the fixture was made with.
fn images(expected: &Value) -> Tensor {
    let shape: Vec<usize> =
        fixtures::tokens(&expected["images"]).into_iter().map(|side| side as usize).collect();
    let count: usize = shape.iter().product();
    Tensor::new((0..count).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect(), &shape).unwrap()
}

fn logits(model: &dyn ImageClassifier, images: &Tensor) -> Vec<f32> {
    model.logits(images, &mut Pass::quiet()).unwrap().to_vec()
}

/// Gradients of the mean cross-entropy by path, every parameter trained.
fn gradients(model: &mut dyn ImageClassifier, expected: &Value) -> BTreeMap<String, Vec<f32>> {
    for parameter in model.parameters_mut() {
        parameter.weight = Box::new(Dense::trained(&parameter.weight.dense().unwrap()));
    }
    let labels = fixtures::tokens(&expected["labels"]);
    let mut pass = Pass::training(Rng::new(1), true);
    let scores = model.logits(&images(expected), &mut pass).unwrap();
    let shape = [labels.len(), model.classes()];
    let is_label = |at: usize| if labels[at / shape[1]] as usize == at % shape[1] { 1.0 } else { 0.0 };
    let chosen = Tensor::new((0..shape[0] * shape[1]).map(is_label).collect(), &shape).unwrap();
    let losses = scores.log_sum_exp(1).unwrap().sum().sub(&scores.mul(&chosen).unwrap().sum()).unwrap();
    let mut sums: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    pass.backward(&losses.scale((labels.len() as f32).recip()), &mut |part| {
        for_each_trained(&*model, &mut |place, variable| {
            if let Some(gradient) = part.of(variable) {
                let name = place.name.trim_end_matches("/value").to_owned();
                let sum = sums.entry(name).or_insert_with(|| vec![0.0; gradient.elements()]);
                sum.iter_mut().zip(gradient.to_vec()).for_each(|(sum, value)| *sum += value);
            }
        });
    })
    .unwrap();
    sums
}

fn compare_gradients(name: &str, model: &mut dyn ImageClassifier) {
    let expected = expected(name);
    let found = gradients(model, &expected);
    assert_eq!(found.len(), model.parameters().len(), "{name}");
    for (path, gradient) in expected["gradients"].as_object().unwrap() {
        let gradient = fixtures::floats(gradient);
        let largest = gradient.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let absolute = 2e-4 * f64::from(largest);
        assert_close!(found[path], gradient, absolute = absolute, "{name}, {path}");
    }
}

#[test]
fn logits_are_those_of_torch_together_and_alone() {
    let (mlp, lenet) = (chain("mlp", None), chain("lenet", None));
    let models: [(&str, &dyn ImageClassifier); 5] = [
        ("mobilenet", &mobilenet()),
        ("resnet", &resnet()),
        ("vit", &vit()),
        ("mlp", mlp.as_ref()),
        ("lenet", lenet.as_ref()),
    ];
    for (name, model) in models {
        let expected = expected(name);
        let (images, scores) = (images(&expected), fixtures::floats(&expected["logits"]));
        assert_close!(logits(model, &images), scores, absolute = 1e-4, "{name}");
        let alone = images.narrow(0, 1, 1).unwrap();
        let row = &scores[model.classes()..2 * model.classes()];
        assert_close!(logits(model, &alone), row, absolute = 1e-4, "{name}, alone");
    }
}

#[test]
fn gradients_are_those_of_torch() {
    compare_gradients("mobilenet", &mut mobilenet());
    compare_gradients("vit", &mut vit());
    compare_gradients("mlp", chain("mlp", None).as_mut());
    compare_gradients("lenet", chain("lenet", None).as_mut());
}

#[test]
fn every_function_between_layers_is_that_of_torch() {
    for name in ["mlp", "lenet"] {
        let expected = expected(name);
        let images = images(&expected);
        let all = [
            ("relu", Activation::Relu),
            ("gelu", Activation::Gelu),
            ("gelu_new", Activation::GeluTanh),
            ("silu", Activation::Silu),
            ("tanh", Activation::Tanh),
            ("sigmoid", Activation::Sigmoid),
        ];
        assert_eq!(expected["by_activation"].as_object().unwrap().len(), all.len());
        for (word, activation) in all {
            let scores = fixtures::floats(&expected["by_activation"][word]);
            let found = logits(chain(name, Some(activation)).as_ref(), &images);
            assert_close!(found, scores, absolute = 2e-5, "{name}, {word}");
        }
    }
}

#[test]
fn a_chain_names_images_that_do_not_fill_it() {
    let error = chain("mlp", None).logits(&Tensor::zeros(&[2, 1, 6, 5]), &mut Pass::quiet()).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "images", .. }), "{error}");
    // Of 16 pixels the maps are larger than the matrix behind them.
    let error = chain("lenet", None).logits(&Tensor::zeros(&[2, 1, 16, 16]), &mut Pass::quiet()).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "images", .. }), "{error}");
    let mut other = ImageCheckpoint::open(fixtures::path("images/lenet")).unwrap().unwrap();
    other.make_classifier(&["a".to_owned()], vec![("fc2.weight".to_owned(), vec![1, 4], vec![0.0; 4])]);
    // A matrix of one row beside the bias of three.
    let misfit = load_image_classifier(other.network(), other.tensors(), Storage::File);
    assert!(matches!(misfit, Err(Error::TensorShape { .. })));
}

/// A network that takes its statistics from the batch, as torch does in training.
#[test]
fn training_with_the_statistics_of_the_batch_is_that_of_torch() {
    let (trained, sizes) =
        (resnet(), ResNetSizes { channels: 1, width: 4, blocks: vec![2, 1, 1], classes: 3 });
    let mut model = ResNet::new(&sizes, &Rng::new(1)).unwrap();
    let pairs = model.parameters_mut().into_iter().zip(trained.parameters());
    for (new, old) in pairs {
        assert_eq!((new.path(), new.kind()), (old.path(), old.kind()));
        new.weight = Box::new(Dense::frozen(old.weight.dense().unwrap()));
    }
    let expected = expected("resnet");
    let scores = fixtures::floats(&expected["logits_of_the_batch"]);
    assert_close!(logits(&model, &images(&expected)), scores, absolute = 1e-4);
    compare_gradients("resnet", &mut model);
}

#[test]
fn what_was_counted_is_what_a_batch_gave() {
    let sizes = ResNetSizes { channels: 2, width: 4, blocks: vec![1, 1], classes: 3 };
    let mut model = ResNet::new(&sizes, &Rng::new(1)).unwrap();
    let images = Tensor::new(Rng::new(2).normals(6 * 2 * 64, 1.0), &[6, 2, 8, 8]).unwrap();
    let of_the_batch = logits(&model, &images);
    model.calibrate([images.clone()]).unwrap();
    assert_close!(logits(&model, &images), of_the_batch, absolute = 1e-4);
    let alone = logits(&model, &images.narrow(0, 2, 1).unwrap());
    assert_close!(alone, of_the_batch[6..9], absolute = 1e-4);
    let error = model.calibrate([]).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "statistics", .. }), "{error}");
}

#[test]
fn states_of_patches_are_those_of_their_image() {
    let vit = vit();
    let config::Vit { hidden_size: d, channels, image_size, .. } = *vit.config();
    let size = channels * image_size * image_size;
    let values = Rng::new(4).normals(2 * size, 1.0);
    let images = |count: usize, values: &[f32]| {
        Tensor::new(values.to_vec(), &[count, channels, image_size, image_size]).unwrap()
    };
    let states = |images: &Tensor| vit.patch_states(images, &mut Pass::quiet()).unwrap().to_vec();
    let both = states(&images(2, &values));
    let rows = vit.config().patches() * d;
    assert_eq!(both.len(), 2 * rows);
    assert_close!(states(&images(1, &values[size..])), both[rows..], absolute = 1e-5);
    // The last norm stands behind: without its factors and terms every state has mean 0 and variance 1.
    let last: Vec<&Parameter> =
        vit.parameters().into_iter().filter(|parameter| parameter.module() == "vit.layernorm").collect();
    let [factors, terms] = [0, 1].map(|at| last[at].weight.dense().unwrap().to_vec());
    for state in both.chunks(d) {
        let normal =
            state.iter().zip(&factors).zip(&terms).map(|((state, factor), term)| (state - term) / factor);
        let normal: Vec<f32> = normal.collect();
        let (sum, squares) = (normal.iter().sum::<f32>(), normal.iter().map(|x| x * x).sum::<f32>());
        assert!(sum.abs() < 1e-3 * d as f32 && (squares / d as f32 - 1.0).abs() < 1e-2, "{sum} {squares}");
    }
    assert!(vit.patch_states(&Tensor::zeros(&[1, channels, 4, 4]), &mut Pass::quiet()).is_err());
}

/// Batches of different sizes count by their images.
#[test]
fn statistics_of_parts_are_those_of_the_whole() {
    let parameter = |name: &str, kind, value| {
        Parameter::frozen(name.to_owned(), kind, Tensor::new(vec![value; 3], &[3]).unwrap())
    };
    let mut norm = BatchNorm2d {
        weight: parameter("norm.weight", Kind::Norm, 0.7),
        bias: parameter("norm.bias", Kind::Bias, -0.2),
        epsilon: 1e-3,
        statistics: Statistics::default(),
    };
    let images = Tensor::new(Rng::new(3).normals(5 * 3 * 4, 2.0), &[5, 3, 2, 2]).unwrap();
    for part in [images.narrow(0, 0, 2).unwrap(), images.narrow(0, 2, 3).unwrap()] {
        norm.forward(&part).unwrap();
    }
    norm.settle().unwrap();
    let weight = |parameter: &Parameter| parameter.weight.dense().unwrap();
    let whole = ops::batch_norm(&images, &weight(&norm.weight), &weight(&norm.bias), 1e-3).unwrap().0;
    assert_close!(norm.forward(&images).unwrap().to_vec(), whole.to_vec(), absolute = 1e-5);
}

#[test]
fn networks_that_start_from_nothing_are_trained_as_a_whole() {
    let sizes = ResNetSizes { channels: 1, width: 4, blocks: vec![1, 1, 1], classes: 3 };
    let (vit, rng) = (vit(), Rng::new(5));
    let models: [(&str, Box<dyn ImageClassifier>); 4] = [
        ("resnet", Box::new(ResNet::new(&sizes, &rng).unwrap())),
        ("vit", Box::new(Vit::new(vit.config(), 3, &rng).unwrap())),
        ("lenet", Box::new(LeNet::new(3, &rng).unwrap())),
        ("mlp", Box::new(Mlp::new(&[144, 8, 3], &rng).unwrap())),
    ];
    for (name, mut model) in models {
        let side = if name == "lenet" { 28 } else { 12 };
        let given = serde_json::json!({ "images": [3, 1, side, side], "labels": [0, 2, 1] });
        let found = gradients(model.as_mut(), &given);
        assert_eq!(found.len(), model.parameters().len(), "{name}");
        assert!(found.values().flatten().all(|value| value.is_finite()), "{name}");
        assert_eq!(logits(model.as_ref(), &images(&given)).len(), 3 * model.classes(), "{name}");
    }
    assert_eq!(Vit::new(vit.config(), 3, &rng).unwrap().parameters().len(), vit.parameters().len());
}

#[test]
fn what_does_not_fit_is_refused() {
    for sizes in [
        ResNetSizes { channels: 1, width: 0, blocks: vec![1], classes: 2 },
        ResNetSizes { channels: 1, width: 4, blocks: vec![], classes: 2 },
        ResNetSizes { channels: 1, width: 4, blocks: vec![1, 0], classes: 2 },
    ] {
        assert!(ResNet::new(&sizes, &Rng::new(0)).is_err(), "{sizes:?}");
    }
    let vit = vit();
    assert!(Vit::new(vit.config(), 0, &Rng::new(0)).is_err());
    for shape in [[2, 1, 12, 8], [2, 3, 12, 12]] {
        let error = vit.logits(&Tensor::zeros(&shape), &mut Pass::quiet()).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "images", .. }), "{error}");
    }
    let error =
        MobileNetV2::load(open_tensors(&fixtures::path("images/vit")).unwrap().as_ref(), Storage::File);
    assert!(error.err().unwrap().to_string().contains("features.0.0.weight"));
    let mut config = vit.config().clone();
    config.patch_size = 6;
    let tensors = open_tensors(&fixtures::path("images/vit")).unwrap();
    assert!(matches!(Vit::load(&config, tensors.as_ref(), Storage::File), Err(Error::TensorShape { .. })));
}
