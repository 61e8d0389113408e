//! Inner loops on slices: matrix products, convolution, attention, norms, cross-entropy, dequantisation.
//!
//! No tensors, no autodiff, no files: every function takes slices with their shapes in the doc comment. The only
//! crate of the workspace that may contain `unsafe`.
//!
//! Two promises hold for every kernel. Work is cut into blocks whose size does not depend on the number of
//! threads, and partial sums meet in a fixed order: the same call gives the same bytes on 1 thread or on 64. And
//! a slice of a wrong length is refused by an `assert!` that names it, in release builds too.

#[macro_use]
mod vectorise;
mod exponential;
mod tasks;

pub mod adamw;
pub mod affine;
pub mod attention;
pub mod batch_norm;
mod bf16;
pub mod columns;
pub mod conv;
pub mod cpu;
pub mod cross_entropy;
pub mod dequantize;
pub mod gelu;
pub mod gemm;
pub mod gibbs;
pub mod hadamard;
pub mod layer_norm;
pub mod low_rank;
mod matvec;
pub mod memory;
pub mod norm;
pub mod pool;
pub mod quantize;
pub mod reduce;
pub mod rope;
pub mod skinny;
pub mod stored;
pub mod sturm;
pub mod swiglu;
mod transpose;
