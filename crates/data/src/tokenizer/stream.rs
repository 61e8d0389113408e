//! Text of a growing sequence of tokens, as soon as it is certain.
//!
//! One character may take several tokens, and until the last of them the decoder shows U+FFFD at the end. What
//! stands before that tail never changes, so it can be shown; the tail waits for the next token.

use super::Tokenizer;

/// The mark that stands for bytes that are no character (yet).
const REPLACEMENT: char = '\u{FFFD}';

/// Decodes one token at a time; special tokens give no text.
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    /// The tokens since the last clean cut; the first of them, after a cut, is context only.
    window: Vec<u32>,
    /// Bytes of the window's text that were given out.
    given: usize,
}

impl<'a> StreamDecoder<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, window: Vec::new(), given: 0 }
    }

    /// Takes a token; gives the text that became certain, if any.
    pub fn push(&mut self, token: u32) -> Option<String> {
        if self.tokenizer.is_special(token) {
            return None;
        }
        self.window.push(token);
        let text = self.text();
        let certain = text.trim_end_matches(REPLACEMENT).len();
        let piece = text.get(self.given..certain).filter(|piece| !piece.is_empty()).map(str::to_owned);
        self.given = self.given.max(certain);
        if certain == text.len() {
            self.cut();
        }
        piece
    }

    /// Gives what is left at the end: a character that was never completed shows as U+FFFD.
    pub fn finish(mut self) -> Option<String> {
        let text = self.text();
        let given = std::mem::take(&mut self.given);
        text.get(given..).filter(|rest| !rest.is_empty()).map(str::to_owned)
    }

    fn text(&self) -> String {
        // A decoder that fails gives no text; the ids remain and the next push tries again.
        self.tokenizer.decode(&self.window, false).unwrap_or_default()
    }

    /// Keeps the last token as context, so that a window stays short and a leading space is not taken for the first.
    /// A token that spells part of a character is no context: the cut waits for one that stands alone.
    fn cut(&mut self) {
        let Some(&last) = self.window.last() else { return };
        let alone = self.tokenizer.decode(&[last], false).unwrap_or_default();
        if !alone.contains(REPLACEMENT) {
            self.window = vec![last];
            self.given = alone.len();
        }
    }
}
