//! The laws for convolutions, for every method that takes them over.

use crate::laws::{choices, is_linear};
use crate::support::{distance, disturb, leaf, named, set, slopes, statistics};
use rankine_checkpoint::{
    Adapter, ImageCheckpoint,
    adapter::{LayerKind, Selection},
};
use rankine_method::{Base, Choice, Error, Site, attach, export};
use rankine_nn::{
    ImageClassifier, Kind, Weight,
    models::{Storage, load_image_classifier},
    weight::counts,
};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, Convolution},
};
use rankine_testkit::{GradientCheck, fixtures, gradient_check};

const SHAPES: [[usize; 4]; 3] = [[16, 5, 3, 3], [4, 3, 5, 2], [5, 6, 1, 1]];

fn attached(choice: &Choice, original: &Tensor) -> Option<Box<dyn Weight>> {
    let weight = &original.clone().into();
    let seen = statistics(choice.method(), original.elements() / original.shape()[0]);
    let site = Site { path: "w.weight", kind: Kind::Convolution, weight, statistics: Some(&seen) };
    let rank = match choice.method().plan(&[site]) {
        Ok(ranks) if ranks[0] == 0 => return None,
        Ok(ranks) => ranks[0],
        Err(Error::Rank { shape, .. }) => {
            assert_eq!(shape.iter().product::<usize>(), original.elements());
            return None;
        }
        Err(error) => panic!("{choice:?}: {error}"),
    };
    let structure = choice.method().attach(&site, rank, Rng::new(2)).unwrap();
    let trained = choice.method().trained(&site, rank).unwrap();
    assert_eq!(trained, counts(structure.as_ref()).0, "{choice:?}: declared and counted");
    Some(structure)
}

/// Every structure of every setting that the shape allows.
fn every(check: impl Fn(&Choice, &Tensor, Box<dyn Weight>)) {
    let mut names = Vec::new();
    for choice in choices().into_iter().filter(|choice| choice.method().takes(Kind::Convolution)) {
        for shape in SHAPES {
            let values = Rng::new(1).fork(&format!("{shape:?}")).normals(shape.iter().product(), 0.3);
            let original = Tensor::new(values, &shape).unwrap();
            if let Some(structure) = attached(&choice, &original) {
                names.push((choice.card().name, shape));
                check(&choice, &original, structure);
            }
        }
    }
    for (name, shape) in ["full", "lora", "eva", "flora", "salt", "svfit", "loldu"]
        .into_iter()
        .flat_map(|name| SHAPES.map(|s| (name, s)))
    {
        assert!(names.contains(&(name, shape)), "{name} was not tried with {shape:?}");
    }
}

#[test]
fn an_exact_method_keeps_the_taps_and_their_shape() {
    every(|choice, original, structure| {
        let dense = structure.dense().unwrap();
        assert_eq!(dense.shape(), original.shape(), "{choice:?}");
        if choice.card().exact {
            assert!(distance(&dense.to_vec(), &original.to_vec()) < 1e-6, "{choice:?}");
        }
    });
}

/// Σ (x ⋆ w)∘c with fixed x and c.
fn probe(structure: &dyn Weight) -> Tensor {
    let weight = structure.dense().unwrap();
    let shape = [2, weight.shape()[1], 6, 7];
    let x = Tensor::new(Rng::new(4).normals(shape.iter().product(), 1.0), &shape).unwrap();
    let y = ops::conv2d(&x, &weight, None, &Convolution::default()).unwrap();
    let c = Tensor::new(Rng::new(5).normals(y.elements(), 1.0), &y.shape()).unwrap();
    y.mul(&c).unwrap().sum()
}

#[test]
fn every_trained_leaf_has_the_gradient_of_finite_differences() {
    every(|choice, _, mut structure| {
        if !is_linear(choice) {
            return;
        }
        disturb(structure.as_mut(), &Rng::new(3));
        let leaves = slopes(structure.as_ref(), &probe(structure.as_ref()));
        assert!(!leaves.is_empty(), "{choice:?}");
        for (name, values, gradient) in leaves {
            let mut at = |point: &[f32]| {
                set(structure.as_mut(), &name, point);
                f64::from(probe(structure.as_ref()).item())
            };
            // The probe is linear in each leaf, so a long step costs nothing but rounding.
            let options =
                GradientCheck { step: 0.5, relative: 1e-3, absolute: 5e-3, ..GradientCheck::default() };
            gradient_check(&mut at, &values, &gradient, &options);
            at(&values);
        }
    });
}

fn frozen(structure: &dyn Weight) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    structure.leaves(&mut |_, leaf| {
        if leaf.trained().is_none() {
            all.push(leaf.tensor().to_vec());
        }
    });
    all
}

#[test]
fn a_step_changes_trained_leaves_only() {
    every(|choice, original, mut structure| {
        let before = frozen(structure.as_ref());
        for (name, values, slope) in slopes(structure.as_ref(), &probe(structure.as_ref())) {
            let moved: Vec<f32> =
                values.iter().zip(&slope).map(|(value, slope)| value - 1e-2 * slope).collect();
            set(structure.as_mut(), &name, &moved);
        }
        assert_eq!(before, frozen(structure.as_ref()), "{choice:?}");
        assert_ne!(structure.dense().unwrap().to_vec(), original.to_vec(), "{choice:?}");
    });
}

#[test]
fn leaves_put_back_give_the_same_dense_bits() {
    every(|choice, original, mut structure| {
        disturb(structure.as_mut(), &Rng::new(3));
        let mut again = attached(choice, original).unwrap();
        let mut names = Vec::new();
        structure.leaves(&mut |name, leaf| names.extend(leaf.trained().map(|_| name.to_owned())));
        for name in names {
            set(again.as_mut(), &name, &leaf(structure.as_ref(), &name).to_vec());
        }
        assert_eq!(structure.dense().unwrap().to_vec(), again.dense().unwrap().to_vec(), "{choice:?}");
    });
}

#[test]
fn an_update_is_what_the_taps_moved_by() {
    every(|choice, original, mut structure| {
        disturb(structure.as_mut(), &Rng::new(3));
        let Some(update) = structure.update() else {
            assert!(["full", "pela", "salt"].contains(&choice.card().name));
            return;
        };
        let outputs = original.shape()[0];
        let columns = original.elements() / outputs;
        let b = Tensor::new(update.b, &[outputs, update.rank]).unwrap();
        let a = Tensor::new(update.a, &[update.rank, columns]).unwrap();
        let change = b.matmul(&a).unwrap().scale(update.scale).reshape(&original.shape()).unwrap();
        let found = original.add(&change).unwrap().to_vec();
        assert!(distance(&found, &structure.dense().unwrap().to_vec()) < 1e-5, "{choice:?}");
    });
}

/// An image classifier of the fixtures with trained FLoRA in these modules, and its adapter, which fits the base.
fn written(name: &str, modules: &[&str]) -> (Box<dyn ImageClassifier>, Adapter) {
    let base = ImageCheckpoint::open(fixtures::path(name)).unwrap().unwrap();
    let mut model = load_image_classifier(base.network(), base.tensors(), Storage::File).unwrap();
    let modules: Vec<String> = modules.iter().map(|&module| module.to_owned()).collect();
    let choice = named("flora", "rank = 2");
    attach(model.as_mut(), choice.method(), &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
    for parameter in model.parameters_mut() {
        let rng = Rng::new(1).fork(parameter.path());
        disturb(parameter.weight.as_mut(), &rng);
    }
    let adapter = export(model.as_ref(), Base::Original, None).unwrap();
    adapter.check(base.tensors()).unwrap();
    (model, adapter)
}

/// peft's LoRA of a grouped convolution looks at all inputs, and cannot be merged.
#[test]
fn a_convolution_in_groups_is_written_whole() {
    let (whole, branched) = ("features.3.conv.1.0", "features.3.conv.2");
    let (model, adapter) = written("images/mobilenet/model.pth", &[whole, branched]);
    assert_eq!(adapter.low_rank.keys().collect::<Vec<_>>(), [branched]);
    assert_eq!(adapter.low_rank[branched].kind, LayerKind::Convolution { kernel: [1, 1] });
    assert_eq!((adapter.config.targets.saved, adapter.replaced.len()), (vec![whole.to_owned()], 1));
    let path = format!("{whole}.weight");
    let trained = model.parameters().into_iter().find(|parameter| parameter.path() == path).unwrap();
    let dense = trained.weight.dense().unwrap();
    assert_eq!((trained.groups(), &adapter.replaced[&path].shape), (24, &dense.shape()));
    assert_eq!(adapter.replaced[&path].values, dense.to_vec());
}

#[test]
fn a_name_that_ends_others_is_written_as_an_expression() {
    let (_, stem) = written("images/resnet", &["conv1", "layer2.0.conv2"]);
    let expected = Selection::Pattern(r"conv1|layer2\.0\.conv2".to_owned());
    assert_eq!(stem.config.targets.modules, expected);
    let (_, block) = written("images/resnet", &["layer2.0.conv1"]);
    assert_eq!(block.config.targets.modules, Selection::Names(vec!["layer2.0.conv1".to_owned()]));
}
