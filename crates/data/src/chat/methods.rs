//! Methods of Python's strings and dictionaries that templates call.
//!
//! Most come with minijinja's compatibility layer; here is what it lacks.

use minijinja::value::{Kwargs, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

/// Calls `value.method(arguments)`.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match value.as_str().map(|text| string(text, method, arguments)).transpose()?.flatten() {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

fn string(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" | "rpartition" => partition(text, method == "rpartition", arguments)?,
        "split" | "rsplit" => split(text, method == "rsplit", arguments)?,
        "title" => {
            let () = from_args(arguments)?;
            Value::from(title(text))
        }
        "index" => {
            let (part,): (&str,) = from_args(arguments)?;
            let at = text
                .find(part)
                .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))?;
            Value::from(text[..at].chars().count())
        }
        _ => return Ok(None),
    }))
}

fn partition(text: &str, from_right: bool, arguments: &[Value]) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(arguments)?;
    let found = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match (found, from_right) {
        (Some((before, after)), _) => [before, separator, after],
        (None, false) => [text, "", ""],
        (None, true) => ["", "", text],
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

/// `split(sep=None, maxsplit=-1)`: without a separator at runs of white space, with no empty parts.
fn split(text: &str, from_right: bool, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, limit, named): (Option<Value>, Option<i64>, Kwargs) = from_args(arguments)?;
    let separator = separator.or(named.get("sep")?).filter(|value| !value.is_none());
    let limit = limit.or(named.get("maxsplit")?).and_then(|limit| usize::try_from(limit).ok());
    named.assert_all_used()?;
    let parts = match separator.as_ref().map(|value| value.as_str()) {
        None => words(text, from_right, limit.unwrap_or(usize::MAX)),
        Some(Some("")) | Some(None) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "the separator must be a string, and not empty",
            ));
        }
        Some(Some(separator)) => {
            let parts = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
            if from_right {
                let mut parts: Vec<_> = text.rsplitn(parts, separator).collect();
                parts.reverse();
                parts
            } else {
                text.splitn(parts, separator).collect()
            }
        }
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

/// Every run of letters with a capital at its beginning.
fn title(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        if inside {
            written.extend(character.to_lowercase());
        } else {
            written.extend(character.to_uppercase());
        }
        inside = character.is_alphabetic();
    }
    written
}

fn words(text: &str, from_right: bool, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let cut = if from_right {
            rest.rsplit_once(char::is_whitespace).map(|(rest, word)| (word, rest.trim_end()))
        } else {
            rest.split_once(char::is_whitespace).map(|(word, rest)| (word, rest.trim_start()))
        };
        let (word, left) = cut.filter(|_| parts.len() < limit).unwrap_or((rest, ""));
        parts.push(word);
        rest = left;
    }
    if from_right {
        parts.reverse();
    }
    parts
}
