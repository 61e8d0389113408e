//! Values as Python prints them: `True`, `None`, `1.0`, `{'a': [1, 'b']}`.
//!
//! Templates were written for Jinja in Python, and some print values that are not strings.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::ValueKind;

/// What `str(value)` gives.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        ValueKind::Undefined => String::new(),
        _ => representation(value),
    }
}

/// What `repr(value)` gives.
fn representation(value: &Value) -> String {
    let items = |open: &str, close: &str| {
        let items = value.try_iter().into_iter().flatten().map(|item| representation(&item));
        format!("{open}{}{close}", items.collect::<Vec<_>>().join(", "))
    };
    match value.kind() {
        ValueKind::None => "None".into(),
        ValueKind::Undefined => "Undefined".into(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        ValueKind::Number => number(value),
        ValueKind::String => value.as_str().map_or_else(String::new, quoted),
        ValueKind::Seq if value.is_tuple() && value.len() == Some(1) => items("(", ",)"),
        ValueKind::Seq if value.is_tuple() => items("(", ")"),
        ValueKind::Seq | ValueKind::Iterable => items("[", "]"),
        ValueKind::Map => map(value),
        _ => value.to_string(),
    }
}

fn map(value: &Value) -> String {
    let keys = value.try_iter().into_iter().flatten();
    let pairs = keys.map(|key| {
        let item = value.get_item(&key).unwrap_or(Value::UNDEFINED);
        format!("{}: {}", representation(&key), representation(&item))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// A number: floats keep their point, and exponents have a sign and two digits.
pub(super) fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(float) = f64::try_from(value.clone()) else { return value.to_string() };
    let shortest = format!("{float:?}");
    match shortest.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => shortest.replace("NaN", "nan"),
    }
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if character == quote => written.extend(['\\', quote]),
            _ if character.is_ascii_control() => {
                // Writing to a string cannot fail.
                let _ = write!(written, "\\x{:02x}", u32::from(character));
            }
            _ => written.push(character),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_python() {
        // What Python 3 prints for the same values.
        let list =
            Value::from(vec![Value::from(1), Value::from("a'b"), Value::from("c\n\u{1}"), Value::from(())]);
        assert_eq!(text(&list), r#"[1, "a'b", 'c\n\x01', None]"#);
        assert_eq!(
            text(&Value::from_pairs([("k", Value::from(true)), ("l", Value::from(0.5))])),
            "{'k': True, 'l': 0.5}"
        );
        assert_eq!(text(&Value::from("as it is")), "as it is");
        assert_eq!(text(&Value::UNDEFINED), "");
    }

    #[test]
    fn floats_print_as_in_python() {
        for (float, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e15, "1000000000000000.0"),
            (-2.5e300, "-2.5e+300"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(number(&Value::from(float)), expected);
        }
        assert_eq!(number(&Value::from(10_000_000_000_000_000_000_u64)), "10000000000000000000");
    }
}
