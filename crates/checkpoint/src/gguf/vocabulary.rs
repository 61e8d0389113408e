//! The tokenizer inside a GGUF file.

use super::Fault;
use super::value::{Metadata, required};

/// What a token is for; ggml's `token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A piece of text.
    Normal,
    /// Stands for text that has no token.
    Unknown,
    /// Steers the model and is never text: `<|im_start|>`.
    Control,
    /// A piece of text added by hand, matched before all others.
    UserDefined,
    /// A place that nothing uses.
    Unused,
    /// A single byte, `<0x0A>`.
    Byte,
}

/// Tokens, merges and special tokens of a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// The kind of tokenizer: `gpt2` is byte-level BPE, `llama` is SentencePiece.
    pub model: String,
    /// The name of the pattern that splits text before merging: `smollm`, `llama-bpe`, `qwen2`, ….
    pub pre: Option<String>,
    /// The tokens; a token's place is its number.
    pub tokens: Vec<String>,
    /// One for each token.
    pub kinds: Vec<TokenKind>,
    /// Pairs that merge, `left right`, the most important first; empty for SentencePiece.
    pub merges: Vec<String>,
    /// SentencePiece's scores, one for each token; empty for BPE.
    pub scores: Vec<f32>,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The token that ends a text.
    pub eos: Option<u32>,
    /// The token that ends a turn of a conversation, where it is another one.
    pub end_of_turn: Option<u32>,
    /// The token for text that has none.
    pub unknown: Option<u32>,
    /// The token that fills short examples.
    pub padding: Option<u32>,
    /// Whether a text begins with `bos`.
    pub add_bos: Option<bool>,
    /// Whether a text ends with `eos`.
    pub add_eos: Option<bool>,
    /// Whether a space is put before a text.
    pub add_space_prefix: Option<bool>,
    /// The Jinja template of a conversation.
    pub chat_template: Option<String>,
}

impl Vocabulary {
    /// The tokenizer in `metadata`; lists of one entry a token have as many as there are tokens, and special tokens
    /// are among them.
    pub(super) fn from_metadata(metadata: &Metadata) -> Result<Self, Fault> {
        let text = |key| Ok(metadata.string(key)?.map(str::to_owned));
        let strings = |key| Ok(metadata.strings(key)?.map(<[String]>::to_vec));
        let tokens = required("tokenizer.ggml.tokens", strings("tokenizer.ggml.tokens")?)?;
        let special = |key| token(metadata, key, tokens.len());
        Ok(Self {
            model: required("tokenizer.ggml.model", text("tokenizer.ggml.model")?)?,
            pre: text("tokenizer.ggml.pre")?,
            kinds: kinds(metadata, tokens.len())?,
            merges: strings("tokenizer.ggml.merges")?.unwrap_or_default(),
            scores: scores(metadata, tokens.len())?,
            bos: special("tokenizer.ggml.bos_token_id")?,
            eos: special("tokenizer.ggml.eos_token_id")?,
            end_of_turn: special("tokenizer.ggml.eot_token_id")?,
            unknown: special("tokenizer.ggml.unknown_token_id")?,
            padding: special("tokenizer.ggml.padding_token_id")?,
            add_bos: metadata.boolean("tokenizer.ggml.add_bos_token")?,
            add_eos: metadata.boolean("tokenizer.ggml.add_eos_token")?,
            add_space_prefix: metadata.boolean("tokenizer.ggml.add_space_prefix")?,
            chat_template: text("tokenizer.chat_template")?,
            tokens,
        })
    }
}

/// The special token under `key`, one of `tokens`.
pub(super) fn token(metadata: &Metadata, key: &'static str, tokens: usize) -> Result<Option<u32>, Fault> {
    let Some(value) = metadata.get(key) else { return Ok(None) };
    let wrong = || Fault::KeyType { key: key.to_owned(), expected: "a token's number", found: value.kind() };
    let found = value.integer().ok_or_else(wrong)?;
    match u32::try_from(found) {
        // Writers that keep −1 for "none" in a signed or unsigned number.
        Ok(u32::MAX) => Ok(None),
        _ if found == -1 => Ok(None),
        Ok(id) if (id as usize) < tokens => Ok(Some(id)),
        _ => Err(Fault::TokenId { key, found, tokens }),
    }
}

fn kinds(metadata: &Metadata, tokens: usize) -> Result<Vec<TokenKind>, Fault> {
    let key = "tokenizer.ggml.token_type";
    let Some(numbers) = metadata.integers(key)? else { return Ok(vec![TokenKind::Normal; tokens]) };
    same_length(key, numbers.len(), tokens)?;
    numbers.into_iter().map(|number| kind(key, number)).collect()
}

fn kind(key: &str, number: i128) -> Result<TokenKind, Fault> {
    Ok(match number {
        // 0 is "undefined": files whose tokenizer keeps no kinds.
        0 | 1 => TokenKind::Normal,
        2 => TokenKind::Unknown,
        3 => TokenKind::Control,
        4 => TokenKind::UserDefined,
        5 => TokenKind::Unused,
        6 => TokenKind::Byte,
        _ => {
            let (key, found) = (key.to_owned(), number.to_string());
            return Err(Fault::KeyValue { key, found, expected: "kinds of tokens from 0 to 6" });
        }
    })
}

fn scores(metadata: &Metadata, tokens: usize) -> Result<Vec<f32>, Fault> {
    let key = "tokenizer.ggml.scores";
    let Some(scores) = metadata.floats(key)? else { return Ok(Vec::new()) };
    same_length(key, scores.len(), tokens)?;
    Ok(scores.to_vec())
}

fn same_length(key: &'static str, found: usize, tokens: usize) -> Result<(), Fault> {
    if found == tokens { Ok(()) } else { Err(Fault::VocabularyLength { key, found, tokens }) }
}
