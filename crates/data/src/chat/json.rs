//! The `tojson` filter as transformers defines it: Python's `json.dumps`, with its spaces and nothing escaped for
//! HTML.
//!
//! ```text
//! value | tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)
//! ```

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::python;

/// How to write.
struct Layout {
    ascii: bool,
    /// What one level of depth adds at the beginning of a line; none for a single line.
    indent: Option<String>,
    between_items: String,
    after_key: String,
    sorted: bool,
}

/// The filter.
pub(super) fn tojson(value: &Value, positional: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let argument = |index: usize, name: &str| -> Result<Option<Value>, Error> {
        let named: Option<Value> = named.get(name)?;
        Ok(named.or_else(|| positional.get(index).cloned()).filter(|value| !value.is_none()))
    };
    let truth = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let ascii = truth(argument(0, "ensure_ascii")?);
    let indent = argument(1, "indent")?.map(|value| indent(&value)).transpose()?;
    let separators = argument(2, "separators")?;
    let sorted = truth(argument(3, "sort_keys")?);
    named.assert_all_used()?;
    let (between_items, after_key) = match separators {
        Some(pair) => (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string()),
        None => (if indent.is_some() { "," } else { ", " }.into(), ": ".into()),
    };
    let mut written = String::new();
    Layout { ascii, indent, between_items, after_key, sorted }.write(value, 0, &mut written)?;
    Ok(written)
}

fn indent(value: &Value) -> Result<String, Error> {
    // Wider than any template writes, and small enough to repeat at every line.
    const WIDEST: usize = 64;
    match value.as_str() {
        Some(text) => Ok(text.chars().take(WIDEST).collect()),
        None => Ok(" ".repeat(usize::try_from(value.clone())?.min(WIDEST))),
    }
}

/// Values nest as deeply as the file they came from, which the JSON reader bounds; templates cannot loop one.
const DEEPEST: usize = 256;

impl Layout {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        if DEEPEST < depth {
            return Err(Error::new(ErrorKind::BadSerialization, "value nested too deeply for JSON"));
        }
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<_> = value.try_iter()?.collect();
                self.group(['[', ']'], &items, depth, out, |item, out| self.write(item, depth + 1, out))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<_> = value.try_iter()?.collect();
                if self.sorted {
                    keys.sort();
                }
                self.group(['{', '}'], &keys, depth, out, |key, out| {
                    self.string(&key_text(key), out);
                    out.push_str(&self.after_key);
                    self.write(&value.get_item(key)?, depth + 1, out)
                })?;
            }
            other => {
                return Err(Error::new(
                    ErrorKind::BadSerialization,
                    format!("{other} cannot be written as JSON"),
                ));
            }
        }
        Ok(())
    }

    fn group(
        &self,
        brackets: [char; 2],
        items: &[Value],
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(&Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        out.push(brackets[0]);
        for (index, item) in items.iter().enumerate() {
            if 0 < index {
                out.push_str(&self.between_items);
            }
            self.line(depth + 1, out);
            write(item, out)?;
        }
        if !items.is_empty() {
            self.line(depth, out);
        }
        out.push(brackets[1]);
        Ok(())
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    }

    fn string(&self, text: &str, out: &mut String) {
        let written = serde_json::Value::from(text).to_string();
        if !self.ascii {
            out.push_str(&written);
            return;
        }
        let mut units = [0; 2];
        for character in written.chars() {
            if character.is_ascii() {
                out.push(character);
            } else {
                out.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
}

/// A key that is not a string is written as JSON inside one.
fn key_text(key: &Value) -> String {
    match key.kind() {
        ValueKind::None => "null".into(),
        ValueKind::Bool => key.is_true().to_string(),
        ValueKind::Number => number(key),
        _ => python::text(key),
    }
}

fn number(value: &Value) -> String {
    match python::number(value).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        other => other.into(),
    }
}
