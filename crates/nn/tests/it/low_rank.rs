use rankine_nn::{
    Factors, Leaves, Scope, Weight,
    weight::{LowRank, counts},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::assert_close;
use std::sync::Arc;

const OUTPUTS: usize = 12;
const INPUTS: usize = 8;
const RANK: usize = 3;
const SCALE: f32 = 1.7;

fn random(name: &str, shape: &[usize]) -> Tensor {
    Tensor::new(Rng::new(5).fork(name).normals(shape.iter().product(), 0.5), shape).unwrap()
}

/// The original weight, and a structure for it whose branch was trained a little: beside it, or taken out of it.
fn weights() -> [(Tensor, LowRank, usize); 2] {
    let original = random("w", &[OUTPUTS, INPUTS]);
    let (a, b) = (random("a", &[RANK, INPUTS]), random("b", &[OUTPUTS, RANK]));
    let beside = LowRank::new(original.clone(), &a, &b, SCALE);
    let taken_out = LowRank::taken_out(&original, &a, &b, SCALE).unwrap();
    let unchanged: Vec<f32> = taken_out.dense().unwrap().to_vec();
    assert_close!(unchanged, original.to_vec(), absolute = 1e-6, "taken out and put back");
    let mut weights = [(original.clone(), beside, RANK), (original, taken_out, 2 * RANK)];
    for (_, weight, _) in &mut weights {
        weight.leaves_mut(&mut |name, leaf| {
            if let rankine_nn::Leaf::Trained(variable) = leaf {
                let moves = Rng::new(6).fork(name).normals(variable.tensor().elements(), 0.1);
                variable.update(|values| values.iter_mut().zip(moves).for_each(|(value, by)| *value += by));
            }
        });
    }
    weights
}

#[test]
fn the_update_is_what_was_learnt() {
    for (original, weight, rank) in weights() {
        let Factors { a, b, rank: found, scale } = weight.update().unwrap();
        assert_eq!(found, rank);
        let (a, b) = (Tensor::new(a, &[rank, INPUTS]).unwrap(), Tensor::new(b, &[OUTPUTS, rank]).unwrap());
        let product = b.matmul(&a).unwrap().scale(scale).to_vec();
        let learnt = weight.dense().unwrap().sub(&original).unwrap().to_vec();
        assert!(learnt.iter().any(|x| x.abs() > 0.05));
        assert_close!(product, learnt, relative = 1e-5, absolute = 1e-5, "rank {rank}");
    }
}

#[test]
fn rows_and_products_are_those_of_the_dense_weight() {
    for (_, weight, _) in weights() {
        let dense = weight.dense().unwrap();
        let ids: Arc<[u32]> = Arc::from([3, 0, 11, 3]);
        let expected: Vec<f32> =
            ids.iter().flat_map(|&id| dense.to_vec()[id as usize * INPUTS..][..INPUTS].to_vec()).collect();
        assert_close!(weight.rows(&ids).unwrap().to_vec(), expected, absolute = 1e-5);
        assert!(weight.rows(&Arc::from([OUTPUTS as u32])).is_err());
        let x = random("x", &[5, INPUTS]);
        let expected = x.matmul(&dense.t().unwrap()).unwrap().to_vec();
        assert_close!(
            weight.apply(&x, Scope::QUIET).unwrap().to_vec(),
            expected,
            relative = 1e-5,
            absolute = 1e-5
        );
        assert_eq!(
            counts(&weight),
            (RANK * (OUTPUTS + INPUTS), RANK * (OUTPUTS + INPUTS) + OUTPUTS * INPUTS)
        );
    }
}

#[test]
fn dropout_is_silent_when_quiet_and_right_on_average() {
    let [(_, weight, _), _] = weights();
    let quiet = weight.apply(&random("x", &[2, INPUTS]), Scope::QUIET).unwrap().to_vec();
    let weight = weight.with_dropout(0.4);
    let x = random("x", &[2, INPUTS]);
    assert_eq!(weight.apply(&x, Scope::QUIET).unwrap().to_vec(), quiet);
    let mut mean = vec![0.0_f64; quiet.len()];
    let draws = 4000;
    for draw in 0..draws {
        let rng = Rng::new(draw);
        let y = weight.apply(&x, Scope { rng: Some(&rng), path: "w" }).unwrap().to_vec();
        mean.iter_mut().zip(&y).for_each(|(mean, &y)| *mean += f64::from(y) / draws as f64);
    }
    assert_close!(mean, quiet, absolute = 0.06, "kept entries are divided by the probability of keeping");
    let rng = Rng::new(0);
    let at = |path| weight.apply(&x, Scope { rng: Some(&rng), path }).unwrap().to_vec();
    assert_eq!(at("w"), at("w"));
    assert_ne!(at("w"), at("v"), "every weight has a stream of its own");
}
