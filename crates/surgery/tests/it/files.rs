//! Merged models on the disk.

use crate::common::{Held, adapter, base, json, names, on, random_lora, read};
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Existing, Tensors};
use rankine_surgery::{Merged, Progress, Stage, WriteOptions, merge, plan_merge, write_model};
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn merged(base: &Checkpoint, adapter: &Adapter, options: &WriteOptions) -> (TempDir, PathBuf) {
    let root = TempDir::new().unwrap();
    let target = root.path().join("merged");
    merge(base, adapter, &target, options, &mut on).unwrap();
    assert_eq!(names(root.path()), ["merged"]);
    (root, target)
}

#[test]
fn every_fixture_is_read_back_as_it_was_merged() {
    let cases: serde_json::Map<String, Value> =
        serde_json::from_str(include_str!("../fixtures/merged.json")).unwrap();
    for (name, case) in cases {
        let (base, adapter) = (base(case["base"].as_str().unwrap()), adapter(&name));
        let (_root, target) = merged(&base, &adapter, &WriteOptions::default());
        let (opened, mut view) =
            (Checkpoint::open(&target).unwrap(), Merged::new(base.tensors(), &adapter).unwrap());
        assert_eq!(opened.config().tied, view.configure(base.config()).unwrap().tied, "{name}");
        assert_eq!(opened.tensors().infos().len(), view.infos().len(), "{name}");
        for (tensor, info) in view.infos() {
            let found = &opened.tensors().infos()[tensor];
            assert_eq!((&found.shape, found.dtype), (&info.shape, info.dtype), "{name}: {tensor}");
            let bytes = opened.tensors().raw(tensor).unwrap();
            assert_eq!(bytes, view.raw(tensor).unwrap(), "{name}: {tensor}");
        }
    }
}

#[test]
fn shards_come_in_and_shards_go_out() {
    let (base, adapter) = (base("llama_sharded"), adapter("testkit/plain_tied"));
    let options = WriteOptions { shard_bytes: 10_000, ..WriteOptions::default() };
    let (_root, target) = merged(&base, &adapter, &options);
    let plan = plan_merge(&base, &adapter, &options).unwrap();
    assert!(3 < plan.files.len());
    let index = json(&target.join("model.safetensors.index.json"));
    assert_eq!(index["metadata"]["total_size"], plan.bytes);
    assert_eq!(index["metadata"]["total_parameters"], plan.parameters);
    for (file, _) in &plan.files {
        assert!(target.join(file).is_file(), "{file}");
    }
    let opened = Checkpoint::open(&target).unwrap();
    let view = Merged::new(base.tensors(), &adapter).unwrap();
    for tensor in view.infos().keys() {
        assert_eq!(opened.read(tensor).unwrap(), read(&view, tensor));
    }
}

#[test]
fn everything_that_belongs_to_a_model_is_there() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("base");
    tiny::llama(&folder, &TinyLlama::default(), 3);
    let base = Checkpoint::open(&folder).unwrap();
    let adapter = random_lora(base.tensors(), &["q_proj", "down_proj"]);
    let extra_files =
        vec![("README.md".to_owned(), b"merged".to_vec()), ("tokenizer.json".to_owned(), b"{}".to_vec())];
    let (_root, target) = merged(&base, &adapter, &WriteOptions { extra_files, ..WriteOptions::default() });
    let expected = [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&target), expected);
    assert_eq!(std::fs::read(target.join("tokenizer.json")).unwrap(), b"{}");
    let [before, after] =
        [&folder, &target].map(|folder| std::fs::read(folder.join("tokenizer_config.json")).unwrap());
    assert_eq!(before, after);
    assert_eq!(json(&target.join("config.json")), json(&folder.join("config.json")));
}

#[test]
fn the_type_is_kept_or_changed_and_the_configuration_says_so() {
    let root = TempDir::new().unwrap();
    for (kind, dtype) in
        [(TinyType::F32, Dtype::F32), (TinyType::F16, Dtype::F16), (TinyType::Bf16, Dtype::Bf16)]
    {
        let folder = root.path().join(format!("{kind:?}"));
        tiny::llama(&folder, &TinyLlama { dtype: kind, ..TinyLlama::default() }, 3);
        let base = Checkpoint::open(&folder).unwrap();
        let adapter = random_lora(base.tensors(), &["q_proj"]);
        for (asked, bytes) in [
            (None, None),
            (Some(Dtype::F32), Some(4)),
            (Some(Dtype::Bf16), Some(2)),
            (Some(Dtype::F16), Some(2)),
        ] {
            let options = WriteOptions { dtype: asked, ..WriteOptions::default() };
            let (_root, target) = merged(&base, &adapter, &options);
            let opened = Checkpoint::open(&target).unwrap();
            let expected = asked.unwrap_or(dtype);
            assert!(opened.tensors().infos().values().all(|info| info.dtype == expected));
            assert_eq!(opened.config().dtype, Some(expected));
            let view = Merged::new(base.tensors(), &adapter).unwrap();
            let step = if expected == Dtype::Bf16 { 4e-3 } else { 5e-4 };
            for tensor in view.infos().keys() {
                let exact = read(&view, tensor);
                assert_close!(
                    opened.read(tensor).unwrap(),
                    exact,
                    relative = step,
                    absolute = 1e-6,
                    "{tensor}"
                );
            }
            let plan = plan_merge(&base, &adapter, &options).unwrap();
            assert!(bytes.is_none_or(|bytes| plan.bytes == bytes * plan.parameters));
        }
    }
}

/// A GGUF file with quantised weights becomes a folder of f32 with a `config.json` made for it.
#[test]
fn a_gguf_base_becomes_a_folder() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoint/tests/fixtures/gguf/tiny-llama.gguf");
    let base = Checkpoint::open(path).unwrap();
    let adapter = random_lora(base.tensors(), &["q_proj", "k_proj", "gate_proj"]);
    let (_root, target) = merged(&base, &adapter, &WriteOptions::default());
    assert_eq!(names(&target), ["config.json", "generation_config.json", "model.safetensors"]);
    let opened = Checkpoint::open(&target).unwrap();
    let (found, expected) = (opened.config(), base.config());
    assert_eq!(found.dtype, Some(Dtype::F32));
    assert_eq!(
        (
            found.hidden_size,
            found.heads,
            found.key_value_heads,
            found.head_dim,
            found.vocabulary,
            found.layers
        ),
        (
            expected.hidden_size,
            expected.heads,
            expected.key_value_heads,
            expected.head_dim,
            expected.vocabulary,
            expected.layers
        )
    );
    assert_eq!(
        (&found.positions, found.tied, &found.eos),
        (&expected.positions, expected.tied, &expected.eos)
    );
    assert_eq!(
        json(&target.join("generation_config.json"))["bos_token_id"].as_u64(),
        expected.bos.map(u64::from)
    );
    let view = Merged::new(base.tensors(), &adapter).unwrap();
    for (tensor, info) in opened.tensors().infos() {
        assert_eq!(info.dtype, Dtype::F32);
        assert_close!(opened.read(tensor).unwrap(), read(&view, tensor), absolute = 0.0, "{tensor}");
    }
}

#[test]
fn the_report_says_how_far_each_tensor_moved() {
    let root = TempDir::new().unwrap();
    let (base, adapter) = (base("llama_untied"), adapter("testkit/bias_all"));
    let mut reports: Vec<Progress> = Vec::new();
    let target = root.path().join("merged");
    let report = merge(&base, &adapter, &target, &WriteOptions::default(), &mut |progress| {
        reports.push(progress);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(report.changes.len(), 20);
    assert!(!report.untied);
    for change in &report.changes {
        let (before, after) = (
            base.read(&change.name).unwrap(),
            Checkpoint::open(&target).unwrap().read(&change.name).unwrap(),
        );
        let square = |x: f32| f64::from(x) * f64::from(x);
        let moved: f64 = before.iter().zip(&after).map(|(x, y)| square(x - y)).sum();
        let norm: f64 = before.iter().map(|&x| square(x)).sum();
        let relative = change.relative.unwrap();
        assert!((relative - (moved / norm).sqrt()).abs() < 1e-6 * relative, "{change:?}");
    }
    let last = reports.last().unwrap();
    assert_eq!((last.stage, last.done, last.total), (Stage::Writing, report.plan.bytes, report.plan.bytes));
    assert_eq!(report.plan, plan_merge(&base, &adapter, &WriteOptions::default()).unwrap());
}

#[test]
fn decompositions_are_counted_before_the_writing() {
    let root = TempDir::new().unwrap();
    let (base, adapter) = (base("llama_untied"), adapter("testkit/pissa"));
    let mut stages = Vec::new();
    let mut watch = |progress: Progress| {
        stages.push((progress.stage, progress.done == progress.total));
        ControlFlow::Continue(())
    };
    merge(&base, &adapter, &root.path().join("merged"), &WriteOptions::default(), &mut watch).unwrap();
    assert!(stages.contains(&(Stage::Decomposing, true)));
    assert!(stages.is_sorted_by_key(|(stage, _)| *stage == Stage::Writing));
}

#[test]
fn biases_that_the_base_lacks_bring_their_group() {
    for (name, model, key) in [
        ("surgery/new_bias", "llama_tied", "attention_bias"),
        ("surgery/new_bias_qwen3", "qwen3", "attention_bias"),
    ] {
        let (base, adapter) = (base(model), adapter(name));
        let (_root, target) = merged(&base, &adapter, &WriteOptions::default());
        assert_eq!(json(&target.join("config.json"))[key], true);
        let opened = Checkpoint::open(&target).unwrap();
        assert!(opened.config().attention_bias && opened.config().output_bias && !opened.config().mlp_bias);
        for layer in 0..2 {
            for projection in ["q", "k", "v", "o"] {
                let bias =
                    opened.read(&format!("model.layers.{layer}.self_attn.{projection}_proj.bias")).unwrap();
                assert_eq!(bias.iter().all(|&x| x == 0.0), (layer, projection) != (0, "q"));
            }
        }
    }
}

#[test]
fn the_same_model_whatever_the_threads() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/dora_embedding"));
    let files = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (_root, target) = pool.install(|| merged(&base, &adapter, &WriteOptions::default()));
        std::fs::read(target.join("model.safetensors")).unwrap()
    });
    assert_eq!(files[0], files[1]);
}

#[test]
fn any_tensors_are_written_as_a_model() {
    let root = TempDir::new().unwrap();
    let (base, target) = (base("llama_bf16"), root.path().join("copy"));
    let companions = vec![fixtures::path("models/llama_bf16/expected.json")];
    let options = WriteOptions { companions, ..WriteOptions::default() };
    let plan = write_model(base.tensors(), base.config(), &target, &options, &mut on).unwrap();
    assert_eq!(names(&target), ["config.json", "expected.json", "model.safetensors"]);
    let opened = Checkpoint::open(&target).unwrap();
    assert_eq!(plan.bytes, base.tensors().infos().values().map(|info| info.bytes).sum::<u64>());
    for tensor in base.tensors().infos().keys() {
        assert_eq!(opened.tensors().raw(tensor).unwrap(), base.tensors().raw(tensor).unwrap(), "{tensor}");
    }
}

#[test]
fn a_model_an_adapter_a_run_and_nothing_may_be_replaced() {
    let root = TempDir::new().unwrap();
    let (base, target) = (base("llama_untied"), root.path().join("merged"));
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    let options = WriteOptions { existing: Existing::Replace, ..WriteOptions::default() };
    for file in ["", "config.json", "adapter_config.json", "recipe.toml", "state.json", "a.safetensors"] {
        std::fs::create_dir(&target).unwrap();
        if !file.is_empty() {
            std::fs::write(target.join(file), "old").unwrap();
            std::fs::write(target.join("notes.txt"), "old").unwrap();
        }
        merge(&base, &adapter, &target, &options, &mut on).unwrap();
        assert_eq!(names(&target), ["config.json", "model.safetensors"], "{file}");
        std::fs::remove_dir_all(&target).unwrap();
    }
}

/// The head of a tied model is read away where some program wrote it out, and merging goes on as for any tied model.
#[test]
fn a_tied_head_that_was_written_out_is_no_second_tensor() {
    let root = TempDir::new().unwrap();
    let (base, folder) = (base("llama_tied"), root.path().join("base"));
    let copy = |head: &[f32]| {
        let mut tensors = Held::of(base.tensors());
        tensors.insert("lm_head.weight", &base.tensors().infos()["model.embed_tokens.weight"].shape, head);
        let options = WriteOptions { existing: Existing::Replace, ..WriteOptions::default() };
        write_model(&tensors, base.config(), &folder, &options, &mut on).unwrap();
        Checkpoint::open(&folder).unwrap()
    };
    let mut head = base.read("model.embed_tokens.weight").unwrap();
    let alike = copy(&head);
    assert!(!alike.contains("lm_head.weight"));
    for name in base.tensors().infos().keys() {
        assert_eq!(alike.read(name).unwrap(), base.read(name).unwrap(), "{name}");
    }
    let adapter = adapter("testkit/trainable_tokens_tied");
    let (_root, target) = merged(&alike, &adapter, &WriteOptions::default());
    assert!(!Checkpoint::open(&target).unwrap().contains("lm_head.weight"));
    head[0] += 1.0;
    drop(alike);
    assert_eq!(copy(&head).read("lm_head.weight").unwrap(), head);
}
