//! The one crate that names the tensor backend (burn, on its Flex CPU backend): tensors of run-time rank, trained
//! variables, and the operations whose forward and backward are our own kernels.
//!
//! [`Tensor`] is an f32 array; its methods are the backend's operations and differentiate. [`ops`] holds the fused
//! operations: each runs on slices through `rankine-kernels` when its inputs lie on the CPU backend, and has a `plain`
//! composition of backend operations beside it: the fallback for other backends, and the oracle of its tests.
//!
//! First order only: the backend records no derivative of a derivative.

mod arithmetic;
mod error;
mod frozen;
mod kept;
pub mod ops;
mod record;
mod tensor;
mod variable;

pub use error::{Error, Result};
pub use frozen::Frozen;
pub use rankine_kernels::stored::{Encoding, Stored};
pub use tensor::Tensor;
pub use variable::{Gradients, Var, untaped};
