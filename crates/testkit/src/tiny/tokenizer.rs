//! A byte-level BPE tokenizer without merges: token b is byte b, then come the special tokens. Any text is one token a
//! byte, so counts can be told without a tokenizer.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// The special tokens; the first has id 256.
pub const SPECIAL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Tokens in all.
pub const TOKENS: usize = 256 + SPECIAL_TOKENS.len();

/// ChatML: every turn between `<|im_start|>ROLE` and `<|im_end|>`, each on lines of its own.
pub const CHAT_TEMPLATE: &str = "\
    {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Writes `tokenizer.json` and `tokenizer_config.json` into `folder`.
///
/// # Panics
/// When a file cannot be written.
pub fn tokenizer(folder: &Path) {
    write_json(&folder.join("tokenizer.json"), &tokenizer_json());
    write_json(&folder.join("tokenizer_config.json"), &tokenizer_config());
}

pub(super) fn write_json(path: &Path, value: &Value) {
    let text = format!("{value:#}\n");
    fs::write(path, text).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}

fn tokenizer_json() -> Value {
    let mut vocabulary: Map<String, Value> =
        byte_characters().iter().enumerate().map(|(id, letter)| (letter.to_string(), json!(id))).collect();
    vocabulary.extend(specials().map(|(id, token)| (token.to_owned(), json!(id))));
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": specials().map(|(id, token)| added(id, token, true)).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": [],
        },
    })
}

fn tokenizer_config() -> Value {
    let decoder: Map<String, Value> =
        specials().map(|(id, token)| (id.to_string(), added(id, token, false))).collect();
    json!({
        "tokenizer_class": "GPT2TokenizerFast",
        "add_prefix_space": false,
        "added_tokens_decoder": decoder,
        "bos_token": SPECIAL_TOKENS[1],
        "eos_token": SPECIAL_TOKENS[2],
        "pad_token": SPECIAL_TOKENS[2],
        "unk_token": SPECIAL_TOKENS[0],
        "clean_up_tokenization_spaces": false,
        "model_max_length": 512,
        "chat_template": CHAT_TEMPLATE,
    })
}

fn specials() -> impl Iterator<Item = (usize, &'static str)> {
    SPECIAL_TOKENS.into_iter().enumerate().map(|(index, token)| (256 + index, token))
}

fn added(id: usize, token: &str, with_id: bool) -> Value {
    let mut value = json!({
        "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
    });
    if with_id {
        value["id"] = json!(id);
    }
    value
}

/// The character that stands for each byte in a byte-level vocabulary: itself where it is printable Latin-1, else the
/// next one from U+0100 on.
fn byte_characters() -> Vec<char> {
    let mut next = 0x100_u32;
    (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or('\u{100}')
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let letters = byte_characters();
        assert_eq!(letters.iter().collect::<HashSet<_>>().len(), 256);
        assert_eq!((letters[b' ' as usize], letters[b'\n' as usize], letters[0xad]), ('Ġ', 'Ċ', 'Ń'));
    }

    #[test]
    fn ids_are_bytes_then_specials() {
        let json = tokenizer_json();
        assert_eq!(json["model"]["vocab"].as_object().unwrap().len(), TOKENS);
        assert_eq!(json["model"]["vocab"]["a"], 97);
        assert_eq!(json["model"]["vocab"]["<|im_end|>"], 258);
        assert_eq!(json["added_tokens"][2]["id"], 258);
    }
}
