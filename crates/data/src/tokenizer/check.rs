//! Checks of a `tokenizer.json` before the library sees it.
//!
//! The library indexes by what the file says: a merge of pieces that are not in the vocabulary and a post-processor
//! that names a token it does not define end the program. Files are not trusted here, so both are errors first.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::{Error, Result};

/// A fault in a part of the file.
pub(super) fn bad(part: impl Into<String>, reason: impl std::fmt::Display) -> Error {
    Error::BadTokenizer { part: part.into(), reason: reason.to_string() }
}

/// Checks merges, post-processors and the ids of tokens.
pub(super) fn tokenizer(file: &Value) -> Result<()> {
    let model = file.get("model").ok_or_else(|| bad("model", "missing"))?;
    if model.get("merges").is_some() {
        merges(model)?;
    }
    vocabulary(model)?;
    processor(file.get("post_processor").unwrap_or(&Value::Null), "post_processor")
}

/// Ids must leave room for one more: sizes are counted from them.
fn vocabulary(model: &Value) -> Result<()> {
    let Some(vocabulary) = model.get("vocab").and_then(Value::as_object) else { return Ok(()) };
    match vocabulary.iter().find(|(_, id)| id.as_u64().is_none_or(|id| u64::from(u32::MAX) <= id)) {
        Some((token, id)) => Err(bad("model.vocab", format!("token `{token}` has id {id}"))),
        None => Ok(()),
    }
}

fn merges(model: &Value) -> Result<()> {
    let (Some(vocabulary), Some(merges)) =
        (model.get("vocab").and_then(Value::as_object), model.get("merges").and_then(Value::as_array))
    else {
        return Err(bad("model", "`vocab` must be an object and `merges` an array"));
    };
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or("");
    for (index, merge) in merges.iter().enumerate() {
        let fault = |reason: String| bad(format!("model.merges[{index}]"), reason);
        let (left, right) = pair(merge).ok_or_else(|| fault("expected two pieces".into()))?;
        let rest = right
            .strip_prefix(prefix)
            .ok_or_else(|| fault(format!("`{right}` does not begin with `{prefix}`")))?;
        let whole = format!("{left}{rest}");
        for piece in [left, right, &whole] {
            if !vocabulary.contains_key(piece) {
                return Err(fault(format!("`{piece}` is not in the vocabulary")));
            }
        }
    }
    Ok(())
}

/// The two pieces of a merge: an array of two strings, or one string with a space between them.
fn pair(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(text) => text.split_once(' '),
        Value::Array(pieces) if pieces.len() == 2 => Some((pieces[0].as_str()?, pieces[1].as_str()?)),
        _ => None,
    }
}

fn processor(processor: &Value, path: &str) -> Result<()> {
    for (index, inner) in array(processor, "processors").iter().enumerate() {
        self::processor(inner, &format!("{path}.processors[{index}]"))?;
    }
    let defined: HashSet<&str> = match processor.get("special_tokens").and_then(Value::as_object) {
        Some(tokens) => tokens.keys().map(String::as_str).collect(),
        None => HashSet::new(),
    };
    for (name, sequences) in [("single", &["A"][..]), ("pair", &["A", "B"][..])] {
        for piece in array(processor, name) {
            let id = |kind| piece.get(kind).and_then(|piece| piece.get("id")).and_then(Value::as_str);
            if let Some(token) = id("SpecialToken").filter(|token| !defined.contains(token)) {
                return Err(bad(format!("{path}.{name}"), format!("`{token}` is not in `special_tokens`")));
            }
            if let Some(sequence) = id("Sequence").filter(|sequence| !sequences.contains(sequence)) {
                return Err(bad(format!("{path}.{name}"), format!("there is no sequence `{sequence}` here")));
            }
        }
    }
    Ok(())
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(merges: Value) -> Value {
        json!({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": merges}})
    }

    #[test]
    fn merges_stay_inside_the_vocabulary() {
        assert!(tokenizer(&model(json!([["a", "b"]]))).is_ok());
        assert!(tokenizer(&model(json!(["a b"]))).is_ok());
        for merges in
            [json!([["ab", "ab"]]), json!(["a c"]), json!(["ab"]), json!([["a"]]), json!([[1, 2]]), json!(3)]
        {
            assert!(tokenizer(&model(merges.clone())).is_err(), "{merges}");
        }
    }

    #[test]
    fn a_prefix_that_is_not_there_is_an_error() {
        let mut file = model(json!([["a", "b"]]));
        file["model"]["continuing_subword_prefix"] = json!("##long");
        assert!(tokenizer(&file).is_err());
    }

    #[test]
    fn a_template_uses_only_what_it_defines() {
        let mut file = model(json!([]));
        let with = |pieces: Value| json!({"type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": {"<s>": {}}});
        file["post_processor"] = with(json!([{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]));
        assert!(tokenizer(&file).is_ok());
        file["post_processor"] = with(json!([{"SpecialToken": {"id": "</s>"}}]));
        assert!(tokenizer(&file).is_err());
        file["post_processor"] = with(json!([{"Sequence": {"id": "B"}}]));
        assert!(tokenizer(&file).is_err());
        file["post_processor"] =
            json!({"type": "Sequence", "processors": [with(json!([{"Sequence": {"id": "B"}}]))]});
        assert!(tokenizer(&file).is_err());
    }

    #[test]
    fn ids_leave_room() {
        assert!(
            tokenizer(&json!({"model": {"type": "WordLevel", "vocab": {"a": 4_294_967_295u32}}})).is_err()
        );
        assert!(tokenizer(&json!({})).is_err());
    }
}
