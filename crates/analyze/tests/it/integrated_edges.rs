//! Edges of integrated gradients.

use crate::written_out::*;
use rankine_analyze::Progress;
use rankine_analyze::interaction::*;
use rankine_linalg::double::Mat;
use rankine_random::Rng;
use rankine_testkit::assert_close;
use std::ops::ControlFlow;

fn rules(intervals: usize) -> [Integration; 2] {
    [Integration::Trapezoidal { intervals }, Integration::GaussLegendre { intervals }]
}

fn strengths(network: &mut dyn Network, settings: &Settings) -> Vec<Vec<f64>> {
    let found = analyse(network, settings, &mut on).unwrap();
    found.edges.iter().map(|edges| edges.strengths.concat()).collect()
}

#[test]
fn points_are_those_of_the_rules() {
    let of = |rule: Integration| -> (Vec<f64>, Vec<f64>) {
        rule.points().iter().map(|point| (point.alpha, point.weight)).unzip()
    };
    assert_eq!(of(Integration::Gradient), (vec![1.0], vec![1.0]));
    for rule in rules(0) {
        let (alphas, weights) = of(rule);
        assert_close!(alphas, [0.5], absolute = 1e-15);
        assert_close!(weights, [1.0], absolute = 1e-15);
    }
    let [(alphas, weights), (roots, shares)] = rules(2).map(of);
    let edge = 1e-3 / 3.0;
    assert_close!(alphas, [edge, 0.5, 1.0 - edge], absolute = 1e-15);
    assert_eq!(weights, [0.25, 0.5, 0.25]);
    let far = 0.6_f64.sqrt() / 2.0;
    assert_close!(roots, [0.5 - far, 0.5, 0.5 + far], absolute = 1e-14);
    assert_close!(shares, [5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0], absolute = 1e-14);
}

#[test]
fn the_rule_of_gauss_and_legendre_is_right_up_to_its_degree() {
    for intervals in 0..12 {
        let points = Integration::GaussLegendre { intervals }.points();
        let mean =
            |power: i32| points.iter().map(|point| point.weight * point.alpha.powi(power)).sum::<f64>();
        let degree = 2 * intervals as i32 + 1;
        (0..=degree).for_each(|power| {
            assert_close!(
                [mean(power)],
                [1.0 / f64::from(power + 1)],
                absolute = 1e-13,
                "{intervals}, {power}"
            );
        });
        if intervals < 4 {
            assert!(1e-6 < (mean(degree + 1) - 1.0 / f64::from(degree + 2)).abs(), "{intervals}");
        }
    }
    let many = Integration::GaussLegendre { intervals: 300 }.points();
    assert!(many.is_sorted_by(|one, next| one.alpha < next.alpha));
    assert_close!([many.iter().map(|point| point.weight).sum::<f64>()], [1.0], absolute = 1e-12);
}

#[test]
fn linear_maps_have_the_edges_of_their_gradients() {
    let mut net = net(&[5, 4, 3], false, &mut Rng::new(1));
    let gradients = strengths(&mut net, &settings());
    assert_eq!(gradients.len(), 2);
    for integration in [0, 1, 3].map(rules).concat() {
        let integrated = strengths(&mut net, &Settings { integration, ..settings() });
        for (found, expected) in integrated.iter().zip(&gradients) {
            assert_close!(found, expected, relative = 1e-9, absolute = 1e-12, "{integration:?}");
        }
    }
}

/// Of the output of a network, batch by batch, from all features of a layer: Σ_j A_ij, and what it is at the end less what it is
/// at the mean.
fn sums(net: &Net, (at, layer): (usize, &LayerFindings), integration: Integration) -> [Vec<f64>; 2] {
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for (batch, inputs) in net.inputs.iter().enumerate() {
        let network = &mut net.clone();
        let path = Path::new(network, (at, layer), batch, integration).unwrap();
        let attributed = path.attributions(network, Of::Output(0), usize::MAX, &mut || Ok(())).unwrap();
        found.extend((0..inputs.len()).map(|row| attributed.row(row).iter().sum::<f64>()));
        expected.extend(inputs.iter().map(|x| {
            let held: Vec<f32> = net.forward(x, None).0[at].iter().map(|&x| x as f32).collect();
            let end = layer.basis.truncated(&held, &layer.mean, usize::MAX);
            let output = |moved: Vec<f32>| {
                let shift: Vec<f32> = moved.iter().zip(&held).map(|(moved, held)| moved - held).collect();
                net.forward(x, Some((at, shift.as_slice()))).0[net.maps.len()][0]
            };
            output(end) - output(layer.mean.iter().map(|&x| x as f32).collect())
        }));
    }
    [found, expected]
}

#[test]
fn what_features_add_is_what_the_output_gains_on_the_way() {
    let net = net(&[4, 9, 6, 1], true, &mut Rng::new(2));
    for (at, layer) in found(&net).iter().enumerate() {
        for integration in rules(300) {
            let [sums, gains] = sums(&net, (at, layer), integration);
            assert_eq!(sums.len(), 200);
            let most = gains.iter().fold(0.0, |most: f64, gain| most.max(gain.abs()));
            assert!(0.1 < most, "{most}");
            assert_close!(sums, gains, absolute = 0.02 * most, "{at}, {integration:?}");
        }
    }
    // Gradients at the point itself do not add up so.
    let [sums, gains] = sums(&net, (0, &found(&net)[0]), Integration::Gradient);
    let apart = sums.iter().zip(&gains).fold(0.0, |most: f64, (sum, gain)| most.max((sum - gain).abs()));
    let most = gains.iter().fold(0.0, |most: f64, gain| most.max(gain.abs()));
    assert!(0.1 * most < apart, "{apart} {most}");
}

#[test]
fn a_relu_counts_as_far_as_it_lets_through() {
    let one = |relu| Affine { weight: Mat::from_fn(1, 1, |_, _| 1.0), bias: None, relu };
    let mut net = Net { maps: vec![one(true), one(false)], inputs: vec![vec![vec![-1.0]], vec![vec![3.0]]] };
    let neurons = Settings { coordinates: Coordinates::Neurons, ..settings() };
    // About the mean, 1: the row 3 adds 2; the row −1 has no slope where it is, and one of 1 on half of its way of −2.
    assert_eq!(strengths(&mut net, &neurons)[0], [2.0]);
    for integration in rules(3) {
        let integrated = strengths(&mut net, &Settings { integration, ..neurons.clone() });
        assert_close!(integrated[0], [2.5], absolute = 1e-6, "{integration:?}");
        // 0 and 3 about 1.5.
        assert_close!(integrated[1], [2.25], absolute = 1e-6, "{integration:?}");
    }
}

/// y = x₁·x₂ of four rows about (1, 1).
struct Product;

impl Product {
    const ROWS: [[f32; 2]; 4] = [[2.0, 3.0], [0.0, -1.0], [3.0, 0.0], [-1.0, 2.0]];
}

impl Network for Product {
    fn layers(&self) -> Vec<Layer> {
        vec![Layer { name: "x".to_owned(), width: 2, maps: Vec::new() }]
    }

    fn batches(&self) -> usize {
        1
    }

    fn sources(&self) -> Sources {
        Sources { count: 1, exact: true }
    }

    fn derive(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Vec<Derived>, Box<dyn std::error::Error + Send + Sync>> {
        let activations = Self::ROWS.concat();
        let shift = question.shift.map_or(vec![0.0; 8], <[f32]>::to_vec);
        let moved: Vec<f32> = activations.iter().zip(&shift).map(|(x, shift)| x + shift).collect();
        let gradients = moved.chunks(2).flat_map(|row| [row[1], row[0]]).collect();
        Ok(vec![Derived { activations, gradients, maps: Vec::new() }])
    }
}

#[test]
fn a_product_is_shared_by_its_factors() {
    let neurons = Settings { coordinates: Coordinates::Neurons, ..settings() };
    let layer = &layers(&mut Product, &neurons, &mut on).unwrap()[0];
    assert_close!(strengths(&mut Product, &neurons)[0], [6.5, 6.5], absolute = 1e-6);
    for integration in [0, 1, 2].map(rules).concat() {
        let path = Path::new(&mut Product, (0, layer), 0, integration).unwrap();
        let attributed = path.attributions(&mut Product, Of::Output(0), 2, &mut || Ok(())).unwrap();
        // d₁·(1 + d₂/2) and d₂·(1 + d₁/2), whose sum is x₁·x₂ − 1.
        let expected = [2.0, 3.0, 0.0, -1.0, 1.0, -2.0, -3.0, 0.0];
        assert_close!(entries(&attributed), expected, absolute = 1e-6, "{integration:?}");
        let found = strengths(&mut Product, &Settings { integration, ..neurons.clone() });
        assert_close!(found[0], [3.5, 3.5], absolute = 1e-6, "{integration:?}");
    }
}

#[test]
fn threads_change_nothing_and_every_pass_is_counted() {
    let net = net(&[5, 6, 4, 3], true, &mut Rng::new(3));
    let integration = Integration::GaussLegendre { intervals: 3 };
    let settings = Settings { integration, features: 2, edge_batches: 2, ..settings() };
    let [one, four] = [1, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| analyse(&mut net.clone(), &settings, &mut on).unwrap())
    });
    assert_eq!(one, four);
    // Two features of the second and third layer, three outputs; two batches, four points.
    let mut passes = Vec::new();
    let mut watch = |Progress { done, total }: Progress| {
        passes.push((done, total));
        ControlFlow::Continue(())
    };
    assert_eq!(edges(&mut net.clone(), &one.layers, &settings, &mut watch).unwrap(), one.edges);
    assert_eq!(passes, (1..=56).map(|done| (done, 56)).collect::<Vec<_>>());
}
