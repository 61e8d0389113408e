//! A parameter's value as a recipe gives it: one for all tensors, a gradient over the depth, or by the tensor's name.

use super::fault::{Misplaced, Wrong};
use super::tree::{self, Node, Value};
use crate::blend::card::{Kind, Parameter};
use indexmap::IndexMap;

/// What one level of a recipe sets.
pub(in crate::blend) type Parameters = IndexMap<&'static str, Setting>;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::blend) enum Setting {
    Flag(bool),
    Number(f64),
    /// Values at equal distances over the depth, and between them what lies on the line, or of flags the one before; at least
    /// one.
    Gradient(Vec<One>),
    /// The first counts whose text is part of the tensor's name; one without a text is for every tensor.
    Filtered(Vec<(Option<String>, Setting)>),
}

/// A value for one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::blend) enum One {
    Flag(bool),
    Number(f64),
}

impl Setting {
    /// The value for the tensor `name` at `depth` from 0 to 1; `None` where no filter lets it pass.
    pub fn at(&self, name: &str, depth: f64) -> Option<One> {
        match self {
            Self::Flag(flag) => Some(One::Flag(*flag)),
            Self::Number(number) => Some(One::Number(*number)),
            Self::Gradient(values) => gradient(values, depth),
            Self::Filtered(settings) => {
                let passes =
                    |filter: &Option<String>| filter.as_ref().is_none_or(|text| name.contains(text.as_str()));
                settings.iter().find(|(filter, _)| passes(filter))?.1.at(name, depth)
            }
        }
    }

    /// What stands under the name of `parameter`.
    pub(super) fn read(node: &Node, parameter: &Parameter) -> Result<Self, Misplaced> {
        let name = parameter.name;
        let meant = match &node.value {
            Value::Text(text) => meant(text, &parameter.kind),
            Value::Number(number) if matches!(parameter.kind, Kind::Flag(_)) => flag(*number),
            _ => None,
        };
        match (meant.as_ref().unwrap_or(&node.value), &parameter.kind) {
            (Value::Flag(flag), Kind::Flag(_)) => Ok(Self::Flag(*flag)),
            (Value::Number(number), Kind::Number { range, .. }) if range.holds(*number) => {
                Ok(Self::Number(*number))
            }
            (Value::Number(found), Kind::Number { range, .. }) => {
                Err(Wrong::Range { key: name, expected: range.expected(), found: *found }.at(&node.span))
            }
            (Value::List(items), _) if !items.is_empty() => Self::read_list(items, parameter),
            (Value::Table(_), _) => Self::read_list(std::slice::from_ref(node), parameter),
            (_, Kind::Flag(_)) => {
                Err(node.unlike(name, "true or false, a list of them, or a list of `filter` and `value`"))
            }
            (_, Kind::Number { .. }) => {
                Err(node.unlike(name, "a number, a list of numbers, or a list of `filter` and `value`"))
            }
        }
    }

    fn read_list(items: &[Node], parameter: &Parameter) -> Result<Self, Misplaced> {
        if items.iter().any(|item| matches!(item.value, Value::Table(_))) {
            let filtered = items.iter().map(|item| Self::read_filtered(item, parameter));
            return Ok(Self::Filtered(filtered.collect::<Result<_, _>>()?));
        }
        let one = |item: &Node| match Self::read(item, parameter)? {
            Self::Flag(flag) => Ok(One::Flag(flag)),
            Self::Number(number) => Ok(One::Number(number)),
            _ => Err(item.unlike(parameter.name, "one value")),
        };
        Ok(Self::Gradient(items.iter().map(one).collect::<Result<_, _>>()?))
    }

    fn read_filtered(item: &Node, parameter: &Parameter) -> Result<(Option<String>, Self), Misplaced> {
        let entries = item.entries(parameter.name, &["filter", "value"])?;
        let filter = tree::find(entries, "filter").map(|node| node.text("filter")).transpose()?;
        let value =
            tree::find(entries, "value").ok_or_else(|| Wrong::Missing { key: "value" }.at(&item.span))?;
        let setting = Self::read(value, parameter)?;
        if matches!(setting, Self::Filtered(_)) {
            return Err(value.unlike(parameter.name, "a value or a list of values inside a filter"));
        }
        Ok((filter.filter(|text| *text != "*").map(str::to_owned), setting))
    }
}

/// The value that a text stands for: to mergekit `True`, `yes` and a number in quotes are none.
fn meant(text: &str, kind: &Kind) -> Option<Value> {
    match kind {
        Kind::Flag(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(Value::Flag(true)),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(Value::Flag(false)),
            _ => None,
        },
        Kind::Number { .. } => text.parse().ok().map(Value::Number),
    }
}

/// The flag that a number stands for.
fn flag(number: f64) -> Option<Value> {
    match number {
        0.0 => Some(Value::Flag(false)),
        1.0 => Some(Value::Flag(true)),
        _ => None,
    }
}

/// The value on the broken line through `values`; between flags there is none.
fn gradient(values: &[One], depth: f64) -> Option<One> {
    let position = depth * values.len().saturating_sub(1) as f64;
    let at = position as usize;
    let first = *values.get(at)?;
    let next = values.get(at + 1).copied().unwrap_or(first);
    let fraction = position - at as f64;
    Some(match (first, next) {
        (One::Number(first), One::Number(next)) => One::Number((1.0 - fraction) * first + fraction * next),
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_is_a_broken_line_over_the_depth() {
        // The table of mergekit's example: 40 layers and five values.
        let setting = Setting::Gradient([0.0, 0.5, 0.3, 0.7, 1.0].map(One::Number).to_vec());
        let at = |layer: f64| match setting.at("x", layer / 39.0) {
            Some(One::Number(number)) => number,
            other => panic!("{other:?}"),
        };
        assert_eq!((at(0.0), at(39.0)), (0.0, 1.0));
        for (layer, expected) in [
            (1.0, 4.0 / 39.0 * 0.5),
            (9.75, 0.5),
            (13.0, 0.5 - 0.2 / 3.0),
            (19.5, 0.3),
            (26.0, 0.3 + 0.4 * 2.0 / 3.0),
            (29.25, 0.7),
            (38.0, 0.7 + 0.3 * (38.0 * 4.0 / 39.0 - 3.0)),
        ] {
            assert!((at(layer) - expected).abs() < 1e-12, "{layer}: {} {expected}", at(layer));
        }
        let alone = Setting::Gradient(vec![One::Number(0.4)]);
        assert_eq!(alone.at("x", 0.7), Some(One::Number(0.4)));
    }

    /// mergekit's `values[int(t · (len − 1))]`.
    #[test]
    fn flags_change_where_the_next_one_is_reached() {
        let setting = Setting::Gradient([true, false, true].map(One::Flag).to_vec());
        for (depth, expected) in [(0.0, true), (0.49, true), (0.5, false), (0.99, false), (1.0, true)] {
            assert_eq!(setting.at("x", depth), Some(One::Flag(expected)), "{depth}");
        }
    }

    #[test]
    fn the_first_filter_that_fits_counts() {
        let some = |text: &str| Some(text.to_owned());
        let setting = Setting::Filtered(vec![
            (some("self_attn"), Setting::Gradient([0.0, 1.0].map(One::Number).to_vec())),
            (some("attn"), Setting::Number(9.0)),
            (some("mlp"), Setting::Number(2.0)),
        ]);
        assert_eq!(setting.at("layers.0.self_attn.q_proj", 0.25), Some(One::Number(0.25)));
        assert_eq!(setting.at("layers.0.attn.q", 0.25), Some(One::Number(9.0)));
        assert_eq!(setting.at("layers.0.mlp.up_proj", 0.5), Some(One::Number(2.0)));
        assert_eq!(setting.at("norm", 0.5), None);
        let rest = Setting::Filtered(vec![(None, Setting::Flag(true)), (some("x"), Setting::Flag(false))]);
        assert_eq!(rest.at("x", 0.0), Some(One::Flag(true)));
    }
}
