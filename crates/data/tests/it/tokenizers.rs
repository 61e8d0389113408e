//! Tokenizers give the ids that transformers gives.

use proptest::prelude::*;
use rankine_data::{Error, Tokenizer, Vocabulary};
use serde_json::{Value, json};

use crate::fixtures::{BYTES, PIECES, TOKENIZERS, WITH_BOS, bytes, pieces, tokenizer};

fn texts() -> Vec<&'static str> {
    TOKENIZERS["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn check(tokenizer: &Tokenizer, ids: &Value) {
    for (text, expected) in texts().into_iter().zip(ids.as_array().unwrap()) {
        let expected: Vec<u32> = serde_json::from_value(expected.clone()).unwrap();
        assert_eq!(tokenizer.encode(text, false).unwrap(), expected, "{text:?}");
    }
}

fn check_decoding(tokenizer: &Tokenizer, recorded: &Value, ids: &Value) {
    for (ids, expected) in ids.as_array().unwrap().iter().zip(recorded.as_array().unwrap()) {
        let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), expected.as_str().unwrap());
        let mut stream = tokenizer.stream();
        let mut pieces: Vec<_> = ids.iter().filter_map(|&id| stream.push(id)).collect();
        pieces.extend(stream.finish());
        assert_eq!(pieces.concat(), expected.as_str().unwrap());
    }
}

#[test]
fn a_tokenizer_file_gives_the_recorded_ids() {
    let recorded = &TOKENIZERS["bytes"];
    check(&tokenizer(None), &recorded["ids"]["smollm"]);
    check_decoding(&tokenizer(None), &recorded["decoded"], &recorded["ids"]["smollm"]);
}

#[test]
fn every_pre_tokenizer_cuts_as_recorded() {
    for (pre, ids) in TOKENIZERS["bytes"]["ids"].as_object().unwrap() {
        check(&Tokenizer::from_vocabulary(bytes(pre)).unwrap(), ids);
    }
}

#[test]
fn sentence_pieces_give_the_recorded_ids() {
    let tokenizer = Tokenizer::from_vocabulary(pieces()).unwrap();
    check(&tokenizer, &TOKENIZERS["pieces"]["ids"]);
    check_decoding(&tokenizer, &TOKENIZERS["pieces"]["decoded"], &TOKENIZERS["pieces"]["ids"]);
    assert_eq!(tokenizer.encode("a", true).unwrap()[0], 1, "a text begins with bos");
    let never = Vocabulary { add_space_prefix: Some(false), ..pieces() };
    let tokenizer = Tokenizer::from_vocabulary(never).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode(" a", false).unwrap(), true).unwrap(), " a");
}

#[test]
fn a_vocabulary_written_as_a_tokenizer_file_stays_the_same() {
    for vocabulary in [bytes("smollm"), bytes("llama-bpe"), bytes("qwen2"), pieces()] {
        let built = Tokenizer::from_vocabulary(vocabulary).unwrap();
        let read =
            Tokenizer::from_json(&built.to_json().unwrap(), &built.tokenizer_config_json(), None).unwrap();
        for text in texts() {
            assert_eq!(built.encode(text, true).unwrap(), read.encode(text, true).unwrap(), "{text:?}");
        }
        assert_eq!((built.bos(), built.eos_ids()), (read.bos(), read.eos_ids()));
        assert_eq!(built.vocabulary_size(), read.vocabulary_size());
    }
}

#[test]
fn special_tokens_are_known() {
    let mut tokenizer = Tokenizer::from_vocabulary(bytes("smollm")).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos_ids()), (Some(3), &[4][..]));
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(2));
    assert_eq!(tokenizer.token(2).as_deref(), Some("<|im_end|>"));
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(60));
    assert_eq!(tokenizer.vocabulary_size(), bytes("smollm").tokens.len());
    tokenizer.add_eos_ids(&[2, 4]);
    assert_eq!(tokenizer.eos_ids(), [4, 2]);
    let with_bos = Vocabulary { add_bos: Some(true), add_eos: Some(true), ..bytes("smollm") };
    let ids = Tokenizer::from_vocabulary(with_bos).unwrap().encode("", true).unwrap();
    assert_eq!(ids, [3, 4]);
    let by_default = Vocabulary { add_bos: None, ..bytes("llama-bpe") };
    assert_eq!(Tokenizer::from_vocabulary(by_default).unwrap().encode("", true).unwrap(), [3]);
}

#[test]
fn composed_and_decomposed_letters_are_one_in_qwen() {
    let ids = |pre| Tokenizer::from_vocabulary(bytes(pre)).unwrap().encode("e\u{301}", false).unwrap();
    assert_eq!(ids("qwen2"), Tokenizer::from_vocabulary(bytes("qwen2")).unwrap().encode("é", false).unwrap());
    assert_ne!(ids("qwen2"), ids("gpt-2"));
}

#[test]
fn truncation_and_padding_of_the_file_are_ignored() {
    let mut file = TOKENIZERS["bytes"]["file"].clone();
    file["truncation"] =
        json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    file["padding"] = json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "</s>"});
    let read = Tokenizer::from_json(&serde_json::to_vec(&file).unwrap(), &Value::Null, None).unwrap();
    let text = "a text of more than two tokens";
    assert_eq!(read.encode(text, true).unwrap(), tokenizer(None).encode(text, true).unwrap());
}

#[test]
fn what_cannot_be_a_tokenizer_is_an_error() {
    let broken = |change: fn(&mut Vocabulary)| {
        let mut vocabulary = bytes("smollm");
        change(&mut vocabulary);
        Tokenizer::from_vocabulary(vocabulary).unwrap_err()
    };
    assert!(matches!(broken(|v| v.model = "t5".into()), Error::UnsupportedVocabulary { .. }));
    assert!(matches!(broken(|v| v.pre = Some("unheard-of".into())), Error::UnsupportedPreTokenizer { .. }));
    assert!(matches!(broken(|v| v.kinds.truncate(3)), Error::VocabularyLength { .. }));
    assert!(matches!(broken(|v| v.eos = Some(9999)), Error::SpecialToken { .. }));
    for merge in ["no-space", "", " ", "a nosuchpiece", "\u{1f642} \u{1f642}"] {
        let mut vocabulary = bytes("smollm");
        vocabulary.merges.push(merge.into());
        assert!(Tokenizer::from_vocabulary(vocabulary).is_err(), "{merge:?}");
    }
    let no_scores = Vocabulary { scores: Vec::new(), ..pieces() };
    assert!(matches!(Tokenizer::from_vocabulary(no_scores), Err(Error::VocabularyLength { .. })));
    for file in [&b""[..], b"{}", b"[]", b"{\"model\": {}}", b"{\"model\": {\"type\": \"BPE\"}}", b"\xFF"] {
        assert!(matches!(Tokenizer::from_json(file, &Value::Null, None), Err(Error::BadTokenizer { .. })));
    }
}

/// Replaces or removes the value at a random place of a JSON tree.
fn disturb(value: &mut Value, path: &[usize], with: &Value) {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    let (Some((&at, rest)), true) = (path.split_first(), 0 < children) else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Array(items) => disturb(&mut items[at % children], rest, with),
        Value::Object(fields) if rest.is_empty() && at.is_multiple_of(3) => {
            fields.retain(|_, field| field != with);
        }
        Value::Object(fields) => disturb(fields.values_mut().nth(at % children).unwrap(), rest, with),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(4_294_967_295_u64),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("<s>"),
        json!([]),
        json!({}),
        json!(["a", "b"]),
        json!("BPE"),
        json!("WordPiece"),
        json!("Sequence"),
        json!({"id": "B", "type_id": 0}),
        json!({"type": "Digits", "individual_digits": true}),
        json!({"Regex": "(a*)*b"}),
        json!({"Regex": "("}),
        json!({"String": ""}),
    ])
}

proptest! {
    #[test]
    fn no_disturbed_file_ends_the_program(
        path in prop::collection::vec(0..600_usize, 1..6), with in any_value(), sentence_pieces: bool,
    ) {
        let tokenizer = if sentence_pieces { &*PIECES } else { &*WITH_BOS };
        let mut file: Value = serde_json::from_slice(&tokenizer.to_json().unwrap()).unwrap();
        disturb(&mut file, &path, &with);
        let config = json!({"bos_token": "<s>", "eos_token": "</s>"});
        if let Ok(tokenizer) = Tokenizer::from_json(&serde_json::to_vec(&file).unwrap(), &config, None) {
            let ids = tokenizer.encode("Hello <s> 12 é🙂\n", true).unwrap_or_default();
            let _ = tokenizer.decode(&ids, false);
            let _ = tokenizer.stream().push(300);
        }
    }

    #[test]
    fn byte_level_text_survives(text in "\\PC{0,40}|[ \n\ta-z0-9é🙂]{0,60}") {
        let tokenizer = &*BYTES;
        let ids = tokenizer.encode(&text, false).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }

    #[test]
    fn a_stream_gives_the_same_text(text in "[ \na-z0-9é🙂中<|im_end>]{0,60}", sentence_pieces: bool) {
        let tokenizer = if sentence_pieces { &*PIECES } else { &*BYTES };
        let ids = tokenizer.encode(&text, false).unwrap();
        let mut stream = tokenizer.stream();
        let mut streamed = String::new();
        for &id in &ids {
            let piece = stream.push(id).unwrap_or_default();
            prop_assert!(!piece.contains(char::REPLACEMENT_CHARACTER));
            streamed += &piece;
        }
        streamed += &stream.finish().unwrap_or_default();
        prop_assert_eq!(streamed, tokenizer.decode(&ids, true).unwrap());
    }

    #[test]
    fn any_tokens_stream_without_failing(ids in prop::collection::vec(0..520_u32, 0..40), sentence_pieces: bool) {
        let tokenizer = if sentence_pieces { &*PIECES } else { &*BYTES };
        let mut stream = tokenizer.stream();
        let mut streamed: String = ids.iter().filter_map(|&id| stream.push(id)).collect();
        streamed += &stream.finish().unwrap_or_default();
        if !sentence_pieces {
            prop_assert_eq!(streamed, tokenizer.decode(&ids, true).unwrap());
        }
    }
}
