//! Weights and their structures, layers, models.
//!
//! The weight, not the layer, is the extension point: a layer holds a [`Parameter`], a parameter holds a `dyn`
//! [`Weight`], and a method exchanges the weight for one of another structure. Nothing here knows a method or a loop.

mod checkpointing;
mod error;
pub mod generate;
pub mod layers;
pub mod models;
mod parameter;
mod probes;
pub mod weight;

pub use checkpointing::{Pass, Segment};
pub use error::{Error, Result};
pub use models::{Cache, Classifier, ImageClassifier, LanguageModel, Model, Tokens};
pub use parameter::{Kind, Parameter, Place, for_each_trained, for_each_trained_mut, penalty};
pub use probes::{By, Derivatives, Origin, ProbedLayer, ProbedMap, Probes, Seed};
pub use weight::{Factors, Leaf, Leaves, Scope, Weight};
