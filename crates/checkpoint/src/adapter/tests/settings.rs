//! Configurations: what is refused, and what is passed over.

use super::*;
use serde_json::json;

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
