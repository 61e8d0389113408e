//! A fine-tuning run: from a [`Recipe`] to a folder with an adapter, its metrics and its report.
//!
//! ```text
//! runs/first/
//!   adapter_config.json  adapter_model.safetensors     the last adapter, as peft reads it
//!   best/                                              the adapter with the lowest held-out loss
//!   recipe.toml                                        complete: it makes the same run again
//!   metrics.jsonl                                      one line a step and one an evaluation
//!   events.out.tfevents.*                              the same for TensorBoard
//!   state/                                             everything a resume needs
//!   report.html                                        curves, spectra of the update, data, versions
//! ```
//!
//! Nothing is half-written: every file is written beside its place and renamed.

#![forbid(unsafe_code)]

mod change;
mod error;
mod folder;
mod init;
mod loading;
mod metrics;
mod page;
mod recipe;
mod residual;
mod run;

pub use change::parse_change;
pub use error::{Error, Result};
pub use init::{Start, Started, init};
pub use loading::{
    Loaded, check_base, load, load_model, module_names, open_adapter, tokenizer, tokenizer_companions,
    warning,
};
pub use metrics::Metrics;
pub use recipe::{DataSection, Modules, Recipe, TargetSection, TrainSection};
pub use run::{Notice, Outcome, Source, fine_tune};
