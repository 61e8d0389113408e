//! Against peft: see `tests/fixtures/PROVENANCE.md`.

use super::*;
use crate::{Error, Existing, OutputFolder, Result, TensorInfo, Tensors};
use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A base model of shapes only.
struct Shapes(IndexMap<String, TensorInfo>);

impl Shapes {
    fn new(shapes: &Value) -> Self {
        let info = |shape: &Value| TensorInfo {
            shape: serde_json::from_value(shape.clone()).unwrap(),
            dtype: crate::Dtype::F32,
            bytes: 0,
        };
        Self(shapes.as_object().unwrap().iter().map(|(name, shape)| (name.clone(), info(shape))).collect())
    }
}

impl Tensors for Shapes {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.0
    }

    fn read_into(&self, _: &str, _: &mut [f32]) -> Result<()> {
        unreachable!("only shapes are looked at")
    }

    fn raw(&self, _: &str) -> Result<Cow<'_, [u8]>> {
        unreachable!("only shapes are looked at")
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

struct Fixture {
    adapter: Adapter,
    base: Shapes,
    layers: Value,
}

fn fixture(name: &str) -> Fixture {
    let folder = fixtures().join("adapters").join(name);
    let expected = json_of(&folder.join("expected.json"));
    let adapter = Adapter::open(&folder).unwrap();
    let base = Shapes::new(&expected["base"]);
    Fixture { adapter, base, layers: expected["layers"].clone() }
}

const ALL: [&str; 18] = [
    "all_linear",
    "bias_all",
    "bias_lora_only",
    "dora",
    "embeddings",
    "embeddings_tied",
    "ensure_tied",
    "head_tied",
    "lora_bias",
    "patterns",
    "patterns_rslora",
    "pissa",
    "plain",
    "rslora",
    "saved",
    "saved_tied",
    "tokens",
    "tokens_named",
];

/// scaling · b·a as the base stores it.
fn delta(low_rank: &LowRank) -> Vec<f32> {
    let &LowRank { rank, inputs, outputs, scaling, kind, .. } = low_rank;
    let entry = |out: usize, input: usize| {
        let terms = (0..rank).map(|k| low_rank.b[out * rank + k] * low_rank.a[k * inputs + input]);
        scaling * terms.sum::<f32>()
    };
    match kind {
        LayerKind::Linear | LayerKind::Convolution { .. } => {
            (0..outputs * inputs).map(|i| entry(i / inputs, i % inputs)).collect()
        }
        LayerKind::Embedding => (0..outputs * inputs).map(|i| entry(i % outputs, i / outputs)).collect(),
    }
}

#[test]
fn every_adapter_of_peft_fits_and_means_what_it_means_there() {
    for name in ALL {
        let Fixture { adapter, base, layers, .. } = fixture(name);
        adapter.check(&base).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(adapter.config.unknown_keys, [""; 0], "{name}");
        let layers = layers.as_object().unwrap();
        assert_eq!(adapter.low_rank.len(), layers.len(), "{name}");
        for (path, expected) in layers {
            let low_rank = &adapter.low_rank[path];
            assert_eq!(json!(low_rank.rank), expected["rank"], "{name} {path}");
            let scaling = expected["scaling"].as_f64().unwrap();
            assert!((f64::from(low_rank.scaling) - scaling).abs() < 1e-6, "{name} {path}");
            let difference = adapter.config.scaling_of(path).unwrap() - scaling;
            assert!(difference.abs() < 1e-12, "{name} {path}");
            let expected: Vec<f32> = serde_json::from_value(expected["delta"].clone()).unwrap();
            let found = delta(low_rank);
            assert_eq!(found.len(), expected.len(), "{name} {path}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 2e-6, "{name} {path}: {found} {expected}");
            }
        }
    }
}

fn origins(adapter: &Adapter) -> Vec<(&str, Origin)> {
    let mut origins: Vec<_> =
        adapter.replaced.iter().map(|(name, one)| (name.as_str(), one.origin)).collect();
    origins.sort_by_key(|(name, _)| *name);
    origins
}

#[test]
fn whole_tensors_say_why_they_are_there() {
    let (embed, head) = ("model.embed_tokens.weight", "lm_head.weight");
    let norms = [
        ("model.layers.0.input_layernorm.weight", Origin::Module),
        ("model.layers.0.post_attention_layernorm.weight", Origin::Module),
        ("model.layers.1.input_layernorm.weight", Origin::Module),
        ("model.layers.1.post_attention_layernorm.weight", Origin::Module),
        ("model.norm.weight", Origin::Module),
    ];
    let saved = [&[(head, Origin::Module), (embed, Origin::Module)][..], &norms].concat();
    assert_eq!(origins(&fixture("saved").adapter), saved);
    assert_eq!(origins(&fixture("saved_tied").adapter), [(embed, Origin::Module)]);
    assert_eq!(origins(&fixture("embeddings").adapter), [(head, Origin::Base), (embed, Origin::Base)]);
    assert_eq!(origins(&fixture("embeddings_tied").adapter), [(embed, Origin::Base)]);
    assert_eq!(origins(&fixture("head_tied").adapter), [(head, Origin::Base)]);
    let (q0, q1) = ("model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_proj.bias");
    assert_eq!(origins(&fixture("bias_lora_only").adapter), [(q0, Origin::Bias), (q1, Origin::Bias)]);
    let all = fixture("bias_all").adapter;
    assert_eq!(all.replaced.len(), 10);
    assert_eq!(all.replaced["model.layers.0.self_attn.o_proj.bias"].origin, Origin::Module);
    assert_eq!(all.replaced["model.layers.0.self_attn.k_proj.bias"].origin, Origin::Bias);
}

#[test]
fn magnitudes_biases_and_new_rows_are_read() {
    let dora = fixture("dora").adapter;
    assert!(dora.low_rank.values().all(|one| one.magnitude.as_ref().is_some_and(|m| m.len() == one.outputs)));
    let biased = fixture("lora_bias").adapter;
    assert!(biased.low_rank.values().all(|one| one.output_bias.as_ref().is_some_and(|b| b.len() == 4)));
    let rows = &fixture("tokens").adapter.new_rows;
    assert_eq!(rows["model.embed_tokens"].tokens, [1, 5]);
    assert_eq!((rows["model.embed_tokens"].width, rows["model.embed_tokens"].values.len()), (4, 8));
    let named = &fixture("tokens_named").adapter.new_rows;
    assert_eq!(named["lm_head"].tokens, [2]);
    let pissa = fixture("pissa").adapter.config.initialisation;
    assert_eq!(pissa, Initialisation::Pissa);
    assert!(pissa.alters_base());
}

#[test]
fn what_is_written_is_read_back() {
    for name in ALL {
        let Fixture { adapter, base, .. } = fixture(name);
        let root = TempDir::new().unwrap();
        let target = root.path().join("adapter");
        let folder = OutputFolder::create(&target, Existing::Refuse).unwrap();
        adapter.write(&folder).unwrap();
        folder.finish().unwrap();
        let mut read = Adapter::open(&target).unwrap();
        read.check(&base).unwrap();
        read.path.clone_from(&adapter.path);
        // Names are written sorted.
        let mut expected = adapter.clone();
        if let Selection::Names(names) = &mut expected.config.targets.modules {
            names.sort();
        }
        for map in [&mut read, &mut expected] {
            map.low_rank.sort_keys();
            map.replaced.sort_keys();
        }
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn the_written_configuration_has_the_keys_every_version_of_peft_reads() {
    let written = fixture("plain").adapter.config.to_json();
    let keys: Vec<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "bias",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layer_replication",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_alpha",
        "lora_dropout",
        "megatron_config",
        "megatron_core",
        "modules_to_save",
        "peft_type",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "task_type",
        "use_dora",
        "use_rslora",
    ];
    assert_eq!(keys, expected);
    // Every value is the one that peft itself wrote.
    let mut peft = json_of(&fixtures().join("adapters/plain/adapter_config.json"));
    peft["target_modules"].as_array_mut().unwrap().sort_by_key(|name| name.to_string());
    for key in expected {
        assert_eq!(written[key], peft[key], "{key}");
    }
}

#[test]
fn a_selection_of_nothing_is_written_with_the_word_that_peft_takes() {
    let nothing = Selection::Names(Vec::new());
    let mut config = fixture("plain").adapter.config;
    config.targets.modules = nothing.clone();
    let json = config.to_json();
    assert_eq!(json["target_modules"], "dummy-target-modules", "peft refuses []");
    assert_eq!(AdapterConfig::parse(Path::new("x"), &json).unwrap().targets.modules, nothing);
}

#[test]
fn modules_are_selected_as_in_peft() {
    let base = fixture("plain").base;
    let modules = modules_of(&base);
    let cases = json_of(&fixtures().join("targets.json"));
    assert!(40 < cases.as_array().unwrap().len());
    for case in cases.as_array().unwrap() {
        let mut json = case["config"].clone();
        json["peft_type"] = "LORA".into();
        let selected = AdapterConfig::parse(Path::new("x"), &json)
            .and_then(|config| config.targets.with_defaults("llama")?.select(&modules));
        match (&selected, &case["selected"]) {
            (Ok(found), Value::Array(expected)) => assert_eq!(&json!(found), &json!(expected), "{json}"),
            (Err(error), Value::String(_)) => assert!(error.hint().is_some(), "{json}: {error}"),
            _ => panic!("{json}: {selected:?}, but peft: {}", case["selected"]),
        }
    }
}

#[test]
fn patterns_match_as_in_peft() {
    let patterns = json_of(&fixtures().join("patterns.json"));
    for case in patterns["cases"].as_array().unwrap() {
        let keys = case["keys"].as_array().unwrap();
        // Each key gives its own rank, and 100 is that of no key.
        let rank_pattern = keys.iter().enumerate().map(|(i, key)| (key.as_str().unwrap().to_owned(), i + 1));
        let config = AdapterConfig { rank: 100, rank_pattern: rank_pattern.collect(), ..Default::default() };
        let paths = patterns["paths"].as_array().unwrap();
        for (path, chosen) in paths.iter().zip(case["matches"].as_array().unwrap()) {
            let expected = keys.iter().position(|key| key == chosen).map_or(100, |i| i + 1);
            assert_eq!(config.rank_of(path.as_str().unwrap()).unwrap(), expected, "{case} {path}");
        }
    }
}

#[test]
fn a_target_that_matches_nothing_shows_the_nearest() {
    let modules = modules_of(&fixture("plain").base);
    let select = |modules_wanted| Targets { modules: modules_wanted, ..Default::default() }.select(&modules);
    let error = select(Selection::Names(vec!["q_prj".to_owned()])).unwrap_err();
    assert!(error.hint().unwrap().contains("`q_proj`"), "{:?}", error.hint());
    let error = select(Selection::Names(vec!["self_attn.qproj".to_owned()])).unwrap_err();
    assert!(error.hint().unwrap().contains("`self_attn.q_proj`"), "{:?}", error.hint());
    let error = select(Selection::Pattern("nothing".to_owned())).unwrap_err();
    assert!(error.hint().unwrap().contains("`down_proj`"), "{:?}", error.hint());
    let names = ["q_proj", "nope"].map(str::to_owned).to_vec();
    let partly = Targets { modules: Selection::Names(names), ..Default::default() };
    assert!(partly.select(&modules).is_ok());
    let layered = |layers: &[usize]| {
        let targets =
            Targets { modules: Selection::AllLinear, layers: layers.to_vec(), ..Default::default() };
        targets.select_strictly(&modules)
    };
    assert!(layered(&[0]).unwrap().iter().all(|path| path.contains("layers.0.")));
    let error = layered(&[99]).unwrap_err();
    assert!(error.to_string().contains("no layer 99"), "{error}");
    let error = partly.select_strictly(&modules).unwrap_err();
    assert!(error.to_string().contains("`nope`") && !error.to_string().contains("q_proj"), "{error}");
}

#[test]
fn convolutions_are_targeted_by_name_and_are_not_linear() {
    let shapes = json!({
        "conv1.weight": [4, 1, 3, 3], "bn1.weight": [4], "layer1.0.conv1.weight": [4, 4, 3, 3],
        "layer1.0.bn1.weight": [4], "fc.weight": [3, 4],
    });
    let modules = modules_of(&Shapes::new(&shapes));
    let targets = |modules| Targets { modules, ..Default::default() };
    assert_eq!(targets(Selection::AllLinear).select(&modules).unwrap(), ["fc"]);
    let named = targets(Selection::Names(vec!["conv1".to_owned()]));
    assert_eq!(named.select_strictly(&modules).unwrap(), ["conv1", "layer1.0.conv1"]);
    // The norms and the block itself match too: peft refuses them, and what is trained here passes them over.
    let expression = targets(Selection::Pattern("layer.*".to_owned()));
    assert!(matches!(expression.select(&modules), Err(Error::Targets(TargetFault::Unsupported { .. }))));
    assert_eq!(expression.select_strictly(&modules).unwrap(), ["layer1.0.conv1"]);
    let saved = Targets { saved: vec!["fc".to_owned()], ..targets(Selection::AllLinear) };
    let error = saved.select_strictly(&modules).unwrap_err();
    assert!(error.hint().unwrap().contains("convolutions"), "{error}");
}

#[test]
fn everything_that_does_not_fit_is_listed_at_once() {
    let Fixture { mut adapter, mut base, .. } = fixture("plain");
    base.0.shift_remove("model.layers.0.self_attn.q_proj.weight");
    base.0["model.layers.1.self_attn.q_proj.weight"].shape = vec![4, 8];
    adapter.low_rank.shift_remove("model.layers.0.mlp.down_proj");
    let error = adapter.check(&base).unwrap_err();
    let Error::Adapter { fault: Fault::Mismatch(mismatch), .. } = &error else { panic!("{error}") };
    let key = |module: &str, factor: &str| format!("base_model.model.model.layers.{module}.{factor}.weight");
    assert_eq!(mismatch.missing, ["lora_A", "lora_B"].map(|factor| key("0.mlp.down_proj", factor)));
    assert_eq!(mismatch.unexpected, ["lora_A", "lora_B"].map(|factor| key("0.self_attn.q_proj", factor)));
    let misshapen =
        Misshapen { key: key("1.self_attn.q_proj", "lora_A"), expected: vec![2, 8], found: vec![2, 4] };
    assert_eq!(mismatch.misshapen, [misshapen]);
    let message = error.to_string();
    assert!(message.contains("2 missing, 2 unexpected, 1 misshapen"), "{message}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("_proj` is nearest to `model.layers.0.self_attn.q_proj`"), "{hint}");
}

/// An adapter folder of this configuration and these tensors of zeros.
fn folder_of(config: &Value, tensors: &[(&str, &[usize])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: crate::Dtype::F32, bytes: 0 };
    let infos: IndexMap<_, _> = tensors.iter().map(|(key, shape)| (key.to_string(), info(shape))).collect();
    let path = folder.path().join("adapter_model.safetensors");
    let writer = crate::writer::TensorsWriter::create(&path, &infos).unwrap();
    for (key, info) in &infos {
        writer.write(key, &vec![0.5; info.elements()]).unwrap();
    }
    writer.finish().unwrap();
    folder
}

const Q: &str = "base_model.model.model.layers.0.self_attn.q_proj";

fn checked(config: &Value, tensors: &[(&str, &[usize])]) -> Result<Adapter> {
    let base = Shapes::new(&json!({
        "model.embed_tokens.weight": [6, 4],
        "model.layers.0.self_attn.q_proj.weight": [4, 4],
    }));
    let folder = folder_of(config, tensors);
    let adapter = Adapter::open(folder.path())?;
    adapter.check(&base).map(|()| adapter)
}

#[test]
fn four_keys_are_a_configuration_and_the_adapter_name_may_be_left_in() {
    let config = json!({ "peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_modules": ["q_proj"] });
    let (a, b) = (format!("{Q}.lora_A.default.weight"), format!("{Q}.lora_B.default.weight"));
    let adapter = checked(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]).unwrap();
    assert_eq!(adapter.low_rank["model.layers.0.self_attn.q_proj"].scaling, 1.5);
}

#[test]
fn broken_sets_of_tensors_are_refused() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let dora = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "use_dora": true });
    let (a, b) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
    let (m, diag) = (format!("{Q}.lora_magnitude_vector"), format!("{Q}.lora_diag"));
    let twice = format!("{Q}.lora_A.default.weight");
    let pair: [(&str, &[usize]); 2] = [(&a, &[2, 4]), (&b, &[4, 2])];
    type Case<'a> = (&'a Value, Vec<(&'a str, &'a [usize])>, [usize; 3]);
    let cases: [Case; 10] = [
        (&config, vec![], [2, 0, 0]),
        (&config, vec![(&a, &[2, 4])], [1, 0, 0]),
        (&config, vec![(&a, &[3, 4]), (&b, &[4, 3])], [0, 0, 2]),
        (&config, vec![(&a, &[2, 5]), (&b, &[4, 2])], [0, 0, 1]),
        (&config, vec![(&a, &[2]), (&b, &[])], [0, 0, 2]),
        (&config, vec![(&a, &[2, 4, 1, 1]), (&b, &[4, 2])], [0, 0, 1]),
        (&config, vec![pair[0], pair[1], (&diag, &[2])], [0, 1, 0]),
        (&config, vec![pair[0], pair[1], (&twice, &[2, 4])], [0, 1, 0]),
        (&dora, pair.to_vec(), [1, 0, 0]),
        (&dora, vec![pair[0], pair[1], (&m, &[5])], [0, 0, 1]),
    ];
    for (config, tensors, counts) in cases {
        let error = checked(config, &tensors).unwrap_err();
        let Error::Adapter { fault: Fault::Mismatch(found), .. } = &error else { panic!("{error}") };
        let found = [found.missing.len(), found.unexpected.len(), found.misshapen.len()];
        assert_eq!(found, counts, "{tensors:?}: {error}");
    }
    assert!(checked(&dora, &[pair[0], pair[1], (&m, &[4])]).is_ok());
}

#[test]
fn what_cannot_be_used_is_named_with_a_hint() {
    let refused = |extra: Value| {
        let mut json = json!({ "peft_type": "LORA", "target_modules": ["q_proj"] });
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let error = AdapterConfig::parse(Path::new("x"), &json).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        error.to_string()
    };
    let cases = [
        (json!({ "peft_type": null }), "`peft_type`"),
        (json!({ "peft_type": "BONE" }), "`BONE`"),
        (json!({ "peft_type": "VERA" }), "`VERA`"),
        (json!({ "r": 0 }), "rank 0"),
        (json!({ "r": 2.5 }), "rank 2.5"),
        (json!({ "r": "8" }), "`r`"),
        (json!({ "rank_pattern": { "q": 0 } }), "`q`"),
        (json!({ "rank_pattern": { "(": 1 } }), "`(`"),
        (json!({ "alpha_pattern": [1] }), "`alpha_pattern`"),
        (json!({ "lora_alpha": 1e39 }), "`lora_alpha`"),
        (json!({ "alpha_pattern": { "q_proj": 1e300 } }), "`q_proj`"),
        (json!({ "lora_alpha": 0 }), "`lora_alpha`: a scale of zero"),
        (json!({ "alpha_pattern": { "q_proj": -0.0 } }), "`q_proj`: a scale of zero"),
        (json!({ "lora_alpha": 1e-60 }), "`lora_alpha`: a scale of zero"),
        (json!({ "bias": "some" }), "`bias`"),
        (json!({ "init_lora_weights": "magic" }), "`magic`"),
        (json!({ "init_lora_weights": "pissa_niter_x" }), "`pissa_niter_x`"),
        (json!({ "kasa_config": { "beta": 1e-4 } }), "KaSA"),
        (json!({ "use_bdlora": { "nblocks": 2 } }), "block-diagonal"),
        (json!({ "arrow_config": {} }), "Arrow"),
        (json!({ "alora_invocation_tokens": [1] }), "activated"),
        (json!({ "layer_replication": [[0, 1]] }), "replicating"),
        (json!({ "target_parameters": ["experts"] }), "raw parameters"),
        (json!({ "monteclora_config": {} }), "Monte-Carlo"),
        (json!({ "trainable_token_indices": [-1] }), "`trainable_token_indices`"),
        (json!({ "layers_to_transform": ["a"] }), "`layers_to_transform`"),
    ];
    for (extra, part) in cases {
        let message = refused(extra.clone());
        assert!(message.contains(part), "{extra}: {message}");
    }
}

#[test]
fn harmless_features_and_unknown_keys_do_not_stop_reading() {
    let json = json!({
        "peft_type": "LORA", "velora_config": { "scale": 1.0 }, "target_parameters": [], "use_qalora": false,
        "init_lora_weights": "pissa_niter_4", "lora_alpha": 9.899, "brand_new": 1, "eva_config": {},
        "later_default": null, "later_switch": false, "later_list": [],
    });
    let config = AdapterConfig::parse(Path::new("x"), &json).unwrap();
    assert_eq!(config.unknown_keys, ["brand_new"]);
    assert_eq!(config.initialisation, Initialisation::PissaIterations(4));
    assert_eq!(config.to_json()["init_lora_weights"], "pissa_niter_4");
    assert_eq!(config.to_json()["lora_alpha"], 9.899);
}

#[test]
fn the_order_of_patterns_survives_writing() {
    let json = json!({ "peft_type": "LORA", "rank_pattern": { "z": 2, "a": 3 }, "alpha_pattern": { "z": 4, "a": 1.5 } });
    let config = AdapterConfig::parse(Path::new("x"), &json).unwrap();
    assert_eq!(config.to_json()["rank_pattern"].to_string(), r#"{"z":2,"a":3}"#);
    assert_eq!(config.to_json()["alpha_pattern"].to_string(), r#"{"z":4,"a":1.5}"#);
}

#[test]
fn folders_without_an_adapter_say_what_is_missing() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/adapter_config.json"), r#"{"peft_type": "LORA"}"#).unwrap();
    let error = Adapter::open(folder.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("`mine`"), "{error}");
    let error = Adapter::open(&folder.path().join("mine")).unwrap_err();
    assert!(matches!(error, Error::Adapter { fault: Fault::NoWeights, .. }));
}

#[test]
fn a_file_is_no_folder_of_an_adapter() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("adapter_model.safetensors");
    std::fs::write(&file, "").unwrap();
    let error = Adapter::open(&file).unwrap_err();
    assert!(matches!(error, Error::Adapter { fault: Fault::File, .. }), "{error}");
    assert!(error.hint().unwrap().contains("folder"));
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_key() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let (a, b) = (format!("{Q}.lora_A.weight"), format!("{Q}.lora_B.weight"));
    for value in [f32::NAN, f32::INFINITY] {
        let folder = folder_of(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]);
        let path = folder.path().join("adapter_model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let error = Adapter::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(&b) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn what_only_the_gradient_needs_is_passed_over() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "velora_config": { "scale": 1.0 } });
    let keys = ["lora_A.weight", "lora_B.weight", "lora_velora_embed"].map(|part| format!("{Q}.{part}"));
    let adapter = checked(&config, &[(&keys[0], &[2, 4]), (&keys[1], &[4, 2]), (&keys[2], &[1])]).unwrap();
    assert_eq!(adapter.low_rank.len(), 1);
}

#[test]
fn keys_without_their_prefix_are_named() {
    let config = json!({ "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"] });
    let [a, b] =
        ["lora_A.weight", "lora_B.weight"].map(|part| format!("model.layers.0.self_attn.q_proj.{part}"));
    let error = checked(&config, &[(&a, &[2, 4]), (&b, &[4, 2])]).unwrap_err();
    assert!(error.hint().unwrap().contains("prefix `base_model.model.`"), "{:?}", error.hint());
    let keys = ["lora_A.weight", "lora_B.weight", "lora_diag"].map(|part| format!("{Q}.{part}"));
    let error = checked(&config, &[(&keys[0], &[2, 4]), (&keys[1], &[4, 2]), (&keys[2], &[2])]).unwrap_err();
    assert!(error.hint().unwrap().contains("another base model"), "{:?}", error.hint());
}

#[test]
fn an_expression_without_end_is_given_up() {
    let targets = Targets { modules: Selection::Pattern(r"(?=(x+x+)+y)x".to_owned()), ..Default::default() };
    let modules = [ModuleName { path: "x".repeat(200), kind: Kind::Linear }];
    let error = targets.select(&modules).unwrap_err();
    assert!(
        matches!(error, Error::Targets(TargetFault::Pattern { .. } | TargetFault::NoMatch { .. })),
        "{error}"
    );
    for hostile in ["(".repeat(10_000), "((a{1000}){1000}){1000}".to_owned(), "x".repeat(100_000)] {
        let json = json!({ "peft_type": "LORA", "target_modules": &hostile });
        assert!(AdapterConfig::parse(Path::new("x"), &json).is_err(), "{hostile:.20}");
    }
}

#[test]
fn factors_of_a_convolution_fit_its_taps_only() {
    let kind = LayerKind::Convolution { kernel: [3, 5] };
    let low_rank = LowRank {
        a: vec![1.0; 2 * 60],
        b: vec![1.0; 6 * 2],
        rank: 2,
        inputs: 4 * 15,
        outputs: 6,
        scaling: 1.0,
        magnitude: None,
        output_bias: None,
        kind,
    };
    let mut adapter = Adapter::default();
    adapter.config.rank = 2;
    adapter.config.targets.modules = Selection::Names(vec!["conv".to_owned()]);
    adapter.low_rank.insert("conv".to_owned(), low_rank);
    let check = |shape: Value| match adapter.check(&Shapes::new(&json!({ "conv.weight": shape }))) {
        Ok(()) => (0, 0),
        Err(Error::Adapter { fault: Fault::Mismatch(found), .. }) => {
            (found.misshapen.len(), found.unexpected.len())
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(check(json!([6, 4, 3, 5])), (0, 0));
    assert_eq!(check(json!([6, 4, 5, 3])), (1, 0));
    assert_eq!(check(json!([7, 4, 3, 5])), (1, 0));
    assert_eq!(check(json!([6, 60])), (0, 2));
    // peft keeps the lengths of kernels as [1, outputs, 1, 1].
    (adapter.config.dora, adapter.config.alpha) = (true, 2.0);
    adapter.low_rank["conv"].magnitude = Some(vec![0.5; 6]);
    let root = TempDir::new().unwrap();
    let target = root.path().join("adapter");
    let folder = OutputFolder::create(&target, Existing::Refuse).unwrap();
    adapter.write(&folder).unwrap();
    folder.finish().unwrap();
    let written = crate::open_tensors(&target.join("adapter_model.safetensors")).unwrap();
    let magnitudes = &written.infos()["base_model.model.conv.lora_magnitude_vector"];
    assert_eq!(magnitudes.shape, [1, 6, 1, 1]);
    let read = Adapter::open(&target).unwrap();
    assert_eq!(read.low_rank, adapter.low_rank);
    read.check(&Shapes::new(&json!({ "conv.weight": [6, 4, 3, 5] }))).unwrap();
}

proptest! {
    #[test]
    fn any_expression_compiles_or_is_refused(pattern in r"[ab.*+?(){}\[\]|^$\\019<>=!:,iPk-]{0,24}") {
        let targets = Targets { modules: Selection::Pattern(pattern.clone()), ..Default::default() };
        let _ = targets.select(&[ModuleName { path: "a.b.0.ab".to_owned(), kind: Kind::Linear }]);
        let config = AdapterConfig { rank_pattern: IndexMap::from([(pattern, 3)]), ..Default::default() };
        if let Ok(rank) = config.rank_of("a.b.0.ab") {
            prop_assert!(rank == 3 || rank == 8);
        }
    }

    #[test]
    fn a_damaged_configuration_is_read_or_refused(
        which in 0_usize..ALL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let path = fixtures().join("adapters").join(ALL[which]).join("adapter_config.json");
        let mut text = std::fs::read(&path).unwrap();
        for (at, byte) in edits {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(json) = serde_json::from_slice::<Value>(&text)
            && let Ok(config) = AdapterConfig::parse(&path, &json)
        {
            // What was accepted is written in a form that is accepted.
            let again = AdapterConfig::parse(&path, &config.to_json()).unwrap();
            prop_assert_eq!(again.rank, config.rank);
            prop_assert_eq!(again.alpha, config.alpha);
        }
    }

    #[test]
    fn damaged_tensors_are_read_or_refused(
        which in 0_usize..ALL.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let source = fixtures().join("adapters").join(ALL[which]);
        let folder = TempDir::new().unwrap();
        std::fs::copy(source.join("adapter_config.json"), folder.path().join("adapter_config.json")).unwrap();
        let mut bytes = std::fs::read(source.join("adapter_model.safetensors")).unwrap();
        for (at, byte) in edits {
            // The header, where damage does most.
            let at = at.index(bytes.len().min(400));
            bytes[at] = byte;
        }
        std::fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
        if let Ok(adapter) = Adapter::open(folder.path()) {
            let expected = json_of(&source.join("expected.json"));
            let _ = adapter.check(&Shapes::new(&expected["base"]));
        }
    }
}
