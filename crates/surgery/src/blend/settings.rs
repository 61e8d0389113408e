//! A method's parameters for one tensor.

use indexmap::IndexMap;

/// All parameters of a method, with their values for one tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Which module of the model it is of, counted from the input; blocks count as one, a head is at no depth at all.
    pub unit: usize,
    pub values: IndexMap<&'static str, Value>,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    One(f64),
    /// One for every model but the base.
    Each(Vec<f64>),
}

impl Settings {
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Flag(true)))
    }

    /// A number of the whole blend.
    pub fn one(&self, name: &str) -> f64 {
        match self.values.get(name) {
            Some(Value::One(number)) => *number,
            // No method asks for what its card does not list.
            _ => f64::NAN,
        }
    }

    /// The number of every model.
    pub fn each(&self, name: &str) -> Vec<f64> {
        match self.values.get(name) {
            Some(Value::Each(numbers)) => numbers.clone(),
            _ => Vec::new(),
        }
    }
}
