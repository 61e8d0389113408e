//! Model files: safetensors (one file or sharded, memory-mapped), GGUF, files of torch, `config.json`, peft adapter
//! folders.
//!
//! Reads and writes, and does no mathematics beyond dequantisation and the product of two stored factors. Tensor names are
//! those of Hugging Face checkpoints whatever the container, shapes are `[rows, columns]` = `[out, in]`.

#![forbid(unsafe_op_in_unsafe_fn)]

pub mod adapter;
mod added;
mod aliases;
mod checkpoint;
pub mod config;
mod convert;
mod difference;
mod edit;
pub mod ends;
mod error;
mod fields;
pub mod gguf;
mod image;
mod mapping;
mod names;
mod opened;
mod pair;
pub mod pickle;
pub mod safetensors;
mod tensors;
pub mod thin;
mod torchvision;
pub mod vit_names;
pub mod writer;

pub use adapter::{Adapter, AdapterConfig};
pub use checkpoint::{Checkpoint, TokenizerFiles};
pub use config::Config;
pub use difference::Difference;
pub use error::{Error, Result};
pub use fields::WrongValue;
pub use image::{ImageCheckpoint, Network};
pub use names::nearest;
pub use opened::{Bare, Opened};
pub use pair::Pair;
pub use tensors::{Dtype, TensorInfo, Tensors, open_tensors};
pub use thin::ThinLayers;
pub use torchvision::is_depthwise;
pub use writer::{Existing, ModelWriter, OutputFolder, ShardPlan, write_file_atomically};
