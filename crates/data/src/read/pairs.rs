//! A prompt and an answer.

use serde_json::{Map, Value};

use super::{Columns, Content, Shape, field};
use crate::chat::Message;
use crate::error::Fault;

/// Rows with a prompt and an answer under one of the usual pairs of names, or in columns that were named.
pub(super) struct Pairs;

const NAMES: [(&str, &str); 6] = [
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("instruction", "response"),
    ("input", "output"),
];
const SYSTEM: &str = "system";

impl Shape for Pairs {
    fn fits(&self, fields: &Map<String, Value>) -> bool {
        usual(fields).is_some()
    }

    fn read(&self, fields: &Map<String, Value>, columns: Option<&Columns>) -> Result<Content, Fault> {
        let (prompt, answer, system) = match columns {
            Some(Columns::Pair { prompt, answer, system }) => {
                (prompt.as_str(), answer.as_str(), system.as_deref())
            }
            _ => {
                let (prompt, answer) = usual(fields).unwrap_or(NAMES[0]);
                (prompt, answer, fields.contains_key(SYSTEM).then_some(SYSTEM))
            }
        };
        let mut messages = Vec::new();
        if let Some(text) = system.map(|system| field::optional(fields, "", system)).transpose()?.flatten() {
            messages.push(Message::system(text));
        }
        messages.push(Message::user(field::string(fields, "", prompt)?));
        messages.push(Message::assistant(field::string(fields, "", answer)?));
        Ok(Content::Chat { messages, tools: Vec::new() })
    }
}

fn usual(fields: &Map<String, Value>) -> Option<(&'static str, &'static str)> {
    NAMES.into_iter().find(|(prompt, answer)| fields.contains_key(*prompt) && fields.contains_key(*answer))
}
