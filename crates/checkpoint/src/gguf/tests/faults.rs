//! Files that are wrong, each in one way.

use super::*;
use crate::Error;
use crate::gguf::{Fault, FileKind};

/// The fault of opening the file or of using it as a model.
fn fault(bytes: Vec<u8>) -> Fault {
    let used = Gguf::from_bytes("bad.gguf", bytes).and_then(|gguf| {
        gguf.vocabulary()?;
        gguf.config()
    });
    match used {
        Err(Error::Gguf { fault, path }) => {
            assert_eq!(path.to_str(), Some("bad.gguf"));
            assert!(fault.hint().is_some_and(|hint| !hint.ends_with('.')), "{fault}");
            assert!(!fault.to_string().ends_with('.'), "{fault}");
            fault
        }
        other => unreachable!("{other:?}"),
    }
}

/// Whether a tiny llama with this change has a fault that says `message`.
#[track_caller]
fn refuses(message: &str, change: impl FnOnce(&mut Writer)) {
    let mut writer = tiny("llama");
    change(&mut writer);
    let fault = fault(writer.build());
    assert!(fault.to_string().contains(message), "{fault}");
}

#[test]
fn versions() {
    refuses("version 1;", |writer| writer.version = 1);
    refuses("version 4;", |writer| writer.version = 4);
    refuses("big-endian", |writer| writer.version = 3_u32.swap_bytes());
    refuses("one of 3 parts", |writer| _ = writer.set("split.count", Value::U16(3)));
}

#[test]
fn other_kinds_of_files_are_recognised() {
    let safetensors = [&90_u64.to_le_bytes()[..], b"{\"a\":"].concat();
    for (bytes, kind) in [
        (&b""[..], FileKind::Empty),
        (b"PK\x03\x04abc", FileKind::Zip),
        (b"\x80\x02}q", FileKind::Pickle),
        (&safetensors, FileKind::Safetensors),
        (b"\n<!DOCTYPE html>", FileKind::Html),
        (b"<HTML><head>", FileKind::Html),
        (b"version https://git-lfs.github.com/spec/v1\noid", FileKind::LfsPointer),
        (b"tjgg\x03\x00", FileKind::OldGgml),
        (b"\x1F\x8B\x08", FileKind::Gzip),
        (b" {\"model_type\"", FileKind::Json),
        (b"GG", FileKind::Unknown([b'G', b'G', 0, 0])),
        (b"\x01\x02\x03\x04\x05", FileKind::Unknown([1, 2, 3, 4])),
    ] {
        assert_eq!(fault(bytes.to_vec()), Fault::Magic { kind });
    }
}

#[test]
fn an_empty_file_on_disk() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Gguf::open(file.path()).unwrap_err();
    assert!(error.to_string().ends_with("not a GGUF file: it starts like an empty file"), "{error}");
    assert!(Gguf::open(file.path().join("nowhere")).is_err());
    assert!(Gguf::open(file.path().parent().unwrap()).is_err());
}

#[test]
fn counts_beyond_the_file() {
    for (at, what) in [(8, "tensors"), (16, "metadata keys"), (24, "bytes of text")] {
        let mut bytes = tiny("llama").build();
        bytes[at..at + 8].copy_from_slice(&(u64::MAX >> 1).to_le_bytes());
        assert!(
            matches!(fault(bytes), Fault::Count { what: found, at: place, .. } if (found, place) == (what, at))
        );
    }
    let mut writer = Writer::new();
    writer.set("a", Value::Array(Array::Array(vec![Array::F64(vec![1.0])])));
    let whole = writer.build();
    // The lengths of the outer and of the inner array.
    for at in [24 + 8 + 1 + 4 + 4, 24 + 8 + 1 + 4 + 4 + 8 + 4] {
        let mut bytes = whole.clone();
        bytes[at..at + 8].copy_from_slice(&(1_u64 << 61).to_le_bytes());
        assert!(matches!(fault(bytes), Fault::Count { what: "array entries", .. }));
    }
}

#[test]
fn metadata() {
    let mut writer = tiny("llama");
    writer.metadata.push(writer.metadata[0].clone());
    assert_eq!(fault(writer.build()), Fault::DuplicateKey { key: "general.architecture".to_owned() });

    let mut nested = Array::U8(vec![1]);
    for _ in 0..8 {
        nested = Array::Array(vec![nested]);
    }
    refuses("nested more than 8 deep", |writer| _ = writer.set("deep", Value::Array(nested)));

    let mut unknown = Writer::new().set("key", Value::U8(0)).build();
    unknown[24 + 8 + 3] = 13;
    assert_eq!(fault(unknown), Fault::ValueType { found: 13, at: 35 });

    let mut latin = Writer::new().set("key", Value::U8(0)).build();
    latin[24 + 8] = 0xE9;
    assert_eq!(fault(latin), Fault::NotUtf8 { at: 32 });
}

#[test]
fn alignment() {
    for found in [0, 3, 48] {
        refuses("expected a power of two", |writer| _ = writer.set("general.alignment", Value::U32(found)));
    }
    refuses("expected a power of two", |writer| _ = writer.set("general.alignment", Value::U64(1 << 63)));
    refuses("should be a count", |writer| _ = writer.set("general.alignment", text("32")));
}

#[test]
fn tensors() {
    let name = "blk.0.attn_v.weight";
    refuses("`token_embd.weight` appears twice", |writer| writer.tensors.push(writer.tensors[0].clone()));
    // Two ggml tensors under one Hugging Face name.
    refuses("appears twice", |writer| _ = writer.floats("model.norm.weight", &[64], 0));
    refuses("5 dimensions", |writer| writer.named(name).sizes = vec![1; 5]);
    refuses("impossible shape", |writer| writer.named(name).sizes = vec![1 << 32, 1 << 32]);
    refuses("impossible shape", |writer| writer.named(name).sizes = vec![1 << 32, 0, 1 << 32]);
    refuses("impossible shape", |writer| writer.named(name).sizes = vec![1 << 61]);
    refuses("multiple of the alignment 32", |writer| writer.named(name).offset = Some(16));
    refuses("overlap", |writer| writer.named(name).offset = Some(0));
    refuses("the file has", |writer| writer.named(name).offset = Some(1 << 40));
    refuses("the file has", |writer| writer.named(name).offset = Some(u64::MAX - 31));
    refuses("the file has", |writer| writer.named("blk.0.ffn_down.weight").sizes = vec![96, 65]);
    refuses("blocks of 32 (Q8_0)", |writer| writer.named("blk.0.attn_q.weight").sizes = vec![65, 63]);
}

#[test]
fn types_that_are_not_read_are_named() {
    for (kind, message) in [
        (20, "stored as IQ4_NL,"),
        (16, "stored as IQ2_XXS,"),
        (34, "stored as TQ1_0,"),
        (39, "stored as MXFP4,"),
        (4, "stored as Q4_2,"),
        (99, "unknown type 99"),
    ] {
        refuses(message, |writer| writer.named("blk.0.attn_q.weight").kind = kind);
    }
}

#[test]
fn heads() {
    // Found by the fuzzer: a query weight that is a single number.
    refuses("has 0 rows", |w| {
        let query = w.named("blk.0.attn_q.weight");
        (query.kind, query.sizes, query.bytes) = (0, Vec::new(), vec![0; 4]);
    });
    refuses("do not divide into 5 heads", |w| _ = w.set("llama.attention.head_count", Value::U32(5)));
    refuses("do not divide into 0 heads", |w| _ = w.set("llama.attention.head_count", Value::U32(0)));
    refuses("do not divide into 32 heads of even size", |w| {
        w.set("llama.attention.head_count_kv", Value::U32(32));
    });
    refuses("should be a count, the same for every layer; found an array of integers", |w| {
        w.set("llama.attention.head_count_kv", Value::Array(Array::U32(vec![2, 1])));
    });
    refuses("`llama.attention.head_count` is missing", |w| _ = w.remove("llama.attention.head_count"));
}

#[test]
fn configurations() {
    let set = |key: &'static str, value| move |writer: &mut Writer| _ = writer.set(key, value);
    refuses("`general.architecture` is missing", |w| _ = w.remove("general.architecture"));
    refuses("`llama.context_length` is missing", |w| _ = w.remove("llama.context_length"));
    refuses("`llama.context_length` should be a", set("llama.context_length", text("long")));
    refuses("`llama.block_count` is `4000000000`", set("llama.block_count", Value::U32(4_000_000_000)));
    refuses("mixtures of experts", set("llama.expert_count", Value::U32(8)));
    refuses("rotated in part", set("llama.rope.dimension_count", Value::U32(8)));
    refuses("another width", set("llama.attention.value_length", Value::U32(8)));
    refuses("other than linear", set("llama.rope.scaling.type", text("yarn")));
    refuses("`token_embd.weight` is missing", |w| w.named("token_embd.weight").name = "other".to_owned());
    refuses("other than those of Llama 3", |w| _ = w.floats("rope_freqs.weight", &[8], 1));
}

#[test]
fn vocabularies() {
    let set = |key: &'static str, value| move |writer: &mut Writer| _ = writer.set(key, value);
    let kinds = |kinds: &[i32]| Value::Array(Array::I32(kinds.to_vec()));
    refuses("`tokenizer.ggml.tokens` is missing", |w| _ = w.remove("tokenizer.ggml.tokens"));
    refuses("`tokenizer.ggml.model` is missing", |w| _ = w.remove("tokenizer.ggml.model"));
    refuses("has 2 entries for 8 tokens", set("tokenizer.ggml.token_type", kinds(&[1, 1])));
    refuses("kinds of tokens from 0 to 6", set("tokenizer.ggml.token_type", kinds(&[7; 8])));
    refuses("has 1 entries for 8 tokens", set("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0]))));
    refuses(
        "`tokenizer.ggml.bos_token_id` is 8; there are 8",
        set("tokenizer.ggml.bos_token_id", Value::U32(8)),
    );
    refuses("`tokenizer.ggml.eos_token_id` is -2", set("tokenizer.ggml.eos_token_id", Value::I32(-2)));
    refuses("should be an array of strings", set("tokenizer.ggml.merges", kinds(&[1])));
    refuses("the tokenizer has 8 tokens, the embedding 7 rows", |w| {
        let embedding = w.named("token_embd.weight");
        embedding.sizes = vec![64, 7];
    });
}
