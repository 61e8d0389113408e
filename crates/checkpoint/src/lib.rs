//! Model files: safetensors (one file or sharded, memory-mapped), GGUF, files of torch, `config.json`, peft adapter
//! folders.
//!
//! Reads and writes, and does no mathematics beyond dequantisation and the product of two stored factors. Tensor names are
//! those of Hugging Face checkpoints whatever the container, shapes are `[rows, columns]` = `[out, in]`.

#![forbid(unsafe_op_in_unsafe_fn)]

pub mod adapter;
mod added;
mod aliases;
mod chain;
mod checkpoint;
pub mod config;
mod convert;
mod difference;
mod dtype;
mod edit;
pub mod ends;
mod error;
mod fields;
mod float8;
pub mod gguf;
mod image;
mod mapping;
pub mod module_names;
mod names;
mod opened;
mod pair;
mod part;
pub mod pickle;
mod place;
pub mod safetensors;
mod tensors;
pub mod thin;
mod torchvision;
pub mod writer;

pub use adapter::{Adapter, AdapterConfig};
pub use chain::{ChainLayer, chain, chain_of, spelt_out};
pub use checkpoint::{Checkpoint, TokenizerFiles};
pub use config::Config;
pub use difference::Difference;
pub use dtype::{Dtype, Unread};
pub use error::{Error, Result};
pub use fields::WrongValue;
pub use image::{ImageCheckpoint, Network};
pub use names::nearest;
pub use opened::{Bare, Opened};
pub use pair::Pair;
pub use part::Part;
pub use place::{Layer, Place, layer_and_role};
pub use tensors::{TensorInfo, Tensors, open_tensors};
pub use thin::ThinLayers;
pub use torchvision::is_depthwise;
pub use writer::{Existing, ModelWriter, OutputFolder, ShardPlan, write_file_atomically, write_file_with};
