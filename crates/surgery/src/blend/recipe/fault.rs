//! What is wrong with a recipe, and where.

use std::fmt;
use std::ops::Range;

/// What is wrong with a recipe; its message shows the line with a caret, where it is of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeFault {
    wrong: Wrong,
    /// ` at line 2, column 15`, and the line with a caret below it; may be empty.
    place: String,
}

/// The same before the text is at hand.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::blend) struct Misplaced {
    pub wrong: Wrong,
    /// In bytes of the text.
    pub span: Range<usize>,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(in crate::blend) enum Wrong {
    /// Neither YAML nor TOML.
    #[error("{what}")]
    Syntax { what: String },
    /// A key that is none.
    #[error("unknown key `{found}`")]
    Key { found: String, nearest: Vec<String>, known: &'static [&'static str] },
    /// A key that was there before.
    #[error("`{key}` stands here a second time")]
    Repeated { key: String },
    /// A method that is none.
    #[error("unknown method `{found}`")]
    Method { found: String, nearest: Vec<String>, known: Vec<&'static str> },
    /// A parameter that the method does not have.
    #[error("`{method}` has no parameter `{found}`")]
    Parameter { method: &'static str, found: String, nearest: Vec<String>, known: Vec<&'static str> },
    /// A parameter of the whole blend, given to one of its models.
    #[error("`{name}` is a parameter of the whole blend, not of one model")]
    OfAll { name: &'static str },
    /// A value of another kind.
    #[error("`{key}` should be {expected}")]
    Kind { key: String, expected: &'static str },
    /// A number outside its range.
    #[error("`{key}` should be {expected}; found {found}")]
    Range { key: &'static str, expected: &'static str, found: f64 },
    /// A key that has to be there.
    #[error("there is no `{key}`")]
    Missing { key: &'static str },
    /// Two keys of which one is to be there.
    #[error("give either `{one}` or `{other}`")]
    Both { one: &'static str, other: &'static str },
    /// A method that changes a base, without one.
    #[error("`{method}` starts from a base, and there is no `base_model`")]
    NoBase { method: &'static str },
    /// Too few models or too many.
    #[error("`{method}` takes {expected}; found {found}")]
    Count { method: &'static str, expected: String, found: usize },
    /// Slices of one output that are not of one height.
    #[error("the sources of a slice should have equally many layers; found {found} and {expected}")]
    Uneven { expected: usize, found: usize },
    /// Layers that a model does not have.
    #[error("`{model}` has {layers} layers; layer {found} was asked for")]
    Layers { model: String, layers: usize, found: usize },
    /// A stack of layers of something whose layers are not known.
    #[error("slices are taken of language models and encoders; `{model}` is neither")]
    Stack { model: String },
    /// A parameter for which nothing gives a value.
    #[error("nothing gives `{parameter}` of `{model}` for `{tensor}`")]
    Unset { parameter: &'static str, model: String, tensor: String },
    /// Two settings that do not go together.
    #[error("`{one}` should be {expected}; found {found}")]
    Clash { one: &'static str, expected: &'static str, found: String },
    /// Vectors whose directions add to nothing.
    #[error("the directions of `{tensor}` cancel out: they have no middle")]
    Opposed { tensor: String },
    /// Something of mergekit's that is not built.
    #[error("{what} is not built")]
    NotBuilt { what: &'static str, instead: &'static str },
}

impl Wrong {
    /// With its place.
    pub fn at(self, span: &Range<usize>) -> Misplaced {
        Misplaced { wrong: self, span: span.clone() }
    }

    /// Of the recipe as a whole.
    pub fn anywhere(self) -> Misplaced {
        self.at(&(usize::MAX..usize::MAX))
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Key { nearest, known, .. } => return Some(choices("keys", nearest, known)),
            Self::Method { nearest, known, .. } => return Some(choices("methods", nearest, known)),
            Self::Parameter { nearest, known, .. } => return Some(choices("parameters", nearest, known)),
            Self::Repeated { .. } => "leave one of the two out",
            Self::Layers { layers, .. } => {
                return Some(format!(
                    "layers are counted from 0, and the second number is the one behind the last: `[0, {layers}]` are all of them"
                ));
            }
            Self::OfAll { .. } => "put it under `parameters` at the top, or of a slice",
            Self::Missing { key: "merge_method" } => "for example `merge_method: linear`",
            Self::Missing { key: "models" } => "name them under `models`, or their layers under `slices`",
            Self::NoBase { .. } => "name the model that the others were made of: `base_model: MODEL`",
            Self::Unset { .. } => "give it under the model's `parameters`, or at the top for all of them",
            Self::Opposed { .. } => "give the models other weights",
            Self::NotBuilt { instead, .. } => instead,
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Wrong> for RecipeFault {
    /// A fault of no place in particular.
    fn from(wrong: Wrong) -> Self {
        Self { wrong, place: String::new() }
    }
}

impl Misplaced {
    /// The fault with its line.
    pub fn in_text(self, text: &str) -> RecipeFault {
        RecipeFault { place: place(text, &self.span).unwrap_or_default(), wrong: self.wrong }
    }
}

impl RecipeFault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.wrong.hint()
    }
}

impl fmt::Display for RecipeFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.wrong, self.place)
    }
}

/// The nearest names, or all of them where none is near.
fn choices(what: &str, nearest: &[String], known: &[&str]) -> String {
    match nearest {
        [] => format!("the {what} here are {}", quoted(known.iter().copied())),
        _ => format!("the nearest {what} are {}", quoted(nearest.iter().map(String::as_str))),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Line and column of some bytes of a text, and the line with a caret below them.
fn place(text: &str, span: &Range<usize>) -> Option<String> {
    let before = text.get(..span.start)?;
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let column = text.get(begin..span.start)?.chars().count();
    let shown = text.get(begin..)?.lines().next().unwrap_or_default();
    let width = text.get(span.clone()).and_then(|value| value.lines().next());
    let width = width.map_or(1, |value| value.trim_end().chars().count().max(1));
    let (gutter, carets) = (line.to_string().len(), "^".repeat(width));
    Some(format!(
        " at line {line}, column {}\n{:gutter$} |\n{line} | {shown}\n{:gutter$} | {:column$}{carets}",
        column + 1,
        "",
        "",
        ""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_below_what_is_meant() {
        let text = "models:\n  - modül: x # no\n";
        let at = text.find("modül").unwrap();
        let shown = place(text, &(at..at + "modül".len())).unwrap();
        assert_eq!(shown, " at line 2, column 5\n  |\n2 |   - modül: x # no\n  |     ^^^^^");
        // Behind the last line, and beyond the text.
        assert!(place(text, &(text.len()..text.len())).unwrap().starts_with(" at line 3, column 1\n"));
        assert_eq!(place(text, &(1000..1001)), None);
    }
}
