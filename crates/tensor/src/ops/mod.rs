//! Fused operations: our kernels on the CPU backend, a plain composition elsewhere.
//!
//! Every file holds one operation: the public function, what it saves for the backward pass, and `plain`, the same
//! value from backend operations. Activations are matrices of `[tokens, features]`: a batch is a concatenation of
//! examples, and only attention and positions know where one ends. Maps of images are [images, channels, height, width].

mod affine;
mod attention;
mod batch_norm;
mod conv;
mod embedding;
mod frozen;
mod gelu;
mod head;
mod layer_norm;
mod linear;
mod low_rank;
mod pool;
mod rms_norm;
mod rope;
mod swiglu;

pub use affine::{Activation, affine};
pub use attention::{Attention, attention, attention_cached};
pub use batch_norm::batch_norm;
pub use conv::{Convolution, conv2d};
pub use embedding::embedding;
pub use frozen::{frozen_linear, frozen_losses, frozen_rows, frozen_score};
pub use gelu::{gelu, gelu_tanh};
pub use head::{IGNORED, Scored, losses, score};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use low_rank::{Branch, low_rank};
pub use pool::max_pool2d;
pub use rankine_kernels::attention::{Heads, Span};
pub use rms_norm::rms_norm;
pub use rope::{Rotation, rotate};
pub use swiglu::swiglu;

/// The compositions of backend operations that the fused operations must equal.
pub mod plain {
    pub use super::{
        affine::plain as affine, attention::plain as attention, batch_norm::plain as batch_norm,
        conv::plain as conv2d, gelu::plain as gelu, gelu::plain_tanh as gelu_tanh, head::plain as losses,
        layer_norm::plain as layer_norm, linear::plain as linear, low_rank::plain as low_rank,
        pool::plain as max_pool2d, rms_norm::plain as rms_norm, rope::plain as rotate,
        swiglu::plain as swiglu,
    };
}

use crate::Frozen;
use burn::backend::flex::FlexTensor;
use rankine_kernels::stored::{Operand, Stored};
use std::sync::Arc;

/// The numbers of an array that is known to be contiguous.
fn numbers(array: &FlexTensor) -> &[f32] {
    array.as_slice::<f32>().unwrap_or_default()
}

/// A frozen matrix that lies on the CPU.
#[derive(Clone, Debug)]
enum Constant {
    Wide(FlexTensor),
    Stored(Arc<Stored>),
}

impl Constant {
    fn of(weight: &Frozen) -> Option<Self> {
        match weight {
            Frozen::Wide(tensor) => tensor.flex().map(Self::Wide),
            Frozen::Stored(stored) => Some(Self::Stored(stored.clone())),
        }
    }

    fn operand(&self) -> Operand<'_> {
        match self {
            Self::Wide(array) => Operand::Wide(numbers(array)),
            Self::Stored(stored) => Operand::Stored(stored),
        }
    }
}
