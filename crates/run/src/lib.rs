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
//!   search/                                            the same of a search for modules, before the training has a state
//!   thin/                                              the whole model, where a method made its layers thin
//!   classes.json                                       names of the classes, of a classifier
//!   modules.json                                       which modules were picked, where the method picks them
//!   report.html                                        curves, spectra of the update, data, versions
//! ```
//!
//! Nothing is half-written: every file is written beside its place and renamed.

#![forbid(unsafe_code)]

mod base;
mod calibration;
mod change;
mod classes;
mod classify;
mod count;
mod error;
mod fisher;
mod folder;
mod ground;
mod images;
mod init;
mod inputs;
mod interaction;
mod kind;
mod language;
mod loading;
mod matching;
mod metrics;
mod packed;
mod page;
mod path;
mod reading;
mod recipe;
mod residual;
mod run;
mod search;
mod targeted;
mod thin;

pub use base::AdapterBase;
pub use change::parse_change;
pub use classify::{
    LoadedClassifier, classes_file, fit_head, is_classifier, load_classifier, load_classifier_model,
};
pub use count::{Count, Group, count};
pub use error::{Error, Result};
pub use fisher::{Fisher, FisherPlan, FisherReport};
pub use folder::is_run;
pub use images::{LoadedImages, load_images, open_image_adapter};
pub use init::{Start, Started, init};
pub use inputs::inputs;
pub use interaction::{Shown, interaction};
pub use loading::{
    Loaded, check_base, gguf_vocabulary, load, load_model, module_names, open_adapter, tokenizer,
    tokenizer_companions, warning,
};
pub use metrics::Metrics;
pub use path::{Examiner, PathPoint, barrier};
pub use recipe::{DataSection, DistillSection, Modules, Recipe, TargetSection, TaskName, TrainSection};
pub use residual::residual_of;
pub use run::{Notice, Outcome, Source, fine_tune};
