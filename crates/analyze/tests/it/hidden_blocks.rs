//! Independent parts of a network are found as modules; how the walks over the data go.

use crate::written_out::*;
use rankine_analyze::interaction::*;
use rankine_analyze::{Error, Progress};
use rankine_linalg::double::{Mat, multiply, orthonormal_basis};
use rankine_random::Rng;
use std::ops::ControlFlow;

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
