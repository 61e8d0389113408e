//! Networks as their numbers, to be added and taken off.

use crate::{
    Result,
    transfer::{Network, Setting},
};
use rankine_nn::{Kind, Model, Parameter, weight::Dense};
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
pub(crate) fn layers(model: &impl Model) -> Vec<Option<usize>> {
    let (mut modules, mut layers) = (Vec::new(), Vec::new());
    for parameter in model.parameters() {
        let module = parameter.module();
        if !modules.contains(&module) {
            modules.push(module);
        }
        layers.push((parameter.kind() != Kind::Head).then(|| modules.len() - 1));
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_nn::models::Mlp;

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
}
