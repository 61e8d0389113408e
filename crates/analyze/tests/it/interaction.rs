//! The invariants of the interaction basis, on networks that are written out here.

use rankine_analyze::interaction::*;
use rankine_analyze::{Error, Progress};
use rankine_linalg::double::{Mat, multiply, orthonormal_basis};
use rankine_linalg::eigvalsh;
use rankine_random::Rng;
use rankine_testkit::assert_close;
use std::ops::ControlFlow;

/// weight: [out, in]
#[derive(Clone)]
struct Affine {
    weight: Mat<f64>,
    bias: Option<Vec<f64>>,
    relu: bool,
}

/// Maps one after the other; inputs: [batches][rows][in].
#[derive(Clone)]
struct Net {
    maps: Vec<Affine>,
    inputs: Vec<Vec<Vec<f64>>>,
}

impl Net {
    /// What every map reads, the outputs last, and where each lets through.
    fn forward(&self, x: &[f64]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let (mut values, mut slopes) = (vec![x.to_vec()], Vec::new());
        for Affine { weight, bias, relu } in &self.maps {
            let x = &values[values.len() - 1];
            let sum = |i: usize| x.iter().enumerate().map(|(j, x)| weight[(i, j)] * x).sum::<f64>();
            let y = (0..weight.nrows()).map(|i| sum(i) + bias.as_ref().map_or(0.0, |bias| bias[i]));
            let y: Vec<f64> = y.collect();
            let slope: Vec<f64> = y.iter().map(|&y| if !relu || 0.0 < y { 1.0 } else { 0.0 }).collect();
            values.push(y.iter().zip(&slope).map(|(y, slope)| y * slope).collect());
            slopes.push(slope);
        }
        (values, slopes)
    }

    fn outputs(&self) -> usize {
        self.maps[self.maps.len() - 1].weight.nrows()
    }
}

impl Network for Net {
    fn layers(&self) -> Vec<Layer> {
        let layer = |(at, map): (usize, &Affine)| Layer {
            name: format!("maps.{at}"),
            width: map.weight.ncols(),
            maps: vec![Map {
                name: format!("maps.{at}"),
                outputs: Some(map.weight.nrows()),
                bias: map.bias.is_some(),
            }],
        };
        self.maps.iter().enumerate().map(layer).collect()
    }

    fn batches(&self) -> usize {
        self.inputs.len()
    }

    fn sources(&self) -> Sources {
        Sources { count: self.outputs(), exact: true }
    }

    fn derive(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Vec<Derived>, Box<dyn std::error::Error + Send + Sync>> {
        let empty = Derived { activations: vec![], gradients: vec![], maps: vec![vec![]] };
        let mut derived = vec![empty; question.by.len()];
        for x in &self.inputs[question.batch] {
            let (values, slopes) = self.forward(x);
            let (top, mut gradient): (usize, Vec<f64>) = match question.of {
                Of::Output(source) => {
                    (self.maps.len(), (0..self.outputs()).map(|i| f64::from(u8::from(i == source))).collect())
                }
                Of::Layer(layer, direction) => (layer, direction.iter().map(|&x| f64::from(x)).collect()),
            };
            for at in (0..top).rev() {
                let weight = &self.maps[at].weight;
                let given: Vec<f64> = gradient.iter().zip(&slopes[at]).map(|(g, slope)| g * slope).collect();
                let back = |j: usize| given.iter().enumerate().map(|(i, g)| weight[(i, j)] * g).sum::<f64>();
                gradient = (0..weight.ncols()).map(back).collect();
                if let Some(place) = question.by.iter().position(|&wanted| wanted == at) {
                    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
                    derived[place].activations.extend(narrow(&values[at]));
                    derived[place].gradients.extend(narrow(&gradient));
                    if question.maps {
                        derived[place].maps[0].extend(narrow(&given));
                    }
                }
            }
        }
        Ok(derived)
    }
}

fn random(rows: usize, columns: usize, rng: &mut Rng) -> Mat<f64> {
    let scale = (2.0 / columns as f64).sqrt();
    Mat::from_fn(rows, columns, |_, _| scale * rng.normal_f64())
}

fn affine(weight: Mat<f64>, relu: bool, rng: &mut Rng) -> Affine {
    let bias = relu.then(|| (0..weight.nrows()).map(|_| 0.5 * rng.normal_f64()).collect());
    Affine { weight, bias, relu }
}

/// With relu in all hidden layers or in none, on 4 batches of 50 rows.
fn net(sizes: &[usize], relu: bool, rng: &mut Rng) -> Net {
    let last = sizes.len() - 2;
    let map = |(at, pair): (usize, &[usize])| {
        let weight = random(pair[1], pair[0], rng);
        affine(weight, relu && at < last, rng)
    };
    let maps = sizes.windows(2).enumerate().map(map).collect();
    let mut row = || (0..sizes[0]).map(|_| rng.normal_f64()).collect::<Vec<_>>();
    let inputs = (0..4).map(|_| (0..50).map(|_| row()).collect()).collect();
    Net { maps, inputs }
}

fn settings() -> Settings {
    Settings { tolerance: 1e-9, edge_batches: usize::MAX, ..Settings::default() }
}

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn found(net: &Net) -> Vec<LayerFindings> {
    layers(&mut net.clone(), &settings(), &mut on).unwrap()
}

fn entries(a: &Mat<f64>) -> Vec<f64> {
    (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| (i, j))).map(|place| a[place]).collect()
}

/// All rows of a layer, for one source.
fn rows(net: &Net, layer: usize, source: usize) -> Derived {
    let mut all = Derived { activations: vec![], gradients: vec![], maps: vec![vec![]] };
    for batch in 0..net.inputs.len() {
        let question = Question { batch, of: Of::Output(source), by: &[layer], maps: true };
        let derived = net.clone().derive(&question).unwrap().remove(0);
        all.activations.extend(derived.activations);
        all.gradients.extend(derived.gradients);
        all.maps[0].extend(&derived.maps[0]);
    }
    all
}

fn gram(a: &Mat<f64>) -> Mat<f64> {
    multiply(a.transpose(), a.as_ref())
}

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

/// a above and to the left, b below and to the right.
fn blocks(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let (rows, columns) = (a.nrows(), a.ncols());
    Mat::from_fn(rows + b.nrows(), columns + b.ncols(), |i, j| match (i < rows, j < columns) {
        (true, true) => a[(i, j)],
        (false, false) => b[(i - rows, j - columns)],
        _ => 0.0,
    })
}

/// Two networks side by side on all pairs of 10 and 10 inputs, each hidden layer turned.
fn hidden_blocks() -> Net {
    let mut rng = Rng::new(8);
    let mut pair = |rows, columns| blocks(&random(rows, columns, &mut rng), &random(rows, columns, &mut rng));
    let [first, second, last] = [pair(4, 2), pair(4, 4), pair(2, 4)];
    let turns = [1, 2].map(|_| orthonormal_basis(random(8, 8, &mut rng)));
    let [second, last] =
        [(second, 0), (last, 1)].map(|(weight, at)| multiply(weight.as_ref(), turns[at].transpose()));
    let [one, two] = turns.map(|weight| Affine { weight, bias: None, relu: false });
    let maps = vec![
        affine(first, true, &mut rng),
        one,
        affine(second, true, &mut rng),
        two,
        affine(last, false, &mut rng),
    ];
    let mut half = || (0..10).map(|_| [rng.normal_f64(), rng.normal_f64()]).collect::<Vec<_>>();
    let (left, right) = (half(), half());
    let batch = |one: &[f64; 2]| right.iter().map(|two| [*one, *two].concat()).collect();
    Net { maps, inputs: left.iter().map(batch).collect() }
}

#[test]
fn blocks_hidden_by_turning_the_layers_are_found() {
    let mut net = hidden_blocks();
    // γ so small that modules are what holds together at all.
    let whole = Settings { resolution: 0.1, ..settings() };
    let found = analyse(&mut net, &whole, &mut on).unwrap();
    let modules = found.modules.unwrap();
    assert_eq!(modules.count(), 2, "{:?}", modules.members());
    let outputs = |members: &[(usize, usize)]| -> Vec<usize> {
        members.iter().filter(|(layer, _)| *layer == 5).map(|(_, feature)| *feature).collect()
    };
    let mut halves: Vec<Vec<usize>> = modules.members().iter().map(|members| outputs(members)).collect();
    halves.sort();
    assert_eq!(halves, [[0, 1], [2, 3]]);
    assert!(0.85 < modules.modularity, "{}", modules.modularity);
    // Between the turned layers and the next, half of the edges of neurons are none in the basis.
    let neurons = Settings { coordinates: Coordinates::Neurons, ..whole };
    let dense = analyse(&mut net, &neurons, &mut on).unwrap();
    assert_eq!(dense.modules.as_ref().unwrap().count(), 1);
    let share = |edges: &Edges| {
        let most = edges.strongest(1)[0].2;
        let all: Vec<f64> = edges.strengths.iter().flatten().copied().collect();
        all.iter().filter(|&&edge| 1e-8 * most < edge).count() as f64 / all.len() as f64
    };
    let [sparse, dense] = [found.edges, dense.edges].map(|edges| edges.iter().map(share).collect::<Vec<_>>());
    assert!(sparse.iter().all(|&share| share <= 0.65) && 0.9 < dense[2], "{sparse:?} {dense:?}");
}

#[test]
fn one_walk_or_many_give_the_same() {
    let mut net = net(&[5, 6, 4, 3], true, &mut Rng::new(9));
    let at_once = found(&net);
    let mut passes = Vec::new();
    let mut watch = |progress: Progress| {
        passes.push((progress.done, progress.total));
        ControlFlow::Continue(())
    };
    let apart = layers(&mut net, &Settings { bytes: 0, ..settings() }, &mut watch).unwrap();
    assert_eq!(at_once, apart);
    assert_eq!(passes, (1..=36).map(|done| (done, 36)).collect::<Vec<_>>());
}

#[test]
fn settings_and_interruptions_are_told() {
    let mut net = net(&[3, 2], true, &mut Rng::new(10));
    for wrong in [
        Settings { tolerance: 1.0, ..settings() },
        Settings { tolerance: f64::NAN, ..settings() },
        Settings { resolution: 0.0, ..settings() },
    ] {
        assert!(matches!(analyse(&mut net, &wrong, &mut on), Err(Error::Setting { .. })), "{wrong:?}");
    }
    let stop = &mut |_: Progress| ControlFlow::Break(());
    assert!(matches!(analyse(&mut net, &settings(), stop), Err(Error::Interrupted)));
    let without = analyse(&mut net, &Settings { features: 0, ..settings() }, &mut on).unwrap();
    assert!(without.edges.is_empty() && without.modules.is_none());
    net.inputs[0][0][0] = f64::NAN;
    let error = analyse(&mut net, &settings(), &mut on).unwrap_err();
    assert!(error.to_string().contains("maps.0"), "{error}");
}
