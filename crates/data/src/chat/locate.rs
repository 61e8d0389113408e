//! Where the answers of a rendered conversation are.
//!
//! The conversation is rendered and cut into tokens as a whole; answers are byte ranges of the text, and a token
//! belongs to the answer it reaches into. The ranges are found, in this order:
//!
//! 1. `{% generation %}` blocks of the template.
//! 2. By prefixes. For the answer i: from the end of `render(messages[..i], generation prompt)` to the end of
//!    `render(messages[..=i])`, where both are prefixes of the whole.
//! 3. By a probe, where a template renders the past in another way than the present (it leaves out earlier
//!    reasoning, say): the whole is rendered once more with a character that occurs nowhere in place of the answer;
//!    what differs is the answer. The end-of-turn token that follows is the answer's too. A call of tools has no
//!    text to replace: it is the longest beginning of what follows the prompt that also ends
//!    `render(messages[..=i])`.

use std::ops::Range;

use super::template::Scene;
use super::{ChatOptions, ChatTokens, Message, Template};
use crate::error::{Error, Result};
use crate::tokenizer::{Located, Tokenizer};

/// Characters that Unicode keeps for a program's own use; no text should hold them.
const NONCHARACTERS: Range<u32> = 0xFDD0..0xFDF0;

/// Bytes of the rendered text that are an answer.
struct Answer {
    bytes: Range<usize>,
    /// Where the end-of-turn token is relative to the range.
    end: End,
}

enum End {
    /// The template said exactly what the answer is.
    Exact,
    /// Inside; what follows it within the range is the template's.
    Inside,
    /// The next token after the range.
    After,
}

pub(super) fn encode(
    tokenizer: &Tokenizer,
    messages: &[Message],
    options: &ChatOptions,
) -> Result<ChatTokens> {
    let whole = Whole { tokenizer, messages, options, template: tokenizer.template() };
    let (text, found) = match whole.by_blocks()? {
        Some(found) => found,
        None => whole.by_message()?,
    };
    let located = tokenizer.locate(&text)?;
    let mut answers = vec![false; located.tokens.len()];
    for answer in found {
        let tokens = tokens_of(tokenizer, &text, &located, &answer);
        answers[tokens].fill(true);
    }
    Ok(ChatTokens { tokens: located.tokens, answers })
}

/// A conversation to be rendered in several ways.
struct Whole<'a> {
    tokenizer: &'a Tokenizer,
    messages: &'a [Message],
    options: &'a ChatOptions,
    template: &'a Template,
}

impl Whole<'_> {
    fn render(
        &self,
        messages: &[Message],
        options: &ChatOptions,
        marks: Option<[char; 2]>,
    ) -> Result<String> {
        self.template.render(&Scene { tokenizer: self.tokenizer, messages, options, marks })
    }

    /// Two characters that no message holds.
    fn free_characters(&self) -> Option<[char; 2]> {
        let used = |mark: char| {
            self.messages.iter().any(|message| {
                message.text().contains(mark)
                    || message.extra.values().any(|value| value.to_string().contains(mark))
            })
        };
        let mut free = NONCHARACTERS.filter_map(char::from_u32).filter(|&mark| !used(mark));
        Some([free.next()?, free.next()?])
    }

    /// The text and its answers by the template's own marks; none when it has no marks, or when it is not clear which
    /// block is an answer that is not to be learnt.
    fn by_blocks(&self) -> Result<Option<(String, Vec<Answer>)>> {
        let Some(marks) = self.free_characters().filter(|_| self.template.marks_answers) else {
            return Ok(None);
        };
        let marked = self.render(self.messages, self.options, Some(marks))?;
        let (text, blocks) = unmark(&marked, marks);
        let learn: Vec<bool> =
            self.messages.iter().filter(|message| message.is_answer()).map(|message| message.learn).collect();
        let all = learn.iter().all(|&learn| learn);
        if blocks.is_empty() || (!all && blocks.len() != learn.len()) {
            return Ok(None);
        }
        let kept = blocks.into_iter().zip(learn.into_iter().chain(std::iter::repeat(true)));
        let answers = kept.filter(|(_, learn)| *learn).map(|(bytes, _)| Answer { bytes, end: End::Exact });
        Ok(Some((text, answers.collect())))
    }

    fn by_message(&self) -> Result<(String, Vec<Answer>)> {
        let text = self.render(self.messages, self.options, None)?;
        let mut answers = Vec::new();
        for (index, message) in self.messages.iter().enumerate() {
            if message.is_answer() && message.learn {
                answers.push(self.answer(index, &text)?);
            }
        }
        Ok((text, answers))
    }

    fn answer(&self, index: usize, text: &str) -> Result<Answer> {
        // A template may refuse the beginning of a conversation that it takes as a whole.
        let beginning = |count: usize, add_generation_prompt: bool| {
            let options = ChatOptions { add_generation_prompt, ..self.options.clone() };
            self.render(&self.messages[..count], &options, None).ok()
        };
        let start = beginning(index, true).and_then(|prompt| match text.starts_with(&prompt) {
            true => Some(prompt.len()),
            false => self.opening(index, text, &prompt),
        });
        let is_last = index + 1 == self.messages.len() && !self.options.add_generation_prompt;
        let through = if is_last { Some(text.to_owned()) } else { beginning(index + 1, false) };
        if let (Some(start), Some(through)) = (start, &through)
            && let Some(end) = self.end(index, text, start, through)
        {
            return Ok(Answer { bytes: start..end, end: End::Inside });
        }
        // Calls of tools that follow the content would be missed.
        let content = if is_last || !self.calls_tools(index) { self.probe(index, text) } else { None };
        let content = content.ok_or(Error::AnswerNotFound { message: index + 1 })?;
        let start = start.filter(|&start| start <= content.start).unwrap_or(content.start);
        Ok(match is_last {
            true => Answer { bytes: start..text.len(), end: End::Inside },
            false => Answer { bytes: start..content.end, end: End::After },
        })
    }

    fn calls_tools(&self, index: usize) -> bool {
        let calls = self.messages.get(index).and_then(|message| message.extra.get("tool_calls"));
        calls.and_then(serde_json::Value::as_array).is_some_and(|calls| !calls.is_empty())
    }

    /// The beginning of a call of tools where the generation prompt opens reasoning that the past does not show: the
    /// line, or the place, where both part.
    fn opening(&self, index: usize, text: &str, prompt: &str) -> Option<usize> {
        let (past, parting) = self.parting(index, text, prompt).filter(|_| self.calls_tools(index))?;
        Some(text[past..parting].rfind('\n').map_or(parting, |line| past + line + 1))
    }

    /// The end of an answer that begins at `start`, where `through` is the conversation up to and with it.
    fn end(&self, index: usize, text: &str, start: usize, through: &str) -> Option<usize> {
        if text.starts_with(through) {
            return Some(through.len()).filter(|&end| start < end);
        }
        // A call of tools has no content to probe; but what the template leaves out of the past stands before the
        // call, so that the call is the end of `through`.
        let rest = text.get(start..).filter(|_| self.calls_tools(index))?;
        let ends = rest.char_indices().map(|(at, character)| at + character.len_utf8());
        ends.take_while(|&end| end <= through.len())
            .filter(|&end| through.ends_with(&rest[..end]))
            .last()
            .map(|end| start + end)
    }

    /// The bytes that change when the content of a message does.
    fn probe(&self, index: usize, text: &str) -> Option<Range<usize>> {
        let [probe, _] = self.free_characters()?;
        let mut messages = self.messages.to_vec();
        let probed = messages.get_mut(index)?;
        probed.content.as_ref()?;
        probed.content = Some(probe.to_string());
        let rendered = self.render(&messages, self.options, None).ok()?;
        let (before, after) = rendered.split_once(probe).filter(|(_, after)| !after.contains(probe))?;
        let start =
            if text.starts_with(before) { before.len() } else { self.parting(index, text, before)?.1 };
        let end = text.len().checked_sub(after.len())?;
        (text.ends_with(after) && start <= end).then_some(start..end)
    }

    /// Where the past of this message ends and where two renderings part, if that is after it: reasoning stands
    /// between the two in one of them.
    fn parting(&self, index: usize, text: &str, other: &str) -> Option<(usize, usize)> {
        let same = text.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b).last();
        let parting = same.map_or(0, |((at, character), _)| at + character.len_utf8());
        let options = ChatOptions { add_generation_prompt: false, ..self.options.clone() };
        let past = self.render(&self.messages[..index], &options, None).ok()?;
        (text.starts_with(&past) && past.len() <= parting).then_some((past.len(), parting))
    }
}

/// The text without its marks, and the ranges between them.
fn unmark(marked: &str, [before, after]: [char; 2]) -> (String, Vec<Range<usize>>) {
    let (mut text, mut blocks, mut start) = (String::with_capacity(marked.len()), Vec::new(), 0);
    for piece in marked.split_inclusive([before, after]) {
        text.push_str(piece.trim_end_matches([before, after]));
        if piece.ends_with(before) {
            start = text.len();
        } else if piece.ends_with(after) {
            blocks.push(start..text.len());
        }
    }
    (text, blocks)
}

/// The indices of the tokens of an answer.
fn tokens_of(tokenizer: &Tokenizer, text: &str, located: &Located, answer: &Answer) -> Range<usize> {
    let Located { tokens, ranges } = located;
    let bytes = &answer.bytes;
    // A post-processor may trim the white space off a range, so that nothing remains of it but its end.
    let first = ranges.partition_point(|&(_, end)| end <= bytes.start);
    let last =
        first + ranges[first..].partition_point(|&(start, end)| start.min(end.saturating_sub(1)) < bytes.end);
    let blank = |token: usize| {
        let (start, end) = ranges[token];
        text.get(start..end).is_some_and(|piece| piece.trim().is_empty())
    };
    let is_mark = |token: usize| tokenizer.is_mark(tokens[token]);
    match answer.end {
        End::Exact => first..last,
        End::Inside => {
            let tail = (first..last).rev().find(|&token| !blank(token));
            first..tail.filter(|&token| is_mark(token)).map_or(last, |token| token + 1)
        }
        End::After => {
            let next = (last..tokens.len()).find(|&token| !blank(token));
            let same_line = |&token: &usize| {
                text.get(bytes.end..ranges[token].0).is_none_or(|between| !between.contains('\n'))
            };
            first..next.filter(|&token| is_mark(token)).filter(same_line).map_or(last, |token| token + 1)
        }
    }
}
