//! Looking into models without changing them: the spectra of their weights, what a fine-tune did to a base, the structure of
//! what a network computes.
//!
//! Tensors are read one at a time, as many together as there are threads, so that a model may be larger than memory.

#![forbid(unsafe_code)]

mod alignment;
mod barrier;
mod diff;
mod error;
pub mod inspect;
pub mod interaction;
mod lists;
mod progress;

pub use alignment::{VectorAlignment, vector_alignment, vector_ratio};
pub use barrier::{barrier, rises};
pub use diff::{
    ChangeCell, ChangeMap, ChangeSum, MatrixChange, NotCompared, TensorChange, by_kind, by_layer, change_map,
    changes, not_compared, spectra, sweep,
};
pub use error::{Error, Result};
pub use progress::{Progress, Watch};
