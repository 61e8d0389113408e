//! What a file holds of what a method has learnt, for `rankine methods`: [`export`](crate::export) writes it.

/// What is written of a weight of rank r.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Export {
    /// A LoRA of rank r on the original model.
    Lora,
    /// The same with the lengths of the rows.
    Dora,
    /// A LoRA of rank 2r on the original model, or of r on the base that the start was taken out of.
    Doubled,
    /// A LoRA of a rank above r on the original model.
    Wider,
    /// A LoRA of rank r on the quantised model, which is written beside it.
    Quantized,
    /// The weight, with whatever else its module has.
    Whole,
    /// The same, and beside it the whole model, in which the weight is the product of two.
    Thin,
    /// The biases, beside a LoRA that changes nothing.
    Biases,
}

impl Export {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lora => "LoRA of the same rank on the original model",
            Self::Dora => "DoRA of the same rank on the original model",
            Self::Doubled => {
                "LoRA of twice the rank on the original model, of the same on the residual (`keep_residual`)"
            }
            Self::Wider => "LoRA on the original model, of a higher rank",
            Self::Quantized => {
                "LoRA of the same rank on the quantised model, written beside it (`keep_residual`)"
            }
            Self::Whole => "whole modules (`modules_to_save`)",
            Self::Thin => "whole modules (`modules_to_save`), and the model with its thin layers (`thin/`)",
            Self::Biases => "biases (`bias = \"all\"`)",
        }
    }

    /// Names of the leaves that a LoRA's file has a place for; `None` where the weight itself is written.
    pub fn leaves(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Lora | Self::Doubled | Self::Wider | Self::Quantized => Some(&["a", "b"]),
            Self::Dora => Some(&["a", "b", "magnitude"]),
            Self::Whole | Self::Thin | Self::Biases => None,
        }
    }

    /// Whether all that a module has is written, with the weight its bias.
    pub fn is_module(self) -> bool {
        matches!(self, Self::Whole | Self::Thin)
    }

    /// Numbers in the file for a weight [outputs, inputs] on the original model, or on the quantised one; `None` where they
    /// depend on more.
    pub fn numbers(self, [outputs, inputs]: [usize; 2], rank: usize) -> Option<usize> {
        let factors = rank * (outputs + inputs);
        match self {
            Self::Lora | Self::Quantized => Some(factors),
            Self::Dora => Some(factors + outputs),
            Self::Doubled => Some(2 * factors),
            Self::Wider => None,
            Self::Whole | Self::Thin | Self::Biases => Some(outputs * inputs),
        }
    }
}
