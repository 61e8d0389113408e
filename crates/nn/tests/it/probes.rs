//! Derivatives by what maps read and give.

use rankine_nn::models::{LeNet, Mlp};
use rankine_nn::{
    Derivatives, ImageClassifier as _, Model, Origin, Parameter, Pass, ProbedLayer, Probes, Result, Seed,
};
use rankine_random::Rng;
use rankine_tensor::Tensor;

fn everything(_: &Parameter) -> bool {
    true
}

/// Seeds the class `source` and derives by all layers.
fn derived<M: Model>(
    model: &mut M,
    forward: &dyn Fn(&M) -> Result<Tensor>,
    direction: &[f32],
) -> (Vec<ProbedLayer>, Vec<Derivatives>) {
    let probes = Probes::put_on(model, &everything, forward).unwrap();
    let seed = Seed { origin: Origin::Outputs, direction, signs: None };
    let all: Vec<usize> = (0..probes.layers().len()).collect();
    let found = probes.derive(seed, (&all, true), &mut || forward(&*model)).unwrap();
    Probes::take_off(model);
    (probes.layers().to_vec(), found)
}

#[test]
fn derivatives_are_those_of_the_formula() {
    let mut model = Mlp::new(&[4, 6, 5, 3], &Rng::new(1)).unwrap();
    let x = Tensor::new(Rng::new(2).normals(28, 1.0), &[7, 4]).unwrap();
    let before = model.forward(&x, &Pass::quiet()).unwrap().to_vec();
    let forward = |model: &Mlp| model.forward(&x, &Pass::quiet());
    let direction = [1.0, -2.0, 0.5];
    let (layers, found) = derived(&mut model, &forward, &direction);
    assert_eq!(layers.iter().map(|layer| layer.width).collect::<Vec<_>>(), [4, 6, 5]);
    assert_eq!(layers[1].maps[0].module, "layers.1");
    assert_eq!(layers.iter().map(|layer| layer.maps[0].bias).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(model.forward(&x, &Pass::quiet()).unwrap().to_vec(), before, "nothing changed");
    assert_eq!(found[0].inputs, x.to_vec());
    // The last layer: directionᵀ·head; what the head gives: the direction itself.
    let head = model.head().weight.dense().unwrap().to_vec();
    let expected: Vec<f32> = (0..5).map(|j| (0..3).map(|i| direction[i] * head[5 * i + j]).sum()).collect();
    for row in 0..7 {
        let (by_inputs, by_outputs) = (&found[2].by_inputs[5 * row..], &found[2].by_outputs[0][3 * row..]);
        assert!(by_inputs.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
        assert!(by_outputs.iter().zip(&direction).all(|(a, b)| a == b));
    }
    // The inputs, by finite differences.
    let score = |x: Vec<f32>| -> f64 {
        let y = model.forward(&Tensor::new(x, &[7, 4]).unwrap(), &Pass::quiet()).unwrap().to_vec();
        y.iter().zip(direction.iter().cycle()).map(|(y, d)| f64::from(*y) * f64::from(*d)).sum()
    };
    let step = 1e-3;
    for at in [0, 5, 13, 27] {
        let moved = |step: f32| {
            let mut x = x.to_vec();
            x[at] += step;
            score(x)
        };
        let slope = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        assert!(
            (slope - f64::from(found[0].by_inputs[at])).abs() < 1e-2,
            "{slope} {:?}",
            found[0].by_inputs[at]
        );
    }
}

#[test]
fn a_layer_is_derived_by_the_one_before() {
    let mut model = Mlp::new(&[4, 6, 3], &Rng::new(3)).unwrap();
    let x = Tensor::new(Rng::new(4).normals(80, 1.0), &[20, 4]).unwrap();
    let forward = |model: &Mlp| model.forward(&x, &Pass::quiet());
    let probes = Probes::put_on(&mut model, &everything, &forward).unwrap();
    let direction = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let seed = Seed { origin: Origin::Layer(1), direction: &direction, signs: None };
    let plain = probes.derive(seed, (&[0], false), &mut || forward(&model)).unwrap().remove(0);
    let hidden = model.hidden(&x, &Pass::quiet()).unwrap().to_vec();
    let weight = model.parameters()[0].weight.dense().unwrap().to_vec();
    for (row, gradient) in plain.by_inputs.chunks(4).enumerate() {
        let fires = if 0.0 < hidden[6 * row + 1] { 1.0 } else { 0.0 };
        assert!(gradient.iter().zip(&weight[4..8]).all(|(a, b)| (a - fires * b).abs() < 1e-6));
    }
    assert!(plain.by_outputs[0].is_empty());
    // A sign for every row, the same for all of its gradient.
    let rng = Rng::new(6);
    let signed = probes.derive(Seed { signs: Some(&rng), ..seed }, (&[0], false), &mut || forward(&model));
    let signed = signed.unwrap().remove(0).by_inputs;
    let rows = signed.chunks(4).zip(plain.by_inputs.chunks(4));
    assert!(rows.clone().all(|(a, b)| a == b || a.iter().zip(b).all(|(a, b)| *a == -b)));
    assert!(rows.clone().any(|(a, b)| a != b));
    // Nothing of the layer behind reaches the one before.
    let seed = Seed { origin: Origin::Layer(0), direction: &[1.0; 4], signs: None };
    let none = probes.derive(seed, (&[1], true), &mut || forward(&model)).unwrap().remove(0);
    assert!(none.by_inputs.iter().all(|&g| g == 0.0) && none.by_outputs[0] == [0.0; 60]);
    let wrong = Seed { direction: &[1.0], ..seed };
    assert!(probes.derive(wrong, (&[0], false), &mut || forward(&model)).is_err());
}

#[test]
fn pixels_of_maps_are_rows() {
    let mut model = LeNet::new(10, &Rng::new(6)).unwrap();
    let x = Tensor::new(Rng::new(7).normals(2 * 784, 1.0), &[2, 1, 28, 28]).unwrap();
    let forward = |model: &LeNet| model.logits(&x, &mut Pass::quiet());
    let mut direction = [0.0; 10];
    direction[3] = 1.0;
    let (layers, found) = derived(&mut model, &forward, &direction);
    assert_eq!(layers[0].width, 1);
    assert_eq!(layers[0].maps[0].outputs, None);
    assert_eq!(found[0].by_inputs.len(), 2 * 784);
    for (layer, found) in layers.iter().zip(&found) {
        assert_eq!(found.inputs.len(), found.by_inputs.len(), "{}", layer.maps[0].module);
        assert_eq!(found.inputs.len() % layer.width, 0);
        assert!(found.by_inputs.iter().any(|g| *g != 0.0), "{}", layer.maps[0].module);
    }
    assert!(found[0].by_outputs[0].is_empty());
}
