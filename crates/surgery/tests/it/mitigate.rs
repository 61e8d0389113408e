//! Intruders made smaller, in models and in adapters.

use crate::common::{Held, names, on, read};
use rankine_checkpoint::adapter::{LayerKind, LowRank, Selection, Targets};
use rankine_checkpoint::{Adapter, AdapterConfig, Bare, Checkpoint, Opened};
use rankine_linalg::{singular_values, svd};
use rankine_random::Rng;
use rankine_surgery::{
    Error, KeptRank, Merged, Mitigation, MitigationReport, Subject, WriteOptions, write_model,
};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;
use tempfile::TempDir;

const SIDE: usize = 96;
const NAME: &str = "model.layers.1.self_attn.q_proj.weight";

fn model(root: &Path) -> Checkpoint {
    let shape = TinyLlama { hidden: SIDE, inner: 128, head_dim: 24, ..TinyLlama::default() };
    tiny::llama(&root.join("model"), &shape, 3);
    Checkpoint::open(root.join("model")).unwrap()
}

/// An adapter of rank 1 that is three times as long as the largest direction of its matrix.
fn spike(base: &Checkpoint) -> Adapter {
    let largest = singular_values(&read(base.tensors(), NAME), SIDE, SIDE).unwrap()[0];
    let unit = |name: &str| {
        let x = Rng::new(8).fork(name).normals(SIDE, 1.0);
        let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
        x.iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    let (a, b) = (unit("a").iter().map(|x| 3.0 * largest * x).collect(), unit("b"));
    let (magnitude, output_bias, kind) = (None, None, LayerKind::Linear);
    let (rank, inputs, outputs, scaling) = (1, SIDE, SIDE, 1.0);
    let low_rank = LowRank { a, b, rank, inputs, outputs, scaling, magnitude, output_bias, kind };
    let path = NAME.strip_suffix(".weight").unwrap().to_owned();
    let targets = Targets { modules: Selection::Names(vec![path.clone()]), ..Targets::default() };
    let config = AdapterConfig { rank: 1, alpha: 1.0, targets, ..AdapterConfig::default() };
    Adapter { config, low_rank: [(path, low_rank)].into_iter().collect(), ..Adapter::default() }
}

/// The base, and the base with the spike as a model of its own.
fn pair() -> (TempDir, Checkpoint, Checkpoint) {
    let root = TempDir::new().unwrap();
    let base = model(root.path());
    let (adapter, target) = (spike(&base), root.path().join("tuned"));
    let merged = Merged::new(base.tensors(), &adapter).unwrap();
    write_model(&merged, base.config(), &target, &WriteOptions::default(), &mut on).unwrap();
    let tuned = Checkpoint::open(&target).unwrap();
    (root, base, tuned)
}

fn run(base: &Checkpoint, tuned: &Checkpoint, factor: f64, target: &Path) -> MitigationReport {
    let mitigation = Mitigation { factor, top: 1, ..Mitigation::default() };
    let (base, tuned) = (Subject::Texts(base), Subject::Texts(tuned));
    mitigation.run(base, tuned, target, &WriteOptions::default(), &mut on).unwrap()
}

/// W + (λ − 1)·s₁·u₁·v₁ᵀ.
fn expected(tuned: &[f32], factor: f32) -> Vec<f32> {
    let svd = svd(tuned, SIDE, SIDE).unwrap();
    let term = |at: usize| svd.u[at / SIDE * SIDE] * svd.s[0] * svd.vt[at % SIDE];
    tuned.iter().enumerate().map(|(at, x)| x + (factor - 1.0) * term(at)).collect()
}

#[test]
fn an_intruder_is_scaled_and_nothing_else() {
    let (root, base, tuned) = pair();
    for (factor, name) in [(1.0, "same"), (0.0, "gone"), (0.75, "milder"), (1.5, "stronger")] {
        let target = root.path().join(name);
        let report = run(&base, &tuned, factor, &target);
        assert_eq!((report.matrices.len(), report.matrices[0].intruders.as_slice()), (1, [0].as_slice()));
        assert_eq!(format!("{}.weight", report.matrices[0].module), NAME);
        let milder = Checkpoint::open(&target).unwrap();
        for tensor in base.tensors().infos().keys().filter(|name| *name != NAME) {
            assert_eq!(read(milder.tensors(), tensor), read(tuned.tensors(), tensor), "{tensor}");
        }
        let (before, after) = (read(tuned.tensors(), NAME), read(milder.tensors(), NAME));
        if factor == 1.0 {
            assert_eq!(before, after);
        }
        assert_close!(after, expected(&before, factor as f32), absolute = 2e-5);
        // The spectrum is the old one with one value scaled.
        let mut spectrum = singular_values(&before, SIDE, SIDE).unwrap();
        spectrum[0] *= factor as f32;
        spectrum.sort_by(|x, y| y.total_cmp(x));
        assert_close!(singular_values(&after, SIDE, SIDE).unwrap(), spectrum, absolute = 1e-4);
        assert_eq!(names(&target), names(tuned.path()));
    }
}

#[test]
fn without_intruders_the_model_is_copied() {
    let (root, base, _) = pair();
    let target = root.path().join("copy");
    let report = run(&base, &base, 0.5, &target);
    assert!(report.matrices.is_empty());
    let copy = Checkpoint::open(&target).unwrap();
    for name in base.tensors().infos().keys() {
        assert_eq!(read(copy.tensors(), name), read(base.tensors(), name), "{name}");
    }
}

/// The matrix of a convolution's taps.
#[test]
fn an_intruder_of_a_convolution_is_scaled() {
    const SHAPE: [usize; 4] = [12, 3, 2, 2];
    let (root, numbers) = (TempDir::new().unwrap(), Rng::new(4).normals(144, 0.1));
    let spike = |at: usize| Rng::new(5).normals(12, 1.0)[at / 12] * Rng::new(6).normals(12, 1.0)[at % 12];
    let after: Vec<f32> = numbers.iter().enumerate().map(|(at, x)| x + spike(at)).collect();
    let held = |numbers: &[f32]| {
        let mut held = Held::default();
        held.insert("conv.weight", &SHAPE, numbers);
        Bare::new("model", Box::new(held))
    };
    let (base, tuned, target) = (held(&numbers), held(&after), root.path().join("milder"));
    let mitigation = Mitigation { factor: 0.5, top: 1, epsilon: 1.0 };
    let subjects = [&base, &tuned].map(Subject::Bare);
    let report =
        mitigation.run(subjects[0], subjects[1], &target, &WriteOptions::default(), &mut on).unwrap();
    assert_eq!((report.matrices.len(), report.matrices[0].module.as_str()), (1, "conv"));
    let svd = svd(&after, 12, 12).unwrap();
    let term = |at: usize| svd.u[at / 12 * 12] * svd.s[0] * svd.vt[at % 12];
    let expected: Vec<f32> = after.iter().enumerate().map(|(at, x)| x - 0.5 * term(at)).collect();
    let written = Opened::open(&target).unwrap();
    assert_eq!(written.tensors().infos()["conv.weight"].shape, SHAPE);
    assert_close!(read(written.tensors(), "conv.weight"), expected, absolute = 2e-5);
}

#[test]
fn an_adapter_is_made_milder_exactly_or_at_its_rank() {
    let (_root, base, tuned) = pair();
    let adapter = spike(&base);
    let mitigation = Mitigation { factor: 0.5, top: 1, ..Mitigation::default() };
    let milder = |kept| mitigation.of_adapter(base.tensors(), &adapter, kept, &mut on).unwrap();
    let wanted = expected(&read(tuned.tensors(), NAME), 0.5);
    let (exact, found) = milder(KeptRank::Exact);
    assert_eq!((found.len(), exact.modules[0].rank), (1, 2));
    let merged = |adapter: &Adapter| read(&Merged::new(base.tensors(), adapter).unwrap(), NAME);
    assert_close!(merged(&exact.adapter), wanted.as_slice(), absolute = 5e-5);
    // What a cut to rank 1 loses is the second singular value of the change, as is told.
    let (cut, _) = milder(KeptRank::Same);
    assert_eq!(cut.modules[0].rank, 1);
    let change: Vec<f32> = wanted.iter().zip(read(base.tensors(), NAME)).map(|(x, y)| x - y).collect();
    let s = singular_values(&change, SIDE, SIDE).unwrap();
    let lost: f64 = merged(&cut.adapter).iter().zip(&wanted).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    assert_close!([lost.sqrt()], [s[1]], relative = 1e-2, absolute = 1e-4);
    let told = f64::from(s[1]) / f64::from(s[0]).hypot(f64::from(s[1]));
    assert_close!([cut.relative], [told], relative = 1e-2, absolute = 1e-5);
    // A small adapter makes no intruder, and keeps its factors.
    let mut small = spike(&base);
    small.low_rank.values_mut().for_each(|low_rank| low_rank.scaling = 1e-3);
    small.config.alpha = 1e-3;
    let (kept, found) = mitigation.of_adapter(base.tensors(), &small, KeptRank::Same, &mut on).unwrap();
    assert!(found.is_empty() && kept.relative < 1e-6);
    assert_close!(merged(&kept.adapter), merged(&small), absolute = 1e-6);
}

#[test]
fn what_cannot_be_done_leaves_nothing() {
    let (root, base, tuned) = pair();
    let target = root.path().join("x");
    let refused = |mitigation: Mitigation| {
        let (base, tuned) = (Subject::Texts(&base), Subject::Texts(&tuned));
        mitigation.run(base, tuned, &target, &WriteOptions::default(), &mut on).unwrap_err()
    };
    let usual = Mitigation::default();
    for (mitigation, setting) in [
        (Mitigation { epsilon: 0.0, ..usual }, "epsilon"),
        (Mitigation { top: 0, ..usual }, "top"),
        (Mitigation { factor: -1.0, ..usual }, "mitigate"),
        (Mitigation { factor: f64::NAN, ..usual }, "mitigate"),
    ] {
        let error = refused(mitigation);
        assert!(matches!(error, Error::Setting { name, .. } if name == setting), "{error}");
        assert!(error.hint().is_some());
    }
    let mut other = Held::of(base.tensors());
    other.remove(NAME);
    other.insert("model.layers.1.self_attn.q_prj.weight", &[SIDE, SIDE], &[0.5; SIDE * SIDE]);
    let folder = root.path().join("other");
    write_model(&other, base.config(), &folder, &WriteOptions::default(), &mut on).unwrap();
    let other = Checkpoint::open(&folder).unwrap();
    let error = usual
        .run(Subject::Texts(&other), Subject::Texts(&tuned), &target, &WriteOptions::default(), &mut on)
        .unwrap_err();
    assert!(matches!(error, Error::Unlike { .. }) && error.to_string().contains("q_prj"), "{error}");
    assert_eq!(names(root.path()), ["model", "other", "tuned"]);
}

#[test]
fn a_plan_is_what_is_done() {
    let (root, base, tuned) = pair();
    let target = root.path().join("milder");
    let (before, after) = (Subject::Texts(&base), Subject::Texts(&tuned));
    let mitigation = Mitigation { factor: 0.5, top: 1, ..Mitigation::default() };
    let planned = mitigation.plan(before, after, &WriteOptions::default(), &mut on).unwrap();
    assert!(!target.exists() && planned.matrices.len() == 1, "{planned:?}");
    assert_eq!(planned, run(&base, &tuned, 0.5, &target));
}
