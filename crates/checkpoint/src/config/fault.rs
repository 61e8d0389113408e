//! What makes a `config.json` unusable.

use super::{Architecture, chain};
use crate::fields::WrongValue;

/// Why a model's configuration cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file names no architecture.
    #[error("no key `model_type` says which architecture this is")]
    NoArchitecture,
    /// The architecture is none of those that are implemented.
    #[error("architecture `{found}` is not supported")]
    Architecture {
        /// The file's `model_type`.
        found: String,
    },
    /// An image classifier where models of texts are read.
    #[error("`{found}` tells images apart, and only models of texts will do here")]
    Images {
        /// The file's `model_type`.
        found: String,
    },
    /// A key holds something else than it should.
    #[error(transparent)]
    Value(#[from] WrongValue),
    /// A size is zero or beyond any model.
    #[error("`{key}` is {found}; possible are 1 to {limit}")]
    Size {
        /// The key.
        key: &'static str,
        /// Its value.
        found: usize,
        /// The largest that is accepted.
        limit: usize,
    },
    /// One size should be a multiple of another.
    #[error("`{key}` = {found} is not a multiple of `{divisor_key}` = {divisor}")]
    Multiple {
        /// The key.
        key: &'static str,
        /// Its value.
        found: usize,
        /// The key of the divisor.
        divisor_key: &'static str,
        /// The divisor.
        divisor: usize,
    },
    /// A number lies outside its range.
    #[error("`{key}` = {found} should be {expected}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// An activation function that this architecture is not implemented with.
    #[error("activation `{found}` is not supported; possible here: {possible}")]
    Activation {
        /// The file's `hidden_act` or `activation_function`.
        found: String,
        /// Those that are.
        possible: &'static str,
    },
    /// A variant of the architecture that is not implemented.
    #[error("`{key}` = {found} is not supported; only {supported} is")]
    Variant {
        /// The key.
        key: &'static str,
        /// Its value.
        found: bool,
        /// The value that is.
        supported: bool,
    },
    /// Positions of another kind than a learned table of them.
    #[error("`position_embedding_type` = `{found}` is not supported; only `absolute` is")]
    PositionEmbedding {
        /// The file's value.
        found: String,
    },
    /// A head that does not tell classes apart.
    #[error("a classifier of the kind `{found}` is not supported; only `single_label_classification` is")]
    Problem {
        /// The file's `problem_type`, or what one label means.
        found: String,
    },
    /// A way of scaling rotary positions that is not implemented.
    #[error("rotary position scaling `{found}` is not supported; `default`, `linear` and `llama3` are")]
    Rope {
        /// The file's `rope_type`.
        found: String,
    },
    /// A required parameter of the rotary scaling is absent.
    #[error("rotary position scaling `{kind}` needs `{key}`")]
    RopeParameter {
        /// The `rope_type`.
        kind: &'static str,
        /// The absent key.
        key: &'static str,
    },
    /// Only a part of each head is rotated.
    #[error("`partial_rotary_factor` = {found} is not supported; only 1 is")]
    PartialRotary {
        /// The factor.
        found: f64,
    },
    /// `layer_types` has another length than there are layers.
    #[error("`layer_types` has {found} entries for {layers} layers")]
    LayerTypes {
        /// Its length.
        found: usize,
        /// The number of layers.
        layers: usize,
    },
    /// A kind of attention that is not implemented.
    #[error("layer type `{found}` is not supported; `full_attention` and `sliding_attention` are")]
    LayerType {
        /// The entry of `layer_types`.
        found: String,
    },
    /// A key that the file of a plain chain of layers does not have.
    #[error("`{found}` is no key of such a file")]
    Key {
        /// The key.
        found: String,
    },
    /// A tensor that has no place in a plain chain of layers.
    #[error(
        "tensor `{name}` does not continue a plain chain of layers, where each takes what the one before gives"
    )]
    Layer {
        /// The tensor.
        name: String,
    },
    /// Layers of another kind than the file says.
    #[error("`model_type` is `{named}`, and {found}")]
    Layers {
        /// The file's `model_type`.
        named: String,
        /// What the layers are.
        found: &'static str,
    },
    /// A list with one entry a convolution has another length.
    #[error("`{key}` has {found} entries for {convolutions} convolutions")]
    Convolutions {
        /// The key.
        key: &'static str,
        /// The length.
        found: usize,
        /// How many there are.
        convolutions: usize,
    },
    /// Images that are not as many numbers as the first matrix reads.
    #[error("images of `image_size` = {found:?} do not fill the {inputs} inputs of the first matrix")]
    ImageSize {
        /// Height and width in pixels.
        found: [usize; 2],
        /// The columns of the matrix.
        inputs: usize,
    },
    /// The weights are packed by a quantiser.
    #[error("weights quantised by `{method}` are not supported")]
    Quantization {
        /// The file's `quantization_config.quant_method`.
        method: String,
    },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoArchitecture | Self::Architecture { .. } => return Some(supported()),
            Self::Key { .. } => {
                let keys: Vec<_> = chain::KEYS.iter().map(|key| format!("`{key}`")).collect();
                return Some(format!("its keys are {}", keys.join(", ")));
            }
            Self::Layer { .. } => {
                "say in which order the layers come, with a key `\"layers\": [\"conv1\", …]`; norms, shortcuts and attention are no \
                 part of such a network"
            }
            Self::Layers { .. } => {
                "`mlp` is of matrices alone, `lenet` of convolutions with matrices behind them"
            }
            Self::Convolutions { .. } => "give one number for all, or one for each",
            Self::ImageSize { .. } => {
                "give height and width of the images that it was trained with, and the padding, stride and pooling too"
            }
            Self::Images { .. } => {
                "name a language model; `rankine evaluate`, `train`, `inspect`, `merge` and `compress` take image classifiers too"
            }
            Self::Quantization { .. } => "use the model's original f32, f16 or bf16 weights, or a GGUF file",
            Self::Rope { .. }
            | Self::PartialRotary { .. }
            | Self::LayerType { .. }
            | Self::Variant { .. }
            | Self::PositionEmbedding { .. }
            | Self::Problem { .. }
            | Self::Activation { .. } => {
                "choose another model of this family; removing the key would change what the model computes"
            }
            Self::Value(_)
            | Self::Size { .. }
            | Self::Multiple { .. }
            | Self::Range { .. }
            | Self::RopeParameter { .. }
            | Self::LayerTypes { .. } => "compare the file with the original model's `config.json`",
        };
        Some(hint.to_owned())
    }

    /// Whether nothing is wrong with the file, and what it describes is not implemented: its tensors may be looked at.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::NoArchitecture
                | Self::Architecture { .. }
                | Self::Activation { .. }
                | Self::Variant { .. }
                | Self::PositionEmbedding { .. }
                | Self::Problem { .. }
                | Self::Rope { .. }
                | Self::PartialRotary { .. }
                | Self::LayerType { .. }
        )
    }
}

/// The models that are run, and what can be done with others.
fn supported() -> String {
    let (encoders, decoders): (Vec<Architecture>, Vec<Architecture>) =
        Architecture::ALL.into_iter().partition(|known| known.is_encoder());
    let names =
        |known: Vec<Architecture>| known.into_iter().map(Architecture::name).collect::<Vec<_>>().join(", ");
    format!(
        "supported architectures are {} and, as classifiers, {}; vit, mlp and lenet for images, and without a `config.json` \
         MobileNetV2 and small ResNets by torchvision's names; `rankine inspect`, `diff`, `convert`, `extract`, `blend`, `compress` \
         and `interpolate` take the weights of any other, as long as nothing is to be computed with it",
        names(decoders),
        names(encoders)
    )
}
