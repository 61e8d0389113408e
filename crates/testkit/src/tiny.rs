//! Tiny things to run the whole program on: a random checkpoint folder with its tokenizer, and data sets of texts and images
//! that can be learnt.
//!
//! The checkpoint is what `transformers` reads: `config.json`, `generation_config.json`, `model.safetensors` (or shards
//! and their index), `tokenizer.json`, `tokenizer_config.json`. Weights are N(0, deviation²) from a stream named after
//! the tensor, norms 1 ± 0.1: the same seed gives the same bytes.

mod checkpoint;
mod examples;
mod images;
mod tokenizer;

pub use checkpoint::{TinyLlama, TinyType, llama};
pub use examples::alpaca_json;
pub use images::idx_images;
pub use tokenizer::{CHAT_TEMPLATE, SPECIAL_TOKENS, TOKENS, tokenizer};
