//! `config.json` of encoders, and what their tensors are called; defaults are those of transformers 5.23.
//!
//! | | bert | roberta | distilbert |
//! | --- | --- | --- | --- |
//! | first layer | `bert.encoder.layer.0` | `roberta.encoder.layer.0` | `distilbert.transformer.layer.0` |
//! | head: dense, output | `bert.pooler.dense`, `classifier` | `classifier.dense`, `classifier.out_proj` | `pre_classifier`, `classifier` |
//! | first position | 0 | `pad_token_id` + 1 | 0 |

use super::read::{LAYER_LIMIT, dtype, tokens};
use super::{Activation, Architecture, Config, Fault, Positions};
use crate::fields::{Fields, as_count, shorten};
use serde_json::Value;

/// What an encoder calls the modules of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerNames {
    /// Query, key, value and output of the attention.
    pub attention: [&'static str; 4],
    /// The norm behind it.
    pub attention_norm: &'static str,
    /// The two maps of the MLP.
    pub mlp: [&'static str; 2],
    /// The norm behind it.
    pub norm: &'static str,
}

const BERT: LayerNames = LayerNames {
    attention: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ],
    attention_norm: "attention.output.LayerNorm",
    mlp: ["intermediate.dense", "output.dense"],
    norm: "output.LayerNorm",
};
const DISTILBERT: LayerNames = LayerNames {
    attention: ["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"],
    attention_norm: "sa_layer_norm",
    mlp: ["ffn.lin1", "ffn.lin2"],
    norm: "output_layer_norm",
};

impl Architecture {
    /// Whether every token sees the whole text: a model that reads, and does not go on writing.
    pub fn is_encoder(self) -> bool {
        matches!(self, Self::Bert | Self::Roberta | Self::Distilbert)
    }

    /// Modules of an encoder's layer.
    pub fn layer_names(self) -> LayerNames {
        if self == Self::Distilbert { DISTILBERT } else { BERT }
    }

    /// Path of an encoder's layer.
    pub fn layer(self, index: usize) -> String {
        let stack = if self == Self::Distilbert { "transformer" } else { "encoder" };
        format!("{}.{stack}.layer.{index}", self.name())
    }
}

impl Config {
    /// Rows of an encoder's table for the two texts of a pair; 0 where it has none.
    pub fn token_types(&self) -> usize {
        match self.architecture {
            Architecture::Bert | Architecture::Roberta => {
                self.raw.get("type_vocab_size").and_then(as_count).unwrap_or(2)
            }
            _ => 0,
        }
    }
}

pub(super) fn encoder(architecture: Architecture, fields: Fields) -> Result<Config, Fault> {
    refuse_variants(fields)?;
    let count = |key, default| Ok::<_, Fault>(fields.count(architecture.key(key))?.unwrap_or(default));
    let (layers, heads) = match architecture {
        Architecture::Distilbert => (count("num_hidden_layers", 6)?, count("num_attention_heads", 12)?),
        _ => (count("num_hidden_layers", 12)?, count("num_attention_heads", 12)?),
    };
    super::size(architecture.key("num_hidden_layers"), layers, LAYER_LIMIT)?;
    super::size(architecture.key("num_attention_heads"), heads, 1 << 16)?;
    let hidden = count("hidden_size", 768)?;
    super::multiple(
        (architecture.key("hidden_size"), hidden),
        (architecture.key("num_attention_heads"), heads),
    )?;
    if architecture != Architecture::Distilbert {
        super::size("type_vocab_size", count("type_vocab_size", 2)?, 1 << 16)?;
    }
    let (offset, vocabulary, padding) = match architecture {
        Architecture::Roberta => (count("pad_token_id", 1)? + 1, 50_265, 1),
        _ => (0, 30_522, 0),
    };
    let positions = count("max_position_embeddings", 512)?;
    if positions <= offset {
        let (key, expected) = ("max_position_embeddings", "more than the rows before the first position");
        return Err(Fault::Range { key, found: positions as f64, expected });
    }
    let epsilon =
        if architecture == Architecture::Distilbert { None } else { fields.number("layer_norm_eps")? };
    Ok(Config {
        architecture,
        hidden_size: hidden,
        intermediate_size: count("intermediate_size", 3072)?,
        layers,
        heads,
        key_value_heads: heads,
        embedding_size: hidden,
        head_dim: hidden / heads,
        vocabulary: count("vocab_size", vocabulary)?,
        context: positions - offset,
        norm_epsilon: epsilon.unwrap_or(1e-12),
        norm_first: false,
        final_norm: false,
        positions: Positions::Learned { offset },
        // The language head, which may share the embedding, is not read.
        tied: false,
        attention_bias: true,
        output_bias: true,
        mlp_bias: true,
        activation: activation(architecture, fields)?,
        windows: vec![None; layers],
        dtype: dtype(fields)?,
        bos: tokens(fields, "bos_token_id", None)?.first().copied(),
        eos: tokens(fields, "eos_token_id", None)?,
        padding: tokens(fields, "pad_token_id", Some(padding))?.first().copied(),
        raw: Value::Null,
    })
}

fn refuse_variants(fields: Fields) -> Result<(), Fault> {
    for key in ["is_decoder", "add_cross_attention"] {
        if fields.bool(key)?.unwrap_or(false) {
            return Err(Fault::Variant { key, found: true, supported: false });
        }
    }
    match fields.string("position_embedding_type")?.unwrap_or("absolute") {
        "absolute" => Ok(()),
        found => Err(Fault::PositionEmbedding { found: shorten(found) }),
    }
}

fn activation(architecture: Architecture, fields: Fields) -> Result<Activation, Fault> {
    let name = fields.string(architecture.key("hidden_act"))?.unwrap_or("gelu");
    let known = Activation::from_name(name).filter(|&known| known != Activation::Silu);
    let possible = "`relu`, `gelu`, `gelu_new`";
    known.ok_or_else(|| Fault::Activation { found: shorten(name), possible })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checkpoint;
    use rankine_testkit::fixtures;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn the_tensors_called_for_are_those_of_the_files_but_the_head() {
        for (name, head) in [("bert", 4), ("roberta", 4), ("distilbert", 4), ("bert_bare", 2)] {
            let opened = Checkpoint::open(fixtures::path(&format!("classifiers/{name}"))).unwrap();
            let (infos, required) = (opened.tensors().infos(), opened.config().tensors());
            for (tensor, shape) in &required {
                assert_eq!(&infos[tensor].shape, shape, "{name}: {tensor}");
            }
            assert_eq!(infos.len(), required.len() + head, "{name}");
        }
    }

    #[test]
    fn a_classifier_passes_over_the_heads_of_pretraining() {
        let mut opened = Checkpoint::open(fixtures::path("classifiers/bert_bare")).unwrap();
        let beside =
            ["cls.predictions.transform.dense.weight", "cls.seq_relationship.bias", "lm_head.dense.weight"];
        let tensors = beside.into_iter().chain(["classifier.weight", "classifier.bias"]);
        let tensors = tensors.map(|name| (name.to_owned(), vec![1], vec![0.0])).collect();
        opened.make_classifier(&["a", "b"].map(str::to_owned), tensors);
        let infos = opened.tensors().infos();
        assert!(beside.iter().all(|name| !infos.contains_key(*name)));
        assert!(infos.contains_key("bert.pooler.dense.weight") && infos.contains_key("classifier.bias"));
        assert_eq!(infos.len(), opened.config().tensors().len() + 4);
    }

    #[test]
    fn variants_that_compute_something_else_are_refused() {
        let cases = [
            (json!({"is_decoder": true}), "`is_decoder`"),
            (json!({"position_embedding_type": "relative_key"}), "`relative_key`"),
            (json!({"hidden_act": "silu"}), "`silu`"),
            (json!({"num_attention_heads": 7}), "multiple"),
            (json!({"model_type": "roberta", "max_position_embeddings": 2}), "`max_position_embeddings`"),
        ];
        for (mut case, part) in cases {
            case.as_object_mut().unwrap().entry("model_type").or_insert("bert".into());
            let error = Config::parse(Path::new("x"), case.clone(), None).unwrap_err();
            assert!(error.to_string().contains(part) && error.hint().is_some(), "{case}: {error}");
        }
        let config = Config::parse(Path::new("x"), json!({"model_type": "xlm-roberta"}), None).unwrap();
        assert_eq!((config.architecture, config.context), (Architecture::Roberta, 510));
    }
}
