//! Building the model from named tensors.

use super::{Block, Llama};
use crate::models::Storage;
use crate::{
    Error, Kind, Parameter, Result,
    layers::{Linear, RmsNorm, Rotary},
};
use rankine_checkpoint::{Config, Dtype, Tensors, config::Architecture};

use rankine_tensor::{Encoding, Frozen, Stored, Tensor, ops::Heads};

impl Llama {
    /// Reads every weight, all frozen. `tensors` may be a checkpoint, or one with an adapter merged in.
    pub fn load(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, config, storage };
        let (vocabulary, width) = (config.vocabulary, config.hidden_size);
        let embedding =
            reader.parameter("model.embed_tokens.weight", Kind::Embedding, &[vocabulary, width])?;
        let separate = tensors.infos().contains_key("lm_head.weight") || !config.tied;
        let head = separate
            .then(|| reader.parameter("lm_head.weight", Kind::Head, &[vocabulary, width]))
            .transpose()?;
        let blocks = (0..config.layers).map(|layer| reader.block(layer)).collect::<Result<_>>()?;
        let norm = reader.norm("model.norm", width)?;
        let rotary = Rotary::new(&config.rope, config.head_dim);
        Ok(Self { config: config.clone(), embedding, blocks, norm, head, rotary })
    }
}

fn encoding(dtype: Dtype) -> Option<Encoding> {
    match dtype {
        Dtype::Bf16 => Some(Encoding::Bf16),
        Dtype::F16 => Some(Encoding::F16),
        Dtype::Quantized(format) => Some(Encoding::Blocks(format)),
        _ => None,
    }
}

struct Reader<'a> {
    tensors: &'a dyn Tensors,
    config: &'a Config,
    storage: Storage,
}

impl Reader<'_> {
    fn block(&self, layer: usize) -> Result<Block> {
        let Config { hidden_size: d, intermediate_size: f, heads, key_value_heads, head_dim, .. } =
            *self.config;
        let (queries, keys) = (heads * head_dim, key_value_heads * head_dim);
        let path = |name: &str| format!("model.layers.{layer}.{name}");
        let linear = |name: &str, outputs, inputs| self.linear(&path(name), outputs, inputs);
        let norm = |name: &str, size| self.norm(&path(name), size);
        let head_norms = match self.config.architecture {
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
            window: self.config.windows.get(layer).copied().flatten(),
        })
    }

    /// A bias is read wherever the file has one: an adapter may bring biases that the base had not.
    fn linear(&self, module: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Linear, &[outputs, inputs])?;
        let bias = format!("{module}.bias");
        let bias =
            self.tensors.infos().contains_key(&bias).then(|| self.parameter(&bias, Kind::Bias, &[outputs]));
        Ok(Linear { weight, bias: bias.transpose()? })
    }

    fn norm(&self, module: &str, size: usize) -> Result<RmsNorm> {
        let weight = self.parameter(&format!("{module}.weight"), Kind::Norm, &[size])?;
        Ok(RmsNorm { weight, epsilon: self.config.norm_epsilon as f32 })
    }

    fn parameter(&self, name: &str, kind: Kind, shape: &[usize]) -> Result<Parameter> {
        if let Some(info) = self.tensors.infos().get(name).filter(|info| info.shape != shape) {
            let (expected, found) = (shape.to_vec(), info.shape.clone());
            return Err(Error::TensorShape { name: name.to_owned(), expected, found });
        }
        let value = self.value(name, shape)?;
        self.tensors.release(name, 0..shape[0]);
        Ok(Parameter::frozen(name.to_owned(), kind, value))
    }

    /// A matrix stays in the type of its file where that is wanted and products know the type, or is rounded; everything
    /// else is read as f32.
    fn value(&self, name: &str, shape: &[usize]) -> Result<Frozen> {
        if self.storage == Storage::File
            && let &[rows, columns] = shape
            && let Some((dtype, bytes)) = self.tensors.encoded(name)?
            && let Some(encoding) = encoding(dtype)
            && let Ok(stored) = Stored::new(encoding, rows, columns, bytes.into_owned())
        {
            return Ok(stored.into());
        }
        let mut values = vec![0.0; shape.iter().product()];
        self.tensors.read_into(name, &mut values)?;
        match (self.storage, shape) {
            (Storage::Bf16, &[rows, columns]) => Ok(Stored::bf16(&values, rows, columns).into()),
            _ => Ok(Tensor::new(values, shape)?.into()),
        }
    }
}
