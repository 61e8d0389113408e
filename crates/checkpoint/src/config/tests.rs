//! Against transformers: see `tests/fixtures/PROVENANCE.md`.

use super::*;
use serde_json::json;

fn config(mut json: Value) -> Result<Config> {
    let small = json!({
        "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 64,
    });
    for (key, value) in small.as_object().unwrap() {
        json.as_object_mut().unwrap().entry(key).or_insert(value.clone());
    }
    Config::parse(Path::new("config.json"), json, None)
}

#[test]
fn old_keys_new_keys_and_absent_keys_mean_what_they_mean_in_transformers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/configs.json");
    let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(20 < cases.as_array().unwrap().len());
    for case in cases.as_array().unwrap() {
        let expected = &case["normalised"];
        // Not checked: some defaults do not fit the small sizes.
        let read = read::read(case["config"].clone(), None).unwrap();
        let rotary = read.rope().unwrap();
        let rope = match rotary.scaling {
            RopeScaling::None => json!({ "rope_type": "default" }),
            RopeScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
            scaling => scaling.to_json(),
        };
        for (key, value) in rope.as_object().unwrap() {
            assert_eq!(&expected["rope"][key], value, "{case}");
        }
        assert_eq!(expected["rope"]["rope_theta"], rotary.theta, "{case}");
        // Qwen2 has its biases built in, without a key.
        let attention_bias = read.architecture != Architecture::Qwen2 && read.attention_bias;
        let found = json!({
            "hidden_size": read.hidden_size, "intermediate_size": read.intermediate_size,
            "layers": read.layers, "heads": read.heads, "key_value_heads": read.key_value_heads,
            "head_dim": read.head_dim, "vocabulary": read.vocabulary, "context": read.context,
            "norm_epsilon": read.norm_epsilon, "rope": expected["rope"], "tied": read.tied,
            "attention_bias": attention_bias, "mlp_bias": read.mlp_bias, "windows": read.windows,
            "dtype": read.dtype.and_then(dtype_name), "bos": read.bos, "eos": read.eos,
        });
        assert_eq!(&found, expected, "{case}");
    }
}

#[test]
fn a_composed_file_says_the_same() {
    let llama3 = json!({ "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4 });
    let cases = [
        json!({ "attention_bias": true, "mlp_bias": true, "tie_word_embeddings": true, "rope_scaling": llama3 }),
        json!({ "model_type": "mistral", "sliding_window": 5, "num_key_value_heads": 2, "eos_token_id": [1, 2] }),
        json!({ "model_type": "mistral", "sliding_window": null, "num_key_value_heads": 2, "dtype": "bfloat16" }),
        json!({ "model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 1,
                "num_key_value_heads": 2 }),
        json!({ "model_type": "qwen3", "num_key_value_heads": 2, "bos_token_id": 3, "rope_theta": 1e6 }),
    ];
    for case in cases {
        let original = config(case).unwrap();
        let bare = Config { raw: Value::Null, ..original.clone() };
        let again = Config::parse(Path::new("x"), bare.to_json(), None).unwrap();
        assert_eq!(Config { raw: Value::Null, ..again }, bare);
    }
}

#[test]
fn an_image_classifier_is_told_from_what_is_unknown() {
    for (name, part) in [("vit", "`vit` tells images apart"), ("resnet", "architecture `resnet` is not")] {
        let error = config(json!({ "model_type": name })).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn changes_go_into_the_file_that_was_read() {
    let mut changed = config(json!({ "torch_dtype": "float32", "transformers_version": "4.1" })).unwrap();
    changed.dtype = Some(Dtype::F16);
    changed.tied = true;
    changed.vocabulary = 65;
    let json = changed.to_json();
    assert_eq!(json["torch_dtype"], "float16");
    assert_eq!(json["tie_word_embeddings"], true);
    assert_eq!(json["vocab_size"], 65);
    assert_eq!(json["transformers_version"], "4.1");
    assert!(json.get("dtype").is_none());
    let mut new = config(json!({ "dtype": "float32" })).unwrap();
    new.dtype = Some(Dtype::Bf16);
    assert_eq!(new.to_json()["dtype"], "bfloat16");
    assert!(new.to_json().get("torch_dtype").is_none());
}

#[test]
fn generation_config_decides_what_ends_an_answer() {
    let raw = json!({ "model_type": "llama", "eos_token_id": 5 });
    let eos = |generation: Value| Config::parse(Path::new("x"), raw.clone(), Some(&generation)).unwrap().eos;
    assert_eq!(eos(json!({ "eos_token_id": [9, 8, 9] })), [9, 8]);
    assert_eq!(eos(json!({})), [5]);
    assert_eq!(config(json!({ "eos_token_id": -1, "bos_token_id": null })).unwrap().eos, [0; 0]);
}

#[test]
fn the_class_stands_in_for_the_model_type() {
    let raw = json!({ "architectures": ["Qwen2ForCausalLM"] });
    assert_eq!(Config::parse(Path::new("x"), raw, None).unwrap().architecture, Architecture::Qwen2);
}

#[test]
fn unusable_configurations_are_named_with_a_hint() {
    let cases = [
        (json!({ "model_type": "gemma2" }), "`gemma2`"),
        (json!({ "model_type": 3 }), "`model_type`"),
        (json!({ "hidden_size": 0 }), "`hidden_size` is 0"),
        (json!({ "hidden_size": -1 }), "`hidden_size`"),
        (json!({ "hidden_size": 1e12 }), "`hidden_size`"),
        (json!({ "num_hidden_layers": 1e15 }), "`num_hidden_layers`"),
        (json!({ "num_attention_heads": 0 }), "`num_attention_heads` is 0"),
        (json!({ "num_attention_heads": 5 }), "multiple"),
        (json!({ "num_key_value_heads": 3 }), "multiple"),
        (json!({ "num_key_value_heads": 0 }), "`num_key_value_heads` is 0"),
        (json!({ "head_dim": 3 }), "multiple"),
        (json!({ "rms_norm_eps": 0 }), "`rms_norm_eps`"),
        (json!({ "rope_theta": -1 }), "`rope_theta`"),
        (json!({ "hidden_act": "gelu" }), "`gelu`"),
        (json!({ "rope_scaling": { "type": "yarn", "factor": 2 } }), "`yarn`"),
        (json!({ "rope_scaling": { "type": "dynamic", "factor": 2 } }), "`dynamic`"),
        (json!({ "rope_scaling": { "type": "linear" } }), "`factor`"),
        (
            json!({ "rope_scaling": { "rope_type": "llama3", "factor": 2, "low_freq_factor": 4,
                                   "high_freq_factor": 1 } }),
            "`high_freq_factor`",
        ),
        (json!({ "rope_parameters": { "full_attention": { "rope_type": "default" } } }), "rotary"),
        (json!({ "partial_rotary_factor": 0.5 }), "`partial_rotary_factor`"),
        (json!({ "quantization_config": { "quant_method": "gptq" } }), "`gptq`"),
        (
            json!({ "model_type": "qwen2", "num_key_value_heads": 4, "layer_types": ["full_attention"] }),
            "1 entries for 2",
        ),
        (
            json!({ "model_type": "qwen2", "num_key_value_heads": 4, "layer_types": ["chunked", "x"] }),
            "`chunked`",
        ),
        (
            json!({ "model_type": "mistral", "num_key_value_heads": 4, "sliding_window": 0 }),
            "`sliding_window`",
        ),
        (json!({ "eos_token_id": "x" }), "`eos_token_id`"),
    ];
    for (case, part) in cases {
        let error = config(case.clone()).unwrap_err();
        assert!(error.to_string().contains(part), "{case}: {error}");
        assert!(error.hint().is_some(), "{case}");
    }
    assert!(Config::parse(Path::new("x"), json!([]), None).is_err());
    assert!(Config::parse(Path::new("x"), json!({}), None).is_err());
}

#[test]
fn the_tensors_called_for_are_those_of_real_files() {
    for name in ["llama_tied", "llama_untied", "llama_bf16", "llama_sharded", "mistral", "qwen2", "qwen3"] {
        let folder = rankine_testkit::fixtures::path(&format!("models/{name}"));
        let opened = crate::Checkpoint::open(folder).unwrap();
        let mut expected = opened.config().tensors();
        expected.sort();
        let there = opened.tensors().infos().iter().filter(|(tensor, _)| !tensor.ends_with(".bias"));
        let mut found: Vec<_> = there.map(|(tensor, info)| (tensor.clone(), info.shape.clone())).collect();
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn models_with_learned_positions_have_their_own_keys() {
    let read = |json| Config::parse(Path::new("config.json"), json, None).unwrap();
    let gpt2 = read(json!({ "model_type": "gpt2" }));
    assert_eq!((gpt2.hidden_size, gpt2.intermediate_size, gpt2.layers, gpt2.heads), (768, 3072, 12, 12));
    assert_eq!((gpt2.vocabulary, gpt2.context, gpt2.norm_epsilon, gpt2.tied), (50_257, 1024, 1e-5, true));
    assert_eq!((gpt2.positions, gpt2.activation), (Positions::Learned { offset: 0 }, Activation::GeluTanh));
    assert_eq!((gpt2.bos, gpt2.eos.as_slice()), (Some(50_256), &[50_256][..]));
    let small = json!({ "model_type": "gpt2", "n_embd": 8, "n_inner": 20, "n_layer": 3, "n_head": 2,
                        "n_positions": 16, "layer_norm_epsilon": 1e-6, "activation_function": "relu" });
    let small = read(small);
    assert_eq!((small.hidden_size, small.intermediate_size, small.layers, small.head_dim), (8, 20, 3, 4));
    assert_eq!((small.context, small.norm_epsilon, small.activation), (16, 1e-6, Activation::Relu));
    let opt = read(json!({ "model_type": "opt", "enable_bias": false }));
    assert_eq!((opt.hidden_size, opt.intermediate_size, opt.embedding_size), (768, 3072, 768));
    assert_eq!((opt.vocabulary, opt.context, opt.norm_first, opt.final_norm), (50_272, 2048, true, true));
    assert_eq!(
        (opt.positions, opt.activation, opt.mlp_bias),
        (Positions::Learned { offset: 2 }, Activation::Relu, false)
    );
    let behind = json!({ "model_type": "opt", "do_layer_norm_before": false, "word_embed_proj_dim": 512 });
    let behind = read(behind);
    assert_eq!((behind.norm_first, behind.final_norm, behind.embedding_size), (false, false, 512));
    assert!(!read(json!({ "model_type": "opt", "_remove_final_layer_norm": true })).final_norm);
}

#[test]
fn variants_that_are_not_implemented_are_named() {
    let cases = [
        (json!({ "model_type": "gpt2", "scale_attn_weights": false }), "`scale_attn_weights` = false"),
        (json!({ "model_type": "gpt2", "scale_attn_by_inverse_layer_idx": true }), "only false is"),
        (json!({ "model_type": "gpt2", "add_cross_attention": true }), "`add_cross_attention`"),
        (json!({ "model_type": "gpt2", "n_embd": 10, "n_head": 3 }), "multiple of `n_head` = 3"),
        (json!({ "model_type": "gpt2", "n_layer": 0 }), "`n_layer` is 0"),
        (json!({ "model_type": "gpt2", "n_positions": 0 }), "`n_positions` is 0"),
        (json!({ "model_type": "opt", "layer_norm_elementwise_affine": false }), "`layer_norm_elementwise"),
        (json!({ "model_type": "opt", "activation_function": "tanh" }), "`tanh`"),
        (json!({ "model_type": "opt", "ffn_dim": 0 }), "`ffn_dim` is 0"),
        (json!({ "model_type": "opt", "word_embed_proj_dim": 0 }), "`word_embed_proj_dim` is 0"),
    ];
    for (case, part) in cases {
        let error = Config::parse(Path::new("x"), case.clone(), None).unwrap_err();
        assert!(error.to_string().contains(part), "{case}: {error}");
        assert!(error.hint().is_some(), "{case}");
    }
}

/// With biases, which these models always have, and by the names of today.
#[test]
fn the_tensors_called_for_are_all_that_a_model_with_learned_positions_has() {
    for name in ["gpt2", "gpt2_old", "opt", "opt_350m"] {
        let folder = rankine_testkit::fixtures::path(&format!("decoders/{name}"));
        let opened = crate::Checkpoint::open(folder).unwrap();
        let mut expected = opened.config().tensors();
        expected.sort();
        let there = opened.tensors().infos().iter();
        let mut found: Vec<_> = there.map(|(tensor, info)| (tensor.clone(), info.shape.clone())).collect();
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
}
