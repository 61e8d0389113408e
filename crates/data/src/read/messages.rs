//! The `messages` format: a list of `role` and `content`, as chat templates take it.
//!
//! `content` is a string, a list of text parts, or nothing where tools are called. A weight of 0 (`weight` or
//! `loss_weight`) keeps an answer from being learnt. Other fields go to the template as they are.

use serde_json::{Map, Value};

use super::{Columns, Content, Shape, field};
use crate::chat::Message;
use crate::error::{Fault, names};

/// Rows of `messages`.
pub(super) struct Messages;

/// Roles as data sets write them, and as templates know them.
const ROLES: [(&str, &str); 7] = [
    ("system", "system"),
    ("developer", "developer"),
    ("user", "user"),
    ("assistant", "assistant"),
    ("tool", "tool"),
    ("function", "tool"),
    ("ipython", "tool"),
];
const WEIGHTS: [&str; 2] = ["weight", "loss_weight"];

impl Shape for Messages {
    fn fits(&self, fields: &Map<String, Value>) -> bool {
        fields.contains_key("messages")
    }

    fn read(&self, fields: &Map<String, Value>, _: Option<&Columns>) -> Result<Content, Fault> {
        let list = field::array(fields, "", "messages")?;
        let read = |(index, value)| message(value, &format!("messages[{index}]"));
        let messages: Vec<_> = list.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        with_answer(messages, field::tools(fields)?)
    }
}

/// A conversation, if somebody answers in it.
pub(super) fn with_answer(messages: Vec<Message>, tools: Vec<Value>) -> Result<Content, Fault> {
    if messages.iter().any(Message::is_answer) {
        Ok(Content::Chat { messages, tools })
    } else {
        Err(Fault::NoAnswer)
    }
}

/// The template's name of a role.
pub(super) fn role<'a>(field: String, role: &str, known: &[(&'a str, &'a str)]) -> Result<&'a str, Fault> {
    let found = known.iter().find(|(name, _)| *name == role).map(|(_, role)| *role);
    found.ok_or_else(|| Fault::UnknownRole {
        field,
        role: role.to_owned(),
        known: names(known.iter().map(|(name, _)| *name)),
    })
}

fn message(value: &Value, at: &str) -> Result<Message, Fault> {
    let fields = field::object(value, at)?;
    let dotted = format!("{at}.");
    let role = role(format!("{at}.role"), field::string(fields, &dotted, "role")?, &ROLES)?;
    let mut extra = fields.clone();
    for name in ["role", "content"].into_iter().chain(WEIGHTS) {
        extra.remove(name);
    }
    let calls_tools = extra.get("tool_calls").is_some_and(|calls| !calls.is_null());
    let content = match fields.get("content") {
        None | Some(Value::Null) if calls_tools => None,
        _ => Some(content(field::required(fields, &dotted, "content")?, &format!("{at}.content"))?),
    };
    Ok(Message { role: role.into(), content, extra, learn: learn(fields, &dotted)? })
}

/// The text of a content: a string, or the parts of a list one after the other.
fn content(value: &Value, at: &str) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            parts.iter().enumerate().map(|(index, value)| part(value, &format!("{at}[{index}]"))).collect()
        }
        other => Err(field::wrong(at.into(), "a string or a list of text parts", other)),
    }
}

fn part(value: &Value, at: &str) -> Result<String, Fault> {
    let fields = match value {
        Value::String(text) => return Ok(text.clone()),
        other => field::object(other, at)?,
    };
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("text");
    if kind != "text" {
        return Err(Fault::NotText { field: at.into(), found: kind.into() });
    }
    let name = if fields.contains_key("value") { "value" } else { "text" };
    field::string(fields, &format!("{at}."), name).map(str::to_owned)
}

pub(super) fn learn(fields: &Map<String, Value>, at: &str) -> Result<bool, Fault> {
    let Some((name, weight)) = WEIGHTS.iter().find_map(|name| Some((name, fields.get(*name)?))) else {
        return Ok(true);
    };
    match weight.as_f64() {
        Some(0.0) => Ok(false),
        Some(1.0) => Ok(true),
        _ if weight.is_null() => Ok(true),
        _ => Err(field::wrong(format!("{at}{name}"), "0 or 1", weight)),
    }
}
