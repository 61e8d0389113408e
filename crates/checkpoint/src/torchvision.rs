//! The tensors of networks that torchvision names. No file describes these networks: what is there tells their sizes.
//!
//! Every convolution stands with a norm, of four vectors: weight, bias, and mean and variance of what it normalises.

use crate::{TensorInfo, Tensors};
use indexmap::IndexMap;

/// The first convolution of a MobileNetV2.
pub(crate) const STEM: &str = "features.0.0.weight";
/// Blocks of a MobileNetV2 between its first and its last convolution.
const BLOCKS: usize = 17;
/// No residual network has more stages, or more blocks in one: a number in a file is no reason for an endless list.
const MOST: usize = 1000;

/// Names without which there is no MobileNetV2, the head aside.
pub(crate) fn mobilenet_v2() -> Vec<String> {
    let mut names = conv_norm("features.0.0", "features.0.1");
    for block in 1..=BLOCKS {
        let path = |name: &str| format!("features.{block}.conv.{name}");
        // The first block does not widen.
        let layers: &[[&str; 2]] = match block {
            1 => &[["0.0", "0.1"], ["1", "2"]],
            _ => &[["0.0", "0.1"], ["1.0", "1.1"], ["2", "3"]],
        };
        names.extend(layers.iter().flat_map(|[conv, norm]| conv_norm(&path(conv), &path(norm))));
    }
    let last = format!("features.{}", BLOCKS + 1);
    names.extend(conv_norm(&format!("{last}.0"), &format!("{last}.1")));
    names
}

/// Names without which there is no residual network of as many stages and blocks as some tensor belongs to, the head aside.
pub(crate) fn resnet(infos: &IndexMap<String, TensorInfo>) -> Vec<String> {
    let mut blocks = Vec::new();
    for (stage, block) in infos.keys().filter_map(|name| place(name)) {
        // A stage of which nothing is there lacks its first block.
        blocks.resize(blocks.len().max(stage + 1), 1);
        blocks[stage] = blocks[stage].max(block + 1);
    }
    let mut names = conv_norm("conv1", "bn1");
    for (stage, count) in blocks.into_iter().enumerate() {
        for block in 0..count {
            let path = |name: &str| format!("layer{}.{block}.{name}", stage + 1);
            names.extend(conv_norm(&path("conv1"), &path("bn1")));
            names.extend(conv_norm(&path("conv2"), &path("bn2")));
            if 0 < stage && block == 0 {
                names.extend(conv_norm(&path("downsample.0"), &path("downsample.1")));
            }
        }
    }
    names
}

/// Stage and block of a tensor such as `layer2.0.conv1.weight`, both from 0.
fn place(name: &str) -> Option<(usize, usize)> {
    let (stage, rest) = name.strip_prefix("layer")?.split_once('.')?;
    let (block, _) = rest.split_once('.')?;
    let stage = stage.parse::<usize>().ok()?.checked_sub(1)?;
    let block = block.parse::<usize>().ok()?;
    (stage < MOST && block < MOST).then_some((stage, block))
}

fn conv_norm(conv: &str, norm: &str) -> Vec<String> {
    let vectors = ["weight", "bias", "running_mean", "running_var"].map(|name| format!("{norm}.{name}"));
    [format!("{conv}.weight")].into_iter().chain(vectors).collect()
}

/// Whether every output of a convolution of `base` sees one channel and no other: those of a MobileNetV2 between its narrow
/// ones. Shapes do not say it: a convolution over images of one colour has the same.
pub fn is_depthwise(base: &dyn Tensors, module: &str) -> bool {
    let infos = base.infos();
    let shape = infos.get(&format!("{module}.weight")).map(|info| info.shape.as_slice());
    let in_block = module.starts_with("features.") && module.contains(".conv.");
    let is_wide = matches!(shape, Some(&[_, 1, height, width]) if 1 < height || 1 < width);
    infos.contains_key(STEM) && in_block && is_wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, ImageCheckpoint};
    use rankine_testkit::fixtures;

    #[test]
    fn gaps_in_a_residual_network_are_called_for() {
        let info = TensorInfo { shape: vec![1], dtype: Dtype::F32, bytes: 4 };
        let names =
            ["layer1.1.bn1.weight", "layer3.0.conv1.weight", "layer99999.0.x", "layer0.0.y", "fc.weight"];
        let required = resnet(&names.into_iter().map(|name| (name.to_owned(), info.clone())).collect());
        for name in ["layer1.0.conv1.weight", "layer2.0.downsample.1.running_var", "layer3.0.bn2.bias"] {
            assert!(required.iter().any(|found| found == name), "{name}");
        }
        // The first convolution, two blocks of two, and two of three; five tensors each.
        assert_eq!(required.len(), 5 * (1 + 4 + 3 + 3));
    }

    #[test]
    fn only_a_mobilenet_looks_at_channels_one_by_one() {
        let open = |name: &str| ImageCheckpoint::open(fixtures::path(name)).unwrap().unwrap();
        let (mobilenet, resnet) = (open("images/mobilenet/model.pth"), open("images/resnet"));
        let is = |module: &str| is_depthwise(mobilenet.tensors(), module);
        assert!(is("features.1.conv.0.0") && is("features.2.conv.1.0") && is("features.17.conv.1.0"));
        assert!(!is("features.0.0") && !is("features.2.conv.0.0") && !is("features.9.conv.2") && !is("x"));
        assert!(!is_depthwise(resnet.tensors(), "conv1"));
    }
}
