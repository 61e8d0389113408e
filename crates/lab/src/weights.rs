//! Networks as their numbers, to be added and taken off.

use crate::{
    Result,
    transfer::{Network, Setting},
};
use rankine_checkpoint::layer_and_role;
use rankine_nn::{Model, Parameter, weight::Dense};
use rankine_random::Rng;
use rankine_surgery::weighted_sum;
use rankine_tensor::{Tensor, untaped};

/// The numbers of a network, parameter by parameter in its order.
pub(crate) type Numbers = Vec<Vec<f32>>;

/// The numbers of a network.
pub(crate) fn numbers(model: &impl Model) -> Result<Numbers> {
    let values = |parameter: &&Parameter| Ok(parameter.weight.dense()?.to_vec());
    untaped(|| model.parameters().iter().map(values).collect())
}

/// A network of these numbers, all of it trained; `sizes` are pixels and classes.
pub(crate) fn network<N: Network>(
    setting: &Setting,
    [width, classes]: [usize; 2],
    numbers: &[Vec<f32>],
) -> Result<N> {
    let mut model = N::build(setting, width, classes, &Rng::new(0))?;
    for (parameter, values) in model.parameters_mut().into_iter().zip(numbers) {
        let shape = untaped(|| parameter.weight.dense())?.shape();
        parameter.weight = Box::new(Dense::trained(&Tensor::new(values.clone(), &shape)?));
    }
    Ok(model)
}

/// Σ c·x of networks of one shape; a network of factor 1 alone is itself, bit for bit.
pub(crate) fn sum(terms: &[(f64, &Numbers)]) -> Numbers {
    let Some((_, first)) = terms.first() else { return Numbers::new() };
    let tensor = |at: usize| {
        let terms: Vec<_> = terms.iter().map(|(factor, numbers)| (*factor, numbers[at].as_slice())).collect();
        let mut out = vec![0.0; first[at].len()];
        weighted_sum(&terms, &mut out);
        out
    };
    (0..first.len()).map(tensor).collect()
}

/// The layer of every parameter, counted from the input; `None` for the head.
///
/// A layer is a module with what lies in it, or a block of a transformer.
pub(crate) fn layers(model: &impl Network) -> Vec<Option<usize>> {
    let (head, mut found, mut layers) = (model.head().module(), Vec::new(), Vec::new());
    for parameter in model.parameters() {
        let module = parameter.module();
        let layer = match layer_and_role(module) {
            ("", outside) => outside,
            (block, _) => block,
        };
        if found.last().is_none_or(|last: &&str| !is_in(layer, last)) {
            found.push(layer);
        }
        layers.push((module != head).then(|| found.len() - 1));
    }
    layers
}

/// Whether a module is another one or lies in it.
fn is_in(module: &str, other: &str) -> bool {
    module.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_nn::models::{LeNet, Mlp, Vit};

    #[test]
    fn a_network_comes_back_from_its_numbers() {
        let setting = Setting { hidden: vec![4, 3], ..Setting::default() };
        let model = Mlp::build(&setting, 5, 2, &Rng::new(3)).unwrap();
        let values = numbers(&model).unwrap();
        assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [20, 4, 12, 3, 6]);
        assert_eq!(layers(&model), [Some(0), Some(0), Some(1), Some(1), None]);
        let again: Mlp = network(&setting, [5, 2], &values).unwrap();
        assert_eq!(numbers(&again).unwrap(), values);
        assert_eq!(sum(&[(1.0, &values), (0.0, &values)]), values);
        let twice = sum(&[(1.5, &values), (0.5, &values)]);
        assert!(twice.iter().flatten().zip(values.iter().flatten()).all(|(x, y)| (x - 2.0 * y).abs() < 1e-6));
    }

    #[test]
    fn layers_are_modules_or_blocks() {
        let (setting, rng) = (Setting::default(), Rng::new(1));
        let vit = layers(&<Vit as Network>::build(&setting, 784, 10, &rng).unwrap());
        // Embeddings with their patches, four blocks of sixteen, the last norm, the head.
        let counts = [4, 16, 16, 16, 16, 2].into_iter().enumerate();
        let expected: Vec<_> = counts.flat_map(|(layer, count)| vec![Some(layer); count]).collect();
        assert_eq!(vit, [expected, vec![None; 2]].concat());
        let le_net = layers(&LeNet::build(&setting, 784, 10, &rng).unwrap());
        assert_eq!(le_net, [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), None]);
    }
}
