//! The files under `fixtures/`; `fixtures/PROVENANCE.md` tells what each holds and with which tolerance to compare.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a fixture lies, for example `path("models/llama_tied")`.
///
/// # Panics
/// When there is no such fixture.
#[track_caller]
pub fn path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(path.exists(), "no fixture `{name}`");
    path
}

/// A fixture in JSON, for example `json("models/llama_tied/expected.json")`.
///
/// # Panics
/// When there is no such fixture or it is not JSON.
#[track_caller]
pub fn json(name: &str) -> Value {
    let text = fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("`{name}`: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{name}`: {error}"))
}

/// All numbers of nested lists, row-major, or one number.
///
/// # Panics
/// When something in there is not a number.
#[track_caller]
pub fn floats(value: &Value) -> Vec<f32> {
    doubles(value).into_iter().map(|number| number as f32).collect()
}

/// As [`floats`], in double precision.
///
/// # Panics
/// When something in there is not a number.
#[track_caller]
pub fn doubles(value: &Value) -> Vec<f64> {
    flat(value, "a number", Value::as_f64)
}

/// All whole numbers of nested lists, row-major: token ids.
///
/// # Panics
/// When something in there is not a whole number from 0 to 2³² − 1.
#[track_caller]
pub fn tokens(value: &Value) -> Vec<u32> {
    flat(value, "a token id", |item| item.as_u64().and_then(|number| number.try_into().ok()))
}

/// All whole numbers of nested lists, row-major: labels, where −100 is not scored.
///
/// # Panics
/// When something in there is not a whole number.
#[track_caller]
pub fn labels(value: &Value) -> Vec<i64> {
    flat(value, "a whole number", Value::as_i64)
}

/// All strings of nested lists.
///
/// # Panics
/// When something in there is not a string.
#[track_caller]
pub fn strings(value: &Value) -> Vec<String> {
    flat(value, "a string", |item| item.as_str().map(str::to_owned))
}

/// The items of a list.
///
/// # Panics
/// When it is not a list.
#[track_caller]
pub fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("expected a list, found `{value}`"))
}

#[track_caller]
fn flat<T>(value: &Value, kind: &str, read: impl Fn(&Value) -> Option<T> + Copy) -> Vec<T> {
    match value {
        Value::Array(list) => list.iter().flat_map(|item| flat(item, kind, read)).collect(),
        item => vec![read(item).unwrap_or_else(|| panic!("expected {kind}, found `{item}`"))],
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::json;

    use super::*;

    #[test]
    fn nested_lists_are_read_row_major() {
        assert_eq!(floats(&json!([[1, 2.5], [-3e-2, 4]])), [1.0, 2.5, -0.03, 4.0]);
        assert_eq!(doubles(&json!(0.1)), [0.1]);
        assert_eq!(tokens(&json!([[5], [], [7, 9]])), [5, 7, 9]);
        assert_eq!(labels(&json!([-100, 3])), [-100, 3]);
        assert_eq!(strings(&json!(["a", ["b"]])), ["a", "b"]);
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_refused() {
        assert!(catch_unwind(|| floats(&json!({})["logits"])).is_err());
        assert!(catch_unwind(|| tokens(&json!([1, -1]))).is_err());
        assert!(catch_unwind(|| tokens(&json!(1_u64 << 32))).is_err());
        assert!(catch_unwind(|| path("models/of_another_name")).is_err());
    }

    #[test]
    fn every_model_and_adapter_is_whole() {
        for (folder, weights) in [("models", "model"), ("adapters", "adapter_model")] {
            for entry in fs::read_dir(path(folder)).unwrap() {
                let name = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
                if name == "adapters/training_start" {
                    continue;
                }
                let expected = json(&format!("{name}/expected.json"));
                let lengths = items(&expected["input_ids"]).iter().map(|ids| tokens(ids).len());
                assert_eq!(floats(&expected["logits"]).len(), 96 * lengths.sum::<usize>(), "{name}");
                assert!(floats(&expected["logits"]).iter().all(|x| x.is_finite()), "{name}");
                let file = format!("{weights}.safetensors");
                let index = format!("{file}.index.json");
                assert!(path(&name).join(file).exists() || path(&name).join(index).exists(), "{name}");
            }
        }
    }
}
