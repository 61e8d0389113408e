//! A `tokenizer.json` as the vocabulary of a GGUF file: the reverse of `vocabulary`.
//!
//! llama.cpp reads no patterns: it knows ways of cutting text by name, and of a SentencePiece tokenizer it wants a score for each
//! piece instead of the merges. What it would tokenise otherwise is refused: ways that are none of those, tokens that take the
//! spaces around them, merges that no scores give. In the end both tokenizers read one text alike.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::pre::PreTokenizer;
use super::vocabulary::{BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED};
use super::{Tokenizer, Vocabulary, check, config, pieces};
use crate::error::{Error, Result};

/// Words, numbers, punctuation, breaks, code, other scripts.
const SAMPLE: &str =
    "The year 2024: naïve café, 123,456 tokens!\n\n\tif (x != 10) { return \"don't\"; }  I'LL see 東京と🙂 ";

impl Vocabulary {
    /// The vocabulary of a `tokenizer.json` with the `tokenizer_config.json` beside it, for an embedding of so many rows: those
    /// without a token get one that nothing uses.
    ///
    /// # Errors
    /// Those of [`Tokenizer::from_json`]; [`Error::NotInGguf`] where llama.cpp would tokenise otherwise.
    pub fn from_json(
        tokenizer: &[u8],
        config: &Value,
        chat_template: Option<String>,
        rows: usize,
    ) -> Result<Self> {
        let read = Tokenizer::from_json(tokenizer, config, chat_template)?;
        let file: Value = serde_json::from_slice(tokenizer).map_err(|source| check::bad("file", source))?;
        let special = |name| config::special(config, name).and_then(|token| read.token_id(&token));
        let (add_bos, add_eos) = wrapping(&read)?;
        let mut vocabulary = Self {
            bos: read.bos(),
            eos: read.eos_ids().first().copied(),
            unknown: special("unk_token"),
            padding: special("pad_token"),
            add_bos: Some(add_bos),
            add_eos: Some(add_eos),
            chat_template: read.chat_template().map(str::to_owned),
            ..Self::default()
        };
        vocabulary.take_tokens(&file, rows)?;
        match file["model"]["byte_fallback"] == true {
            true => vocabulary.take_pieces(&file)?,
            false => vocabulary.take_bytes(&file)?,
        }
        let written = Tokenizer::from_vocabulary(vocabulary.clone())?;
        match read.encode(SAMPLE, true)? == written.encode(SAMPLE, true)? {
            true => Ok(vocabulary),
            false => Err(refused("model", "a text has other tokens with what such a file holds of it")),
        }
    }

    /// Tokens by their ids, with their kinds.
    fn take_tokens(&mut self, file: &Value, rows: usize) -> Result<()> {
        let model = &file["model"];
        if model.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "BPE") {
            return Err(refused("model.type", "no BPE"));
        }
        let is_set = |key: &&str| model[*key].as_str().is_some_and(|text| !text.is_empty());
        if let Some(key) = ["continuing_subword_prefix", "end_of_word_suffix"].into_iter().find(is_set) {
            return Err(refused("model", format!("it has a `{key}`")));
        }
        let listed = model["vocab"].as_object().into_iter().flatten();
        let mut tokens: BTreeMap<u64, (&str, u32)> =
            listed.filter_map(|(token, id)| Some((id.as_u64()?, (token.as_str(), NORMAL)))).collect();
        for added in file["added_tokens"].as_array().into_iter().flatten() {
            let (Some(id), Some(content)) = (added["id"].as_u64(), added["content"].as_str()) else {
                continue;
            };
            if ["lstrip", "rstrip", "single_word"].iter().any(|key| added[*key] == true) {
                return Err(refused("added_tokens", format!("`{content}` looks at what stands beside it")));
            }
            tokens.insert(id, (content, if added["special"] == true { CONTROL } else { USER_DEFINED }));
        }
        if let Some((id, (token, _))) = tokens.last_key_value()
            && rows as u64 <= *id
        {
            return Err(refused(
                "model.vocab",
                format!("`{token}` has id {id}, and the embedding {rows} rows"),
            ));
        }
        for id in 0..rows as u64 {
            let (token, kind) = match tokens.get(&id) {
                Some(&(token, kind)) => (token.to_owned(), kind),
                None => (format!("[PAD{id}]"), UNUSED),
            };
            self.tokens.push(token);
            self.kinds.push(kind);
        }
        Ok(())
    }

    fn take_bytes(&mut self, file: &Value) -> Result<()> {
        let family = PreTokenizer::recognise(file);
        let family = family.ok_or_else(|| {
            refused("pre_tokenizer", "none of the ways of cutting text that are known here")
        })?;
        self.model = "gpt2".into();
        self.pre = Some(family.name().into());
        self.merges = merges(file).map(|[left, right]| format!("{left} {right}")).collect();
        Ok(())
    }

    fn take_pieces(&mut self, file: &Value) -> Result<()> {
        self.model = "llama".into();
        self.add_space_prefix = Some(space_prefix(file)?);
        for (token, kind) in self.tokens.iter().zip(&mut self.kinds) {
            if *kind == NORMAL && is_byte(token) {
                *kind = BYTE;
            }
        }
        if let Some(kind) = self.unknown.and_then(|id| self.kinds.get_mut(id as usize)) {
            *kind = UNKNOWN;
        }
        // A score is the place of the first merge that makes the piece; pieces that none makes come last.
        let (mut ranks, mut count, mut last) = (HashMap::new(), 0_usize, String::new());
        for [left, right] in merges(file) {
            let piece = format!("{left}{right}");
            count += 1;
            if piece == last {
                continue;
            }
            if ranks.insert(piece.clone(), ranks.len()).is_some() {
                return Err(refused("model.merges", format!("`{piece}` comes about at two places")));
            }
            last = piece;
        }
        let rank = |token: &String| ranks.get(token).copied().unwrap_or(ranks.len());
        self.scores = self.tokens.iter().map(|token| -(rank(token) as f32)).collect();
        match pieces::merges(&self.tokens, &self.scores).len() == count {
            true => Ok(()),
            false => Err(refused("model.merges", "not all pairs that make a piece are listed")),
        }
    }
}

/// Whether a text begins with bos, and ends with eos.
fn wrapping(read: &Tokenizer) -> Result<(bool, bool)> {
    let (bos, eos) = (read.bos(), read.eos_ids().first().copied());
    match *read.encode("", true)? {
        [] => Ok((false, false)),
        [first] if Some(first) == bos => Ok((true, false)),
        [last] if Some(last) == eos => Ok((false, true)),
        [first, last] if Some(first) == bos && Some(last) == eos => Ok((true, true)),
        _ => Err(refused("post_processor", "it adds other tokens than bos and eos")),
    }
}

/// Whether a SentencePiece tokenizer puts a space before a text.
fn space_prefix(file: &Value) -> Result<bool> {
    let (normalizer, cut) = (&file["normalizer"], &file["pre_tokenizer"]);
    let unknown =
        || refused("pre_tokenizer", "no way in which SentencePiece treats spaces that is known here");
    if cut.is_null() {
        let steps = normalizer["normalizers"].as_array().map_or(&[][..], Vec::as_slice);
        let is_replace = |step: &Value| {
            step["type"] == "Replace" && step["pattern"]["String"] == " " && step["content"] == "▁"
        };
        return match steps {
            [prepend, replace] if prepend["type"] == "Prepend" && is_replace(replace) => {
                if prepend["prepend"] == "▁" { Ok(true) } else { Err(unknown()) }
            }
            [replace] if is_replace(replace) => Ok(false),
            _ => Err(unknown()),
        };
    }
    let whole = cut["split"] == false && cut["replacement"] == "▁" && normalizer.is_null();
    match cut["prepend_scheme"].as_str() {
        Some("first" | "always") if whole && cut["type"] == "Metaspace" => Ok(true),
        Some("never") if whole && cut["type"] == "Metaspace" => Ok(false),
        _ => Err(unknown()),
    }
}

/// The pairs that merge; the reader has checked them.
fn merges(file: &Value) -> impl Iterator<Item = [&str; 2]> {
    file["model"]["merges"].as_array().into_iter().flatten().filter_map(|merge| match merge {
        Value::String(text) => text.split_once(' ').map(|(left, right)| [left, right]),
        pair => Some([pair[0].as_str()?, pair[1].as_str()?]),
    })
}

/// `<0x0A>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}

fn refused(part: &'static str, reason: impl Into<String>) -> Error {
    Error::NotInGguf { part, reason: reason.into() }
}
