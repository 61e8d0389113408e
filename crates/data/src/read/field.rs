//! Fields of a row, with errors that name them.

use serde_json::{Map, Value};

use crate::error::{Fault, names};

/// The JSON type of a value, as a message names it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A field that must be there.
pub(crate) fn required<'a>(fields: &'a Map<String, Value>, at: &str, name: &str) -> Result<&'a Value, Fault> {
    fields.get(name).ok_or_else(|| Fault::MissingField {
        field: format!("{at}{name}"),
        found: names(fields.keys().map(String::as_str)),
    })
}

/// A field that must be a string.
pub(crate) fn string<'a>(fields: &'a Map<String, Value>, at: &str, name: &str) -> Result<&'a str, Fault> {
    let value = required(fields, at, name)?;
    value.as_str().ok_or_else(|| wrong(format!("{at}{name}"), "a string", value))
}

/// A field that may be missing, null or empty.
pub(super) fn optional<'a>(
    fields: &'a Map<String, Value>,
    at: &str,
    name: &str,
) -> Result<Option<&'a str>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => string(fields, at, name).map(|text| Some(text).filter(|text| !text.is_empty())),
    }
}

/// A field that must be an array.
pub(super) fn array<'a>(fields: &'a Map<String, Value>, at: &str, name: &str) -> Result<&'a [Value], Fault> {
    let value = required(fields, at, name)?;
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(format!("{at}{name}"), "an array", value))
}

/// An element that must be an object.
pub(super) fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| wrong(field.to_owned(), "an object", value))
}

pub(crate) fn wrong(field: String, expected: &'static str, value: &Value) -> Fault {
    Fault::WrongType { field, expected, found: kind(value) }
}

/// The tools of a row: an array of schemas, or a string that holds one. A bare function is wrapped as templates
/// expect it: `{"type": "function", "function": …}`.
pub(super) fn tools(fields: &Map<String, Value>) -> Result<Vec<Value>, Fault> {
    let tools = match fields.get("tools") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| Fault::WrongType {
            field: "tools".into(),
            expected: "a JSON array, or a string that holds one",
            found: "a string that is not JSON",
        })?,
        Some(other) => other.clone(),
    };
    let Value::Array(tools) = tools else { return Err(wrong("tools".into(), "an array", &tools)) };
    let wrapped = |tool: Value| match tool.get("function") {
        Some(_) => tool,
        None => serde_json::json!({"type": "function", "function": tool}),
    };
    Ok(tools.into_iter().map(wrapped).collect())
}
