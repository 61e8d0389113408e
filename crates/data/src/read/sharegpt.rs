//! The ShareGPT format: `conversations` of `from` and `value`, with `system` and `tools` beside them.

use serde_json::{Map, Value, json};

use super::{Columns, Content, Shape, field, messages};
use crate::chat::Message;
use crate::error::Fault;

/// Rows of `conversations`.
pub(super) struct Sharegpt;

/// An answer that only calls tools.
const CALL: &str = "function_call";

/// Speakers as data sets write them, and as templates know them.
const SPEAKERS: [(&str, &str); 14] = [
    ("human", "user"),
    ("user", "user"),
    ("gpt", "assistant"),
    ("assistant", "assistant"),
    ("chatgpt", "assistant"),
    ("model", "assistant"),
    ("bot", "assistant"),
    ("system", "system"),
    (CALL, CALL),
    ("tool_call", CALL),
    ("observation", "tool"),
    ("function_response", "tool"),
    ("tool", "tool"),
    ("function", "tool"),
];

impl Shape for Sharegpt {
    fn fits(&self, fields: &Map<String, Value>) -> bool {
        fields.contains_key("conversations")
    }

    fn read(&self, fields: &Map<String, Value>, _: Option<&Columns>) -> Result<Content, Fault> {
        let list = field::array(fields, "", "conversations")?;
        let mut turns = Vec::with_capacity(list.len() + 1);
        if let Some(system) = field::optional(fields, "", "system")? {
            turns.push(Message::system(system));
        }
        for (index, value) in list.iter().enumerate() {
            turns.push(turn(value, &format!("conversations[{index}]"))?);
        }
        messages::with_answer(turns, field::tools(fields)?)
    }
}

/// One turn; some data sets write `role` and `content` for `from` and `value`.
fn turn(value: &Value, at: &str) -> Result<Message, Fault> {
    let fields = field::object(value, at)?;
    let dotted = format!("{at}.");
    let either =
        |name: &'static str, other: &'static str| if fields.contains_key(other) { other } else { name };
    let (from, value) = (either("from", "role"), either("value", "content"));
    let speaker =
        messages::role(format!("{dotted}{from}"), field::string(fields, &dotted, from)?, &SPEAKERS)?;
    let text = field::string(fields, &dotted, value)?;
    let mut message = if speaker == CALL { calling(text) } else { Message::new(speaker, text) };
    message.learn = messages::learn(fields, &dotted)?;
    Ok(message)
}

/// An answer that calls tools. Text that is not JSON of a call stays text.
fn calling(text: &str) -> Message {
    let mut message = Message::assistant(text);
    if let Some(calls) = serde_json::from_str(text).ok().and_then(|value| calls(&value)) {
        message.content = None;
        message.extra.insert("tool_calls".into(), Value::Array(calls));
    }
    message
}

fn calls(value: &Value) -> Option<Vec<Value>> {
    let call = |value: &Value| {
        value.get("name")?.as_str()?;
        Some(json!({"type": "function", "function": value}))
    };
    match value {
        Value::Array(calls) => calls.iter().map(call).collect(),
        other => Some(vec![call(other)?]),
    }
}
