//! LoRA adapters out of full fine-tunes.

use crate::common::{Held, on, random_lora, read};
use rankine_checkpoint::adapter::{Bias, Selection, Targets};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, Tensors};
use rankine_linalg::{Metric, Truncation, energy_rank, singular_values};
use rankine_random::Rng;
use rankine_surgery::{
    AdapterOutput, Error, ExtractReport, ExtractedModule, Extraction, Inputs, Merged, Ranks, Rest, Seen,
    Subject, Wanted, Watch, WriteOptions, write_model,
};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;
use tempfile::TempDir;

fn model(root: &Path) -> Checkpoint {
    tiny::llama(&root.join("model"), &TinyLlama { biases: true, ..TinyLlama::default() }, 3);
    Checkpoint::open(root.join("model")).unwrap()
}

/// A model with these tensors.
fn tuned(base: &Checkpoint, tensors: &dyn Tensors, folder: &Path) -> Checkpoint {
    write_model(tensors, base.config(), folder, &WriteOptions::default(), &mut on).unwrap();
    Checkpoint::open(folder).unwrap()
}

/// Base, fine-tune, and the adapter of rank 3 that is all of the difference.
fn planted() -> (TempDir, Checkpoint, Checkpoint, Adapter) {
    let root = TempDir::new().unwrap();
    let base = model(root.path());
    let adapter = random_lora(base.tensors(), &["q_proj", "down_proj"]);
    let merged = Merged::new(base.tensors(), &adapter).unwrap();
    let tuned = tuned(&base, &merged, &root.path().join("tuned"));
    (root, base, tuned, adapter)
}

fn extraction(ranks: Ranks, rest: Rest) -> Extraction<'static> {
    let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
    Extraction { ranks, svd: Truncation::Exact, targets, rest, base: "base".to_owned(), inputs: None }
}

fn extracted(base: &Checkpoint, tuned: &Checkpoint, ranks: Ranks, rest: Rest) -> ExtractReport {
    let (base, tuned) = (Subject::Texts(base), Subject::Texts(tuned));
    extraction(ranks, rest).run(base, tuned, &mut on).unwrap()
}

/// Written and read again.
fn reread(adapter: &Adapter, base: &Checkpoint) -> Adapter {
    let root = TempDir::new().unwrap();
    let target = root.path().join("lora");
    let output = AdapterOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new() };
    output.write(adapter).unwrap();
    let read = Adapter::open(&target).unwrap();
    read.check(base.tensors()).unwrap();
    read
}

#[test]
fn a_planted_lora_is_recovered() {
    let (_root, base, tuned, planted) = planted();
    for ranks in [Ranks::Fixed(8), Ranks::Energy(1.0), Ranks::MarchenkoPastur] {
        let report = extracted(&base, &tuned, ranks, Rest::Lost);
        assert_eq!((report.modules.len(), report.left.len()), (4, 0), "{ranks:?}");
        assert!(report.modules.iter().all(|module| module.rank == 3), "{ranks:?}: {:?}", report.modules);
        assert!(report.relative < 1e-5, "{ranks:?}: {}", report.relative);
        assert_eq!(report.unchanged, base.tensors().infos().len() - 4);
        let adapter = reread(&report.adapter, &base);
        assert_eq!((adapter.config.rank, adapter.config.alpha), (3, 3.0));
        assert_eq!(adapter.config.task.as_deref(), Some("CAUSAL_LM"));
        assert!(adapter.low_rank.keys().eq(planted.low_rank.keys()));
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        for name in base.tensors().infos().keys() {
            assert_close!(read(&merged, name), read(tuned.tensors(), name), absolute = 1e-5, "{name}");
        }
    }
}

#[test]
fn randomised_triples_hold_a_planted_change_too() {
    let (_root, base, tuned, _) = planted();
    let (before, after) = (Subject::Texts(&base), Subject::Texts(&tuned));
    let found = |svd: Truncation| {
        let extraction = Extraction { svd, ..extraction(Ranks::Fixed(3), Rest::Lost) };
        extraction.run(before, after, &mut on).unwrap()
    };
    let ways = [Truncation::Exact, Truncation::randomized(0), Truncation::randomized(0)];
    let [exact, random, again] = ways.map(found);
    assert!(random.relative < 1e-5, "{}", random.relative);
    assert!(random == again && random.adapter.low_rank != exact.adapter.low_rank);
}

#[test]
fn the_size_of_an_adapter_is_known_before() {
    let (_root, base, tuned, _) = planted();
    let (before, after) = (Subject::Texts(&base), Subject::Texts(&tuned));
    let targets = Targets { modules: Selection::Names(vec!["q_proj".to_owned()]), ..Targets::default() };
    let of = |ranks| Extraction { targets: targets.clone(), ..extraction(ranks, Rest::Lost) };
    let fixed = of(Ranks::Fixed(2));
    // Two layers of [32, 32].
    assert_eq!(fixed.most_bytes(before).unwrap(), 4 * 2 * 2 * (32 + 32));
    assert_eq!(fixed.run(before, after, &mut on).unwrap().adapter.bytes(), 4 * 2 * 2 * (32 + 32));
    for ranks in [Ranks::Energy(0.5), Ranks::MarchenkoPastur, Ranks::Fixed(1000)] {
        assert_eq!(of(ranks).most_bytes(before).unwrap(), 4 * 2 * 32 * (32 + 32), "{ranks:?}");
    }
}

#[test]
fn ranks_follow_the_energy_of_each_change() {
    let root = TempDir::new().unwrap();
    let base = model(root.path());
    let mut held = Held::of(base.tensors());
    let mut spectra = Vec::new();
    for (layer, noise) in [(0, 0.02), (1, 0.001)] {
        let name = format!("model.layers.{layer}.mlp.up_proj.weight");
        let mut change = Rng::new(4).fork(&name).normals(64 * 32, noise);
        change.iter_mut().for_each(|x| *x += 0.03);
        let values: Vec<f32> = read(base.tensors(), &name).iter().zip(&change).map(|(x, y)| x + y).collect();
        held.insert(&name, &[64, 32], &values);
        spectra.push(singular_values(&change, 64, 32).unwrap());
    }
    let tuned = tuned(&base, &held, &root.path().join("tuned"));
    let report = extracted(&base, &tuned, Ranks::Energy(0.8), Rest::Lost);
    let squares = |s: &[f32]| s.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let (mut lost, mut all) = (0.0, 0.0);
    for (module, s) in report.modules.iter().zip(&spectra) {
        assert_eq!(module.rank, energy_rank(s, 0.8), "{}", module.module);
        let tail = squares(&s[module.rank..]);
        assert_close!([module.energy()], [1.0 - tail / squares(s)], absolute = 1e-4);
        (lost, all) = (lost + tail, all + squares(s));
    }
    assert_close!([report.relative], [(lost / all).sqrt()], relative = 1e-3);
    let [many, one] = [0, 1].map(|at| report.modules[at].rank);
    assert!(one == 1 && 1 < many, "{many}");
    let adapter = reread(&report.adapter, &base);
    for module in &report.modules {
        assert_eq!(adapter.low_rank[&module.module].rank, module.rank);
    }
    let merged = Merged::new(base.tensors(), &adapter).unwrap();
    for ExtractedModule { module, relative, .. } in &report.modules {
        let name = format!("{module}.weight");
        let [base, wanted] = [base.tensors(), tuned.tensors()].map(|tensors| read(tensors, &name));
        let apart = |x: &[f32]| x.iter().zip(&wanted).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
        let found = (apart(&read(&merged, &name)) / apart(&base)).sqrt();
        assert_close!([found], [*relative], relative = 1e-3, "{name}");
    }
}

/// A layer that answers to some directions only.
struct Fake(Vec<f64>);

impl Fake {
    fn new(inputs: usize) -> Self {
        let rows = inputs + 7;
        let mut x = Rng::new(6).fork_index("inputs", inputs).normals(rows * inputs, 1.0);
        x.iter_mut().enumerate().for_each(|(at, x)| *x /= 1.0 + (at % inputs) as f32);
        let entry = |i: usize, j: usize| {
            let terms = x.chunks_exact(inputs).map(|row| f64::from(row[i]) * f64::from(row[j]));
            terms.sum::<f64>() / rows as f64
        };
        Self((0..inputs * inputs).map(|at| entry(at / inputs, at % inputs)).collect())
    }
}

struct Faker;

impl Inputs for Faker {
    fn see(&self, _: &[String], wanted: Wanted, _: &mut Watch) -> rankine_surgery::Result<Box<dyn Seen>> {
        assert_eq!(wanted, Wanted { moment: true, ..Wanted::default() });
        Ok(Box::new(Fake::new(32)))
    }
}

impl Seen for Fake {
    fn moment(&self, _: &str) -> Option<&[f64]> {
        Some(&self.0)
    }

    fn magnitudes(&self, _: &str) -> Option<&[f64]> {
        None
    }

    fn squares(&self, _: &str) -> Option<&[f64]> {
        None
    }
}

#[test]
fn answers_are_as_near_as_asked_with_the_fewest_directions() {
    let root = TempDir::new().unwrap();
    let base = model(root.path());
    let name = "model.layers.0.mlp.up_proj.weight";
    let mut held = Held::of(base.tensors());
    let change = Rng::new(9).normals(64 * 32, 0.02);
    let values: Vec<f32> = read(base.tensors(), name).iter().zip(&change).map(|(x, y)| x + y).collect();
    held.insert(name, &[64, 32], &values);
    let tuned = tuned(&base, &held, &root.path().join("tuned"));
    let (base_of, tuned_of) = (Subject::Texts(&base), Subject::Texts(&tuned));
    let run = |share: f64, inputs: Option<&'static dyn Inputs>| {
        let extraction = Extraction { inputs, ..extraction(Ranks::Error(share), Rest::Lost) };
        extraction.run(base_of, tuned_of, &mut on)
    };
    let moment = Fake::new(32).0;
    let metric = Metric::Moment(&moment);
    let answers = metric.norm(&values, [64, 32]).unwrap();
    for share in [0.05, 0.02] {
        let report = run(share, Some(&Faker)).unwrap();
        let rank = report.modules[0].rank;
        let left = |rank: usize| {
            let pair = metric.truncated(&change, [64, 32], rank).unwrap();
            let product = |at: usize| -> f32 {
                (0..rank).map(|k| pair.left[at / 32 * rank + k] * pair.right[k * 32 + at % 32]).sum()
            };
            let rest: Vec<f32> = change.iter().enumerate().map(|(at, x)| x - product(at)).collect();
            metric.norm(&rest, [64, 32]).unwrap() / answers
        };
        assert!(1 < rank && left(rank) <= share && share < left(rank - 1), "{share}: {rank}");
        assert_close!([report.modules[0].output.unwrap()], [left(rank)], relative = 1e-2);
        reread(&report.adapter, &base);
    }
    // A change that nobody would notice needs no factors, and there is nothing to write then.
    assert!(matches!(run(0.9, Some(&Faker)), Err(Error::Unchanged { .. })));
    assert!(matches!(run(0.05, None), Err(Error::NoCalibration)));
}

#[test]
fn other_tensors_are_kept_whole_or_told_as_lost() {
    let (root, base, tuned_linear, _) = planted();
    let mut held = Held::of(tuned_linear.tensors());
    let moved = [
        "model.embed_tokens.weight",
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.1.input_layernorm.weight",
        "model.layers.1.self_attn.v_proj.bias",
        "model.norm.weight",
    ];
    for name in moved {
        let values: Vec<f32> = read(base.tensors(), name).iter().map(|x| 1.5 * x + 0.01).collect();
        held.insert(name, &base.tensors().infos()[name].shape, &values);
    }
    let tuned = tuned(&base, &held, &root.path().join("more"));
    let lost = extracted(&base, &tuned, Ranks::Fixed(3), Rest::Lost);
    assert!(lost.left.iter().map(|left| left.name.as_str()).eq(moved));
    assert!(lost.left.iter().all(|left| !left.whole && 0.4 < left.relative.unwrap()));
    assert!(lost.adapter.replaced.is_empty());
    let kept = extracted(&base, &tuned, Ranks::Fixed(3), Rest::Whole);
    assert!(kept.left.iter().all(|left| left.whole), "{:?}", kept.left);
    let adapter = reread(&kept.adapter, &base);
    assert_eq!(adapter.config.bias, Bias::LoraOnly);
    let merged = Merged::new(base.tensors(), &adapter).unwrap();
    for name in base.tensors().infos().keys() {
        assert_close!(read(&merged, name), read(tuned.tensors(), name), absolute = 1e-5, "{name}");
    }
    // The head of the tied model is the embedding still.
    assert!(adapter.replaced.contains_key("lm_head.weight"));
    assert!(!merged.infos().contains_key("lm_head.weight"));
}

#[test]
fn what_cannot_be_extracted_is_refused() {
    let (root, base, tuned_linear, _) = planted();
    let run = |tuned: &Checkpoint, ranks| {
        extraction(ranks, Rest::Lost).run(Subject::Texts(&base), Subject::Texts(tuned), &mut on)
    };
    assert!(matches!(run(&base, Ranks::Fixed(4)), Err(Error::Unchanged { .. })));
    for (ranks, setting) in
        [(Ranks::Fixed(0), "rank"), (Ranks::Energy(1.5), "energy"), (Ranks::Error(1.0), "error")]
    {
        let error = run(&tuned_linear, ranks).unwrap_err();
        assert!(matches!(error, Error::Setting { name, .. } if name == setting), "{error}");
        assert!(error.hint().is_some());
    }
    let wide = TinyLlama { biases: true, vocabulary: 300, ..TinyLlama::default() };
    tiny::llama(&root.path().join("wide"), &wide, 3);
    let wide = Checkpoint::open(root.path().join("wide")).unwrap();
    let error = run(&wide, Ranks::Fixed(4)).unwrap_err();
    assert!(matches!(error, Error::Unlike { .. }) && error.to_string().contains("embed_tokens"), "{error}");
}
