//! What a method is like, before it is given numbers.

use super::Blend;
use super::recipe::Wrong;
use super::settings::Settings;

/// A method of the list.
pub(super) struct Card {
    /// As `merge_method` has it.
    pub name: &'static str,
    /// What it makes of `base_model`.
    pub base: Base,
    /// The fewest and the most models that it takes, the base apart.
    pub models: [usize; 2],
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// A tensor of another shape than the base's is left out of it; with other methods that is an error.
    pub skips_misshapen: bool,
    /// The method with the settings of one tensor.
    pub make: fn(&Settings) -> Result<Box<dyn Blend>, Wrong>,
}

/// What a method makes of the base model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// It cannot do without.
    Needed,
    /// Where there is one, differences from it are what is combined.
    Taken,
    /// It gives configuration and tokenizer; numbers too where it is one of the models.
    Passed,
}

/// A parameter of a method.
pub(super) struct Parameter {
    /// As recipes have it.
    pub name: &'static str,
    /// Every model has its own; the base has none.
    pub of_each: bool,
    /// What its values are.
    pub kind: Kind,
}

/// Values of a parameter.
pub(super) enum Kind {
    /// True or false; this when nothing is said.
    Flag(bool),
    /// A number.
    Number {
        /// When nothing is said; `None` has to be said.
        default: Option<f64>,
        /// What it may be.
        range: Range,
    },
}

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Any that is finite.
    Finite,
    /// From 0 to 1.
    Unit,
    /// Above 0.
    Positive,
    /// Whole and 0 or more.
    Count,
}

impl Range {
    pub fn holds(self, number: f64) -> bool {
        number.is_finite()
            && match self {
                Self::Finite => true,
                Self::Unit => (0.0..=1.0).contains(&number),
                Self::Positive => 0.0 < number,
                Self::Count => 0.0 <= number && number.fract() == 0.0,
            }
    }

    pub fn expected(self) -> &'static str {
        match self {
            Self::Finite => "a finite number",
            Self::Unit => "0 to 1",
            Self::Positive => "above 0",
            Self::Count => "a whole number from 0",
        }
    }
}

impl Parameter {
    /// One of the whole blend.
    pub const fn all(name: &'static str, default: Option<f64>, range: Range) -> Self {
        Self { name, of_each: false, kind: Kind::Number { default, range } }
    }

    /// One of every model.
    pub const fn each(name: &'static str, default: Option<f64>, range: Range) -> Self {
        Self { name, of_each: true, kind: Kind::Number { default, range } }
    }

    /// Something of the whole blend that is so or not.
    pub const fn flag(name: &'static str, default: bool) -> Self {
        Self { name, of_each: false, kind: Kind::Flag(default) }
    }
}

impl Card {
    /// How many models it takes, in words.
    pub fn expected_models(&self) -> String {
        let beside = if self.base == Base::Passed { "" } else { " besides the base" };
        match self.models {
            [1, 1] => format!("one model{beside}"),
            [least, most] if least == most => format!("{least} models{beside}"),
            [least, usize::MAX] => format!("{least} or more models{beside}"),
            [least, most] => format!("{least} to {most} models{beside}"),
        }
    }
}
