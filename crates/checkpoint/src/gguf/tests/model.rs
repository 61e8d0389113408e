//! What is read from files that are right.

use super::*;
use crate::config::{Architecture, RopeScaling};
use crate::gguf::TokenKind;
use crate::{Dtype, Error, Tensors};
use rankine_kernels::dequantize::Format;

fn read(gguf: &Gguf, name: &str) -> Vec<f32> {
    let mut out = vec![0.0; gguf.infos()[name].elements()];
    gguf.read_into(name, &mut out).unwrap();
    out
}

#[test]
fn names_shapes_and_order_are_those_of_hugging_face() {
    for version in [2, 3] {
        let mut writer = tiny("llama");
        writer.version = version;
        let gguf = open(&writer).unwrap();
        assert_eq!(gguf.version(), version);
        let names: Vec<&str> = gguf.infos().keys().map(String::as_str).collect();
        let layer = "model.layers.0";
        assert_eq!(
            names[..4],
            [
                "model.embed_tokens.weight",
                "model.norm.weight",
                &format!("{layer}.input_layernorm.weight"),
                &format!("{layer}.self_attn.q_proj.weight"),
            ]
        );
        assert_eq!(
            names[9..],
            [format!("{layer}.mlp.up_proj.weight"), format!("{layer}.mlp.down_proj.weight"),]
        );
        let down = &gguf.infos()[names[10]];
        assert_eq!((down.shape.as_slice(), down.dtype, down.bytes), (&[64, 96][..], Dtype::F32, 4 * 64 * 96));
        let query = &gguf.infos()[names[3]];
        assert_eq!((query.dtype, query.bytes), (Dtype::Quantized(Format::Q8_0), 64 * 68));
    }
}

/// A file written by python's `gguf` in ten storage types, and what transformers reads from it.
#[test]
fn agrees_with_transformers() {
    let file = include_bytes!("../../../tests/fixtures/gguf/tiny-llama.gguf");
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/gguf/tiny-llama.json")).unwrap();
    let gguf = Gguf::from_bytes("tiny-llama.gguf", file.to_vec()).unwrap();
    let tensors = expected["tensors"].as_object().unwrap();
    assert_eq!(gguf.infos().len(), tensors.len());
    for (name, expected) in tensors {
        let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
        assert_eq!(gguf.infos()[name].shape, shape, "{name}");
        let numbers = read(&gguf, name);
        let at: Vec<usize> = serde_json::from_value(expected["at"].clone()).unwrap();
        let probes: Vec<f32> = serde_json::from_value(expected["numbers"].clone()).unwrap();
        assert_eq!(at.iter().map(|&at| numbers[at]).collect::<Vec<_>>(), probes, "{name}");
        let sum: f64 = numbers.iter().map(|&number| f64::from(number)).sum();
        let squares: f64 = numbers.iter().map(|&number| f64::from(number).powi(2)).sum();
        let allowed = 1e-9 * (squares + 1.0);
        assert!((sum - expected["sum"].as_f64().unwrap()).abs() < allowed, "{name}");
        assert!((squares - expected["squares"].as_f64().unwrap()).abs() < allowed, "{name}");
    }
    let config = gguf.config().unwrap();
    assert_eq!((config.hidden_size, config.head_dim, config.heads, config.key_value_heads), (256, 32, 2, 1));
    assert_eq!((config.norm_epsilon, config.rope().unwrap().theta, config.tied), (1e-6, 500_000.0, false));
    let vocabulary = gguf.vocabulary().unwrap();
    assert_eq!(
        (vocabulary.tokens[3].as_str(), vocabulary.scores[11], vocabulary.add_bos),
        ("▁a", -8.0, Some(true))
    );
}

#[test]
fn a_file_on_disk_is_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, tiny("llama").build()).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!(gguf.path(), path);
    assert_eq!(read(&gguf, "model.norm.weight")[..2], [1.0, 2.0]);
}

#[test]
fn any_power_of_two_aligns() {
    for alignment in [1, 8, 256] {
        let mut writer = tiny("llama");
        writer.alignment = alignment;
        writer.set("general.alignment", Value::U32(alignment as u32));
        assert_eq!(read(&open(&writer).unwrap(), "model.norm.weight")[63], 64.0);
    }
}

/// File row h·d + 2j + half holds Hugging Face row h·d + half·d/2 + j.
fn file_row(row: usize, heads: bool) -> f32 {
    let (head, half, j) = (row / 16, row % 16 / 8, row % 8);
    (if heads { 16 * head + 2 * j + half } else { row }) as f32
}

#[test]
fn query_and_key_rows_are_put_back_for_llama_only() {
    for (architecture, reordered) in [("llama", true), ("qwen2", false), ("qwen3", false)] {
        let mut writer = tiny(architecture);
        writer.floats("blk.0.attn_q.bias", &[64], 0);
        writer.floats("blk.0.attn_k.bias", &[32], 0);
        let gguf = open(&writer).unwrap();
        let layer = "model.layers.0.self_attn";
        let query = read(&gguf, &format!("{layer}.q_proj.weight"));
        let key = read(&gguf, &format!("{layer}.k_proj.weight"));
        let value = read(&gguf, &format!("{layer}.v_proj.weight"));
        for row in 0..64 {
            assert!(query[64 * row..64 * (row + 1)].iter().all(|&q| q == file_row(row, reordered)));
        }
        for row in 0..32 {
            assert_eq!(key[64 * row + 5], 64.0 * file_row(row, reordered) + 5.0);
            assert_eq!(value[64 * row + 5], (64 * row + 5) as f32);
        }
        for (name, rows) in [("q", 64), ("k", 32)] {
            let expected: Vec<f32> = (0..rows).map(|row| file_row(row, reordered)).collect();
            assert_eq!(read(&gguf, &format!("{layer}.{name}_proj.bias")), expected);
        }
    }
}

#[test]
fn some_rows_are_those_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let mut writer = tiny("llama");
    writer.tensor("blk.0.attn_v.bias", &[64], 8, q8_0_rows(1));
    std::fs::write(&path, writer.build()).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    for (name, info) in gguf.infos() {
        let (whole, width) = (read(&gguf, name), info.row_elements());
        for rows in [0..1, 1..7, 3..4, info.rows() - 1..info.rows(), 0..info.rows()] {
            let mut some = vec![0.0; rows.len() * width];
            gguf.read_rows(name, rows.clone(), &mut some).unwrap();
            assert_eq!(some, whole[rows.start * width..rows.end * width], "{name} {rows:?}");
            gguf.release(name, rows);
        }
        gguf.release(name, 0..info.rows() + 1);
        assert!(gguf.read_rows(name, 0..info.rows() + 1, &mut []).is_err());
    }
}

#[test]
fn plain_bytes_are_in_the_order_of_the_numbers() {
    let gguf = open(&tiny("llama")).unwrap();
    for name in ["model.layers.0.self_attn.k_proj.weight", "model.layers.0.mlp.down_proj.weight"] {
        let expected: Vec<u8> = read(&gguf, name).iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(gguf.raw(name).unwrap(), expected);
    }
    assert!(matches!(
        gguf.raw("model.layers.0.self_attn.q_proj.weight"),
        Err(Error::NotPlain { name, .. }) if name.ends_with("q_proj.weight")
    ));
}

#[test]
fn plain_types_become_f32() {
    let mut writer = tiny("gemma");
    let cases: [(u32, Vec<u8>, f32); 8] = [
        (0, (-1.5_f32).to_le_bytes().into(), -1.5),
        (1, half::f16::from_f32(0.25).to_le_bytes().into(), 0.25),
        (30, half::bf16::from_f32(-3.0).to_le_bytes().into(), -3.0),
        (24, vec![0xFE], -2.0),
        (25, (-300_i16).to_le_bytes().into(), -300.0),
        (26, 70_000_i32.to_le_bytes().into(), 70_000.0),
        (27, (-5_i64).to_le_bytes().into(), -5.0),
        (28, 0.125_f64.to_le_bytes().into(), 0.125),
    ];
    for (kind, bytes, _) in &cases {
        writer.tensor(&format!("plain.{kind}"), &[1], *kind, bytes.clone());
    }
    writer.tensor("scalar", &[], 0, 7_f32.to_le_bytes().into());
    writer.tensor("nothing", &[0, 3], 0, Vec::new());
    let gguf = open(&writer).unwrap();
    for (kind, bytes, expected) in &cases {
        let name = format!("plain.{kind}");
        assert_eq!(read(&gguf, &name), [*expected]);
        assert_eq!(gguf.raw(&name).unwrap(), bytes.as_slice());
    }
    assert_eq!(read(&gguf, "scalar"), [7.0]);
    assert_eq!((read(&gguf, "nothing").len(), gguf.infos()["nothing"].shape.as_slice()), (0, &[3, 0][..]));
}

#[test]
fn asking_for_what_is_not_there_or_does_not_fit() {
    let gguf = open(&tiny("llama")).unwrap();
    let error = gguf.read_into("model.norm.weigth", &mut []).unwrap_err();
    assert!(error.hint().unwrap().contains("model.norm.weight"), "{error}");
    for name in ["model.norm.weight", "model.layers.0.self_attn.q_proj.weight"] {
        let expected = gguf.infos()[name].elements();
        let error = gguf.read_into(name, &mut [0.0; 3]).unwrap_err();
        assert!(matches!(error, Error::Length { expected: length, found: 3, .. } if length == expected));
    }
}

#[test]
fn configuration_of_a_tiny_llama() {
    let config = open(&tiny("llama")).unwrap().config().unwrap();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!((config.hidden_size, config.intermediate_size, config.layers), (64, 96, 1));
    assert_eq!((config.heads, config.key_value_heads, config.head_dim), (4, 2, 16));
    assert_eq!((config.vocabulary, config.context, config.norm_epsilon), (8, 128, 1e-5));
    let rope = config.rope().unwrap();
    assert_eq!((rope.theta, rope.scaling), (10_000.0, RopeScaling::None));
    assert_eq!(
        (config.tied, config.attention_bias, config.output_bias, config.mlp_bias),
        (true, false, false, false)
    );
    assert_eq!(
        (config.bos, config.eos.as_slice(), config.windows.as_slice()),
        (Some(0), &[1][..], &[None][..])
    );
    assert_eq!(config.dtype, None);
}

#[test]
fn configuration_seen_from_the_tensors() {
    let mut writer = tiny("qwen3");
    writer.floats("output.weight", &[64, 8], 0);
    writer.floats("blk.0.attn_q.bias", &[64], 0);
    writer.set("qwen3.attention.sliding_window", Value::U32(32));
    writer.set("qwen3.attention.head_count_kv", Value::Array(Array::I32(vec![2, 2])));
    writer.set("tokenizer.ggml.eot_token_id", Value::I32(5));
    *writer.named("blk.0.attn_q.weight") = {
        let mut query = writer.named("blk.0.attn_output.weight").clone();
        query.name = "blk.0.attn_q.weight".to_owned();
        query
    };
    let config = open(&writer).unwrap().config().unwrap();
    assert_eq!(config.architecture, Architecture::Qwen3);
    assert_eq!((config.tied, config.attention_bias, config.key_value_heads), (false, true, 2));
    assert_eq!((config.windows.as_slice(), config.eos.as_slice()), (&[Some(32)][..], &[1, 5][..]));
    assert_eq!(config.dtype, Some(Dtype::F16));
}

/// llama.cpp's llama may have a window, Hugging Face's has none: there it is a mistral.
#[test]
fn a_llama_with_a_window_is_a_mistral() {
    let mut writer = tiny("llama");
    writer.set("llama.attention.sliding_window", Value::U32(32));
    let config = open(&writer).unwrap().config().unwrap();
    assert_eq!((config.architecture, config.windows.as_slice()), (Architecture::Mistral, &[Some(32)][..]));
    let json = config.to_json();
    assert_eq!((&json["model_type"], &json["sliding_window"]), (&"mistral".into(), &32.into()));
    assert_eq!(read(&open(&writer).unwrap(), "model.layers.0.self_attn.k_proj.weight")[64], 128.0);
    writer.floats("blk.0.attn_v.bias", &[32], 0);
    let error = open(&writer).unwrap().config().unwrap_err();
    assert!(error.to_string().contains("biases together with a sliding window"), "{error}");
    assert!(error.hint().is_some());
    writer.set("llama.attention.sliding_window", Value::U32(0));
    assert_eq!(open(&writer).unwrap().config().unwrap().architecture, Architecture::Llama);
}

#[test]
fn vocabulary_of_a_tiny_llama() {
    let mut writer = tiny("llama");
    writer.set("tokenizer.ggml.padding_token_id", Value::I32(-1));
    writer.set("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.5; 8])));
    let vocabulary = open(&writer).unwrap().vocabulary().unwrap();
    assert_eq!((vocabulary.model.as_str(), vocabulary.pre.as_deref()), ("gpt2", Some("smollm")));
    assert_eq!((vocabulary.tokens.len(), vocabulary.tokens[6].as_str()), (8, "é"));
    use TokenKind::{Byte, Control, Normal, Unknown, Unused, UserDefined};
    assert_eq!(vocabulary.kinds, [Control, Control, Unknown, Normal, Normal, UserDefined, Unused, Byte]);
    assert_eq!(
        (vocabulary.merges.as_slice(), vocabulary.scores.as_slice()),
        (&["a b".to_owned()][..], &[0.5; 8][..])
    );
    assert_eq!((vocabulary.bos, vocabulary.eos, vocabulary.unknown), (Some(0), Some(1), Some(2)));
    assert_eq!((vocabulary.padding, vocabulary.end_of_turn), (None, None));
    assert_eq!(
        (vocabulary.add_bos, vocabulary.add_eos, vocabulary.add_space_prefix),
        (Some(true), None, None)
    );
    assert_eq!(vocabulary.chat_template.as_deref(), Some("{{ messages }}"));
}

#[test]
fn values_of_every_type() {
    let values = [
        Value::U8(255),
        Value::I8(-1),
        Value::U16(65535),
        Value::I16(-2),
        Value::U32(1 << 31),
        Value::I32(-3),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F32(1.5),
        Value::F64(-0.1),
        Value::Bool(true),
        text("καλημέρα"),
        Value::Array(Array::U8(vec![1, 2])),
        Value::Array(Array::I8(vec![-1])),
        Value::Array(Array::U16(vec![1])),
        Value::Array(Array::I16(vec![-1])),
        Value::Array(Array::U32(vec![])),
        Value::Array(Array::I32(vec![-4; 40])),
        Value::Array(Array::U64(vec![u64::MAX])),
        Value::Array(Array::I64(vec![i64::MIN])),
        Value::Array(Array::F32(vec![0.5])),
        Value::Array(Array::F64(vec![0.25])),
        Value::Array(Array::Bool(vec![true, false])),
        Value::Array(Array::String(vec![String::new(), "x".to_owned()])),
        Value::Array(Array::Array(vec![Array::Array(vec![Array::U8(vec![7])]), Array::String(vec![])])),
    ];
    let mut writer = Writer::new();
    for (index, value) in values.iter().enumerate() {
        writer.set(&format!("key.{index}"), value.clone());
    }
    let gguf = open(&writer).unwrap();
    assert_eq!(gguf.metadata().0.len(), values.len());
    for (index, value) in values.iter().enumerate() {
        assert_eq!(gguf.metadata().get(&format!("key.{index}")), Some(value));
    }
}

/// Other families can be looked into: ggml's names stay, nothing is reordered, only the configuration is refused.
#[test]
fn other_families_keep_their_names() {
    let mut writer = tiny("gemma2");
    writer.floats("rope_freqs.weight", &[8], 1);
    let gguf = open(&writer).unwrap();
    assert!(gguf.infos().contains_key("blk.0.ffn_norm.weight"));
    assert!(gguf.infos().contains_key("rope_freqs.weight"));
    assert_eq!(read(&gguf, "blk.0.attn_k.weight")[64], 64.0);
    let error = gguf.config().unwrap_err();
    assert!(error.to_string().contains("`gemma2`"), "{error}");
    assert!(error.hint().unwrap().contains("qwen3"));
    gguf.vocabulary().unwrap();
}
