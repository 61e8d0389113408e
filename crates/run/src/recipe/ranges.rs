//! Values outside their range: told before data or a model are read, and of a file with the line and a caret.

use super::Recipe;
use crate::{Error, Result};
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use toml::de::DeTable;

impl Recipe {
    /// Refuses values outside their range, settings of the method among them.
    ///
    /// # Errors
    /// [`Error::Setting`] of the first one, or the method's.
    pub fn check(&self) -> Result<()> {
        let (data, train) = (&self.data, &self.train);
        let (rate, decay, clip) = (train.learning_rate, train.weight_decay, train.clip);
        data.columns()?;
        setting("data.max_length", "2 or more", 2 <= data.max_length, data.max_length)?;
        let held_out = data.validation;
        setting("data.validation", "0 or more and below 1", (0.0..1.0).contains(&held_out), held_out)?;
        count("train.steps", train.steps)?;
        setting("train.epochs", "above 0", 0.0 < train.epochs && train.epochs.is_finite(), train.epochs)?;
        count("train.batch_size", Some(train.batch_size))?;
        count("train.batch_tokens", train.batch_tokens)?;
        count("train.accumulation", Some(train.accumulation))?;
        count("train.patience", train.patience)?;
        setting("train.warmup", "0 to 1", (0.0..=1.0).contains(&train.warmup), train.warmup)?;
        positive("train.learning_rate", rate)?;
        positive("train.lora_plus_ratio", train.lora_plus_ratio.unwrap_or(1.0))?;
        setting("train.weight_decay", "0 or more", 0.0 <= decay && decay.is_finite(), decay)?;
        setting("train.clip", "0 or more", 0.0 <= clip && clip.is_finite(), clip)?;
        for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
            setting(key, "0 or more and below 1", (0.0..1.0).contains(&beta), beta)?;
        }
        if let Some(teacher) = &self.distill {
            let own = teacher.own;
            positive("distill.features", teacher.features)?;
            setting("distill.own", "0 or more", 0.0 <= own && own.is_finite(), own)?;
        }
        self.method.check()?;
        self.targets.check(&self.method)
    }

    /// The same of a recipe that was read from `text`, the file `name`.
    pub(super) fn check_text(&self, text: &str, name: &Path) -> Result<()> {
        let error = match self.check() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let (key, expected, found) = match &error {
            Error::Setting { key, expected, found } => ((*key).to_owned(), *expected, found.clone()),
            Error::Method(fault) => match fault.as_ref() {
                rankine_method::Error::Of { method, source } => match source.as_ref() {
                    rankine_method::Error::Setting { name, expected, found } => {
                        (format!("method.{method}.{name}"), *expected, found.clone())
                    }
                    _ => return Err(error),
                },
                _ => return Err(error),
            },
            _ => return Err(error),
        };
        match place(text, &key) {
            Some(place) => Err(Error::Value { path: name.to_owned(), place, key, expected, found }),
            // Missing, where it should be given.
            None => Err(error),
        }
    }
}

fn setting(key: &'static str, expected: &'static str, good: bool, found: impl Display) -> Result<()> {
    match good {
        true => Ok(()),
        false => Err(Error::Setting { key, expected, found: found.to_string() }),
    }
}

fn count(key: &'static str, found: Option<usize>) -> Result<()> {
    setting(key, "1 or more", found != Some(0), 0)
}

fn positive(key: &'static str, found: f32) -> Result<()> {
    setting(key, "above 0", 0.0 < found && found.is_finite(), found)
}

/// Line and column of a key's value, and the line with a caret below it, as a message of TOML shows them; `None` where the
/// text leaves the key out.
fn place(text: &str, key: &str) -> Option<String> {
    let Range { start, end } = span(text, key)?;
    let before = text.get(..start)?;
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let column = text.get(begin..start)?.chars().count();
    let shown = text.get(begin..)?.lines().next()?;
    let width = text.get(start..end)?.lines().next().map_or(1, |value| value.chars().count().max(1));
    let (gutter, carets) = (line.to_string().len(), "^".repeat(width));
    Some(format!(
        "line {line}, column {}\n{:gutter$} |\n{line} | {shown}\n{:gutter$} | {:column$}{carets}",
        column + 1,
        "",
        "",
        ""
    ))
}

/// Where the value of a dotted key stands, in bytes.
fn span(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut keys = key.split('.');
    let mut value = document.get_ref().get(keys.next()?)?;
    for key in keys {
        value = value.get_ref().get(key)?;
    }
    Some(value.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_their_range_are_named() {
        let recipe = Recipe::new("model", "data.json");
        recipe.check().unwrap();
        let cases = [
            ("data.max_length=1", "`data.max_length`"),
            ("data.validation=1.0", "`data.validation`"),
            ("data.validation=nan", "`data.validation`"),
            ("data.prompt_column=question", "`data.answer_column`"),
            ("train.steps=0", "`train.steps`"),
            ("train.epochs=0.0", "`train.epochs`"),
            ("train.batch_size=0", "`train.batch_size`"),
            ("train.batch_tokens=0", "`train.batch_tokens`"),
            ("train.accumulation=0", "`train.accumulation`"),
            ("train.patience=0", "`train.patience`"),
            ("train.warmup=1.5", "`train.warmup`"),
            ("train.learning_rate=nan", "`train.learning_rate`"),
            ("train.learning_rate=-1e-3", "`train.learning_rate`"),
            ("train.clip=-1.0", "`train.clip`"),
            ("train.beta1=1.0", "`train.beta1`"),
            ("train.beta2=nan", "`train.beta2`"),
            ("train.weight_decay=-5.0", "`train.weight_decay`"),
            ("train.lora_plus_ratio=0.0", "`train.lora_plus_ratio`"),
            ("train.lora_plus_ratio=inf", "`train.lora_plus_ratio`"),
            ("distill.features=0.0", "`distill.features`"),
            ("distill.own=nan", "`distill.own`"),
            ("method.pissa.rank=0", "`rank`"),
            ("method.pissa.alpha=-1.0", "`alpha`"),
            ("method.pissa.dropout=1.0", "`dropout`"),
        ];
        for (change, key) in cases {
            let error = recipe.clone().with(&[change.to_owned()]).unwrap().check().unwrap_err();
            assert!(error.to_string().contains(&format!("{key} should be ")), "{change}: {error}");
        }
    }

    #[test]
    fn a_value_outside_its_range_gets_a_caret() {
        let text = |method: &str, train: &str| {
            format!("model = \"m\"\ndata = {{ path = \"d\" }}\n\n[method.{method}\n\n[train]\n{train}\n")
        };
        let cases = [
            (
                text("lora]", "steps = 0  # none"),
                "line 7, column 9",
                "7 | steps = 0  # none\n  |         ^\n",
                "`train.steps`",
            ),
            (
                text("lora]", "\"clip\" = -1.25"),
                "line 7, column 10",
                "\n  |          ^^^^^\n",
                "`train.clip`",
            ),
            (text("lora]\nrank = 0", ""), "line 5, column 8", "\n  |        ^\n", "`method.lora.rank`"),
            (text("eva]\nrho = 0.5", ""), "line 5, column 7", "\n  |       ^^^\n", "`method.eva.rho`"),
        ];
        for (text, place, caret, key) in cases {
            let error = Recipe::parse(&text, Path::new("recipe.toml")).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, Error::Value { .. }) && message.contains("`recipe.toml`"), "{message}");
            assert!(message.contains(place) && message.contains(caret), "{message}");
            assert!(message.lines().last().unwrap().starts_with(&format!("{key} should be ")), "{message}");
            let hint = key.contains("method").then(|| key.split('.').nth(1).unwrap());
            let hint =
                hint.map(|method| format!("`rankine methods {method}` shows the settings of the method"));
            assert_eq!(error.hint(), hint, "{message}");
        }
        // What is not there has no place.
        let text = "model = \"m\"\n[data]\npath = \"d\"\nprompt_column = \"q\"\n";
        let error = Recipe::parse(text, Path::new("recipe.toml")).unwrap_err();
        assert!(matches!(error, Error::Setting { key: "data.answer_column", .. }), "{error}");
    }

    #[test]
    fn a_caret_stands_below_its_value_whatever_is_before_it() {
        let text = "model = \"m\"\ndata = { path = \"d\u{fc}\u{df}e\", validation = 1.5 }\n".to_owned();
        let many = format!("{}{text}", "# filler\n".repeat(10));
        for (text, line) in [(&text, "2"), (&many, "12")] {
            let message = Recipe::parse(text, Path::new("r")).unwrap_err().to_string();
            let lines: Vec<&str> = message.lines().collect();
            let [shown, below] = [lines[2], lines[3]];
            assert!(shown.starts_with(&format!("{line} | data = ")), "{message}");
            let at = |line: &str, what: &str| line.split(what).next().unwrap().chars().count();
            assert_eq!(at(shown, "1.5"), at(below, "^"), "{message}");
            assert_eq!(below.matches('^').count(), 3, "{message}");
        }
    }
}
