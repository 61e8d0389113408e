//! What is written: adapters in their models, ends that differ, images, small files.

use super::{Kitchen, recipe};
use crate::common::{names, on, random_lora, read};
use rankine_checkpoint::{Checkpoint, Dtype, ImageCheckpoint};
use rankine_surgery::{Error, Merged, Progress, Stage};
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use rankine_testkit::{assert_close, fixtures};
use std::ops::ControlFlow;
use std::path::PathBuf;
use tempfile::TempDir;

fn folder(models: &[(&str, TinyLlama)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (seed, (name, model)) in models.iter().enumerate() {
        tiny::llama(&root.path().join(name), model, seed as u64 + 1);
    }
    root
}

#[test]
fn an_adapter_goes_into_its_model_first() {
    let root = folder(&[("base", TinyLlama::default()), ("other", TinyLlama::default())]);
    let place = |name: &str| root.path().join(name);
    let base = Checkpoint::open(place("base")).unwrap();
    let adapter = random_lora(base.tensors(), &["q_proj", "down_proj"]);
    let merged = Merged::new(base.tensors(), &adapter).unwrap();
    let text = "merge_method: linear\nmodels:\n  - {model: base+lora, parameters: {weight: 1}}\n  - {model: other, parameters: {weight: 3}}\n";
    let kitchen = Kitchen { adapter: Some(&adapter), ..Kitchen::at(text, &place) };
    let report = kitchen.blend(&place("out")).unwrap();
    assert_eq!((report.models[0].name.as_str(), report.models[1].name.as_str()), ("base+lora", "other"));
    let (other, out) = (Checkpoint::open(place("other")).unwrap(), Checkpoint::open(place("out")).unwrap());
    for name in out.tensors().infos().keys() {
        let (one, three) = (read(&merged, name), read(other.tensors(), name));
        let expected: Vec<f32> = one.iter().zip(&three).map(|(x, y)| 0.25 * x + 0.75 * y).collect();
        assert_close!(read(out.tensors(), name), expected, absolute = 1e-6, "{name}");
    }
    assert!(names(&place("out")).contains(&"tokenizer.json".to_owned()));
}

#[test]
fn ends_of_several_sizes_and_kinds_are_brought_together() {
    let wide = TinyLlama { vocabulary: tiny::TOKENS + 16, tied: false, ..TinyLlama::default() };
    let root = folder(&[("base", TinyLlama::default()), ("wide", wide)]);
    let place = |name: &str| root.path().join(name);
    let text = recipe("task_arithmetic", &["wide"], "weight: 1", "");
    let report = Kitchen::at(&text, &place).blend(&place("out")).unwrap();
    // The base's head is its embedding.
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert!(
        report.warnings[0].contains("`model.embed_tokens.weight` is cut to [259, 32]"),
        "{:?}",
        report.warnings
    );
    let (wide, out) = (Checkpoint::open(place("wide")).unwrap(), Checkpoint::open(place("out")).unwrap());
    assert_eq!((out.config().vocabulary, out.config().tied), (tiny::TOKENS, false));
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        let (found, expected) = (read(out.tensors(), name), read(wide.tensors(), name));
        assert_eq!(found, expected[..found.len()], "{name}");
    }
    // Methods on differences leave out what has another shape.
    let root =
        folder(&[("base", TinyLlama::default()), ("wide", TinyLlama { inner: 48, ..TinyLlama::default() })]);
    let place = |name: &str| root.path().join(name);
    let report = Kitchen::at(&text, &place).blend(&place("out")).unwrap();
    assert_eq!(report.warnings.len(), 6);
    assert!(report.warnings[0].contains("of `wide` is left out"), "{:?}", report.warnings);
    let (base, out) = (Checkpoint::open(place("base")).unwrap(), Checkpoint::open(place("out")).unwrap());
    let name = "model.layers.0.mlp.up_proj.weight";
    assert_eq!(read(out.tensors(), name), read(base.tensors(), name));
}

/// As in mergekit: bf16 and f32 are no bf16.
#[test]
fn what_comes_in_several_types_becomes_f32() {
    let half = TinyLlama { dtype: TinyType::Bf16, ..TinyLlama::default() };
    let root = folder(&[("base", half), ("a", TinyLlama::default())]);
    let place = |name: &str| root.path().join(name);
    let text = recipe("linear", &["base", "a"], "weight: 1", "");
    Kitchen::at(&text, &place).blend(&place("out")).unwrap();
    let [base, a, out] = ["base", "a", "out"].map(|name| Checkpoint::open(place(name)).unwrap());
    for (name, info) in out.tensors().infos() {
        assert_eq!(info.dtype, Dtype::F32, "{name}");
        let pairs = read(base.tensors(), name).into_iter().zip(read(a.tensors(), name));
        let expected: Vec<f32> = pairs.map(|(x, y)| 0.5 * x + 0.5 * y).collect();
        assert_close!(read(out.tensors(), name), expected, relative = 1e-6, absolute = 1e-7, "{name}");
    }
}

#[test]
fn types_templates_and_tokenizers_are_those_of_the_recipe() {
    let root = folder(&[("base", TinyLlama::default()), ("a", TinyLlama::default())]);
    let place = |name: &str| root.path().join(name);
    std::fs::write(place("a").join("merges.txt"), "mine").unwrap();
    let text = recipe("wise_ft", &["a"], "", "")
        + "out_dtype: float16\ndtype: bfloat16\ntokenizer_source: a\nchat_template: '{{ x }}'\n";
    let report = Kitchen::at(&text, &place).blend(&place("out")).unwrap();
    let out = Checkpoint::open(place("out")).unwrap();
    assert!(out.tensors().infos().values().all(|info| info.dtype == Dtype::F16));
    assert_eq!((out.config().dtype, report.plan.bytes), (Some(Dtype::F16), 2 * report.plan.parameters));
    assert_eq!(std::fs::read(place("out").join("chat_template.jinja")).unwrap(), b"{{ x }}");
    assert_eq!(std::fs::read(place("out").join("merges.txt")).unwrap(), b"mine");
    let moved = report.tensors.iter().filter_map(|tensor| tensor.relative);
    assert!(
        moved.clone().count() == report.tensors.len()
            && moved.into_iter().all(|far| (0.01..1.5).contains(&far))
    );
}

#[test]
fn images_are_blended_too() {
    let place = |_: &str| -> PathBuf { fixtures::path("images/vit") };
    let root = TempDir::new().unwrap();
    let text = recipe("signature", &["clean", "robust"], "", "layers: 1");
    let report = Kitchen::at(&text, &place).blend(&root.path().join("out")).unwrap();
    let (before, after) = (
        ImageCheckpoint::open(place("")).unwrap().unwrap(),
        ImageCheckpoint::open(root.path().join("out")).unwrap().unwrap(),
    );
    assert_eq!((before.network(), before.classes()), (after.network(), after.classes()));
    for name in before.tensors().infos().keys() {
        assert_eq!(read(after.tensors(), name), read(before.tensors(), name), "{name}");
    }
    // Only the first block is patched, which takes a whole tensor.
    let whole: Vec<&str> = report
        .tensors
        .iter()
        .filter(|tensor| tensor.way == "whole")
        .map(|tensor| tensor.name.as_str())
        .collect();
    let is_shallow = |name: &&str| name.contains(".0.") || name.contains("embeddings");
    assert!(!whole.is_empty() && whole.iter().all(is_shallow), "{whole:?}");
}

#[test]
fn a_plan_is_what_is_done_and_can_be_broken_off() {
    let root = folder(&[("base", TinyLlama::default()), ("a", TinyLlama::default())]);
    let place = |name: &str| root.path().join(name);
    let text = recipe("ties", &["a"], "weight: 1, density: [0.5, 1]", "");
    let kitchen = Kitchen::at(&text, &place);
    let planned = kitchen.with(|blending, options| blending.plan(options)).unwrap();
    for last in [Stage::Blending, Stage::Writing] {
        let watch = &mut |progress: Progress| match progress.stage == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let broken = kitchen.with(|blending, options| blending.run(&place("out"), options, watch));
        assert!(matches!(broken, Err(Error::Interrupted)), "{last:?}");
    }
    assert_eq!(names(root.path()), ["a", "base"]);
    let mut done = kitchen.with(|blending, options| blending.run(&place("out"), options, &mut on)).unwrap();
    done.tensors.iter_mut().for_each(|tensor| tensor.relative = None);
    assert_eq!(done, planned);
    // The first layer is thinned out, the second taken whole, row by row.
    let ways = |layer: &str| {
        let of_layer = done.tensors.iter().filter(|tensor| tensor.name.contains(layer));
        of_layer.map(|tensor| tensor.way).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(ways("layers.0.").iter().eq(["whole"].iter()) && ways("layers.1.").iter().eq(["rows"].iter()));
    assert!(0 < done.memory && done.memory < 1 << 26, "{}", done.memory);
}
