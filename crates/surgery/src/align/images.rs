//! The symmetries of convolutional networks with torchvision's names: channels of a stream that shortcuts add to, and channels
//! inside a block.
//!
//! A norm has four vectors of a number for every channel. Where channels of a block's input and output are as many, they are
//! taken for one stream, whether a shortcut joins them or not: that is a symmetry too.

use super::build::Builder;
use super::spec::{Layout, UnitKind};

pub(super) fn resnet(build: &mut Builder<'_>) {
    let mut stream = build.group(UnitKind::Residual, "conv1", build.rows("conv1.weight"));
    convolution(build, ["conv1", "bn1"].map(str::to_owned), stream, None);
    for stage in 1.. {
        if !build.has(&format!("layer{stage}.0.conv1.weight")) {
            break;
        }
        for block in 0.. {
            let path = |name: &str| format!("layer{stage}.{block}.{name}");
            if !build.has(&path("conv1.weight")) {
                break;
            }
            let hidden = build.group(UnitKind::Hidden, path("conv1"), build.rows(&path("conv1.weight")));
            convolution(build, ["conv1", "bn1"].map(path), hidden, Some(stream));
            let shortcut = ["downsample.0", "downsample.1"].map(path);
            if build.has(&path("downsample.0.weight")) {
                let next = build.group(UnitKind::Residual, path("conv2"), build.rows(&path("conv2.weight")));
                convolution(build, shortcut, next, Some(stream));
                stream = next;
            }
            convolution(build, ["conv2", "bn2"].map(path), stream, Some(hidden));
        }
    }
    build.head("fc", stream);
}

pub(super) fn mobilenet_v2(build: &mut Builder<'_>) {
    let mut stream = build.group(UnitKind::Residual, "features.0", build.rows("features.0.0.weight"));
    convolution(build, ["features.0.0", "features.0.1"].map(str::to_owned), stream, None);
    let mut block = 1;
    while build.has(&format!("features.{block}.conv.0.0.weight")) {
        let path = |name: &str| format!("features.{block}.conv.{name}");
        let widens = build.has(&path("3.weight"));
        let (depthwise, project) =
            if widens { (["1.0", "1.1"], ["2", "3"]) } else { (["0.0", "0.1"], ["1", "2"]) };
        let hidden = match widens {
            true => {
                let hidden = build.group(UnitKind::Hidden, path("0"), build.rows(&path("0.0.weight")));
                convolution(build, ["0.0", "0.1"].map(path), hidden, Some(stream));
                hidden
            }
            false => stream,
        };
        convolution(build, depthwise.map(path), hidden, None);
        let outputs = build.rows(&path(&format!("{}.weight", project[0])));
        let next = match outputs == build.units(stream) {
            true => stream,
            false => build.group(UnitKind::Residual, path(project[0]), outputs),
        };
        convolution(build, project.map(path), next, Some(hidden));
        stream = next;
        block += 1;
    }
    let path = |name: &str| format!("features.{block}.{name}");
    let last = build.group(UnitKind::Hidden, path("0"), build.rows(&path("0.weight")));
    convolution(build, ["0", "1"].map(path), last, Some(stream));
    build.head("classifier.1", last);
}

/// A convolution and its norm; one without `inputs` looks at every channel alone, or at colours.
fn convolution(build: &mut Builder<'_>, names: [String; 2], outputs: Layout, inputs: Option<Layout>) {
    let [conv, norm] = names;
    build.linear(&conv, Some(outputs), inputs);
    build.norm(&norm, outputs);
}
