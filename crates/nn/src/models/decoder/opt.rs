//! OPT.
//!
//! The first two rows of the table of positions are not used. OPT-350m has its norms behind the sums, none at the end, and
//! projects between the width of its embedding and that of its blocks.

use super::{Block, Decoder, Ends, Projections};
use crate::{
    Result,
    models::{Storage, reader::Reader},
};
use rankine_checkpoint::{Config, Tensors};
use rankine_tensor::ops::Heads;

impl Decoder {
    /// Reads every weight of an OPT, all frozen. `tensors` may be a checkpoint, or one with an adapter merged in.
    ///
    /// # Errors
    /// When the configuration is of another family, a tensor is missing, or has another shape than it promises.
    pub fn opt(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let (d, embedded) = (config.hidden_size, config.embedding_size);
        let blocks = (0..config.layers).map(|layer| block(&reader, config, layer)).collect::<Result<_>>()?;
        let projections = match embedded == d {
            true => None,
            false => Some([
                reader.linear("model.decoder.project_in", d, embedded)?,
                reader.linear("model.decoder.project_out", embedded, d)?,
            ]),
        };
        let norm = || reader.layer_norm("model.decoder.final_layer_norm", d, config.norm_epsilon);
        let ends = Ends {
            positions: "model.decoder.embed_positions.weight",
            projections,
            norm: config.final_norm.then(norm).transpose()?,
        };
        Self::assemble(&reader, config, blocks, ends)
    }
}

fn block(reader: &Reader<'_>, config: &Config, layer: usize) -> Result<Block> {
    let &Config { hidden_size: d, intermediate_size: f, heads, head_dim, .. } = config;
    let path = |name: &str| format!("model.decoder.layers.{layer}.{name}");
    let linear = |name: &str, outputs, inputs| reader.linear(&path(name), outputs, inputs);
    let norm = |name: &str| reader.layer_norm(&path(name), d, config.norm_epsilon);
    let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|name| linear(&format!("self_attn.{name}"), d, d));
    Ok(Block {
        attention_norm: norm("self_attn_layer_norm")?,
        projections: Projections::Separate(Box::new([q?, k?, v?])),
        o: linear("self_attn.out_proj", d, d)?,
        mlp_norm: norm("final_layer_norm")?,
        up: linear("fc1", f, d)?,
        activation: config.activation,
        down: linear("fc2", d, f)?,
        heads: Heads { query: heads, key_value: heads, size: head_dim },
        norm_first: config.norm_first,
        causal: true,
    })
}
