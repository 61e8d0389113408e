//! What a fine-tune did to its base: how far every tensor moved, what the changes of the matrices look like from within, and
//! which directions the tuned matrices have that the base knew nothing of.
//!
//! The two are a [`Pair`](rankine_checkpoint::Pair); where the tuned model is a base with an adapter, nothing here knows of it.

mod changes;
mod spectra;
mod sums;

pub use changes::{NotCompared, TensorChange, changes, not_compared};
pub use spectra::{MatrixChange, spectra};
pub use sums::{ChangeCell, ChangeMap, ChangeSum, by_kind, by_layer, change_map, sweep};
