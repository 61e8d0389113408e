//! What cannot be merged is refused with a way out, and leaves nothing behind.

use crate::common::{Held, adapter, base, names, on, random_lora};
use rankine_checkpoint::adapter::{Initialisation, LayerKind, NewRows, Origin, Replacement, TrainableTokens};
use rankine_checkpoint::writer::Fault;
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Existing, OutputFolder, TensorInfo, Tensors};
use rankine_surgery::{Error, Merged, Progress, Stage, WriteOptions, merge, plan_merge, write_model};
use rankine_testkit::tiny::{self, TinyLlama};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use tempfile::TempDir;

fn refused(base: &dyn Tensors, adapter: &Adapter) -> Error {
    match Merged::new(base, adapter) {
        Ok(_) => panic!("merged"),
        Err(error) => error,
    }
}

#[test]
fn a_base_that_cannot_be_recomputed_is_named() {
    let base = base("llama_untied");
    let mut adapter = adapter("testkit/pissa");
    for (initialisation, name) in [
        (Initialisation::PissaIterations(16), "pissa_niter_16"),
        (Initialisation::Corda, "corda"),
        (Initialisation::LoraGa, "lora_ga"),
        (Initialisation::Loftq, "loftq"),
    ] {
        adapter.config.initialisation = initialisation;
        let error = refused(base.tensors(), &adapter);
        assert!(matches!(error, Error::AlteredBase { .. }));
        assert!(
            error.to_string().contains(name) && error.to_string().contains("layers.0.mlp.down_proj"),
            "{error}"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("rankine adapter convert") && hint.contains("save_pretrained"), "{hint}");
    }
}

#[test]
fn an_adapter_for_another_model_is_refused() {
    let (base, adapter) = (base("qwen3"), adapter("testkit/plain"));
    let error = refused(base.tensors(), &adapter);
    assert!(matches!(error, Error::Checkpoint(rankine_checkpoint::Error::Adapter { .. })), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn damaged_factors_are_no_panic() {
    let base = base("llama_untied");
    let spoilers: [fn(&mut Adapter); 7] = [
        |adapter| {
            (adapter.low_rank[0].a, adapter.low_rank[0].b, adapter.low_rank[0].rank) = (vec![], vec![], 0)
        },
        |adapter| {
            let (values, width) = (vec![0.0; 31], 32);
            adapter.config.trainable_tokens = TrainableTokens::Input(vec![3]);
            adapter
                .new_rows
                .insert("model.embed_tokens".to_owned(), NewRows { tokens: vec![3], width, values });
        },
        |adapter| {
            let replacement = Replacement { shape: vec![32], values: vec![1.0; 3], origin: Origin::Module };
            adapter.replaced.insert("model.norm.weight".to_owned(), replacement);
            adapter.config.targets.saved = vec!["model.norm".to_owned()];
        },
        |adapter| adapter.low_rank[0].a.truncate(5),
        |adapter| adapter.low_rank[0].b.push(0.0),
        |adapter| adapter.low_rank[0].magnitude = Some(vec![1.0; 3]),
        |adapter| adapter.low_rank[0].output_bias = Some(vec![1.0; 3]),
    ];
    for spoil in spoilers {
        let mut adapter = random_lora(base.tensors(), &["q_proj"]);
        spoil(&mut adapter);
        let error = refused(base.tensors(), &adapter);
        assert!(matches!(error, Error::Factors { .. }) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_bias_without_a_place_is_refused() {
    let base = base("mistral");
    let mut adapter = random_lora(base.tensors(), &["v_proj"]);
    for low_rank in adapter.low_rank.values_mut() {
        low_rank.output_bias = Some(vec![1.0; low_rank.outputs]);
    }
    adapter.config.lora_bias = true;
    let error = plan_merge(&base, &adapter, &WriteOptions::default()).unwrap_err();
    assert!(matches!(error, Error::NoPlaceForBias { .. }) && error.hint().is_some(), "{error}");
}

#[test]
fn only_types_of_weights_are_written() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    for (options, is) in [
        (WriteOptions { dtype: Some(Dtype::I8), ..WriteOptions::default() }, "I8"),
        (WriteOptions { shard_bytes: 0, ..WriteOptions::default() }, "zero"),
    ] {
        let error = merge(&base, &adapter, &root.path().join("merged"), &options, &mut on).unwrap_err();
        assert!(error.to_string().contains(is) && error.hint().is_some(), "{error}");
        assert!(names(root.path()).is_empty());
    }
}

#[test]
fn an_output_that_exists_is_left_alone() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    std::fs::write(root.path().join("merged"), "mine").unwrap();
    let error = merge(&base, &adapter, &root.path().join("merged"), &WriteOptions::default(), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap_err();
    let exists = |error: &Error| {
        matches!(error, Error::Checkpoint(rankine_checkpoint::Error::Output { fault: Fault::Exists, .. }))
    };
    assert!(exists(&error), "{error}");
    assert!(error.hint().unwrap().contains("--force"));
    assert_eq!(std::fs::read(root.path().join("merged")).unwrap(), b"mine");
    assert_eq!(names(root.path()), ["merged"]);
}

/// Tensors of which one cannot be read, as on a failing disk.
struct Failing<'a>(&'a dyn Tensors);

impl Tensors for Failing<'_> {
    fn infos(&self) -> &indexmap::IndexMap<String, TensorInfo> {
        self.0.infos()
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        self.0.read_into(name, out)
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        self.0.raw(name)
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        if name.contains("layers.1.mlp") {
            let (path, source) = ("disk".into(), std::io::Error::other("worn out"));
            return Err(rankine_checkpoint::Error::Io { path, source });
        }
        self.0.read_rows(name, rows, out)
    }
}

#[test]
fn failing_midway_leaves_nothing() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let target = root.path().join("merged");
    let options = WriteOptions { shard_bytes: 4000, ..WriteOptions::default() };
    let failing = Failing(base.tensors());
    let error = write_model(&failing, base.config(), &target, &options, &mut on).unwrap_err();
    assert!(error.to_string().contains("worn out"), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_number_that_does_not_fit_the_type_is_refused() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let mut adapter = random_lora(base.tensors(), &["q_proj"]);
    adapter.low_rank.values_mut().for_each(|low_rank| low_rank.scaling = 1e7);
    let options = WriteOptions { dtype: Some(Dtype::F16), ..WriteOptions::default() };
    let error = merge(&base, &adapter, &root.path().join("merged"), &options, &mut on).unwrap_err();
    assert!(error.to_string().contains("F16") && error.hint().unwrap().contains("bf16"), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_weight_that_is_not_finite_has_no_decomposition() {
    struct Infinite<'a>(&'a dyn Tensors);
    impl Tensors for Infinite<'_> {
        fn infos(&self) -> &indexmap::IndexMap<String, TensorInfo> {
            self.0.infos()
        }

        fn read_into(&self, _: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
            out.fill(f32::INFINITY);
            Ok(())
        }

        fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
            self.0.raw(name)
        }
    }
    let (base, adapter) = (base("llama_untied"), adapter("testkit/pissa"));
    assert!(adapter.low_rank.values().all(|low_rank| low_rank.kind == LayerKind::Linear));
    let error = refused(&Infinite(base.tensors()), &adapter);
    assert!(matches!(error, Error::Decomposition { .. }) && error.hint().is_some(), "{error}");
}

fn replacing() -> WriteOptions {
    WriteOptions { existing: Existing::Replace, ..WriteOptions::default() }
}

#[test]
fn base_and_adapter_are_not_replaced_by_their_merge() {
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    tiny::llama(&at("models/base"), &TinyLlama::default(), 3);
    let folder = OutputFolder::create(&at("run/adapter"), Existing::Refuse).unwrap();
    let base = Checkpoint::open(at("models/base")).unwrap();
    random_lora(base.tensors(), &["q_proj"]).write(&folder).unwrap();
    folder.finish().unwrap();
    std::fs::write(at("run/recipe.toml"), "").unwrap();
    std::fs::write(at("models/config.json"), "").unwrap();
    let adapter = Adapter::open(&at("run/adapter")).unwrap();
    let mut targets = vec!["models/base", "models", "run/adapter", "run", "models/../run"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("models/base"), at("link")).unwrap();
        targets.push("link");
    }
    for target in targets {
        let error = merge(&base, &adapter, &at(target), &replacing(), &mut on).unwrap_err();
        assert!(matches!(error, Error::OutputIsInput { .. }), "{target}: {error}");
        assert!(error.hint().unwrap().contains("another output"));
    }
    assert!(Adapter::open(&at("run/adapter")).is_ok() && Checkpoint::open(at("models/base")).is_ok());
    for inside in ["models/base/merged", "run/adapter/deep/merged"] {
        let error = merge(&base, &adapter, &at(inside), &replacing(), &mut on).unwrap_err();
        assert!(matches!(error, Error::OutputInInput { .. }) && error.hint().is_some(), "{inside}: {error}");
        assert!(!at(inside).exists() && !at("run/adapter/deep").exists());
    }
    // Beside an input is another matter.
    merge(&base, &adapter, &at("models/merged"), &replacing(), &mut on).unwrap();
    let inputs = vec![at("models/base")];
    let options = WriteOptions { inputs, ..replacing() };
    let error = write_model(base.tensors(), base.config(), &at("models"), &options, &mut on).unwrap_err();
    assert!(matches!(error, Error::OutputIsInput { .. }), "{error}");
}

#[test]
fn a_gguf_base_is_not_replaced_by_its_merge() {
    let root = TempDir::new().unwrap();
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../checkpoint/tests/fixtures/gguf/tiny-llama.gguf");
    let file = root.path().join("model.gguf");
    std::fs::copy(fixture, &file).unwrap();
    let base = Checkpoint::open(&file).unwrap();
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    for target in [&file, root.path()] {
        let error = merge(&base, &adapter, target, &replacing(), &mut on).unwrap_err();
        assert!(matches!(error, Error::OutputIsInput { .. }), "{error}");
    }
    assert!(file.is_file());
}

#[test]
fn only_what_looks_like_ours_is_replaced() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    std::fs::create_dir(root.path().join("photos")).unwrap();
    std::fs::write(root.path().join("photos/1.jpg"), "mine").unwrap();
    for target in [root.path().join("photos"), root.path().join("photos/1.jpg")] {
        let error = merge(&base, &adapter, &target, &replacing(), &mut on).unwrap_err();
        assert!(matches!(error, Error::OutputIsForeign { .. }) && error.hint().is_some(), "{error}");
    }
    assert_eq!(std::fs::read(root.path().join("photos/1.jpg")).unwrap(), b"mine");
}

#[test]
fn a_base_with_holes_is_refused_with_all_of_them() {
    let (root, whole) = (TempDir::new().unwrap(), base("qwen2"));
    let mut tensors = Held::of(whole.tensors());
    let missing =
        ["model.norm.weight", "model.layers.0.mlp.up_proj.weight", "model.layers.1.input_layernorm.weight"];
    missing.iter().for_each(|name| tensors.remove(name));
    let misshapen = ["model.layers.1.self_attn.k_proj.weight", "model.layers.0.self_attn.q_proj.bias"];
    misshapen.iter().for_each(|name| tensors.insert(name, &[3, 1], &[0.0; 3]));
    let folder = root.path().join("base");
    write_model(&tensors, whole.config(), &folder, &WriteOptions::default(), &mut on).unwrap();
    let base = Checkpoint::open(&folder).unwrap();
    let adapter = random_lora(whole.tensors(), &["down_proj"]);
    let target = root.path().join("deep/merged");
    for error in [
        merge(&base, &adapter, &target, &WriteOptions::default(), &mut on).unwrap_err(),
        plan_merge(&base, &adapter, &WriteOptions::default()).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(matches!(error, Error::Base { .. }) && error.hint().is_some(), "{message}");
        assert!(missing.iter().all(|name| message.contains(&format!("missing: `{name}`"))), "{message}");
        assert!(
            misshapen.iter().all(|name| message.contains(&format!("`{name}` is [3, 1], not"))),
            "{message}"
        );
        assert_eq!(message.lines().count(), 6, "{message}");
    }
    assert_eq!(names(root.path()), ["base"]);
}

#[test]
fn breaking_off_leaves_nothing() {
    let (root, base, adapter) = (TempDir::new().unwrap(), base("llama_untied"), adapter("testkit/pissa"));
    let target = root.path().join("deep/merged");
    for last in [Stage::Decomposing, Stage::Writing] {
        let mut watch = |progress: Progress| match progress.stage == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let error = merge(&base, &adapter, &target, &WriteOptions::default(), &mut watch).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        assert!(names(root.path()).is_empty());
    }
    let mut stop = |_| ControlFlow::Break(());
    let error =
        write_model(base.tensors(), base.config(), &target, &WriteOptions::default(), &mut stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert!(names(root.path()).is_empty());
}
