//! The tensors that a configuration calls for.

use super::{Architecture, Config, Positions, Vit};
use serde_json::Value;

type Named = (String, Vec<usize>);

impl Config {
    /// Name and shape of every tensor without which there is no such model, in the order of the model, as files hold them:
    /// GPT-2's matrices are [in, out].
    ///
    /// Biases of the llama family are not among them: such a model has those that its file has. `lm_head.weight` is only
    /// where it is not the embedding, and heads that tell classes apart never are.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors =
            vec![(self.architecture.embedding().to_owned(), vec![self.vocabulary, self.embedding_size])];
        match self.architecture {
            Architecture::Gpt2 => self.gpt2(&mut tensors),
            Architecture::Opt => self.opt(&mut tensors),
            encoder if encoder.is_encoder() => {
                self.encoder(&mut tensors);
                return tensors;
            }
            _ => self.llama(&mut tensors),
        }
        if !self.tied && !self.tells_classes() {
            tensors.push((crate::ends::HEAD.to_owned(), vec![self.vocabulary, self.embedding_size]));
        }
        tensors
    }

    fn llama(&self, tensors: &mut Vec<Named>) {
        for layer in 0..self.layers {
            let named = |(name, shape): (&str, _)| (format!("model.layers.{layer}.{name}.weight"), shape);
            tensors.extend(self.llama_layer().into_iter().map(named));
        }
        tensors.push(("model.norm.weight".to_owned(), vec![self.hidden_size]));
    }

    /// Modules of a layer and the shapes of their weights.
    fn llama_layer(&self) -> Vec<(&'static str, Vec<usize>)> {
        let &Self { hidden_size: d, intermediate_size: f, heads, key_value_heads, head_dim, .. } = self;
        let (queries, keys) = (heads * head_dim, key_value_heads * head_dim);
        let mut modules = vec![
            ("input_layernorm", vec![d]),
            ("self_attn.q_proj", vec![queries, d]),
            ("self_attn.k_proj", vec![keys, d]),
            ("self_attn.v_proj", vec![keys, d]),
            ("self_attn.o_proj", vec![d, queries]),
            ("post_attention_layernorm", vec![d]),
            ("mlp.gate_proj", vec![f, d]),
            ("mlp.up_proj", vec![f, d]),
            ("mlp.down_proj", vec![d, f]),
        ];
        if self.architecture == Architecture::Qwen3 {
            modules.extend([("self_attn.q_norm", vec![head_dim]), ("self_attn.k_norm", vec![head_dim])]);
        }
        modules
    }

    fn gpt2(&self, tensors: &mut Vec<Named>) {
        let (d, f) = (self.hidden_size, self.intermediate_size);
        tensors.push(("transformer.wpe.weight".to_owned(), vec![self.context, d]));
        for layer in 0..self.layers {
            let path = |name: &str| format!("transformer.h.{layer}.{name}");
            norm(tensors, &path("ln_1"), d);
            with_bias(tensors, &path("attn.c_attn"), [d, 3 * d], Some(3 * d));
            with_bias(tensors, &path("attn.c_proj"), [d, d], Some(d));
            norm(tensors, &path("ln_2"), d);
            with_bias(tensors, &path("mlp.c_fc"), [d, f], Some(f));
            with_bias(tensors, &path("mlp.c_proj"), [f, d], Some(d));
        }
        norm(tensors, "transformer.ln_f", d);
    }

    fn opt(&self, tensors: &mut Vec<Named>) {
        let (d, f, embedded) = (self.hidden_size, self.intermediate_size, self.embedding_size);
        let path = |name: &str| format!("model.decoder.{name}");
        // Two more rows than positions; see `Positions`.
        tensors.push((path("embed_positions.weight"), vec![self.context + 2, d]));
        if embedded != d {
            with_bias(tensors, &path("project_out"), [embedded, d], None);
            with_bias(tensors, &path("project_in"), [d, embedded], None);
        }
        if self.final_norm {
            norm(tensors, &path("final_layer_norm"), d);
        }
        let bias = |length| self.mlp_bias.then_some(length);
        for layer in 0..self.layers {
            let path = |name: &str| format!("model.decoder.layers.{layer}.{name}");
            for projection in ["k_proj", "v_proj", "q_proj", "out_proj"] {
                with_bias(tensors, &path(&format!("self_attn.{projection}")), [d, d], bias(d));
            }
            norm(tensors, &path("self_attn_layer_norm"), d);
            with_bias(tensors, &path("fc1"), [f, d], bias(f));
            with_bias(tensors, &path("fc2"), [d, f], bias(d));
            norm(tensors, &path("final_layer_norm"), d);
        }
    }
}

impl Config {
    /// All but the embedding and the head, which a file may lack.
    fn encoder(&self, tensors: &mut Vec<Named>) {
        let (d, f, names) = (self.hidden_size, self.intermediate_size, self.architecture.layer_names());
        let path = |name: &str| format!("{}.embeddings.{name}", self.architecture.name());
        let offset = match self.positions {
            Positions::Learned { offset } => offset,
            Positions::Rotary(_) => 0,
        };
        tensors.push((path("position_embeddings.weight"), vec![self.context + offset, d]));
        if self.token_types() > 0 {
            tensors.push((path("token_type_embeddings.weight"), vec![self.token_types(), d]));
        }
        norm(tensors, &path("LayerNorm"), d);
        for layer in 0..self.layers {
            let path = |name: &str| format!("{}.{name}", self.architecture.layer(layer));
            for projection in names.attention {
                with_bias(tensors, &path(projection), [d, d], Some(d));
            }
            norm(tensors, &path(names.attention_norm), d);
            with_bias(tensors, &path(names.mlp[0]), [f, d], Some(f));
            with_bias(tensors, &path(names.mlp[1]), [d, f], Some(d));
            norm(tensors, &path(names.norm), d);
        }
    }
}

impl Vit {
    /// As [`Config::tensors`], of the vision transformer that `raw` describes; all but the head, which a file may lack.
    pub(crate) fn tensors(&self, raw: &Value) -> Vec<Named> {
        let &Self { hidden_size: d, intermediate_size: f, layers, patch_size, channels, .. } = self;
        let path = |name: &str| format!("vit.embeddings.{name}");
        let mut tensors = vec![
            (path("cls_token"), vec![1, 1, d]),
            (path("position_embeddings"), vec![1, 1 + self.patches(), d]),
            (path("patch_embeddings.projection.weight"), vec![d, channels, patch_size, patch_size]),
            (path("patch_embeddings.projection.bias"), vec![d]),
        ];
        let bias = (raw["qkv_bias"] != false).then_some(d);
        for layer in 0..layers {
            let path = |name: &str| format!("vit.encoder.layer.{layer}.{name}");
            for projection in ["query", "key", "value"] {
                with_bias(&mut tensors, &path(&format!("attention.attention.{projection}")), [d, d], bias);
            }
            with_bias(&mut tensors, &path("attention.output.dense"), [d, d], Some(d));
            with_bias(&mut tensors, &path("intermediate.dense"), [f, d], Some(f));
            with_bias(&mut tensors, &path("output.dense"), [d, f], Some(d));
            norm(&mut tensors, &path("layernorm_before"), d);
            norm(&mut tensors, &path("layernorm_after"), d);
        }
        norm(&mut tensors, "vit.layernorm", d);
        tensors
    }
}

/// A layer norm of `width` numbers.
fn norm(tensors: &mut Vec<Named>, module: &str, width: usize) {
    tensors.extend(["weight", "bias"].map(|parameter| (format!("{module}.{parameter}"), vec![width])));
}

/// A matrix, and its bias of `outputs` numbers where it has one.
fn with_bias(tensors: &mut Vec<Named>, module: &str, shape: [usize; 2], outputs: Option<usize>) {
    tensors.push((format!("{module}.weight"), shape.to_vec()));
    tensors.extend(outputs.map(|outputs| (format!("{module}.bias"), vec![outputs])));
}
