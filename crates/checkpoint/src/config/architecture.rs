//! The models that are implemented.

/// A language model (a member of the llama family, or one with learned positions), or an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama 1 to 3, SmolLM 1 and 2, TinyLlama and everything else of `model_type` `llama`.
    Llama,
    /// Llama with sliding-window attention.
    Mistral,
    /// Llama with biases on query, key and value.
    Qwen2,
    /// Llama with RMSNorm on each query and key head.
    Qwen3,
    /// GPT-2 and its relatives: learned positions, one projection for query, key and value, matrices stored as [in, out].
    Gpt2,
    /// OPT: learned positions, of which the first two are not used.
    Opt,
    /// BERT and its relatives: every token sees the whole text, norms stand behind the sums.
    Bert,
    /// BERT with positions that start behind the padding token: roberta, xlm-roberta, camembert.
    Roberta,
    /// BERT of half the depth, without token types and pooler.
    Distilbert,
}

impl Architecture {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gpt2,
        Self::Opt,
        Self::Bert,
        Self::Roberta,
        Self::Distilbert,
    ];

    /// `model_type` in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gpt2 => "gpt2",
            Self::Opt => "opt",
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::Distilbert => "distilbert",
        }
    }

    /// The class of transformers.
    pub fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Gpt2 => "GPT2LMHeadModel",
            Self::Opt => "OPTForCausalLM",
            Self::Bert => "BertForSequenceClassification",
            Self::Roberta => "RobertaForSequenceClassification",
            Self::Distilbert => "DistilBertForSequenceClassification",
        }
    }

    /// By `model_type`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if matches!(name, "xlm-roberta" | "camembert") { "roberta" } else { name };
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// By class name, for files without `model_type`.
    pub(super) fn from_class(class: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.class() == class)
    }

    /// The tensor that is the input embedding; that of a tied model is its head too.
    pub fn embedding(self) -> &'static str {
        match self {
            Self::Llama | Self::Mistral | Self::Qwen2 | Self::Qwen3 => "model.embed_tokens.weight",
            Self::Gpt2 => "transformer.wte.weight",
            Self::Opt => "model.decoder.embed_tokens.weight",
            Self::Bert => "bert.embeddings.word_embeddings.weight",
            Self::Roberta => "roberta.embeddings.word_embeddings.weight",
            Self::Distilbert => "distilbert.embeddings.word_embeddings.weight",
        }
    }

    /// What this architecture calls a key of llama's.
    pub(super) fn key(self, key: &'static str) -> &'static str {
        match (self, key) {
            (Self::Gpt2, "hidden_size") => "n_embd",
            (Self::Gpt2, "intermediate_size") => "n_inner",
            (Self::Gpt2, "num_hidden_layers") => "n_layer",
            (Self::Gpt2, "num_attention_heads") => "n_head",
            (Self::Gpt2, "max_position_embeddings") => "n_positions",
            (Self::Gpt2, "rms_norm_eps") => "layer_norm_epsilon",
            (Self::Opt, "intermediate_size") => "ffn_dim",
            (Self::Bert | Self::Roberta, "rms_norm_eps") => "layer_norm_eps",
            (Self::Distilbert, "hidden_size") => "dim",
            (Self::Distilbert, "intermediate_size") => "hidden_dim",
            (Self::Distilbert, "num_hidden_layers") => "n_layers",
            (Self::Distilbert, "num_attention_heads") => "n_heads",
            (Self::Distilbert, "hidden_act") => "activation",
            _ => key,
        }
    }
}

/// The function between two layers, such as the projections of the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// max(x, 0).
    Relu,
    /// x · Φ(x), with the error function.
    Gelu,
    /// The same with a hyperbolic tangent.
    GeluTanh,
    /// The hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
}

impl Activation {
    /// By the name that transformers has for it; of those that transformers are built with here.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "silu" | "swish" => Some(Self::Silu),
            "relu" => Some(Self::Relu),
            "gelu" => Some(Self::Gelu),
            // The three differ in how they are computed, not in what.
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            _ => None,
        }
    }
}
