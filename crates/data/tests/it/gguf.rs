//! Tokenizers as GGUF files hold them.

use rankine_data::{Error, Tokenizer, Vocabulary};
use serde_json::{Value, json};

use crate::fixtures::{TOKENIZERS, bytes, pieces};

/// What is made of the files of a tokenizer that was made of `vocabulary`.
fn again(vocabulary: &Vocabulary, rows: usize) -> Vocabulary {
    let built = Tokenizer::from_vocabulary(vocabulary.clone()).unwrap();
    let template = vocabulary.chat_template.clone();
    Vocabulary::from_json(&built.to_json().unwrap(), &built.tokenizer_config_json(), template, rows).unwrap()
}

#[test]
fn byte_level_vocabularies_come_back() {
    for pre in ["gpt-2", "smollm", "llama-bpe", "qwen2", "tekken"] {
        for (add_bos, add_eos) in [(false, false), (true, false), (true, true)] {
            let vocabulary = Vocabulary {
                add_bos: Some(add_bos),
                add_eos: Some(add_eos),
                chat_template: Some("{{ messages }}".into()),
                ..bytes(pre)
            };
            let rows = vocabulary.tokens.len();
            let found = again(&vocabulary, rows);
            assert_eq!((found.model.as_str(), found.pre.as_deref()), ("gpt2", Some(pre)));
            assert_eq!((&found.tokens, &found.merges), (&vocabulary.tokens, &vocabulary.merges));
            assert_eq!((found.add_bos, found.add_eos), (Some(add_bos), Some(add_eos)));
            assert_eq!((found.bos, found.eos), (vocabulary.bos, vocabulary.eos));
            assert_eq!(found.chat_template, vocabulary.chat_template);
            for (id, (kind, given)) in found.kinds.iter().zip(&vocabulary.kinds).enumerate() {
                let special = [vocabulary.bos, vocabulary.eos].contains(&Some(id as u32));
                assert_eq!(*kind, if special { 3 } else { (*given).clamp(1, 4) }, "{id}");
            }
        }
    }
}

#[test]
fn sentence_pieces_come_back_with_scores_in_the_same_order() {
    for prefix in [true, false] {
        let vocabulary = Vocabulary { add_space_prefix: Some(prefix), ..pieces() };
        let found = again(&vocabulary, vocabulary.tokens.len());
        assert_eq!((found.model.as_str(), found.add_space_prefix), ("llama", Some(prefix)));
        assert_eq!((&found.tokens, found.merges.len()), (&vocabulary.tokens, 0));
        assert_eq!((found.unknown, found.add_bos), (Some(0), Some(true)));
        let [given, built] = [vocabulary, found].map(|one| Tokenizer::from_vocabulary(one).unwrap());
        for text in TOKENIZERS["texts"].as_array().unwrap() {
            let text = text.as_str().unwrap();
            assert_eq!(given.encode(text, true).unwrap(), built.encode(text, true).unwrap(), "{text:?}");
        }
    }
}

#[test]
fn rows_without_a_token_get_one_that_nothing_uses() {
    let vocabulary = bytes("smollm");
    let tokens = vocabulary.tokens.len();
    let found = again(&vocabulary, tokens + 2);
    assert_eq!((found.tokens.len(), found.kinds.len()), (tokens + 2, tokens + 2));
    assert_eq!((found.tokens[tokens].as_str(), found.kinds[tokens]), (&*format!("[PAD{tokens}]"), 5));
    let built = Tokenizer::from_vocabulary(vocabulary).unwrap();
    let few = Vocabulary::from_json(&built.to_json().unwrap(), &Value::Null, None, tokens - 1).unwrap_err();
    assert!(few.to_string().contains(&format!("the embedding {} rows", tokens - 1)), "{few}");
}

#[test]
fn what_llama_cpp_would_read_otherwise_is_refused() {
    let built = Tokenizer::from_vocabulary(bytes("smollm")).unwrap();
    let file: Value = serde_json::from_slice(&built.to_json().unwrap()).unwrap();
    let rows = bytes("smollm").tokens.len();
    let refused = |change: &dyn Fn(&mut Value), named: &str| {
        let mut file = file.clone();
        change(&mut file);
        let config = json!({"bos_token": "<s>", "eos_token": "</s>"});
        let error =
            Vocabulary::from_json(&serde_json::to_vec(&file).unwrap(), &config, None, rows).unwrap_err();
        assert!(matches!(error, Error::NotInGguf { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.hint().unwrap().contains("convert_hf_to_gguf.py"));
    };
    refused(
        &|file| file["pre_tokenizer"]["pretokenizers"][0] = json!({"type": "Whitespace"}),
        "pre_tokenizer",
    );
    refused(&|file| file["normalizer"] = json!({"type": "Lowercase"}), "pre_tokenizer");
    refused(&|file| file["model"]["ignore_merges"] = json!(true), "pre_tokenizer");
    refused(&|file| file["added_tokens"][0]["rstrip"] = json!(true), "added_tokens");
    refused(&|file| file["model"]["end_of_word_suffix"] = json!("</w>"), "end_of_word_suffix");
    let words = json!({
        "type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"a": {"id": "a", "ids": [60], "tokens": ["a"]}},
    });
    refused(&|file| file["post_processor"] = words.clone(), "post_processor");
}
