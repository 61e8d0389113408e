//! A model of other blocks.

use super::Config;
use serde_json::Value;

impl Config {
    /// The configuration of a model whose blocks are those of these numbers, in this order. A block that this model does not
    /// have, as one of a deeper model, sees as far as its last.
    pub fn with_layers(&self, blocks: &[usize]) -> Self {
        let mut config = self.clone();
        config.layers = blocks.len();
        let window = |block: &usize| self.windows.get(*block).or(self.windows.last()).copied().flatten();
        config.windows = blocks.iter().map(window).collect();
        if config.raw.is_object() {
            config.raw[self.architecture.key("num_hidden_layers")] = blocks.len().into();
            if let Some(kinds) = self.raw.get("layer_types").and_then(Value::as_array) {
                let kind = |block: &usize| kinds.get(*block).or(kinds.last()).cloned();
                config.raw["layer_types"] = blocks.iter().filter_map(kind).collect();
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn blocks_keep_how_far_they_see() {
        let raw = json!({
            "model_type": "qwen2", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 3,
            "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10, "max_position_embeddings": 64,
            "rms_norm_eps": 1e-6, "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 0,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        });
        let config = Config::parse(Path::new("config.json"), raw, None).unwrap();
        let stacked = config.with_layers(&[0, 1, 1, 2, 7]);
        let [full, near] = [None, Some(4)];
        assert_eq!((stacked.layers, stacked.windows.as_slice()), (5, &[full, near, near, full, full][..]));
        let json = stacked.to_json();
        assert_eq!(json["num_hidden_layers"], 5);
        let read = Config::parse(Path::new("config.json"), json, None).unwrap();
        assert_eq!((read.layers, read.windows), (stacked.layers, stacked.windows));
    }
}
