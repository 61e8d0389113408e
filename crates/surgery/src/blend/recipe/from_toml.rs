//! From TOML to the tree of a recipe.

use super::fault::{Misplaced, Wrong};
use super::tree::{Entry, Node, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The tree of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Misplaced> {
    let table = DeTable::parse(text).map_err(|error| {
        let what = error.message().to_owned();
        Wrong::Syntax { what }.at(&error.span().unwrap_or(0..0))
    })?;
    Ok(Node { span: table.span(), value: entries(table.get_ref())? })
}

fn node(value: &Spanned<DeValue<'_>>) -> Result<Node, Misplaced> {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Integer(number) => {
            let whole = i64::from_str_radix(number.as_str(), number.radix());
            Value::Number(whole.map_err(|_| too_large(&span))? as f64)
        }
        DeValue::Float(number) => Value::Number(number.as_str().parse().map_err(|_| too_large(&span))?),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect::<Result<_, _>>()?),
        DeValue::Table(table) => entries(table)?,
        DeValue::Datetime(_) => {
            return Err(Wrong::Syntax { what: "a date has no place in a recipe".to_owned() }.at(&span));
        }
    };
    Ok(Node { span, value })
}

fn entries(table: &DeTable<'_>) -> Result<Value, Misplaced> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let (key, span) = (key.get_ref().to_string(), key.span());
        entries.push(Entry { key, span, node: node(value)?, is_anchored: false });
    }
    Ok(Value::Table(entries))
}

fn too_large(span: &Range<usize>) -> Misplaced {
    Wrong::Syntax { what: "a number that is too large".to_owned() }.at(span)
}
