//! Text to token ids and back, with the model's special tokens and chat template.
//!
//! A tokenizer is read from a `tokenizer.json` (any model that the `tokenizers` library knows) or built from the
//! [`Vocabulary`] inside a GGUF file. Both ways end in the same description, which [`Tokenizer::to_json`] writes.

mod check;
mod config;
mod cut;
mod export;
mod pieces;
mod pre;
mod stream;
mod vocabulary;

use std::collections::HashSet;

use serde_json::Value;

use crate::chat::Template;
use crate::error::{Error, Result};

pub(crate) use cut::Cutter;
pub use stream::StreamDecoder;
pub use vocabulary::Vocabulary;

/// A tokenizer with its special tokens and chat template.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    config: Value,
    bos: Option<u32>,
    eos: Vec<u32>,
    added: HashSet<u32>,
    size: usize,
    leads_with_bos: bool,
    template: Option<Template>,
    fallback: Template,
}

/// Token ids with the byte range of the text that each came from.
pub(crate) struct Located {
    pub(crate) tokens: Vec<u32>,
    pub(crate) ranges: Vec<(usize, usize)>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` with the `tokenizer_config.json` beside it (`Null` where there is none).
    ///
    /// `chat_template` is the text of `chat_template.jinja`; without it the template inside the config is used.
    /// Truncation and padding written in the file are ignored: whole texts are encoded.
    ///
    /// # Errors
    /// [`Error::BadTokenizer`] when the file is not JSON or does not describe a consistent tokenizer.
    pub fn from_json(tokenizer: &[u8], config: &Value, chat_template: Option<String>) -> Result<Self> {
        let tokenizer = serde_json::from_slice(tokenizer).map_err(|source| check::bad("file", source))?;
        let template = chat_template.or_else(|| config::template(config));
        Self::new(tokenizer, config.clone(), template)
    }

    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// [`Error::UnsupportedVocabulary`], [`Error::UnsupportedPreTokenizer`] when this kind is not known here;
    /// [`Error::VocabularyLength`], [`Error::SpecialToken`], [`Error::BadTokenizer`] when its parts do not fit.
    pub fn from_vocabulary(vocabulary: Vocabulary) -> Result<Self> {
        let tokenizer = vocabulary.to_tokenizer()?;
        let config = vocabulary.to_config();
        let size = vocabulary.tokens.len();
        let mut built = Self::new(tokenizer, config, vocabulary.chat_template)?;
        built.size = built.size.max(size);
        Ok(built)
    }

    fn new(mut tokenizer: Value, config: Value, template: Option<String>) -> Result<Self> {
        check::tokenizer(&tokenizer)?;
        if let Some(parts) = tokenizer.as_object_mut() {
            parts.remove("truncation");
            parts.remove("padding");
        }
        let inner: tokenizers::Tokenizer =
            serde_json::from_value(tokenizer).map_err(|source| check::bad("file", source))?;
        let id = |name| config::special(&config, name).and_then(|token| inner.token_to_id(&token));
        let (bos, eos) = (id("bos_token"), id("eos_token").into_iter().collect());
        let size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let added = inner.get_added_tokens_decoder().into_keys().collect();
        let first = inner.encode_fast("", true).ok().and_then(|encoding| encoding.get_ids().first().copied());
        let leads_with_bos = bos.is_some() && first == bos;
        let template = template.map(Template::new);
        let fallback = Template::alpaca();
        Ok(Self { inner, config, bos, eos, added, size, leads_with_bos, template, fallback })
    }

    /// Ids of a text; with `add_special` also what the tokenizer's own post-processor adds (a leading `<s>`, say).
    ///
    /// Rendered chat templates contain their special tokens already: encode them with `add_special = false`.
    ///
    /// # Errors
    /// [`Error::Tokenize`] when the model has no token for a character and no unknown token either.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, add_special)
            .map_err(|source| Error::Tokenize { verb: "encode", source })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// As [`encode`](Self::encode) without added special tokens, with the byte range of each token.
    pub(crate) fn locate(&self, text: &str) -> Result<Located> {
        let encoding =
            self.inner.encode(text, false).map_err(|source| Error::Tokenize { verb: "encode", source })?;
        Ok(Located { tokens: encoding.get_ids().to_vec(), ranges: encoding.get_offsets().to_vec() })
    }

    /// Text of a sequence of ids; unknown ids are left out, and with `skip_special` the special tokens too.
    ///
    /// # Errors
    /// [`Error::Tokenize`] when the tokenizer's decoder fails.
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> Result<String> {
        self.inner.decode(tokens, skip_special).map_err(|source| Error::Tokenize { verb: "decode", source })
    }

    /// A decoder that takes one token at a time and gives the text as soon as it is certain.
    pub fn stream(&self) -> StreamDecoder<'_> {
        StreamDecoder::new(self)
    }

    /// The token that begins a text, when the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The tokens that end an answer.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos
    }

    /// Adds tokens that end an answer: those of `generation_config.json`, say.
    pub fn add_eos_ids(&mut self, ids: &[u32]) {
        for &id in ids {
            if !self.eos.contains(&id) {
                self.eos.push(id);
            }
        }
    }

    /// One more than the largest id. A model's embedding may have more rows, never fewer.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }

    /// The id of a token by its exact spelling.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The spelling of a token by its id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Whether decoding with `skip_special` leaves this token out.
    pub fn is_special(&self, id: u32) -> bool {
        self.added.contains(&id)
            && self.token(id).is_some_and(|token| self.inner.get_added_vocabulary().is_special_token(&token))
    }

    /// Whether this token marks a turn rather than spells text.
    pub(crate) fn is_mark(&self, id: u32) -> bool {
        self.eos.contains(&id) || self.is_special(id)
    }

    /// The model's own chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.template.as_ref().map(Template::source)
    }

    pub(crate) fn template(&self) -> &Template {
        self.template.as_ref().unwrap_or(&self.fallback)
    }

    /// Names and spellings of the special tokens that a chat template may use: `eos_token` and the like.
    pub(crate) fn special_tokens(&self) -> impl Iterator<Item = (&'static str, String)> {
        config::SPECIAL.iter().filter_map(|&name| Some((name, config::special(&self.config, name)?)))
    }

    /// Whether the post-processor begins every text with the bos token.
    pub(crate) fn leads_with_bos(&self) -> bool {
        self.leads_with_bos
    }

    /// The text of a `tokenizer.json` that describes this tokenizer.
    ///
    /// # Errors
    /// [`Error::Tokenize`] when the description cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let text = self.inner.to_string(false).map_err(|source| Error::Tokenize { verb: "write", source })?;
        Ok(text.into_bytes())
    }

    /// The `tokenizer_config.json` that goes with it; without the chat template, which belongs in
    /// `chat_template.jinja`.
    pub fn tokenizer_config_json(&self) -> Value {
        let mut config = self.config.clone();
        if let Some(fields) = config.as_object_mut() {
            fields.remove("chat_template");
        }
        config
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokenizer")
            .field("size", &self.size)
            .field("bos", &self.bos)
            .field("eos", &self.eos)
            .finish_non_exhaustive()
    }
}
