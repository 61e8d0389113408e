//! Files to files, streamed row by row: merging an adapter into its base, writing a model, remaking adapters.
//!
//! [`Merged`] is a base seen through an adapter, a [`Tensors`](rankine_checkpoint::Tensors) like any other; [`merge`]
//! writes it down; [`write_model`] writes any model; [`convert`] makes a plain LoRA of any adapter, [`OtherKind`] of
//! one of peft's other kinds, [`combine`] of several, [`export`] a file for llama.cpp; [`Compression`] makes matrices
//! smaller. Weights are made a block of rows at a time, so that the memory in use does not grow with the model: some MB a
//! thread. Only an initialisation that altered the base, and a compression, need whole weights, one a thread.

#![forbid(unsafe_code)]

mod adapters;
mod base;
mod compress;
mod error;
mod merge;
mod merged;
mod output;
mod progress;
mod subject;
mod whole;
mod write;

pub use adapters::{
    AdapterOutput, Combination, Conversion, ExportedModule, GgufExport, GgufOutput, Keep, Obstacle,
    OtherKind, Recompressed, Share, combine, convert, export,
};
pub use compress::{
    Compact, Compress, CompressedMatrix, Compression, CompressionReport, Extent, Form, LowRank, Magnitude,
    Site,
};
pub use error::{Error, Result};
pub use merge::{MergeReport, TensorChange, merge, merge_images, plan_merge, plan_merge_images};
pub use merged::Merged;
pub use output::check as check_output;
pub use progress::{Progress, Stage, Watch};
pub use subject::Subject;
pub use whole::{plan_whole, write_whole};
pub use write::{Plan, WriteOptions, write_image_model, write_model};
