//! Files to files, streamed row by row: merging an adapter into its base, writing a model, remaking adapters.
//!
//! [`Merged`] is a base seen through an adapter, a [`Tensors`](rankine_checkpoint::Tensors) like any other; [`merge`]
//! writes it down; [`write_model`] writes any model; [`convert`] makes a plain LoRA of any adapter, [`OtherKind`] of
//! one of peft's other kinds, [`combine`] of several, [`export`] a file for llama.cpp; [`Compression`] makes matrices
//! smaller, [`Compensation`] finds what makes up for it; [`Extraction`] makes a LoRA of a fine-tune, [`Mitigation`] scales its
//! intruder dimensions; [`Alignment`] brings units into the order of another model's, and [`Interpolated`] is a point between two;
//! [`Blending`] makes one model of several; [`Quantization`] writes GGUF files, [`merge_gguf`] merges into them, and [`rewrite`] puts
//! a model into other files. Weights are made a block of rows at a time, so that the memory in use does not grow with the model:
//! some MB a thread. Only an initialisation that altered the base, a compression and what compares two models by their singular
//! vectors need whole weights, one or two a thread.

#![forbid(unsafe_code)]

mod adapters;
mod align;
mod base;
mod blend;
mod block;
mod compensate;
mod compress;
mod counterparts;
mod error;
mod extract;
mod fingerprint;
mod inputs;
mod interpolate;
mod journal;
mod merge;
mod merged;
mod mitigate;
mod output;
mod progress;
mod quantize;
mod rewrite;
mod subject;
mod unfinished;
mod whole;
mod write;

pub use adapters::{
    AdapterOutput, Apart, Combination, Conversion, ExportedModule, GgufExport, GgufOutput, Keep, KeptRank,
    Misfit, Obstacle, OtherKind, Recompressed, Share, combine, convert, convert_from, export, factors_apart,
    plan_export,
};
pub use align::{
    Aligned, AlignedGroup, Alignment, Correlations, Group, Guided, Loss, MidpointLosses, Origin, Overlap,
    PermutationSpec, Permutations, Permuted, ReadUnits, StraightThrough, UnitKind, UnitOrders,
};
pub use blend::{
    BlendRecipe, BlendReport, BlendedGroup, BlendedTensor, Blending, Ingredient, ModelRead, RecipeFault,
    Reference, robust_signature, weighted_sum,
};
pub use compensate::{Compensated, CompensatedModule, Compensation, CompensationPlan, Correction, Norms};
pub use compress::{
    Compact, Compress, CompressedMatrix, Compression, CompressionReport, Extent, Form, Levels, LowRank,
    Magnitude, Monarch, Pattern, Prune, Quantize, Score, Site, SvdActivation,
};
pub use error::{Error, Result};
pub use extract::{ExtractReport, ExtractedModule, Extraction, LeftTensor, Ranks, Rest};
pub use fingerprint::Changed;
pub use inputs::{Inputs, Seen, Wanted};
pub use interpolate::Interpolated;
pub use merge::{MergeReport, TensorChange, merge, merge_images, plan_merge, plan_merge_images};
pub use merged::{Beginning, BeginningFault, Merged};
pub use mitigate::{Mitigated, Mitigation, MitigationReport};
pub use output::{check as check_output, check_apart, check_file as check_output_file};
pub use progress::{Progress, Stage, Watch};
pub use quantize::{
    GgufReport, GgufSource, GgufTarget, GgufTensor, Quantization, Types, merge_gguf, plan_merge_gguf,
};
pub use rewrite::{plan_rewrite, rewrite, rewrite_as_modules};
pub use subject::{Subject, pair};
pub use unfinished::{Resume, unfinished_bytes};
pub use whole::{plan_whole, write_whole};
pub use write::{Plan, WriteOptions, write_image_model, write_model};
