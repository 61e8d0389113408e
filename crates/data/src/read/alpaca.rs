//! The Alpaca format.
//!
//! The user's message is `instruction`, and after an empty line `input` where there is one. `history` holds earlier
//! rounds, each a pair of what was asked and answered; all answers are learnt.

use serde_json::{Map, Value, json};

use super::{Columns, Content, Shape, field};
use crate::chat::Message;
use crate::error::Fault;

/// Rows of `instruction`, `input`, `output`.
pub(super) struct Alpaca;

impl Shape for Alpaca {
    fn fits(&self, fields: &Map<String, Value>) -> bool {
        fields.contains_key("instruction") && fields.contains_key("output")
    }

    fn read(&self, fields: &Map<String, Value>, _: Option<&Columns>) -> Result<Content, Fault> {
        let mut messages = Vec::new();
        if let Some(system) = field::optional(fields, "", "system")? {
            messages.push(Message::system(system));
        }
        if fields.get("history").is_some_and(|history| !history.is_null()) {
            for (index, round) in field::array(fields, "", "history")?.iter().enumerate() {
                let (asked, answered) = self::round(round)
                    .ok_or_else(|| field::wrong(format!("history[{index}]"), "a pair of strings", round))?;
                messages.extend([Message::user(asked), Message::assistant(answered)]);
            }
        }
        let instruction = field::string(fields, "", "instruction")?;
        messages.push(match field::optional(fields, "", "input")? {
            Some(input) => with_input(instruction, input),
            None => Message::user(instruction),
        });
        messages.push(Message::assistant(field::string(fields, "", "output")?));
        Ok(Content::Chat { messages, tools: Vec::new() })
    }
}

/// A message that also keeps its parts, for the classic form, which shows them under headings of their own.
fn with_input(instruction: &str, input: &str) -> Message {
    let mut message = Message::user(format!("{instruction}\n\n{input}"));
    message.extra.insert("instruction".into(), json!(instruction));
    message.extra.insert("input".into(), json!(input));
    message
}

fn round(round: &Value) -> Option<(&str, &str)> {
    match round.as_array()?.as_slice() {
        [asked, answered] => Some((asked.as_str()?, answered.as_str()?)),
        _ => None,
    }
}
