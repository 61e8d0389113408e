//! The invariants of the interaction basis, and of what is said to do nothing.

use crate::written_out::*;
use rankine_analyze::interaction::*;
use rankine_linalg::double::{Mat, multiply, orthonormal_basis};
use rankine_linalg::eigvalsh;
use rankine_random::Rng;
use rankine_testkit::assert_close;

#[test]
fn features_are_orthogonal_and_matter_as_much_as_they_vary() {
    let net = net(&[6, 9, 7, 3], true, &mut Rng::new(1));
    for (at, layer) in found(&net).iter().enumerate() {
        let (basis, h) = (&layer.basis, layer.functional());
        assert!(h <= layer.activation_rank.min(layer.gradient_rank) && layer.rows == 200, "{at}");
        let unit = entries(&multiply(basis.back.as_ref(), basis.forward.as_ref()));
        assert_close!(unit, entries(&Mat::identity(h, h)), absolute = 1e-8);
        let activations = rows(&net, at, 0).activations;
        let features = basis.features(&activations, &layer.mean, h);
        let lambda = Mat::from_fn(h, h, |i, j| if i == j { 200.0 * layer.importance[i] } else { 0.0 });
        let scale = 200.0 * layer.importance[0];
        assert_close!(entries(&gram(&features)), entries(&lambda), absolute = 1e-6 * scale);
        let (mut slopes, mut product, width) = (Mat::<f64>::zeros(h, h), 0.0, layer.layer.width);
        let x = Mat::from_fn(200, width, |i, j| f64::from(activations[i * width + j]) - layer.mean[j]);
        let covariance = gram(&x);
        for source in 0..3 {
            let gradients = rows(&net, at, source).gradients;
            slopes += gram(&basis.derivatives(&gradients, h));
            let g = Mat::from_fn(200, width, |i, j| f64::from(gradients[i * width + j]));
            product += entries(&covariance).iter().zip(entries(&gram(&g))).map(|(a, b)| a * b).sum::<f64>();
        }
        let unit = Mat::from_fn(h, h, |i, j| if i == j { 200.0 } else { 0.0 });
        assert_close!(entries(&slopes), entries(&unit), absolute = 1e-4);
        // ΣΛ = Tr(G·K).
        assert_close!([layer.importance.iter().sum::<f64>()], [product / 4e4], relative = 1e-6);
        if h == layer.activation_rank {
            assert_close!(basis.truncated(&activations, &layer.mean, h), activations, absolute = 1e-4);
        }
    }
}

#[test]
fn an_invertible_map_between_two_layers_changes_nothing_that_matters() {
    let mut rng = Rng::new(2);
    let net = net(&[5, 6, 4, 3], true, &mut rng);
    let plain = found(&net);
    // Orthogonal, then columns of other lengths: its inverse is known.
    let q = orthonormal_basis(random(6, 6, &mut rng));
    let scale = |i: usize| 0.5 + i as f64 / 4.0;
    let mixing = Mat::from_fn(6, 6, |i, j| scale(i) * q[(i, j)]);
    let inverse = Mat::from_fn(6, 6, |i, j| q[(j, i)] / scale(j));
    let mut mixed = net.clone();
    mixed.maps[1].weight = multiply(mixed.maps[1].weight.as_ref(), inverse.as_ref());
    mixed.maps.insert(1, Affine { weight: mixing, bias: None, relu: false });
    let mixed = found(&mixed);
    assert_eq!(mixed[2].layer.name, "maps.2");
    for (one, other) in [(&plain[1], &mixed[2]), (&plain[1], &mixed[1]), (&plain[2], &mixed[3])] {
        assert_eq!(one.functional(), other.functional());
        assert_close!(one.importance, other.importance, absolute = 1e-5 * one.importance[0]);
    }
    // Principal directions are not so.
    let mut pairs = plain[1].variances.iter().zip(&mixed[2].variances);
    assert!(pairs.any(|(one, other)| 0.05 < (one / other - 1.0).abs()));
}

#[test]
fn a_neuron_twice_is_seen_and_frees_directions() {
    let net = net(&[5, 6, 3], true, &mut Rng::new(3));
    let plain = found(&net);
    let mut twice = net.clone();
    // Unit 6 is unit 2 three times as large; their sum is what unit 2 was.
    let (first, second) = (&net.maps[0], &net.maps[1]);
    let source = |unit: usize| if unit == 6 { (2, 3.0) } else { (unit, 1.0) };
    twice.maps[0].weight = Mat::from_fn(7, 5, |i, j| source(i).1 * first.weight[(source(i).0, j)]);
    let bias = first.bias.as_ref().unwrap();
    twice.maps[0].bias = Some((0..7).map(|i| source(i).1 * bias[source(i).0]).collect());
    let share = |unit: usize| match unit {
        2 => 0.4,
        6 => 0.2,
        _ => 1.0,
    };
    twice.maps[1].weight = Mat::from_fn(3, 7, |i, j| share(j) * second.weight[(i, source(j).0)]);
    let changed = found(&twice);
    assert_eq!(changed[1].layer.width, 7);
    assert_eq!(changed[1].activation_rank, plain[1].activation_rank);
    assert_close!(changed[1].importance, plain[1].importance, absolute = 1e-5 * plain[1].importance[0]);
    let together = changed[1].synchronised.as_ref().unwrap();
    assert!(together.groups.iter().any(|group| group.contains(&2) && group.contains(&6)), "{together:?}");
    assert!(plain[1].synchronised.as_ref().unwrap().pairs() < together.pairs());
    // 3 weights more behind the layer, all of them free.
    let [before, after] = [&plain, &changed].map(|layers| layers[1].maps[0].free());
    assert_eq!(after, before + 3);
    assert!(changed[0].synchronised.is_none(), "the inputs are no ReLUs");
}

#[test]
fn a_narrow_map_leaves_few_directions() {
    let mut rng = Rng::new(4);
    let mut net = net(&[6, 8, 7, 3], false, &mut rng);
    net.maps[0].weight = multiply(random(8, 2, &mut rng).as_ref(), random(2, 6, &mut rng).as_ref());
    let found = found(&net);
    assert_eq!(found.iter().map(LayerFindings::functional).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(found.iter().map(|layer| layer.activation_rank).collect::<Vec<_>>(), [6, 2, 2]);
    assert_eq!(found.iter().map(|layer| layer.gradient_rank).collect::<Vec<_>>(), [2, 3, 3]);
    // [8, 6] with gradients of rank 3, [7, 8] and [3, 7] with activations of rank 2.
    let free: Vec<usize> = found.iter().map(|layer| layer.maps[0].free()).collect();
    assert_eq!(free, [48 - 18, 56 - 6, 21 - 6]);
}

#[test]
fn cutting_a_linear_network_costs_what_the_features_mattered() {
    let net = net(&[6, 5, 4], false, &mut Rng::new(5));
    let found = found(&net);
    let layer = &found[0];
    let whole = multiply(net.maps[1].weight.as_ref(), net.maps[0].weight.as_ref());
    let activations = rows(&net, 0, 0).activations;
    for h in 0..=layer.functional() {
        let kept = layer.basis.truncated(&activations, &layer.mean, h);
        let lost =
            Mat::from_fn(200, 6, |i, j| f64::from(activations[6 * i + j]) - f64::from(kept[6 * i + j]));
        let error = multiply(lost.as_ref(), whole.transpose()).squared_norm_l2() / 200.0;
        let expected: f64 = layer.importance[h..].iter().sum();
        assert_close!([error], [expected], absolute = 1e-6 * layer.importance[0]);
    }
    // No other cut of that rank does better: Λ are the squared singular values of B·G^{1/2}.
    let x = Mat::from_fn(200, 6, |i, j| f64::from(activations[6 * i + j]) - layer.mean[j]);
    let images = multiply(x.as_ref(), whole.transpose());
    let mut best = eigvalsh(gram(&images).as_ref()).unwrap();
    best.reverse();
    let best: Vec<f64> = best.iter().map(|value| value / 200.0).collect();
    assert_close!(layer.importance, best, absolute = 1e-6 * best[0]);
}

#[test]
fn no_more_directions_are_called_free_than_are() {
    let mut rng = Rng::new(6);
    let mut net = net(&[4, 5, 5, 2], true, &mut rng);
    // A unit that never fires, and inputs of rank 3.
    net.maps[0].bias.as_mut().unwrap()[1] = -100.0;
    net.inputs.iter_mut().flatten().for_each(|row| row[3] = row[0] - row[1]);
    let found = found(&net);
    for (at, layer) in found.iter().enumerate() {
        let degeneracy = &layer.maps[0];
        let bias = net.maps[at].bias.is_some();
        let (inputs, outputs) = (layer.layer.width, net.maps[at].weight.nrows());
        let columns = inputs + usize::from(bias);
        assert_eq!(degeneracy.parameters, columns * outputs);
        let mut hessian = Mat::<f64>::zeros(columns * outputs, columns * outputs);
        for source in 0..2 {
            let Derived { activations, maps, .. } = rows(&net, at, source);
            let read = |row: usize, j: usize| match j < inputs {
                true => f64::from(activations[row * inputs + j]),
                false => 1.0,
            };
            let jacobian = Mat::from_fn(200, columns * outputs, |row, place| {
                f64::from(maps[0][row * outputs + place / columns]) * read(row, place % columns)
            });
            hessian += gram(&jacobian);
        }
        let eigenvalues = eigvalsh(hessian.as_ref()).unwrap();
        let free = columns * outputs - rank(&eigenvalues, 1e-9);
        assert!(degeneracy.free() <= free, "{at}: {} of {free}", degeneracy.free());
    }
    assert!(0 < found[0].maps[0].free());
    assert_eq!(found[1].synchronised.as_ref().unwrap().off, [1]);
}
