//! Against the weights that peft's unmerged model computes with; `fixtures/PROVENANCE.md`.

use crate::common::{adapter, base, read};
use rankine_checkpoint::Tensors;
use rankine_surgery::Merged;
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

fn cases() -> Map<String, Value> {
    let text = include_str!("../fixtures/merged.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_adapter_changes_what_it_changes_in_peft() {
    let cases = cases();
    assert_eq!(cases.len(), 54);
    for (name, case) in &cases {
        let (base, adapter) = (base(case["base"].as_str().unwrap()), adapter(name));
        let mut merged =
            Merged::new(base.tensors(), &adapter).unwrap_or_else(|error| panic!("{name}: {error}"));
        let changed: BTreeSet<_> = merged.changed().map(str::to_owned).collect();
        let expected: BTreeSet<_> = fixtures::strings(&case["changed"]).into_iter().collect();
        assert_eq!(changed, expected, "{name}");
        let config = merged.configure(base.config()).unwrap();
        let untied = expected.contains("lm_head.weight");
        assert_eq!(config.tied, base.config().tied && !untied, "{name}");
    }
}

#[test]
fn every_changed_weight_is_that_of_peft() {
    for (name, case) in &cases() {
        let (base, adapter) = (base(case["base"].as_str().unwrap()), adapter(name));
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        for (tensor, rows) in case["rows"].as_object().unwrap() {
            let (values, width) = (read(&merged, tensor), merged.infos()[tensor].row_elements());
            for (row, expected) in rows.as_object().unwrap() {
                let expected = fixtures::floats(expected);
                let at = row.parse::<usize>().unwrap() * width;
                let context = format!("{name}: {tensor}, row {row}");
                // Weights reach 3; peft's are read off an f32 product with the identity.
                assert_close!(values[at..at + expected.len()], expected, absolute = 1e-5, "{context}");
            }
        }
    }
}

/// testkit records what peft's merging does to the logits; where it changes the function, ours must not follow.
#[test]
fn ends_of_a_tied_model_come_apart_only_where_the_function_asks_for_it() {
    for (name, untied) in [
        ("testkit/embedding_tied", true),
        ("testkit/head_tied", true),
        ("testkit/trainable_tokens_tied", false),
        ("testkit/plain_tied", false),
        ("surgery/embedding_ensured", false),
        ("surgery/saved_ensured", false),
    ] {
        let (base, adapter) = (base("llama_tied"), adapter(name));
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        assert_eq!(merged.infos().contains_key("lm_head.weight"), untied, "{name}");
        if name == "testkit/embedding_tied" {
            let before = base.read("model.embed_tokens.weight").unwrap();
            assert_eq!(read(&merged, "lm_head.weight"), before);
            assert_ne!(read(&merged, "model.embed_tokens.weight"), before);
        }
    }
}
