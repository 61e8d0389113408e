//! Texts and pairs of texts of at most so many tokens, the special tokens of the post-processor included.

use tokenizers::{TruncationDirection, TruncationParams, TruncationStrategy};

use super::Tokenizer;
use crate::error::{Error, Result};

/// A tokenizer that cuts texts from the end; of a pair the longer one first.
pub(crate) struct Cutter {
    /// Cuts.
    inner: tokenizers::Tokenizer,
    /// Does not.
    whole: tokenizers::Tokenizer,
}

/// One text, or a pair.
pub(crate) struct Cut {
    /// `[t]`.
    pub(crate) tokens: Vec<u32>,
    /// 0 in the first text, 1 in the second; `[t]`.
    pub(crate) types: Vec<u32>,
    /// Whether something was cut off.
    pub(crate) truncated: bool,
}

impl Tokenizer {
    /// A copy that cuts at `length` tokens.
    pub(crate) fn cutting(&self, length: usize) -> Result<Cutter> {
        let fault = |source| Error::Tokenize { verb: "encode", source };
        let mut inner = self.inner.clone();
        let added = inner.encode_fast(("", ""), true).map_err(fault)?.len();
        // The library subtracts them without looking.
        if length <= added + 1 {
            return Err(Error::NoRoom { found: length, needed: added + 2 });
        }
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: length,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        inner.with_truncation(Some(truncation)).map_err(fault)?;
        Ok(Cutter { inner, whole: self.inner.clone() })
    }
}

impl Cutter {
    pub(crate) fn encode(&self, text: &str, second: Option<&str>) -> Result<Cut> {
        let fault = |source| Error::Tokenize { verb: "encode", source };
        let encoding = match second {
            // Where the library encodes and cuts at once, it takes two long texts for equally long ones.
            Some(second) => {
                let [text, second] = [text, second].map(|text| self.whole.encode_fast(text, false));
                self.inner.post_process(text.map_err(fault)?, Some(second.map_err(fault)?), true)
            }
            None => self.inner.encode_fast(text, true),
        };
        let encoding = encoding.map_err(fault)?;
        Ok(Cut {
            tokens: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            truncated: !encoding.get_overflowing().is_empty(),
        })
    }
}
