//! FLoRA: what the page says must hold, and the numbers of its released formulas.

use crate::support::{distance, disturb, leaf, named, set, slopes, structure};
use rankine_checkpoint::{Adapter, Existing, OutputFolder, adapter::LayerKind};
use rankine_linalg::{hosvd, singular_values, unfold};
use rankine_method::{Base, Error, Site, attach, export};
use rankine_nn::{Kind, Model as _, Scope, Weight, models::LeNet, weight};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, Convolution},
};
use rankine_testkit::{assert_close, fixtures};

const SHAPE: [usize; 4] = [6, 4, 3, 3];

fn random(name: &str, shape: &[usize]) -> Tensor {
    Tensor::new(Rng::new(5).fork(name).normals(shape.iter().product(), 0.3), shape).unwrap()
}

fn convolution(settings: &str, original: &Tensor) -> Box<dyn Weight> {
    let choice = named("flora", settings);
    let weight = &original.clone().into();
    let site = Site { path: "w.weight", kind: Kind::Convolution, weight, statistics: None };
    let rank = choice.method().plan(&[site]).unwrap()[0];
    choice.method().attach(&site, rank, Rng::new(2)).unwrap()
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> Tensor {
    Tensor::new(values, shape).unwrap()
}

#[test]
fn nothing_changes_at_the_start_and_only_the_core_has_a_slope() {
    for init in ["kaiming_normal", "normal", "kaiming_uniform"] {
        let settings = format!("rank = 3\ninit = '{init}'");
        let (matrix, kernel) = (random("matrix", &[9, 7]), random("kernel", &SHAPE));
        let linear = structure(&named("flora", &settings), &matrix);
        assert_eq!(linear.dense().unwrap().to_vec(), matrix.to_vec());
        let convolution = convolution(&settings, &kernel);
        assert_eq!(convolution.dense().unwrap().to_vec(), kernel.to_vec());
        for structure in [linear, convolution] {
            let dense = structure.dense().unwrap();
            let direction = random("direction", &dense.shape());
            for (name, values, slope) in slopes(structure.as_ref(), &dense.mul(&direction).unwrap().sum()) {
                let (zero, flat) = (values.iter().all(|x| *x == 0.0), slope.iter().all(|x| *x == 0.0));
                assert_eq!((zero, flat), (name == "core", name != "core"), "{init} {name}");
            }
        }
    }
}

#[test]
fn a_convolution_is_that_of_the_released_formulas() {
    let case = &fixtures::json("flora.json")["convolution"];
    let mut structure = convolution(
        "rank = 4\nkernel_rank = 2\nscale = 1.5",
        &tensor(fixtures::floats(&case["weight"]), &[6, 3, 3, 2]),
    );
    let names = ["core", "factor.0", "factor.1", "factor.2", "factor.3"];
    let values = [&case["core"]].into_iter().chain(fixtures::items(&case["factors"]));
    for (name, value) in names.into_iter().zip(values) {
        set(structure.as_mut(), name, &fixtures::floats(value));
    }
    let layout = Convolution { stride: [2, 1], padding: [1, 0], ..Convolution::default() };
    let x = tensor(fixtures::floats(&case["x"]), &[2, 3, 6, 5]);
    let y = ops::conv2d(&x, &structure.dense().unwrap(), None, &layout).unwrap();
    assert_close!(y.to_vec(), fixtures::floats(&case["y"]), relative = 1e-5, absolute = 2e-5);
    let direction = tensor(fixtures::floats(&case["direction"]), &y.shape());
    let found = slopes(structure.as_ref(), &y.mul(&direction).unwrap().sum());
    assert_eq!(found.len(), names.len());
    for ((name, _, slope), expected) in found.iter().zip(fixtures::items(&case["gradients"])) {
        assert_close!(slope, fixtures::floats(expected), relative = 1e-5, absolute = 1e-4, "{name}");
    }
    let update = structure.update().unwrap();
    assert_eq!((update.rank, update.scale), (4, 1.5));
    assert_close!(update.a, fixtures::floats(&case["lora"]["a"]), relative = 1e-5, absolute = 1e-5);
    assert_close!(update.b, fixtures::floats(&case["lora"]["b"]), relative = 1e-5, absolute = 1e-5);
}

#[test]
fn a_linear_layer_is_that_of_the_released_formulas() {
    let case = &fixtures::json("flora.json")["linear"];
    let mut structure = structure(
        &named("flora", "rank = 3\nscale = 1.5"),
        &tensor(fixtures::floats(&case["weight"]), &[9, 7]),
    );
    let turned = |value| tensor(fixtures::floats(value), &[7, 3]).t().unwrap().to_vec();
    set(structure.as_mut(), "core", &fixtures::floats(&case["core"]));
    set(structure.as_mut(), "b", &fixtures::floats(&case["factors"][0]));
    set(structure.as_mut(), "a", &turned(&case["factors"][1]));
    let y = structure.apply(&tensor(fixtures::floats(&case["x"]), &[5, 7]), Scope::QUIET).unwrap();
    assert_close!(y.to_vec(), fixtures::floats(&case["y"]), relative = 1e-5, absolute = 2e-5);
    let direction = tensor(fixtures::floats(&case["direction"]), &y.shape());
    for (name, _, slope) in slopes(structure.as_ref(), &y.mul(&direction).unwrap().sum()) {
        let [core, b, a] = [0, 1, 2].map(|index| &case["gradients"][index]);
        let expected = match name.as_str() {
            "core" => fixtures::floats(core),
            "b" => fixtures::floats(b),
            _ => turned(a),
        };
        assert_close!(slope, expected, relative = 1e-5, absolute = 1e-4, "{name}");
    }
}

#[test]
fn with_the_identity_as_core_it_is_lora() {
    let original = random("matrix", &[9, 7]);
    let mut structure = structure(&named("flora", "rank = 2\nscale = 0.5"), &original);
    set(structure.as_mut(), "core", &[1.0, 0.0, 0.0, 1.0]);
    let [a, b] = ["a", "b"].map(|name| leaf(structure.as_ref(), name));
    let lora = weight::LowRank::new(original, &a, &b.scale(0.5), 1.0);
    let expected = lora.dense().unwrap().to_vec();
    assert_close!(structure.dense().unwrap().to_vec(), expected, absolute = 1e-6);
}

#[test]
fn ranks_along_the_axes_are_those_of_the_update_and_count_as_declared() {
    let original = random("kernel", &SHAPE);
    let mut structure = convolution("rank = 3\nkernel_rank = 2", &original);
    disturb(structure.as_mut(), &Rng::new(3));
    let change = structure.dense().unwrap().sub(&original).unwrap().to_vec();
    for (axis, rank) in [3, 3, 2, 2].into_iter().enumerate() {
        let unfolded = unfold(&change, &SHAPE, axis).unwrap();
        let s = singular_values(&unfolded, SHAPE[axis], change.len() / SHAPE[axis]).unwrap();
        assert!(s[rank] < 1e-5 * s[0] && 1e-4 * s[0] < s[rank - 1], "axis {axis}: {s:?}");
    }
    let weight = &random("large", &[256, 256, 3, 3]).into();
    let site = Site { path: "w.weight", kind: Kind::Convolution, weight, statistics: None };
    assert_eq!(named("flora", "").method().trained(&site, 16).unwrap(), 1024 + 8192 + 12);
    let cut = named("flora", "kernel_rank = 5");
    let image = &random("image", &[8, 3, 3, 3]).into();
    let site = Site { weight: image, ..site };
    assert_eq!(cut.method().trained(&site, 8).unwrap(), 8 * 27 + 8 * 8 + 3 * 9);
}

#[test]
fn full_ranks_reach_any_change() {
    let change = random("change", &SHAPE);
    let tucker = change.read(|change| hosvd(change, &SHAPE, &SHAPE)).unwrap();
    let core = Tensor::new(tucker.core, &tucker.ranks).unwrap();
    let factors: Vec<Tensor> = tucker
        .factors
        .into_iter()
        .zip(SHAPE)
        .map(|(factor, size)| Tensor::new(factor, &[size, size]).unwrap())
        .collect();
    let structure = weight::Tucker::new(Tensor::zeros(&SHAPE), &core.scale(0.25), &factors, 4.0);
    assert_close!(structure.dense().unwrap().to_vec(), change.to_vec(), absolute = 1e-5);
}

fn trained_lenet(settings: &str) -> LeNet {
    let mut model = LeNet::new(10, &Rng::new(1)).unwrap();
    for parameter in model.parameters_mut().into_iter().filter(|bias| bias.kind() == Kind::Bias) {
        parameter.weight = Box::new(weight::Dense::frozen(parameter.weight.constant().unwrap()));
    }
    let modules = ["conv1", "conv2", "linear", "head"].map(str::to_owned);
    let attached =
        attach(&mut model, named("flora", settings).method(), &modules, &Rng::new(2), &mut |_, _| ())
            .unwrap();
    assert_eq!(attached.sites.len(), 4);
    for parameter in model.parameters_mut() {
        let rng = Rng::new(3).fork(parameter.path());
        disturb(parameter.weight.as_mut(), &rng);
    }
    model
}

#[test]
fn the_exported_adapter_is_a_convolution_of_peft_that_computes_the_same() {
    let (model, original) = (trained_lenet("rank = 4"), LeNet::new(10, &Rng::new(1)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("adapter");
    let output = OutputFolder::create(&target, Existing::Refuse).unwrap();
    let written = export(&model, Base::Original, None).unwrap();
    written.write(&output).unwrap();
    output.finish().unwrap();
    let adapter = Adapter::open(&target).unwrap();
    assert!(adapter.mismatch.is_empty(), "{:?}", adapter.mismatch);
    assert_eq!(adapter.low_rank.len(), 4);
    for (module, low_rank) in &written.low_rank {
        assert_eq!(&adapter.low_rank[module], low_rank, "{module}");
    }
    assert_eq!(adapter.low_rank["linear"].kind, LayerKind::Linear);
    let [before, after] = [&original, &model].map(|model| model.parameters()[2].weight.dense().unwrap());
    let low_rank = &adapter.low_rank["conv2"];
    let LayerKind::Convolution { kernel: [height, width] } = low_rank.kind else { panic!("{low_rank:?}") };
    let a = Tensor::new(low_rank.a.clone(), &[4, 32, height, width]).unwrap();
    let b = Tensor::new(low_rank.b.clone(), &[64, 4, 1, 1]).unwrap().scale(low_rank.scaling);
    let x = random("maps", &[2, 32, 9, 8]);
    for layout in [([1, 1], [2, 2]), ([2, 1], [0, 3]), ([3, 2], [4, 1])] {
        let layout = Convolution { stride: layout.0, padding: layout.1, ..Convolution::default() };
        let convolved = |x: &Tensor, weight: &Tensor, layout: &Convolution| {
            ops::conv2d(x, weight, None, layout).unwrap().detach()
        };
        let branch = convolved(&convolved(&x, &a, &layout), &b, &Convolution::default());
        let expected = convolved(&x, &before, &layout).add(&branch).unwrap().to_vec();
        let found = convolved(&x, &after, &layout).to_vec();
        assert!(distance(&found, &expected) < 3e-5, "{layout:?}");
    }
}

#[test]
fn what_it_cannot_do_is_said() {
    let weight = &random("kernel", &SHAPE).into();
    let site = Site { path: "w.weight", kind: Kind::Convolution, weight, statistics: None };
    for settings in ["scale = 0.0", "scale = nan", "kernel_rank = 0", "dropout = 0.1", "dropout = 1.0"] {
        let error = named("flora", &format!("rank = 2\n{settings}")).method().plan(&[site]);
        assert!(matches!(error, Err(Error::Setting { .. })), "{settings}");
    }
    let error = named("lora", "rank = 2\ndropout = 0.1").method().plan(&[site]);
    assert!(matches!(error, Err(Error::Setting { name: "dropout", .. })));
    let error = named("flora", "rank = 7").method().plan(&[site]);
    assert!(matches!(error, Err(Error::Rank { rank: 7, shape: [6, 36], .. })));
    let mut model = LeNet::new(10, &Rng::new(1)).unwrap();
    let modules = ["conv2".to_owned()];
    let error = attach(&mut model, named("pissa", "").method(), &modules, &Rng::new(2), &mut |_, _| ());
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "`pissa` does not take over `conv2`: it is a convolution");
    assert!(
        error.hint().unwrap().ends_with("taken over by: full, lora, eva, flora, salt, svfit, loldu, pela"),
        "{error}"
    );
}
