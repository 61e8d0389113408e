//! Model files: safetensors (one file or sharded, memory-mapped), GGUF, `config.json`, peft adapter folders.
//!
//! Reads and writes, and does no mathematics beyond dequantisation. Tensor names are those of Hugging Face
//! checkpoints whatever the container, shapes are `[rows, columns]` = `[out, in]`.

#![forbid(unsafe_op_in_unsafe_fn)]

pub mod adapter;
mod checkpoint;
pub mod config;
mod convert;
mod error;
mod fields;
pub mod gguf;
mod mapping;
mod names;
pub mod safetensors;
mod tensors;
pub mod writer;

pub use adapter::{Adapter, AdapterConfig};
pub use checkpoint::{Checkpoint, TokenizerFiles};
pub use config::Config;
pub use error::{Error, Result};
pub use fields::WrongValue;
pub use tensors::{Dtype, TensorInfo, Tensors};
pub use writer::{Existing, ModelWriter, OutputFolder, ShardPlan, write_file_atomically};
