//! RandLoRA: many random products, weighed.
//!
//!     ΔW = alpha / r · B'·A'                               in ≤ out
//!     ΔW = alpha / r · (B'·A')ᵀ                            out < in
//!     A' = λ[i, j]·A[i, n]·γ[j, n]: [(i, j), short]        A: [r, 1, ≥ short]  λ: [r, bases]  γ: [bases, short]
//!     B' = B[m, j, i]: [long, (j, i)]                      B: [≥ long, ≥ bases, r]
//!
//! with bases = ⌈short / r⌉: of full rank. A and B are random and shared by all modules, each of which takes a corner. The
//! pairs (i, j) of A' and (j, i) of B' are numbered in their own orders and meet by number, as in peft.

use super::faults::{Faults, both};
use super::site::{Site, scale_columns};
use super::{Card, Formula, Pending};
use crate::Result;
use crate::adapters::product::{Product, transposed};
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "RANDLORA",
    tensors: &["randlora_lambda", "randlora_gamma", "randlora_A", "randlora_B"],
    settings: &[
        "init_weights",
        "projection_prng_key",
        "r",
        "randlora_alpha",
        "randlora_dropout",
        "save_projection",
        "sparse",
        "very_sparse",
    ],
    open: RandLora::open,
};

struct RandLora {
    alpha: f64,
}

impl RandLora {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        Ok(Box::new(Self { alpha: files.alpha("randlora_alpha")?.unwrap_or(640.0) }))
    }
}

impl Formula for RandLora {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = site.files.rank_of(site.path, 32)?;
        let (short, long) = (site.limit(), site.outputs.max(site.inputs));
        let bases = short.div_ceil(rank);
        let width = site.shared_side("randlora_A", 2).max(short);
        let (height, depth) =
            (site.shared_side("randlora_B", 0).max(long), site.shared_side("randlora_B", 1).max(bases));
        let own = both(
            site.tensor("randlora_lambda", &[rank, bases]),
            site.tensor("randlora_gamma", &[bases, short]),
        );
        let random = both(
            site.projection("randlora_A", &[rank, 1, width]),
            site.projection("randlora_B", &[height, depth, rank]),
        );
        let ((lambda, gamma), (random_a, random_b)) = both(own, random)?;
        Ok(Box::new(move || {
            let mut a = Vec::with_capacity(rank * bases * short);
            for (row, weights) in random_a.chunks_exact(width).zip(lambda.chunks_exact(bases)) {
                for (weight, gamma) in weights.iter().zip(gamma.chunks_exact(short)) {
                    let start = a.len();
                    a.extend(row[..short].iter().map(|x| weight * x));
                    scale_columns(&mut a[start..], gamma);
                }
            }
            let rows = random_b.chunks_exact(depth * rank).take(long);
            let b = rows.flat_map(|row| row[..bases * rank].iter().copied()).collect();
            let product = Product { b, a, rank: bases * rank, outputs: long, inputs: short };
            let values = product.times(self.alpha / rank as f64).dense();
            Ok(site.dense(if site.inputs == short { values } else { transposed(&values, long, short) }))
        }))
    }
}
