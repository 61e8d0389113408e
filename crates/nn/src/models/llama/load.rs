//! Building the model from named tensors.

use super::{Block, Llama};
use crate::models::{Storage, reader::Reader};
use crate::{Error, Result, layers::Rotary};
use rankine_checkpoint::{Config, Tensors, config::Architecture};
use rankine_tensor::ops::Heads;

impl Llama {
    /// Reads every weight, all frozen. `tensors` may be a checkpoint, or one with an adapter merged in.
    pub fn load(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let rope = config.rope().ok_or(Error::Family { found: config.architecture.name() })?;
        let reader = Reader { tensors, storage };
        let (embedding, head) = reader.ends(config)?;
        let blocks = (0..config.layers).map(|layer| block(&reader, config, layer)).collect::<Result<_>>()?;
        let norm = reader.rms_norm("model.norm", config.hidden_size, config.norm_epsilon)?;
        let rotary = Rotary::new(rope, config.head_dim);
        Ok(Self { config: config.clone(), embedding, blocks, norm, head, rotary })
    }
}

fn block(reader: &Reader<'_>, config: &Config, layer: usize) -> Result<Block> {
    let &Config { hidden_size: d, intermediate_size: f, heads, key_value_heads, head_dim, .. } = config;
    let (queries, keys) = (heads * head_dim, key_value_heads * head_dim);
    let path = |name: &str| format!("model.layers.{layer}.{name}");
    let linear = |name: &str, outputs, inputs| reader.linear(&path(name), outputs, inputs);
    let norm = |name: &str, size| reader.rms_norm(&path(name), size, config.norm_epsilon);
    let head_norms = match config.architecture {
        Architecture::Qwen3 => {
            Some([norm("self_attn.q_norm", head_dim)?, norm("self_attn.k_norm", head_dim)?])
        }
        _ => None,
    };
    Ok(Block {
        input_norm: norm("input_layernorm", d)?,
        q: linear("self_attn.q_proj", queries, d)?,
        k: linear("self_attn.k_proj", keys, d)?,
        v: linear("self_attn.v_proj", keys, d)?,
        o: linear("self_attn.o_proj", d, queries)?,
        head_norms,
        mlp_norm: norm("post_attention_layernorm", d)?,
        gate: linear("mlp.gate_proj", f, d)?,
        up: linear("mlp.up_proj", f, d)?,
        down: linear("mlp.down_proj", d, f)?,
        heads: Heads { query: heads, key_value: key_value_heads, size: head_dim },
        window: config.windows.get(layer).copied().flatten(),
    })
}
