//! What a blend did, or would do.

use super::card::{Card, Kind};
use super::draft::Draft;
use super::layers::Numbered;
use super::loaded::Loaded;
use super::piece::{Piece, Way};
use super::settings::Value;
use crate::merged::Squares;
use crate::write::Plan;
use indexmap::IndexMap;
use std::path::PathBuf;

/// What a blend did, or would do.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendReport {
    /// Name of the method.
    pub method: &'static str,
    /// The files.
    pub plan: Plan,
    /// The models, in the order of the recipe.
    pub models: Vec<ModelRead>,
    /// All tensors of the result.
    pub tensors: Vec<BlendedTensor>,
    /// The most bytes of numbers that are held at once, with as many threads as there are; files are mapped beside them.
    pub memory: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A model that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRead {
    /// As the recipe names it.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes of its tensors that go into the result.
    pub bytes: u64,
}

/// A tensor of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendedTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How it comes about: `copied`, by `rows`, or `whole`.
    pub way: &'static str,
    /// The models that it is made of, the base first.
    pub models: Vec<String>,
    /// The parameters that are not at their default, with a value for each model but the base, or one for all; flags are 0 or 1.
    pub settings: Vec<(&'static str, Vec<f64>)>,
    /// ‖W' − W‖ / ‖W‖ from the base, or from the first model, before rounding; `None` where nothing was made, or W is zeros.
    pub relative: Option<f64>,
}

/// Tensors of one name in several blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendedGroup {
    /// Their name, with `*` for the number of the block.
    pub name: String,
    /// How many they are.
    pub tensors: usize,
    /// How they come about.
    pub way: &'static str,
    /// The parameters, from the least to the largest value.
    pub settings: Vec<(&'static str, Vec<[f64; 2]>)>,
    /// The largest distance.
    pub relative: Option<f64>,
}

impl BlendReport {
    pub(super) fn new(
        card: &Card,
        (models, draft): (&[Loaded<'_>], &Draft<'_>),
        plan: Plan,
        moved: Option<&IndexMap<String, Squares>>,
    ) -> Self {
        let read = |(number, model): (usize, &Loaded<'_>)| {
            let parts = draft.pieces.values().flat_map(Piece::parts);
            let bytes = parts.filter(|part| part.model == number).map(|part| part.info.bytes).sum();
            ModelRead { name: model.name.to_string(), path: model.subject.path().to_owned(), bytes }
        };
        let tensor = |(name, piece): (&String, &Piece<'_>)| {
            let names = piece.parts().filter_map(|part| models.get(part.model));
            BlendedTensor {
                name: name.clone(),
                shape: piece.info.shape.clone(),
                way: match piece.way {
                    Way::Copied => "copied",
                    Way::Rows(_) => "rows",
                    Way::Whole(_) => "whole",
                },
                models: names.map(|model| model.name.to_string()).collect(),
                settings: changed(card, piece),
                relative: moved.and_then(|moved| moved.get(name)?.relative()),
            }
        };
        Self {
            method: card.name,
            plan,
            models: models.iter().enumerate().map(read).collect(),
            tensors: draft.pieces.iter().map(tensor).collect(),
            memory: draft.memory(),
            warnings: draft.warnings.clone(),
        }
    }

    /// The tensors, those of one name in several blocks together.
    pub fn groups(&self) -> Vec<BlendedGroup> {
        let mut groups = IndexMap::<_, BlendedGroup>::new();
        for tensor in &self.tensors {
            let numbered = Numbered::of(&tensor.name);
            let name = numbered.map_or_else(
                || tensor.name.clone(),
                |numbered| format!("{}*{}", numbered.before, numbered.after),
            );
            let lengths: Vec<(&str, usize)> =
                tensor.settings.iter().map(|(name, values)| (*name, values.len())).collect();
            let same = |(name, values): &(&'static str, Vec<f64>)| {
                (*name, values.iter().map(|&value| [value, value]).collect())
            };
            let new = || BlendedGroup {
                name: name.clone(),
                tensors: 0,
                way: tensor.way,
                settings: tensor.settings.iter().map(same).collect(),
                relative: None,
            };
            groups.entry((name.clone(), tensor.way, lengths)).or_insert_with(new).add(tensor);
        }
        groups.into_values().collect()
    }
}

impl BlendedGroup {
    fn add(&mut self, tensor: &BlendedTensor) {
        self.tensors += 1;
        for ((_, ranges), (_, values)) in self.settings.iter_mut().zip(&tensor.settings) {
            for ([least, largest], value) in ranges.iter_mut().zip(values) {
                (*least, *largest) = (least.min(*value), largest.max(*value));
            }
        }
        let both = self.relative.zip(tensor.relative).map(|(one, other)| one.max(other));
        self.relative = both.or(self.relative).or(tensor.relative);
    }
}

/// Parameters of a tensor that are not at their default.
fn changed(card: &Card, piece: &Piece<'_>) -> Vec<(&'static str, Vec<f64>)> {
    let shown = |parameter: &super::card::Parameter| {
        let values = match piece.settings.values.get(parameter.name)? {
            Value::Flag(flag) => vec![f64::from(u8::from(*flag))],
            Value::One(number) => vec![*number],
            Value::Each(numbers) => numbers.clone(),
        };
        let default = match parameter.kind {
            Kind::Flag(flag) => Some(f64::from(u8::from(flag))),
            Kind::Number { default, .. } => default,
        };
        values.iter().any(|value| Some(*value) != default).then_some((parameter.name, values))
    };
    card.parameters.iter().filter_map(shown).collect()
}
