//! Derivatives by what maps read and give.

use rankine_nn::models::{LeNet, Mlp};
use rankine_nn::{
    By, Derivatives, ImageClassifier as _, Model, Origin, Parameter, Pass, ProbedLayer, Probes, Result, Seed,
};
use rankine_random::Rng;
use rankine_tensor::Tensor;

fn everything(_: &Parameter) -> bool {
    true
}

fn by(layers: &[usize], outputs: bool) -> By<'_> {
    By { layers, outputs, shift: None }
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
    let found = probes.derive(seed, by(&all, true), &mut || forward(&*model)).unwrap();
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
    let plain = probes.derive(seed, by(&[0], false), &mut || forward(&model)).unwrap().remove(0);
    let hidden = model.hidden(&x, &Pass::quiet()).unwrap().to_vec();
    let weight = model.parameters()[0].weight.dense().unwrap().to_vec();
    for (row, gradient) in plain.by_inputs.chunks(4).enumerate() {
        let fires = if 0.0 < hidden[6 * row + 1] { 1.0 } else { 0.0 };
        assert!(gradient.iter().zip(&weight[4..8]).all(|(a, b)| (a - fires * b).abs() < 1e-6));
    }
    assert!(plain.by_outputs[0].is_empty());
    // A sign for every row, the same for all of its gradient.
    let rng = Rng::new(6);
    let signed = probes.derive(Seed { signs: Some(&rng), ..seed }, by(&[0], false), &mut || forward(&model));
    let signed = signed.unwrap().remove(0).by_inputs;
    let rows = signed.chunks(4).zip(plain.by_inputs.chunks(4));
    assert!(rows.clone().all(|(a, b)| a == b || a.iter().zip(b).all(|(a, b)| *a == -b)));
    assert!(rows.clone().any(|(a, b)| a != b));
    // Nothing of the layer behind reaches the one before.
    let seed = Seed { origin: Origin::Layer(0), direction: &[1.0; 4], signs: None };
    let none = probes.derive(seed, by(&[1], true), &mut || forward(&model)).unwrap().remove(0);
    assert!(none.by_inputs.iter().all(|&g| g == 0.0) && none.by_outputs[0] == [0.0; 60]);
    let wrong = Seed { direction: &[1.0], ..seed };
    assert!(probes.derive(wrong, by(&[0], false), &mut || forward(&model)).is_err());
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

#[test]
fn a_shift_moves_to_where_it_is_derived() {
    let mut model = Mlp::new(&[4, 6, 3], &Rng::new(8)).unwrap();
    let tensor = |seed| Tensor::new(Rng::new(seed).normals(20, 1.0), &[5, 4]).unwrap();
    let (x, shift) = (tensor(9), tensor(10));
    let moved = x.add(&shift).unwrap();
    let run = |model: &Mlp, x: &Tensor| model.forward(x, &Pass::quiet());
    let probes = Probes::put_on(&mut model, &everything, &|model: &Mlp| run(model, &x)).unwrap();
    let seed = Seed { origin: Origin::Outputs, direction: &[1.0, -2.0, 0.5], signs: None };
    let derive = |x: &Tensor, shift: Option<&[f32]>| {
        let found = probes.derive(seed, By { shift, ..by(&[0], false) }, &mut || run(&model, x));
        found.map(|mut found| found.remove(0))
    };
    let values = shift.to_vec();
    let [here, there, shifted] =
        [derive(&x, None), derive(&moved, None), derive(&x, Some(&values))].map(Result::unwrap);
    assert_eq!(shifted.by_inputs, there.by_inputs);
    assert_ne!(shifted.by_inputs, here.by_inputs, "other units fire");
    assert_eq!(shifted.inputs, x.to_vec(), "without what was added");
    assert!(derive(&x, Some(&values[1..])).is_err());
    assert_eq!(derive(&x, None).unwrap(), here, "nothing is left of a shift");
}

#[test]
fn a_shift_of_an_image_goes_pixel_by_pixel() {
    let mut model = LeNet::new(10, &Rng::new(11)).unwrap();
    let x = Tensor::new(Rng::new(12).normals(2 * 784, 1.0), &[2, 1, 28, 28]).unwrap();
    let run = |model: &LeNet| model.logits(&x, &mut Pass::quiet());
    let probes = Probes::put_on(&mut model, &everything, &run).unwrap();
    let direction = [1.0; 10];
    let seed = Seed { origin: Origin::Outputs, direction: &direction, signs: None };
    let derive = |layer: usize, shift: Option<&[f32]>| {
        let found = probes.derive(seed, By { shift, ..by(&[layer], false) }, &mut || run(&model));
        found.unwrap().remove(0)
    };
    // What the second convolution reads, with each image in the place of the other.
    let here = derive(1, None);
    assert_eq!(probes.layers()[1].width, 32);
    let half = here.inputs.len() / 2;
    let swapped = [&here.inputs[half..], &here.inputs[..half]].concat();
    let shift: Vec<f32> = swapped.iter().zip(&here.inputs).map(|(there, here)| there - here).collect();
    let there = derive(1, Some(&shift)).by_inputs;
    let expected = [&here.by_inputs[half..], &here.by_inputs[..half]].concat();
    assert!(there.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(there.iter().zip(&here.by_inputs).any(|(a, b)| 1e-2 < (a - b).abs()));
}
