//! How many pixels of an image stand behind one output of a convolution, in networks with torchvision's names: strides are in no
//! file.
//!
//!     ResNet        a stem of 3 × 3 keeps the size; one of 7 × 7 halves it, and a pool behind it once more. Every stage after the
//!                   first halves it in its first block: in conv2 where there is a conv3, else in conv1
//!     MobileNetV2   the stem halves it, and so do the blocks 2, 4, 7 and 14, behind what widens their channels

use super::TensorReport;
use rankine_checkpoint::{Network, Place};

/// Blocks of a MobileNetV2 that halve height and width.
const HALVING: [usize; 4] = [2, 4, 7, 14];

/// What widens the channels of a block of a MobileNetV2.
const WIDENING: &str = "conv.0.0";

/// What tells the strides of a network.
pub(super) enum Strides {
    MobileNetV2,
    ResNet {
        /// Whether the stem halves the size, and a pool behind it.
        has_pool: bool,
        /// Whether blocks have three convolutions.
        is_deep: bool,
    },
}

impl Strides {
    pub(super) fn of(network: &Network, tensors: &[TensorReport]) -> Self {
        if *network == Network::MobileNetV2 {
            return Self::MobileNetV2;
        }
        let stem = tensors.iter().find(|tensor| tensor.name == "conv1.weight");
        Self::ResNet {
            has_pool: stem.is_some_and(|stem| stem.shape.ends_with(&[7, 7])),
            is_deep: tensors.iter().any(|tensor| tensor.name == "layer1.0.conv3.weight"),
        }
    }

    /// Pixels of the image for each output of the convolution of this name.
    pub(super) fn pixels(&self, name: &str) -> f64 {
        let place = name.rsplit_once('.').and_then(|(module, _)| Place::of(module));
        let halvings = match *self {
            Self::MobileNetV2 => place.map_or(0, in_mobilenet),
            Self::ResNet { has_pool, is_deep } => match place.and_then(|place| Some((place, place.stage()?)))
            {
                Some((place, stage)) => 2 * usize::from(has_pool) + in_stage(place, stage, is_deep),
                None => usize::from(has_pool),
            },
        };
        4.0_f64.powf(halvings as f64)
    }
}

/// Halvings up to here.
fn in_mobilenet(place: Place<'_>) -> usize {
    // Block 1, which widens nothing, has the name for what follows.
    let is_before = place.role == WIDENING && HALVING.contains(&place.index);
    let passed = HALVING.iter().filter(|&&block| block <= place.index).count();
    1 + passed - usize::from(is_before)
}

/// Halvings from the first stage, which is 1, up to here.
fn in_stage(place: Place<'_>, stage: usize, is_deep: bool) -> usize {
    let is_before = is_deep && place.index == 0 && place.role == "conv1";
    stage.saturating_sub(1).saturating_sub(usize::from(is_before))
}
