//! What `tokenizer_config.json` says: special tokens and the chat template.

use serde_json::Value;

/// The special tokens a chat template may name, in the order transformers lists them.
pub(super) const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The spelling of a special token: a string, or an object with the string in `content`.
pub(super) fn special(config: &Value, name: &str) -> Option<String> {
    let token = config.get(name)?;
    token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
}

/// The chat template: one string, or a list of named ones of which `default` (or the only one) is taken.
pub(super) fn template(config: &Value) -> Option<String> {
    let text = |named: &Value| named.get("template")?.as_str().map(str::to_owned);
    match config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(all) => {
            let default =
                all.iter().find(|named| named.get("name").and_then(Value::as_str) == Some("default"));
            text(default.or(if all.len() == 1 { all.first() } else { None })?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn special_tokens_are_strings_or_objects() {
        let config =
            json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null});
        assert_eq!(special(&config, "bos_token").as_deref(), Some("<s>"));
        assert_eq!(special(&config, "eos_token").as_deref(), Some("</s>"));
        assert_eq!(special(&config, "pad_token"), None);
        assert_eq!(special(&Value::Null, "pad_token"), None);
    }

    #[test]
    fn of_several_templates_the_default_one_is_taken() {
        let named = |name: &str| json!({"name": name, "template": name});
        assert_eq!(template(&json!({"chat_template": "x"})).as_deref(), Some("x"));
        let two = json!({"chat_template": [named("rag"), named("default")]});
        assert_eq!(template(&two).as_deref(), Some("default"));
        assert_eq!(template(&json!({"chat_template": [named("only")]})).as_deref(), Some("only"));
        assert_eq!(template(&json!({"chat_template": [named("a"), named("b")]})), None);
    }
}
