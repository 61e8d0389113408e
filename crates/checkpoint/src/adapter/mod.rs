//! LoRA adapters in Hugging Face peft's folder format: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Reads what peft 0.21 writes, refuses by name what is no plain change of weights, and is strict: keys that are
//! missing, unexpected or of a wrong shape are an error where peft warns. Applying the change is not done here. LN
//! tuning is read as modules that were trained whole, which it is. Of peft's other kinds the files are read ([`Foreign`]), and
//! their meaning is left to those who convert them.

mod check;
mod config;
mod fault;
mod finding;
mod foreign;
mod inspect;
mod keys;
mod model;
mod notes;
mod pattern;
mod read_config;
mod rename;
mod targets;
#[cfg(test)]
mod tests;
mod types;
mod write;

pub use config::{AdapterConfig, Bias, Initialisation, TrainableTokens};
pub use fault::{Fault, Mismatch, Misshapen, TargetFault};
pub use finding::Finding;
pub use foreign::Foreign;
pub use inspect::{Inspection, Module};
pub use model::{Adapter, LayerKind, LowRank, NewRows, Origin, Replacement};
pub use notes::{Note, Reader};
pub use targets::{Exclusion, Kind, ModuleName, Selection, Targets, is_saved, modules_of};
pub use types::CONVERTIBLE;

pub(crate) use targets::is_suffix;
