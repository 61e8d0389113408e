//! The tensors that a configuration calls for.

use super::{Architecture, Config};

impl Config {
    /// Name and shape of every tensor without which there is no such model, in the order of the model.
    ///
    /// Biases are not among them: a model has those that its file has. `lm_head.weight` is only where it is not the
    /// embedding.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (vocabulary, d) = (self.vocabulary, self.hidden_size);
        let mut tensors = vec![("model.embed_tokens.weight".to_owned(), vec![vocabulary, d])];
        for layer in 0..self.layers {
            let named = |(name, shape): (&str, _)| (format!("model.layers.{layer}.{name}.weight"), shape);
            tensors.extend(self.layer().into_iter().map(named));
        }
        tensors.push(("model.norm.weight".to_owned(), vec![d]));
        if !self.tied {
            tensors.push(("lm_head.weight".to_owned(), vec![vocabulary, d]));
        }
        tensors
    }

    /// Modules of a layer and the shapes of their weights.
    fn layer(&self) -> Vec<(&'static str, Vec<usize>)> {
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
}
