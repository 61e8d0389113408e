//! `KEY=VALUE` as the command line has it.

use crate::{Error, Result};

fn malformed(change: &str) -> Error {
    Error::Setting { key: "--set", expected: "KEY=VALUE", found: change.to_owned() }
}

/// Key and value of `KEY=VALUE`. Values are TOML; what is none is taken as text.
pub fn parse_change(change: &str) -> Result<(&str, toml::Value)> {
    let (path, text) = change.split_once('=').ok_or_else(|| malformed(change))?;
    let table = format!("value = {}", text.trim()).parse::<toml::Table>();
    let value = table.ok().and_then(|mut one| one.remove("value"));
    Ok((path.trim(), value.unwrap_or_else(|| toml::Value::String(text.trim().to_owned()))))
}

/// Sets one key of a table, `train.steps=200`.
pub(crate) fn apply_change(table: &mut toml::Table, change: &str) -> Result<()> {
    let (path, value) = parse_change(change)?;
    let full = of_the_method(table, path, &value);
    insert(table, full.as_deref().unwrap_or(path), value).ok_or_else(|| malformed(change))
}

/// `method.rank` in full, `method.lora.rank`, where the recipe's method is LoRA: a setting is no method.
fn of_the_method(table: &toml::Table, path: &str, value: &toml::Value) -> Option<String> {
    let setting = path.strip_prefix("method.").filter(|rest| !rest.contains('.') && !value.is_table())?;
    let (name, _) = table.get("method")?.as_table()?.iter().next()?;
    Some(format!("method.{name}.{setting}"))
}

/// Puts a value at a dotted path; `None` when something on the way is no table.
fn insert(table: &mut toml::Table, path: &str, value: toml::Value) -> Option<()> {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
            Some(())
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            insert(inner.as_table_mut()?, rest, value)
        }
    }
}
