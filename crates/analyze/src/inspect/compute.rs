//! What a model costs to run, told by its shapes. A multiplication is an operation, and so is an addition.
//!
//!     token of a text     2·Σ numbers of the matrices that it is multiplied by; looking a row up costs none
//!     its cache           2·layers·key_value_heads·head_dim numbers
//!     image of a ViT      2·n·|patch| + 2·(n + 1)·Σ |matrix| + layers·4·(n + 1)²·d + 2·|head|        of n patches
//!     pixel of an image   Σ 2·|convolution| / pixels for each of its outputs, and 2·|head| an image
//!     image of a chain    Σ 2·|convolution|·its outputs of one channel + Σ 2·|matrix|
//!
//! The attention's own products grow with a text and are not counted there; those of a ViT are. Norms, activations and what is added
//! never are. A network with torchvision's names takes images of any size; borders, where sides do not divide, cost a little more.

use super::TensorReport;
use super::strides::Strides;
use rankine_checkpoint::config::{Chain, Vit};
use rankine_checkpoint::{Checkpoint, Network, Opened, Part, ends};
use serde::Serialize;

/// Bytes of a number in the cache that is told: 16 bits.
const CACHE_BYTES: u64 = 2;

/// Work and memory of one of the things that a model reads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Compute {
    /// Of a language model or an encoder.
    Token {
        /// Operations of the matrices.
        operations_per_token: u64,
        /// Bytes of keys and values, in 16 bits; `None` of an encoder, which keeps none.
        cache_bytes_per_token: Option<u64>,
    },
    /// Of an image classifier that takes images of one size.
    Image {
        /// Operations of convolution, matrices and attention.
        operations_per_image: u64,
        /// Height and width; `None` where matrices read all pixels, in whatever rows.
        image_size: Option<[usize; 2]>,
    },
    /// Of an image classifier that takes images of any size.
    Pixel {
        /// Operations of the convolutions.
        operations_per_pixel: f64,
        /// Operations of the head, which come once an image.
        operations_of_head: u64,
    },
    /// Of weights that no file tells how to put together.
    Unknown {
        /// Why it is not known.
        unknown: &'static str,
    },
}

impl Compute {
    /// tensors: all of the model.
    pub(super) fn of(model: &Opened, tensors: &[TensorReport]) -> Self {
        match model {
            Opened::Texts(checkpoint) => Self::of_token(checkpoint, tensors),
            Opened::Images(images) => match images.network() {
                Network::Vit(sizes) => Self::of_image(sizes, tensors),
                Network::Chain(chain) => Self::of_chain(chain, tensors),
                network @ (Network::MobileNetV2 | Network::ResNet) => Self::of_pixel(network, tensors),
            },
            Opened::Bare(_) => Self::Unknown {
                unknown: "no configuration known here tells how these tensors are put together",
            },
        }
    }

    fn of_token(checkpoint: &Checkpoint, tensors: &[TensorReport]) -> Self {
        let config = checkpoint.config();
        let matrices = numbers(tensors, |tensor| tensor.shape.len() == 2 && tensor.kind != Part::Embedding);
        let encoder = config.architecture.is_encoder();
        let infos = checkpoint.tensors().infos();
        // The table is multiplied by where it is the head too.
        let tied = ends::tied(infos).filter(|_| !encoder).and_then(|name| infos.get(name));
        let head = tied.map_or(0, |info| info.elements() as u64);
        let cache = product([2, config.layers, config.key_value_heads, config.head_dim]);
        let cache_bytes = CACHE_BYTES.saturating_mul(cache);
        Self::Token {
            operations_per_token: 2 * (matrices + head),
            cache_bytes_per_token: (!encoder).then_some(cache_bytes),
        }
    }

    fn of_image(sizes: &Vit, tensors: &[TensorReport]) -> Self {
        let patches = sizes.patches();
        let rows = patches + 1;
        let in_layers = |tensor: &TensorReport| tensor.shape.len() == 2 && tensor.layer.is_some();
        let patch = numbers(tensors, |tensor| tensor.kind == Part::Convolution);
        let parts = [
            (2 * patch).saturating_mul(patches as u64),
            (2 * numbers(tensors, in_layers)).saturating_mul(rows as u64),
            product([4, sizes.layers, rows, rows, sizes.hidden_size]),
            2 * of_head(tensors),
        ];
        let operations_per_image = parts.into_iter().fold(0, u64::saturating_add);
        Self::Image { operations_per_image, image_size: Some([sizes.image_size; 2]) }
    }

    fn of_chain(chain: &Chain, tensors: &[TensorReport]) -> Self {
        let matrices = chain.matrices.iter().filter_map(|module| weight(tensors, module));
        let matrices: u64 = matrices.map(|tensor| 2 * tensor.parameters).sum();
        let image_size = chain.sides.map(|sides| sides.least);
        let folded = match image_size {
            Some(sides) => of_convolutions(chain, sides, tensors),
            None => chain.convolutions.is_empty().then_some(0),
        };
        match folded {
            Some(folded) => {
                let operations_per_image = matrices.saturating_add(folded);
                Self::Image { operations_per_image, image_size }
            }
            None => Self::Unknown { unknown: "nothing tells the size of its images" },
        }
    }

    fn of_pixel(network: &Network, tensors: &[TensorReport]) -> Self {
        let strides = Strides::of(network, tensors);
        let convolutions = tensors.iter().filter(|tensor| tensor.kind == Part::Convolution);
        let operations =
            |tensor: &TensorReport| 2.0 * tensor.parameters as f64 / strides.pixels(&tensor.name);
        Self::Pixel {
            operations_per_pixel: convolutions.map(operations).sum(),
            operations_of_head: 2 * of_head(tensors),
        }
    }
}

/// How many numbers these tensors have.
fn numbers(tensors: &[TensorReport], is_wanted: impl Fn(&TensorReport) -> bool) -> u64 {
    tensors.iter().filter(|tensor| is_wanted(tensor)).map(|tensor| tensor.parameters).sum()
}

fn weight<'a>(tensors: &'a [TensorReport], module: &str) -> Option<&'a TensorReport> {
    tensors.iter().find(|tensor| tensor.name.strip_suffix(".weight") == Some(module))
}

/// Of all convolutions of a chain; `None` where one does not fit into what is before it.
fn of_convolutions(chain: &Chain, sides: [usize; 2], tensors: &[TensorReport]) -> Option<u64> {
    let ([mut height, mut width], mut operations) = (sides, 0_u64);
    for convolution in &chain.convolutions {
        let tensor = weight(tensors, &convolution.module)?;
        let &[_, _, rows, columns] = tensor.shape.as_slice() else { return None };
        (height, width) = (convolution.outputs(height, rows)?, convolution.outputs(width, columns)?);
        let places = product([height, width]);
        operations = operations.saturating_add((2 * tensor.parameters).saturating_mul(places));
        (height, width) = (height / convolution.pool, width / convolution.pool);
    }
    Some(operations)
}

fn of_head(tensors: &[TensorReport]) -> u64 {
    numbers(tensors, |tensor| tensor.kind == Part::Head)
}

/// Sizes of a configuration are no reason to overflow.
fn product<const N: usize>(sizes: [usize; N]) -> u64 {
    sizes.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
}

#[cfg(test)]
mod tests {
    use super::super::place::Place;
    use super::*;
    use rankine_checkpoint::adapter::Kind;

    fn tensor(name: &str, shape: &[usize], kind: Kind) -> TensorReport {
        let Place { part, layer, slot } = Place::of(name, Some(kind));
        TensorReport {
            name: name.to_owned(),
            shape: shape.to_vec(),
            dtype: "F32".to_owned(),
            bytes: 0,
            parameters: product([shape.iter().product()]),
            kind: part,
            layer,
            slot,
            numbers: None,
            spectrum: None,
        }
    }

    fn convolution(name: String, shape: [usize; 3]) -> TensorReport {
        let [out, inputs, side] = shape;
        tensor(&format!("{name}.weight"), &[out, inputs, side, side], Kind::Convolution)
    }

    /// Multiplications with additions of a picture of ImageNet.
    fn of_picture(network: &Network, tensors: &[TensorReport]) -> f64 {
        let Compute::Pixel { operations_per_pixel, operations_of_head } = Compute::of_pixel(network, tensors)
        else {
            panic!("convolutions")
        };
        (operations_per_pixel * 224.0 * 224.0 + operations_of_head as f64) / 2.0
    }

    /// torchvision tells 1.81 and 4.09 billion.
    #[test]
    fn residual_networks_of_torchvision_cost_what_it_tells() {
        for (blocks, is_deep, expected) in
            [([2, 2, 2, 2], false, 1_814_073_344.0), ([3, 4, 6, 3], true, 4_089_184_256.0)]
        {
            let mut tensors = vec![convolution("conv1".to_owned(), [64, 3, 7])];
            let mut inputs = 64;
            for (stage, width) in [64, 128, 256, 512].into_iter().enumerate() {
                let outputs = if is_deep { 4 * width } else { width };
                for block in 0..blocks[stage] {
                    let mut add = |name: &str, shape| {
                        tensors.push(convolution(format!("layer{}.{block}.{name}", stage + 1), shape));
                    };
                    match is_deep {
                        true => {
                            add("conv1", [width, inputs, 1]);
                            add("conv2", [width, width, 3]);
                            add("conv3", [outputs, width, 1]);
                        }
                        false => {
                            add("conv1", [width, inputs, 3]);
                            add("conv2", [width, width, 3]);
                        }
                    }
                    if inputs != outputs {
                        add("downsample.0", [outputs, inputs, 1]);
                    }
                    inputs = outputs;
                }
            }
            tensors.push(tensor("fc.weight", &[1000, inputs], Kind::Head));
            assert_eq!(of_picture(&Network::ResNet, &tensors), expected);
        }
    }

    /// torchvision tells 0.30 billion.
    #[test]
    fn a_mobilenet_costs_what_torchvision_tells() {
        const STAGES: [(usize, usize, usize); 7] =
            [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)];
        let mut tensors = vec![convolution("features.0.0".to_owned(), [32, 3, 3])];
        let (mut inputs, mut block) = (32, 1);
        for (widen, outputs, count) in STAGES {
            for _ in 0..count {
                let hidden = widen * inputs;
                let mut add = |name: &str, shape| {
                    tensors.push(convolution(format!("features.{block}.conv.{name}"), shape));
                };
                if widen == 1 {
                    add("0.0", [hidden, 1, 3]);
                    add("1", [outputs, hidden, 1]);
                } else {
                    add("0.0", [hidden, inputs, 1]);
                    add("1.0", [hidden, 1, 3]);
                    add("2", [outputs, hidden, 1]);
                }
                (inputs, block) = (outputs, block + 1);
            }
        }
        tensors.push(convolution("features.18.0".to_owned(), [1280, inputs, 1]));
        tensors.push(tensor("classifier.1.weight", &[1000, 1280], Kind::Head));
        assert_eq!(of_picture(&Network::MobileNetV2, &tensors), 300_774_272.0);
    }
}
