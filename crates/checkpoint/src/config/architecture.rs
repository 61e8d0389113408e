//! The models that are implemented.

/// A member of the llama family.
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
}

impl Architecture {
    /// Every one, in the order of their age.
    pub const ALL: [Self; 4] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3];

    /// `model_type` in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// The class of transformers.
    pub fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
        }
    }

    /// By `model_type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// By class name, for files without `model_type`.
    pub(super) fn from_class(class: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.class() == class)
    }
}

/// The function between the projections of the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
}
