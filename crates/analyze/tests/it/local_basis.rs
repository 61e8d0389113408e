//! The invariants of the basis towards the next layer.

use crate::written_out::*;
use rankine_analyze::interaction::*;
use rankine_linalg::double::{Mat, multiply};
use rankine_random::Rng;
use rankine_testkit::assert_close;

fn local(net: &Net) -> Vec<LayerFindings> {
    let settings = Settings { coordinates: Coordinates::Local, ..settings() };
    layers(&mut net.clone(), &settings, &mut on).unwrap()
}

/// Gradients of a feature of the next layer by what a layer holds, all rows; [rows·d].
fn slopes(net: &Net, at: usize, direction: &[f32]) -> Vec<f32> {
    let batch = |batch| {
        let question =
            Question { batch, of: Of::Layer(at + 1, direction), by: &[at], maps: false, shift: None };
        net.clone().derive(&question).unwrap().remove(0).gradients
    };
    (0..net.inputs.len()).flat_map(batch).collect()
}

#[test]
fn features_are_orthogonal_and_change_those_of_the_next_layer_as_much() {
    let net = net(&[6, 9, 7, 12], true, &mut Rng::new(1));
    for (at, pair) in local(&net).windows(2).enumerate() {
        let (layer, next) = (&pair[0], &pair[1].basis);
        let (basis, h, width) = (&layer.basis, layer.basis.dimension(), layer.layer.width);
        assert!(0 < h && h <= layer.activation_rank.min(next.dimension()));
        let unit = entries(&multiply(basis.back.as_ref(), basis.forward.as_ref()));
        assert_close!(unit, entries(&Mat::identity(h, h)), absolute = 1e-8);
        let activations = rows(&net, at, 0).activations;
        let features = basis.features(&activations, &layer.mean, h);
        let lambda = Mat::from_fn(h, h, |i, j| if i == j { 200.0 * basis.importance[i] } else { 0.0 });
        assert_close!(
            entries(&gram(&features)),
            entries(&lambda),
            absolute = 1e-6 * 200.0 * basis.importance[0]
        );
        let x = Mat::from_fn(200, width, |i, j| f64::from(activations[i * width + j]) - layer.mean[j]);
        let (covariance, mut sums, mut product) = (entries(&gram(&x)), Mat::<f64>::zeros(h, h), 0.0);
        for feature in 0..next.dimension() {
            let direction: Vec<f32> = next.forward.col(feature).iter().map(|&x| x as f32).collect();
            let gradients = slopes(&net, at, &direction);
            sums += gram(&basis.derivatives(&gradients, h));
            let g = Mat::from_fn(200, width, |i, j| f64::from(gradients[i * width + j]));
            product += covariance.iter().zip(entries(&gram(&g))).map(|(a, b)| a * b).sum::<f64>();
        }
        let unit = Mat::from_fn(h, h, |i, j| if i == j { 200.0 } else { 0.0 });
        assert_close!(entries(&sums), entries(&unit), absolute = 2e-3);
        // ΣΛ = Tr(G·K).
        assert_close!([basis.importance.iter().sum::<f64>()], [product / 4e4], relative = 1e-5);
    }
}

#[test]
fn the_length_of_a_neuron_changes_nothing_that_matters() {
    let net = net(&[5, 6, 4, 8], true, &mut Rng::new(2));
    let mut longer = net.clone();
    let factor = |unit: usize| if unit == 2 { 5.0 } else { 1.0 };
    let (first, second) = (net.maps[0].weight.clone(), net.maps[1].weight.clone());
    longer.maps[0].weight = Mat::from_fn(6, 5, |i, j| factor(i) * first[(i, j)]);
    longer.maps[0].bias.as_mut().unwrap()[2] *= 5.0;
    longer.maps[1].weight = Mat::from_fn(4, 6, |i, j| second[(i, j)] / factor(j));
    for (one, other) in local(&net).iter().zip(&local(&longer)) {
        let importance = &one.basis.importance;
        assert_close!(other.basis.importance, importance, absolute = 1e-4 * importance[0]);
    }
}

/// A change of the features of a layer whose map gives the outputs is as long as that of the outputs.
#[test]
fn before_linear_maps_it_is_the_basis_towards_the_outputs() {
    let same = |one: &LayerFindings, other: &LayerFindings| {
        let importance = &other.basis.importance;
        assert_close!(one.basis.importance, importance, absolute = 1e-5 * importance[0]);
    };
    let linear = net(&[6, 5, 4], false, &mut Rng::new(3));
    local(&linear).iter().zip(&found(&linear)).for_each(|(one, other)| same(one, other));
    let bent = net(&[6, 9, 7, 12], true, &mut Rng::new(1));
    let (local, towards_outputs) = (local(&bent), found(&bent));
    assert_eq!(local[2], towards_outputs[2]);
    same(&local[1], &towards_outputs[1]);
    let [one, other] = [&local[0], &towards_outputs[0]].map(|layer| &layer.basis.importance);
    assert!(one.iter().zip(other).any(|(one, other)| 0.01 < (one / other - 1.0).abs()), "{one:?} {other:?}");
}
