//! What cannot be merged is refused with a way out, and leaves nothing behind.

use crate::common::{adapter, base, names, random_lora};
use rankine_checkpoint::adapter::{Initialisation, LayerKind, NewRows, Origin, Replacement, TrainableTokens};
use rankine_checkpoint::writer::Fault;
use rankine_checkpoint::{Adapter, Dtype, TensorInfo, Tensors};
use rankine_surgery::{Error, Merged, WriteOptions, merge, plan_merge, write_model};
use std::borrow::Cow;
use std::ops::Range;
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
        assert!(hint.contains("init_lora_weights") && hint.contains("save_pretrained"), "{hint}");
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
        let error = merge(&base, &adapter, &root.path().join("merged"), &options, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(is) && error.hint().is_some(), "{error}");
        assert!(names(root.path()).is_empty());
    }
}

#[test]
fn an_output_that_exists_is_left_alone() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    std::fs::write(root.path().join("merged"), "mine").unwrap();
    let error = merge(&base, &adapter, &root.path().join("merged"), &WriteOptions::default(), &mut |_| {})
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
    let error = write_model(&failing, base.config(), &target, &options, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("worn out"), "{error}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_number_that_does_not_fit_the_type_is_refused() {
    let (root, base) = (TempDir::new().unwrap(), base("llama_untied"));
    let mut adapter = random_lora(base.tensors(), &["q_proj"]);
    adapter.low_rank.values_mut().for_each(|low_rank| low_rank.scaling = 1e7);
    let options = WriteOptions { dtype: Some(Dtype::F16), ..WriteOptions::default() };
    let error = merge(&base, &adapter, &root.path().join("merged"), &options, &mut |_| {}).unwrap_err();
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
