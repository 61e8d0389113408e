//! A watched weight shows every input, and is the weight that it was.

use crate::support::{fixture, logits};
use rankine_nn::{
    Factors, Model, Scope, Tokens, Weight,
    weight::{Dense, LowRank, Observe, Patches, Watched, counts},
};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, Activation, Convolution},
};
use rankine_testkit::assert_close;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Seen(Mutex<Vec<Vec<f32>>>);

impl Observe for Seen {
    fn see(&self, x: &Tensor) {
        self.0.lock().unwrap().push(x.to_vec());
    }
}

fn random(name: &str, shape: &[usize]) -> Tensor {
    Tensor::new(Rng::new(5).fork(name).normals(shape.iter().product(), 0.5), shape).unwrap()
}

fn weight() -> Box<dyn Weight> {
    let (a, b) = (random("a", &[2, 4]), random("b", &[6, 2]));
    Box::new(LowRank::taken_out(&random("w", &[6, 4]), &a, &b, 1.5).unwrap())
}

/// Everything that a weight answers, one after the other.
fn answers(weight: &dyn Weight) -> (Vec<Vec<f32>>, Factors, (usize, usize)) {
    let (x, bias, targets) = (random("x", &[3, 4]), random("bias", &[6]), [0, 5, 2]);
    let (base, _) = weight.residual().unwrap();
    let tensors = [
        weight.dense().unwrap(),
        weight.constant().unwrap().tensor(),
        weight.apply(&x, Scope::QUIET).unwrap(),
        weight.affine(&x, &bias, Activation::Relu, Scope::QUIET).unwrap(),
        weight.rows(&[1, 1, 4].into()).unwrap(),
        weight.losses(&x, &targets.into()).unwrap(),
        base.tensor(),
    ];
    let scored = weight.score(&x, &targets).unwrap().losses;
    let numbers = tensors.iter().map(Tensor::to_vec).chain([scored]).collect();
    (numbers, weight.update().unwrap(), counts(weight))
}

#[test]
fn it_answers_as_before_and_shows_what_it_multiplies() {
    let plain = answers(weight().as_ref());
    let (mut watched, seen) = (weight(), Arc::new(Seen::default()));
    Watched::put_on(&mut watched, seen.clone());
    assert_eq!(answers(watched.as_ref()), plain);
    let x = random("x", &[3, 4]).to_vec();
    assert_eq!(*seen.0.lock().unwrap(), vec![x; 4], "apply, affine, losses and score");
    Watched::take_off(&mut watched);
    assert_eq!(answers(watched.as_ref()), plain);
    assert_eq!(seen.0.lock().unwrap().len(), 4, "nobody watches any more");
    Watched::take_off(&mut watched);
    assert_eq!(answers(watched.as_ref()), plain, "there was nothing to take off");
}

#[test]
fn a_watched_model_is_the_model() {
    let (mut model, tokens) = (fixture("llama_untied"), Tokens::single(&[5, 17, 80, 3]));
    let before = logits(&model, &tokens);
    let seen = Arc::new(Seen::default());
    for parameter in model.parameters_mut() {
        Watched::put_on(&mut parameter.weight, seen.clone());
    }
    assert_eq!(logits(&model, &tokens), before);
    // Two layers of seven maps, and the head.
    assert_eq!(seen.0.lock().unwrap().len(), 15);
}

#[test]
fn a_convolution_is_a_product_with_what_lies_under_its_kernel() {
    let maps = random("maps", &[2, 3, 6, 7]);
    for (taps, stride, padding, [i, j]) in [
        ([5, 3, 3, 3], [1, 1], [1, 1], [6, 7]),
        ([5, 3, 3, 2], [2, 1], [1, 0], [3, 6]),
        ([5, 3, 1, 1], [2, 3], [0, 0], [3, 3]),
        ([5, 3, 6, 7], [4, 4], [0, 0], [1, 1]),
    ] {
        let (weight, layout) =
            (random("taps", &taps), Convolution { stride, padding, ..Convolution::default() });
        let (mut watched, seen): (Box<dyn Weight>, _) =
            (Box::new(Dense::frozen(weight.clone())), Arc::new(Seen::default()));
        Watched::put_on(&mut watched, seen.clone());
        let found = watched.convolve(&maps, None, None, &layout).unwrap();
        assert_eq!(found.shape(), [2, 5, i, j]);
        let columns = weight.elements() / 5;
        let seen = seen.0.lock().unwrap();
        assert_eq!(seen.len(), 1);
        let rows = Tensor::new(seen[0].clone(), &[2 * i * j, columns]).unwrap();
        let product = ops::linear(&rows, &weight.reshape(&[5, columns]).unwrap()).unwrap();
        // [n, i·j, k] → [n, k, i, j]
        let expected = product.reshape(&[2, i * j, 5]).unwrap().permute(&[0, 2, 1]).unwrap();
        assert_close!(found.to_vec(), expected.to_vec(), absolute = 1e-5, "{layout:?}");
    }
    let large = Convolution::default();
    assert!(Patches::new(&maps, &[5, 3, 7, 1], &large).is_none(), "the kernel is larger than the maps");
    assert!(Patches::new(&maps, &[5, 21], &large).is_none(), "no taps");
}
