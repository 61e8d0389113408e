//! The checkpoint folder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use rankine_random::Rng;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value, json};

use super::tokenizer::{SPECIAL_TOKENS, TOKENS, tokenizer, write_json};

/// How the weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TinyType {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a 32-bit float.
    Bf16,
}

/// The shape of a random model of the llama family.
#[derive(Clone, Debug, PartialEq)]
pub struct TinyLlama {
    /// Tokens; at least [`TOKENS`](super::TOKENS) for text to work.
    pub vocabulary: usize,
    /// Width of the stream.
    pub hidden: usize,
    /// Width inside the MLP.
    pub inner: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Whether the projections have biases.
    pub biases: bool,
    /// Standard deviation of the weights.
    pub deviation: f32,
    /// Type in the file.
    pub dtype: TinyType,
    /// Files the weights are spread over; 1 writes `model.safetensors`.
    pub shards: usize,
}

impl Default for TinyLlama {
    fn default() -> Self {
        Self {
            vocabulary: TOKENS,
            hidden: 32,
            inner: 64,
            layers: 2,
            heads: 4,
            key_value_heads: 2,
            head_dim: 8,
            tied: true,
            biases: false,
            deviation: 0.15,
            dtype: TinyType::F32,
            shards: 1,
        }
    }
}

/// Writes a random checkpoint with its tokenizer into `folder`, which is made if need be.
///
/// # Panics
/// When a file cannot be written, or `shards` is 0.
pub fn llama(folder: &Path, model: &TinyLlama, seed: u64) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
    write_json(&folder.join("config.json"), &config(model));
    let stop = 256 + SPECIAL_TOKENS.len() - 1;
    write_json(&folder.join("generation_config.json"), &json!({"eos_token_id": stop, "pad_token_id": stop}));
    tokenizer(folder);
    let rng = Rng::new(seed);
    let tensors: Vec<Tensor> =
        shapes(model).into_iter().map(|(name, shape)| draw(name, shape, model, &rng)).collect();
    write_weights(folder, &tensors, model.shards);
}

fn config(model: &TinyLlama) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": model.vocabulary,
        "hidden_size": model.hidden,
        "intermediate_size": model.inner,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.key_value_heads,
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": model.tied,
        "attention_bias": model.biases,
        "mlp_bias": model.biases,
        "bos_token_id": 257,
        "eos_token_id": 258,
        "pad_token_id": 258,
        "dtype": match model.dtype {
            TinyType::F32 => "float32",
            TinyType::F16 => "float16",
            TinyType::Bf16 => "bfloat16",
        },
    })
}

/// Names and shapes of all tensors, in the order of the model.
fn shapes(model: &TinyLlama) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner) = (model.hidden, model.inner);
    let (queries, keys) = (model.heads * model.head_dim, model.key_value_heads * model.head_dim);
    let projections = [
        ("self_attn.q_proj", queries, hidden),
        ("self_attn.k_proj", keys, hidden),
        ("self_attn.v_proj", keys, hidden),
        ("self_attn.o_proj", hidden, queries),
        ("mlp.gate_proj", inner, hidden),
        ("mlp.up_proj", inner, hidden),
        ("mlp.down_proj", hidden, inner),
    ];
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![model.vocabulary, hidden])];
    for layer in 0..model.layers {
        let path = |name: &str| format!("model.layers.{layer}.{name}");
        shapes.push((path("input_layernorm.weight"), vec![hidden]));
        shapes.push((path("post_attention_layernorm.weight"), vec![hidden]));
        for (name, outputs, inputs) in projections {
            shapes.push((path(&format!("{name}.weight")), vec![outputs, inputs]));
            if model.biases {
                shapes.push((path(&format!("{name}.bias")), vec![outputs]));
            }
        }
    }
    shapes.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !model.tied {
        shapes.push(("lm_head.weight".to_owned(), vec![model.vocabulary, hidden]));
    }
    shapes
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

fn draw(name: String, shape: Vec<usize>, model: &TinyLlama, rng: &Rng) -> Tensor {
    let (count, mut rng) = (shape.iter().product(), rng.fork(&name));
    let values = if name.ends_with("norm.weight") {
        rng.uniforms(count, 0.1).into_iter().map(|x| 1.0 + x).collect()
    } else {
        rng.normals(count, model.deviation)
    };
    let (dtype, bytes) = encode(&values, model.dtype);
    Tensor { name, shape, dtype, bytes }
}

fn encode(values: &[f32], dtype: TinyType) -> (Dtype, Vec<u8>) {
    match dtype {
        TinyType::F32 => (Dtype::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect()),
        TinyType::F16 => (Dtype::F16, values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()),
        TinyType::Bf16 => {
            (Dtype::BF16, values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect())
        }
    }
}

fn write_weights(folder: &Path, tensors: &[Tensor], shards: usize) {
    if shards == 1 {
        return write_file(&folder.join("model.safetensors"), tensors);
    }
    let mut places = Map::new();
    for (index, shard) in tensors.chunks(tensors.len().div_ceil(shards)).enumerate() {
        let file = format!("model-{:05}-of-{shards:05}.safetensors", index + 1);
        write_file(&folder.join(&file), shard);
        places.extend(shard.iter().map(|tensor| (tensor.name.clone(), json!(file))));
    }
    let bytes: usize = tensors.iter().map(|tensor| tensor.bytes.len()).sum();
    let index = json!({"metadata": {"total_size": bytes}, "weight_map": places});
    write_json(&folder.join("model.safetensors.index.json"), &index);
}

fn write_file(path: &Path, tensors: &[Tensor]) {
    let views: Vec<(&str, TensorView<'_>)> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), view(tensor))).collect();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap_or_else(|error| panic!("{error}"));
    fs::write(path, bytes).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}

fn view(tensor: &Tensor) -> TensorView<'_> {
    TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)
        .unwrap_or_else(|error| panic!("`{}`: {error}", tensor.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use safetensors::SafeTensors;

    use super::*;

    fn names(folder: &Path, file: &str) -> BTreeSet<String> {
        let bytes = fs::read(folder.join(file)).unwrap();
        SafeTensors::deserialize(&bytes).unwrap().names().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let model = TinyLlama::default();
        let bytes = |name: &str, seed| {
            llama(&folder.path().join(name), &model, seed);
            fs::read(folder.path().join(name).join("model.safetensors")).unwrap()
        };
        assert_eq!(bytes("a", 1), bytes("b", 1));
        assert_ne!(bytes("a", 1), bytes("c", 2));
    }

    #[test]
    fn shards_hold_together_what_one_file_holds() {
        let folder = tempfile::tempdir().unwrap();
        let model = TinyLlama { tied: false, biases: true, ..TinyLlama::default() };
        llama(&folder.path().join("one"), &model, 1);
        let sharded = TinyLlama { shards: 3, dtype: TinyType::Bf16, ..model };
        llama(&folder.path().join("three"), &sharded, 1);
        let whole = names(&folder.path().join("one"), "model.safetensors");
        assert_eq!(whole.len(), 3 + 2 * (2 + 14));
        let parts: Vec<_> = (1..=3)
            .map(|part| {
                names(&folder.path().join("three"), &format!("model-0000{part}-of-00003.safetensors"))
            })
            .collect();
        assert_eq!(parts.iter().flatten().cloned().collect::<BTreeSet<_>>(), whole);
        assert!(parts.iter().all(|part| !part.is_empty()));
    }

    #[test]
    fn half_types_round_the_same_numbers() {
        let values = [0.1_f32, -3.0];
        assert_eq!(encode(&values, TinyType::Bf16).1, [0xcd, 0x3d, 0x40, 0xc0]);
        assert_eq!(encode(&values, TinyType::F16).1, [0x66, 0x2e, 0x00, 0xc2]);
    }
}
