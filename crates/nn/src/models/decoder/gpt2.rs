//! GPT-2.
//!
//! Query, key and value are one matrix [3·d, d]; its matrices are `Conv1D`s, which the file holds as [in, out].

use super::{Block, Decoder, Ends, Projections};
use crate::{
    Result,
    models::{Storage, reader::Reader},
};
use rankine_checkpoint::{Config, Tensors};
use rankine_tensor::ops::Heads;

impl Decoder {
    /// Reads every weight of a GPT-2, all frozen. `tensors` may be a checkpoint, or one with an adapter merged in.
    ///
    /// # Errors
    /// When the configuration is of another family, a tensor is missing, or has another shape than it promises.
    pub fn gpt2(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let blocks = (0..config.layers).map(|layer| block(&reader, config, layer)).collect::<Result<_>>()?;
        let ends = Ends {
            positions: "transformer.wpe.weight",
            projections: None,
            norm: Some(reader.layer_norm("transformer.ln_f", config.hidden_size, config.norm_epsilon)?),
        };
        Self::assemble(&reader, config, blocks, ends)
    }
}

fn block(reader: &Reader<'_>, config: &Config, layer: usize) -> Result<Block> {
    let &Config { hidden_size: d, intermediate_size: f, heads, head_dim, .. } = config;
    let path = |name: &str| format!("transformer.h.{layer}.{name}");
    let linear = |name: &str, outputs, inputs| reader.transposed(&path(name), outputs, inputs);
    let norm = |name: &str| reader.layer_norm(&path(name), d, config.norm_epsilon);
    Ok(Block {
        attention_norm: norm("ln_1")?,
        projections: Projections::Joined(linear("attn.c_attn", 3 * d, d)?),
        o: linear("attn.c_proj", d, d)?,
        mlp_norm: norm("ln_2")?,
        up: linear("mlp.c_fc", f, d)?,
        activation: config.activation,
        down: linear("mlp.c_proj", d, f)?,
        heads: Heads { query: heads, key_value: heads, size: head_dim },
        norm_first: config.norm_first,
        causal: true,
    })
}
