//! One message of a conversation.

use serde_json::{Map, Value, json};

/// What one speaker says.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// The text; none in an answer that only calls tools.
    pub content: Option<String>,
    /// Further fields that templates know: `tool_calls`, `name`, `reasoning_content`.
    pub extra: Map<String, Value>,
    /// Whether an answer is to be learnt.
    pub learn: bool,
}

/// Names under which templates and data sets know the reasoning before an answer; the first is the usual one.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

impl Message {
    /// A message of plain text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(content.into()), extra: Map::new(), learn: true }
    }

    /// What the system says.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What the assistant says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }

    /// The text, empty when there is none.
    pub fn text(&self) -> &str {
        self.content.as_deref().unwrap_or("")
    }

    /// Whether the assistant says this.
    pub fn is_answer(&self) -> bool {
        self.role == "assistant"
    }

    /// The message as a template sees it. A template that knows no tool calls gets them as text.
    pub(super) fn to_json(&self, knows_tool_calls: bool) -> Value {
        let mut fields = Map::new();
        let reasoning =
            REASONING.iter().find_map(|name| self.extra.get(*name).filter(|text| !text.is_null()));
        if let Some(reasoning) = reasoning {
            fields.insert("thinking".into(), reasoning.clone());
        }
        fields.insert("role".into(), json!(self.role));
        fields.insert("content".into(), json!(self.content));
        fields.extend(self.extra.clone());
        if let Some(reasoning) = reasoning {
            fields.insert(REASONING[0].into(), reasoning.clone());
        }
        if let Some(calls) = self.extra.get("tool_calls")
            && !knows_tool_calls
        {
            fields.remove("tool_calls");
            fields.insert("content".into(), json!(self.text().to_owned() + &spelt(calls)));
        }
        Value::Object(fields)
    }
}

/// Tool calls as text: the function of each on a line of its own.
fn spelt(calls: &Value) -> String {
    let function = |call: &Value| call.get("function").unwrap_or(call).to_string();
    match calls.as_array() {
        Some(calls) => calls.iter().map(function).collect::<Vec<_>>().join("\n"),
        None => function(calls),
    }
}
