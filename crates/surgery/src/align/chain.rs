//! The symmetries of a plain chain of layers: every hidden unit, or channel, can change places with every other of its layer.

use super::build::Builder;
use super::spec::{Layout, UnitKind};
use rankine_checkpoint::ChainLayer;

/// Adds the layers of a chain.
pub(super) fn chain(layers: &[ChainLayer<'_>], build: &mut Builder<'_>) {
    let mut inputs: Option<Layout> = None;
    for (at, ChainLayer { module, shape, norms }) in layers.iter().enumerate() {
        let inner = inputs.map(|layout| Layout { width: shape[1] / build.units(layout).max(1), ..layout });
        let last = at + 1 == layers.len();
        let outputs = (!last).then(|| build.group(UnitKind::Hidden, *module, shape[0]));
        build.linear(module, outputs, inner);
        if let Some(outputs) = outputs {
            norms.iter().for_each(|norm| build.norm(norm, outputs));
        }
        inputs = outputs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::spec::PermutationSpec;
    use indexmap::IndexMap;
    use rankine_checkpoint::{Dtype, TensorInfo};

    fn spec(tensors: &[(&str, &[usize])]) -> Result<PermutationSpec, String> {
        let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
        let infos: IndexMap<String, TensorInfo> =
            tensors.iter().map(|(name, shape)| ((*name).to_owned(), info(shape))).collect();
        let mut build = Builder::new(&infos);
        chain(&rankine_checkpoint::chain(&infos)?, &mut build);
        build.finish()
    }

    fn units(spec: &PermutationSpec) -> Vec<(&str, usize)> {
        spec.groups().iter().map(|group| (group.name.as_str(), group.units)).collect()
    }

    #[test]
    fn a_convolution_and_the_matrix_behind_it_share_channels() {
        let spec = spec(&[
            ("conv1.weight", &[8, 1, 5, 5]),
            ("conv1.bias", &[8]),
            ("bn1.weight", &[8]),
            ("bn1.running_var", &[8]),
            ("linear.weight", &[6, 8 * 49]),
            ("head.weight", &[3, 6]),
            ("head.bias", &[3]),
        ]);
        let spec = spec.unwrap();
        assert_eq!((units(&spec), spec.strangers().len()), (vec![("conv1", 8), ("linear", 6)], 0));
        let axes = |name: &str| spec.tensors().find(|(found, _)| *found == name).unwrap().1.to_vec();
        assert_eq!(axes("linear.weight").iter().map(|(_, layout)| layout.width).collect::<Vec<_>>(), [1, 49]);
        assert_eq!((axes("bn1.running_var")[0].1.group, axes("head.weight").len()), (0, 1));
    }

    #[test]
    fn sorted_names_go_by_their_numbers() {
        let mut layers: Vec<(String, Vec<usize>)> =
            (0..12).map(|at| (format!("layers.{at}.weight"), vec![4, 4])).collect();
        layers.sort();
        let layers: Vec<_> = layers.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        let spec = spec(&layers).unwrap();
        assert_eq!((spec.groups().len(), units(&spec)[2]), (11, ("layers.2", 4)));
        assert_eq!(units(&spec)[10].0, "layers.10");
    }

    #[test]
    fn what_is_no_chain_is_named() {
        let attention: [(&str, &[usize]); 3] =
            [("embed.weight", &[9, 4]), ("q.weight", &[4, 4]), ("v.weight", &[2, 4])];
        assert_eq!(spec(&attention).unwrap_err(), "q.weight");
        let sorted: [(&str, &[usize]); 3] =
            [("conv.weight", &[4, 1, 3, 3]), ("head.weight", &[2, 16]), ("linear.weight", &[16, 36])];
        assert_eq!(spec(&sorted).unwrap_err(), "linear.weight");
    }
}
