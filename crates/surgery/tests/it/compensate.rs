//! Corrections of compressed models: optimal in their norm, exact where they can be, and plain adapters.

use crate::common::{Held, change, minus, names, on, read};
use crate::shown::Shown;
use rankine_checkpoint::adapter::{Initialisation, Selection, Targets};
use rankine_checkpoint::{Adapter, Bare, Checkpoint, Existing};
use rankine_linalg::singular_values;
use rankine_surgery::{
    AdapterOutput, Compensated, Compensation, Compression, Correction, Error, Inputs, Levels, Merged, Norms,
    Progress, Quantize, Stage, Subject, WriteOptions, merge,
};
use rankine_testkit::tiny::{self, TinyLlama};
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tempfile::TempDir;

const WAYS: [Correction; 3] = [Correction::Eora, Correction::Activation, Correction::Svd];

/// A model, and the same rounded to three bits in the modules that `targets` names.
struct Bench {
    root: TempDir,
    model: Checkpoint,
    compressed: Checkpoint,
}

impl Bench {
    fn new(modules: Selection) -> Self {
        let root = TempDir::new().unwrap();
        let [first, second] = ["model", "rounded"].map(|name| root.path().join(name));
        tiny::llama(&first, &TinyLlama::default(), 3);
        let model = Checkpoint::open(&first).unwrap();
        let method = Quantize { bits: 3, group: None, levels: Levels::Symmetric };
        let targets = Targets { modules, ..Targets::default() };
        let compression = Compression { method: &method, targets, dense: true, inputs: None };
        compression.run(Subject::Texts(&model), &second, &WriteOptions::default(), &mut on).unwrap();
        let compressed = Checkpoint::open(&second).unwrap();
        Self { root, model, compressed }
    }

    fn run(&self, inputs: &dyn Inputs, correction: Correction, rank: usize) -> Result<Compensated, Error> {
        let inputs = Some(inputs);
        let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
        let compensation = Compensation { correction, rank, targets, base: "rounded".to_owned(), inputs };
        compensation.run(Subject::Texts(&self.model), Subject::Texts(&self.compressed), &mut on)
    }

    /// What is still missing of a matrix.
    fn missing(&self, adapter: &Adapter, name: &str) -> Vec<f32> {
        let merged = Merged::new(self.compressed.tensors(), adapter).unwrap();
        minus(&read(self.model.tensors(), name), &read(&merged, name))
    }
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|x| f64::from(*x).powi(2)).sum()
}

/// What a matrix answers to all rows of x; [a.rows, x.rows].
fn answers(a: &[f32], x: &[f32], inputs: usize) -> Vec<f32> {
    let answer = |row: &[f32], x: &[f32]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
    a.chunks(inputs).flat_map(|row| x.chunks(inputs).map(move |x| answer(row, x))).collect()
}

#[test]
fn every_correction_is_nearest_in_its_norm() {
    let bench = Bench::new(Selection::AllLinear);
    let shown = Shown::random(bench.model.tensors(), 100);
    let found = WAYS.map(|way| bench.run(&shown, way, 4).unwrap());
    let [eora, activation, svd] = &found;
    assert!(
        eora.activation.after < activation.activation.after
            && activation.activation.after < svd.activation.after
    );
    assert!(svd.plain.after < eora.plain.after && svd.plain.after < activation.plain.after);
    assert!(eora.activation.after < eora.activation.before && eora.activation.before < eora.activation.whole);
    for (at, told) in eora.modules.iter().enumerate() {
        let (name, [rows, inputs]) = (format!("{}.weight", told.module), told.shape);
        let (before, after) = (read(bench.model.tensors(), &name), read(bench.compressed.tensors(), &name));
        let gap = minus(&before, &after);
        let (_, x) = shown.rows(&told.module);
        let count = (x.len() / inputs) as f64;
        let missed = answers(&gap, x, inputs);
        let s = singular_values(&missed, rows, x.len() / inputs).unwrap();
        let left = bench.missing(&eora.adapter, &name);
        let output = squares(&answers(&left, x, inputs));
        assert_close!([output], [squares(&s[4..])], relative = 1e-3, "{name}");
        // What is told is what is.
        let all = squares(&answers(&before, x, inputs));
        let expected = [all, squares(&missed), output].map(|sum| (sum / count).sqrt());
        let norms = told.activation;
        assert_close!([norms.whole, norms.before, norms.after], expected, relative = 1e-3, "{name}");
        let expected = [squares(&before), squares(&gap), squares(&left)].map(f64::sqrt);
        let norms = told.plain;
        assert_close!([norms.whole, norms.before, norms.after], expected, relative = 1e-3, "{name}");
        let others = [activation, svd].map(|other| other.modules[at].activation.after);
        assert!(others.iter().all(|other| told.activation.after <= other * (1.0 + 1e-6)), "{name}");
        let plain = squares(&singular_values(&gap, rows, inputs).unwrap()[4..]);
        assert_close!([svd.modules[at].plain.after.powi(2)], [plain], relative = 1e-3, "{name}");
    }
    let more = bench.run(&shown, Correction::Eora, 8).unwrap();
    assert!(more.activation.after < eora.activation.after);
}

#[test]
fn where_all_directions_are_alike_all_ways_are_one() {
    let bench = Bench::new(Selection::AllLinear);
    let even = Shown::even(bench.model.tensors());
    let [eora, activation, svd] = WAYS.map(|way| bench.run(&even, way, 3).unwrap());
    for told in &svd.modules {
        let name = format!("{}.weight", told.module);
        let expected = bench.missing(&svd.adapter, &name);
        for other in [&eora, &activation] {
            assert_close!(bench.missing(&other.adapter, &name), expected, absolute = 1e-4, "{name}");
        }
    }
}

#[test]
fn a_full_rank_brings_everything_back() {
    let bench = Bench::new(Selection::AllLinear);
    let shown = Shown::random(bench.model.tensors(), 200);
    for way in WAYS {
        let full = bench.run(&shown, way, 64).unwrap();
        for told in &full.modules {
            assert_eq!(told.rank, told.shape[0].min(told.shape[1]), "{}", told.module);
            let left = bench.missing(&full.adapter, &format!("{}.weight", told.module));
            assert_close!(left, vec![0.0f32; left.len()], absolute = 1e-5, "{way:?}: {}", told.module);
        }
    }
    // Of fewer inputs than columns all answers come back, by a rank as large as their number.
    let few = Shown::random(bench.model.tensors(), 5);
    let back = bench.run(&few, Correction::Eora, 5).unwrap();
    assert!(back.activation.after < 1e-4 * back.activation.before, "{:?}", back.activation);
}

#[test]
fn the_result_is_a_plain_lora_of_scale_one() {
    let bench = Bench::new(Selection::AllLinear);
    let shown = Shown::random(bench.model.tensors(), 60);
    let [folder, whole] = ["correction", "whole"].map(|name| bench.root.path().join(name));
    // Above the smaller side of keys and values.
    let compensated = bench.run(&shown, Correction::Eora, 24).unwrap();
    let inputs = vec![bench.model.path().to_owned(), bench.compressed.path().to_owned()];
    let output = AdapterOutput { target: &folder, existing: Existing::Refuse, inputs };
    output.write(&compensated.adapter).unwrap();
    let adapter = Adapter::open(&folder).unwrap();
    adapter.check(bench.compressed.tensors()).unwrap();
    let config = &adapter.config;
    assert_eq!((config.rank, config.alpha, config.initialisation), (24, 24.0, Initialisation::Kaiming));
    assert_eq!(config.base_model.as_deref(), Some("rounded"));
    assert_eq!(config.task.as_deref(), Some("CAUSAL_LM"));
    assert_eq!((adapter.low_rank.len(), config.rank_pattern.len(), config.alpha_pattern.len()), (14, 4, 4));
    for (module, low_rank) in &adapter.low_rank {
        let narrow = module.ends_with("k_proj") || module.ends_with("v_proj");
        assert_eq!((low_rank.rank, low_rank.scaling), (if narrow { 16 } else { 24 }, 1.0), "{module}");
        let made = &compensated.adapter.low_rank[module];
        assert_eq!((&low_rank.a, &low_rank.b), (&made.a, &made.b), "{module}");
    }
    merge(&bench.compressed, &adapter, &whole, &WriteOptions::default(), &mut on).unwrap();
    let whole = Checkpoint::open(&whole).unwrap();
    let merged = Merged::new(bench.compressed.tensors(), &adapter).unwrap();
    for name in bench.model.tensors().infos().keys() {
        assert_eq!(read(whole.tensors(), name), read(&merged, name), "{name}");
    }
    assert_eq!(names(bench.root.path()), ["correction", "model", "rounded", "whole"]);
}

#[test]
fn the_plain_norm_needs_no_inputs() {
    let bench = Bench::new(Selection::AllLinear);
    let (model, compressed) = (Subject::Texts(&bench.model), Subject::Texts(&bench.compressed));
    let blind = |correction| {
        let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
        let base = "rounded".to_owned();
        Compensation { correction, rank: 4, targets, base, inputs: None }
    };
    let svd = blind(Correction::Svd);
    let plan = svd.plan(model, compressed).unwrap();
    let found = svd.run(model, compressed, &mut on).unwrap();
    assert_eq!((plan.modules, plan.bytes), (14, found.adapter.bytes()));
    let shown = bench.run(&Shown::random(bench.model.tensors(), 20), Correction::Svd, 4).unwrap();
    assert_eq!((&found.adapter, found.plain), (&shown.adapter, shown.plain));
    assert_eq!((found.activation.relative(), found.modules[0].activation), (None, Norms::default()));
    for correction in [Correction::Eora, Correction::Activation] {
        let error = blind(correction).run(model, compressed, &mut on).unwrap_err();
        assert!(matches!(error, Error::NoCalibration) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn what_compression_left_alone_has_no_correction() {
    let bench = Bench::new(Selection::Names(vec!["q_proj".to_owned(), "up_proj".to_owned()]));
    let shown = Shown::random(bench.model.tensors(), 40);
    let compensated = bench.run(&shown, Correction::Eora, 4).unwrap();
    assert_eq!((compensated.modules.len(), compensated.left.len()), (4, 10));
    let adapter = &compensated.adapter;
    assert!(adapter.low_rank.keys().all(|name| name.ends_with("q_proj") || name.ends_with("up_proj")));
    adapter.check(bench.compressed.tensors()).unwrap();
    let same = Bench { compressed: Checkpoint::open(bench.model.path()).unwrap(), ..bench };
    let error = same.run(&shown, Correction::Svd, 4).unwrap_err();
    assert!(matches!(error, Error::Alike { matrices: 14, .. }) && error.hint().is_some(), "{error}");
}

#[test]
fn what_cannot_be_done_says_why() {
    let bench = Bench::new(Selection::AllLinear);
    let shown = Shown::random(bench.model.tensors(), 10);
    let error = bench.run(&shown, Correction::Eora, 0).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "rank", .. }), "{error}");
    let mut some = Held::of(bench.model.tensors());
    some.remove("model.layers.1.mlp.up_proj.weight");
    let error = bench.run(&Shown::random(&some, 10), Correction::Eora, 4).unwrap_err();
    assert!(matches!(error, Error::Unseen { module } if module.ends_with("1.mlp.up_proj")));
    let path = bench.root.path().join("narrow");
    tiny::llama(&path, &TinyLlama { inner: 48, ..TinyLlama::default() }, 3);
    let compressed = Checkpoint::open(&path).unwrap();
    let other = Bench { compressed, ..bench };
    let error = other.run(&shown, Correction::Eora, 4).unwrap_err();
    assert!(error.to_string().contains("mlp") && error.hint().is_some(), "{error}");
    assert!(matches!(error, Error::Unlike { .. }), "{error}");
    let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
    let base = String::new();
    let compensation =
        Compensation { correction: Correction::Eora, rank: 2, targets, base, inputs: Some(&shown) };
    let watch = &mut |progress: Progress| match progress.stage {
        Stage::Compensating => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let rounded = Checkpoint::open(other.root.path().join("rounded")).unwrap();
    let stopped = compensation.run(Subject::Texts(&other.model), Subject::Texts(&rounded), watch);
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn corrections_are_those_of_the_formulas_of_the_reference_implementation() {
    let expected: Value = serde_json::from_str(include_str!("../fixtures/compensated.json")).unwrap();
    let modules = expected["modules"].as_object().unwrap();
    let unit = expected["unit"].as_f64().unwrap();
    let numbers = |value: &Value| -> Vec<f32> {
        fixtures::doubles(value).into_iter().map(|x| (x * unit) as f32).collect()
    };
    let (mut before, mut after, mut rows) = (Held::default(), Held::default(), BTreeMap::new());
    for (name, module) in modules {
        let shape: Vec<usize> = serde_json::from_value(module["shape"].clone()).unwrap();
        let weight = format!("{name}.weight");
        before.insert(&weight, &shape, &numbers(&module["weight"]));
        after.insert(&weight, &shape, &numbers(&module["compressed"]));
        rows.insert(name.clone(), (shape[1], numbers(&module["rows"])));
    }
    let shown = Shown::given(rows);
    let [model, compressed] = [before, after].map(|held| Bare::new("model", Box::new(held)));
    let ways = [(Correction::Eora, "eora"), (Correction::Activation, "activation"), (Correction::Svd, "svd")];
    for rank in fixtures::tokens(&expected["ranks"]) {
        for (correction, way) in ways {
            let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
            let (base, rank) = (String::new(), rank as usize);
            let compensation = Compensation { correction, rank, targets, base, inputs: Some(&shown) };
            let found = compensation.run(Subject::Bare(&model), Subject::Bare(&compressed), &mut on).unwrap();
            assert_eq!(found.adapter.low_rank.len(), modules.len());
            for (name, module) in modules {
                let product = change(&found.adapter.low_rank[name]);
                let wanted = fixtures::doubles(&module["products"][rank.to_string()][way]);
                let largest = wanted.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                assert_close!(product, wanted, absolute = 2e-5 * largest, "{way}, rank {rank}: {name}");
            }
        }
    }
}
