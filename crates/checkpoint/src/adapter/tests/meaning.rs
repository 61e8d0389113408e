//! What adapters that peft wrote mean, and that they are written as they were read.

use super::*;
use crate::{Error, Existing, OutputFolder};
use serde_json::json;
use tempfile::TempDir;

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
