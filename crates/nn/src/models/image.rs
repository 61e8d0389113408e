//! Image classifiers by the network that their files are of, and heads for other classes.

use super::{Chain, ImageClassifier, MobileNetV2, ResNet, Storage, Vit};
use crate::Result;
use rankine_checkpoint::{ImageCheckpoint, Network, TensorInfo, Tensors};
use rankine_random::Rng;

/// Reads an image classifier, all weights frozen. `tensors` may be those of its checkpoint, or these with an adapter merged in.
///
/// # Errors
/// When a tensor is missing, or its shape does not fit the configuration or those before it.
pub fn load_image_classifier(
    network: &Network,
    tensors: &dyn Tensors,
    storage: Storage,
) -> Result<Box<dyn ImageClassifier>> {
    Ok(match network {
        Network::Vit(sizes) => Box::new(Vit::load(sizes, tensors, storage)?),
        Network::MobileNetV2 => Box::new(MobileNetV2::load(tensors, storage)?),
        Network::ResNet => Box::new(ResNet::load(tensors, storage)?),
        Network::Chain(chain) => Box::new(Chain::load(chain, tensors, storage)?),
    })
}

/// Name, shape and numbers of the tensors of a new head for so many classes; each draws from the stream of its own name.
///
/// The matrix starts normal with the deviation that it has in the original: 0.02 in a vision transformer, 0.01 in MobileNetV2,
/// 1/√in in a small ResNet or a plain chain; the added vector from 0.
pub fn new_image_head(
    checkpoint: &ImageCheckpoint,
    classes: usize,
    rng: &Rng,
) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let network = checkpoint.network();
    let [weight, bias] = ["weight", "bias"].map(|name| format!("{}.{name}", network.head()));
    let there = checkpoint.tensors().infos().get(&weight).map(TensorInfo::row_elements);
    let (inputs, deviation) = match network {
        Network::Vit(sizes) => (sizes.hidden_size, 0.02),
        Network::MobileNetV2 => (there.unwrap_or(0), 0.01),
        Network::ResNet | Network::Chain(_) => {
            (there.unwrap_or(0), (there.unwrap_or(0).max(1) as f32).sqrt().recip())
        }
    };
    let numbers = rng.fork(&weight).normals(classes * inputs, deviation);
    vec![(weight, vec![classes, inputs], numbers), (bias, vec![classes], vec![0.0; classes])]
}
