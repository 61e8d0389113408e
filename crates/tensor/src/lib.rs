//! The one crate that names the tensor backend: tensors, our fused autodiff operations.
