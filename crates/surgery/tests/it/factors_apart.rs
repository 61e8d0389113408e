//! peft's `linear`, which adds factors apart, beside the sum of changes.

use crate::common::{adapter, base, change, on, random_lora};
use rankine_checkpoint::Adapter;
use rankine_checkpoint::adapter::LowRank;
use rankine_surgery::{Apart, Share, factors_apart};
use rankine_testkit::assert_close;
use std::collections::BTreeSet;

/// Adapters that have one module in common and one each for itself.
fn pair() -> [Adapter; 2] {
    let base = base("llama_untied");
    let [left, mut right] =
        [["q_proj", "v_proj"], ["v_proj", "up_proj"]].map(|targets| random_lora(base.tensors(), &targets));
    for low_rank in right.low_rank.values_mut() {
        low_rank.a.iter_mut().enumerate().for_each(|(at, x)| *x += (at % 7) as f32 * 0.1);
        low_rank.scaling = 0.5;
    }
    [left, right]
}

fn apart(adapters: [&Adapter; 2], weights: [f64; 2]) -> Apart {
    let shares = [0, 1].map(|index| Share { adapter: adapters[index], weight: weights[index] });
    factors_apart(&shares, &mut on).unwrap()
}

/// Factors times √|w·s|, those of A with the sign of w·s.
fn rooted(low_rank: &LowRank, weight: f64) -> LowRank {
    let factor = weight * f64::from(low_rank.scaling);
    let scaled = |x: &[f32], by: f64| x.iter().map(|&x| (f64::from(x) * by) as f32).collect();
    let root = factor.abs().sqrt();
    let (a, b) = (scaled(&low_rank.a, root * factor.signum()), scaled(&low_rank.b, root));
    LowRank { a, b, scaling: 1.0, ..low_rank.clone() }
}

#[test]
fn the_distance_is_that_of_the_matrices() {
    let [left, right] = &pair();
    let paths: BTreeSet<&str> =
        [left, right].into_iter().flat_map(|adapter| adapter.low_rank.keys()).map(String::as_str).collect();
    for weights in [[0.7, 0.3], [1.0, -0.5], [-1.0, -2.0]] {
        let (mut off, mut whole) = (0.0, 0.0);
        for path in &paths {
            let shares = [(left, weights[0]), (right, weights[1])];
            let found =
                shares.iter().filter_map(|(adapter, weight)| Some((adapter.low_rank.get(*path)?, *weight)));
            let found: Vec<(&LowRank, f64)> = found.collect();
            let mut together = rooted(found[0].0, found[0].1);
            for (low_rank, weight) in &found[1..] {
                let other = rooted(low_rank, *weight);
                together.a.iter_mut().zip(other.a).for_each(|(x, y)| *x += y);
                together.b.iter_mut().zip(other.b).for_each(|(x, y)| *x += y);
            }
            let changes: Vec<Vec<f64>> = found.iter().map(|(low_rank, _)| change(low_rank)).collect();
            for (at, x) in change(&together).into_iter().enumerate() {
                let sum: f64 =
                    changes.iter().zip(&found).map(|(change, (_, weight))| weight * change[at]).sum();
                off += (x - sum).powi(2);
                whole += sum.powi(2);
            }
        }
        let Apart::Distance(distance) = apart([left, right], weights) else { panic!("{weights:?}") };
        assert_close!([distance], [f64::sqrt(off / whole)], relative = 1e-5, "{weights:?}");
        assert!(0.1 < distance, "{weights:?}: {distance}");
    }
}

#[test]
fn an_adapter_with_itself_and_what_peft_refuses() {
    let [left, right] = pair();
    let Apart::Distance(distance) = apart([&left, &left], [0.7, -0.3]) else { panic!() };
    assert!(distance < 2e-6, "{distance}");
    let mut stabilised = left.clone();
    stabilised.config.rslora = true;
    let Apart::Distance(distance) = apart([&stabilised, &left], [0.7, -0.3]) else { panic!() };
    let rank = left.low_rank.values().map(|low_rank| low_rank.rank).max().unwrap();
    assert_close!([distance], [(rank as f64).sqrt() - 1.0], relative = 1e-5);
    let mut narrow = right.clone();
    for low_rank in narrow.low_rank.values_mut() {
        low_rank.rank = 1;
        low_rank.a.truncate(low_rank.inputs);
        low_rank.b.truncate(low_rank.outputs);
    }
    assert_eq!(apart([&left, &narrow], [1.0, 1.0]), Apart::Refused);
    for name in ["testkit/dora", "testkit/pissa"] {
        assert_eq!(apart([&left, &adapter(name)], [1.0, 1.0]), Apart::Unknown, "{name}");
    }
}
