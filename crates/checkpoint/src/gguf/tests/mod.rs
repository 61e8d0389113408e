mod faults;
mod model;
mod mutations;
mod write;
mod writer;

use super::{Array, Gguf, Value};
use crate::Result;
use writer::Writer;

fn open(writer: &Writer) -> Result<Gguf> {
    Gguf::from_bytes("tiny.gguf", writer.build())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// One layer: width 64, 4 query heads of 16, 2 key heads, 96 inside the MLP, 8 tokens, tied; q quantised to Q8_0, the
/// embedding f16, everything else f32.
fn tiny(architecture: &str) -> Writer {
    let mut writer = Writer::new();
    writer.set("general.architecture", text(architecture));
    for (key, value) in [
        ("block_count", 1),
        ("context_length", 128),
        ("embedding_length", 64),
        ("feed_forward_length", 96),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("rope.dimension_count", 16),
    ] {
        writer.set(&format!("{architecture}.{key}"), Value::U32(value));
    }
    writer.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
    writer.set(&format!("{architecture}.rope.freq_base"), Value::F32(10_000.0));
    tokenizer(&mut writer);
    writer.tensor("token_embd.weight", &[64, 8], 1, vec![0x3C; 64 * 8 * 2]);
    writer.floats("output_norm.weight", &[64], 1);
    writer.floats("blk.0.attn_norm.weight", &[64], 2);
    writer.tensor("blk.0.attn_q.weight", &[64, 64], 8, q8_0_rows(64));
    writer.floats("blk.0.attn_k.weight", &[64, 32], 0);
    writer.floats("blk.0.attn_v.weight", &[64, 32], 0);
    writer.floats("blk.0.attn_output.weight", &[64, 64], 0);
    writer.floats("blk.0.ffn_norm.weight", &[64], 0);
    writer.floats("blk.0.ffn_gate.weight", &[64, 96], 0);
    writer.floats("blk.0.ffn_up.weight", &[64, 96], 0);
    writer.floats("blk.0.ffn_down.weight", &[96, 64], 0);
    writer
}

fn tokenizer(writer: &mut Writer) {
    let strings =
        |words: &[&str]| Value::Array(Array::String(words.iter().map(|&word| word.to_owned()).collect()));
    writer.set("tokenizer.ggml.model", text("gpt2"));
    writer.set("tokenizer.ggml.pre", text("smollm"));
    writer.set("tokenizer.ggml.tokens", strings(&["<s>", "</s>", "<?>", "a", "b", "ab", "é", "<0x0A>"]));
    writer.set("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![3, 3, 2, 1, 1, 4, 5, 6])));
    writer.set("tokenizer.ggml.merges", strings(&["a b"]));
    writer.set("tokenizer.ggml.bos_token_id", Value::U32(0));
    writer.set("tokenizer.ggml.eos_token_id", Value::U32(1));
    writer.set("tokenizer.ggml.unknown_token_id", Value::U32(2));
    writer.set("tokenizer.ggml.add_bos_token", Value::Bool(true));
    writer.set("tokenizer.chat_template", text("{{ messages }}"));
}

/// 64 numbers a row in Q8_0, all of them the row's index.
fn q8_0_rows(rows: u8) -> Vec<u8> {
    let one = half::f16::ONE.to_le_bytes();
    (0..rows).flat_map(|row| [one.to_vec(), vec![row; 32]].concat().repeat(2)).collect()
}
