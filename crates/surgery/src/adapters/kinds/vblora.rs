//! VB-LoRA: factors put together from a bank of vectors that all modules share.
//!
//!     ΔW = b·a     a[k, tile] = Σ softmax(top logits)·bank[top]      logits_A: [r, in / v, h]      bank: [h, v]
//!                  b[tile, k] likewise                               logits_B: [out / v, r, h]
//!
//! Exact, of rank r. With `save_only_topk_weights` the file has the numbers of the `topk` vectors of each tile, and all of
//! their weights but the last, in the place of the logits.

use super::faults::{Faults, both};
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "VBLORA",
    tensors: &[A.logits, B.logits, A.indices, A.weights, B.indices, B.weights, BANK],
    settings: &[
        "init_logits_std",
        "init_vector_bank_bound",
        "num_vectors",
        "r",
        "save_only_topk_weights",
        "topk",
        "vblora_dropout",
        "vector_length",
    ],
    open: VbLora::open,
};

const BANK: &str = "vblora_vector_bank";

/// The tensors of one factor.
struct Names {
    logits: &'static str,
    indices: &'static str,
    weights: &'static str,
}

const A: Names = Names {
    logits: "vblora_logits_A",
    indices: "vblora_logits_A_topk_indices",
    weights: "vblora_logits_A_topk_weights",
};
const B: Names = Names {
    logits: "vblora_logits_B",
    indices: "vblora_logits_B_topk_indices",
    weights: "vblora_logits_B_topk_weights",
};

struct VbLora {
    vectors: usize,
    length: usize,
    top: usize,
}

impl VbLora {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        let count = |key, default| Ok::<_, crate::Error>(files.count(key)?.unwrap_or(default));
        let (vectors, length, top) =
            (count("num_vectors", 256)?, count("vector_length", 256)?, count("topk", 2)?);
        if length == 0 {
            return Err(files.wrong("vector_length", "1 or more").into());
        }
        if top == 0 || vectors < top {
            return Err(files.wrong("topk", "1 or more, and no more than `num_vectors`").into());
        }
        Ok(Box::new(Self { vectors, length, top }))
    }

    /// The tiles of a factor in the order of its logits: [.., length]. bank: [vectors, length]  chosen: [.., top]
    fn tiles(&self, bank: &[f32], chosen: &[(usize, f64)]) -> Vec<f32> {
        let &Self { length, top, .. } = self;
        let mut tiles = Vec::with_capacity(chosen.len() / top * length);
        for chosen in chosen.chunks_exact(top) {
            let mut tile = vec![0.0; length];
            for &(vector, weight) in chosen {
                let vector = &bank[vector * length..][..length];
                tile.iter_mut().zip(vector).for_each(|(tile, &x)| *tile += weight * f64::from(x));
            }
            tiles.extend(tile.into_iter().map(|x| x as f32));
        }
        tiles
    }

    /// The vectors of each tile and their weights; [.., top].
    fn chosen(&self, site: &Site, names: &Names, [x, y]: [usize; 2]) -> Result<Vec<(usize, f64)>, Faults> {
        let &Self { vectors, top, .. } = self;
        if !site.has(names.indices) && !site.has(names.weights) {
            let logits = site.tensor(names.logits, &[x, y, vectors])?;
            return Ok(logits.chunks_exact(vectors).flat_map(|logits| softmax_of_top(logits, top)).collect());
        }
        let (indices, weights) =
            both(site.tensor(names.indices, &[x, y, top]), site.tensor(names.weights, &[x, y, top - 1]))?;
        let mut chosen = Vec::with_capacity(indices.len());
        for (tile, indices) in indices.chunks_exact(top).enumerate() {
            let weights = weights[tile * (top - 1)..][..top - 1].iter().map(|&weight| f64::from(weight));
            let last = 1.0 - weights.clone().sum::<f64>();
            for (&index, weight) in indices.iter().zip(weights.chain([last])) {
                chosen.push((site.index(names.indices, index, vectors)?, weight));
            }
        }
        Ok(chosen)
    }
}

/// The `top` largest logits: their places, and their softmax.
fn softmax_of_top(logits: &[f32], top: usize) -> Vec<(usize, f64)> {
    let mut places: Vec<usize> = (0..logits.len()).collect();
    places.sort_by(|&x, &y| logits[y].total_cmp(&logits[x]));
    let largest = places.first().map_or(0.0, |&place| logits[place]);
    let powers = places.into_iter().take(top).map(|place| (place, f64::from(logits[place] - largest).exp()));
    let powers: Vec<_> = powers.collect();
    let sum: f64 = powers.iter().map(|(_, power)| power).sum();
    powers.into_iter().map(|(place, power)| (place, power / sum)).collect()
}

impl Formula for VbLora {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let (rank, length) = (site.files.rank_of(site.path, 4)?, self.length);
        if !site.inputs.is_multiple_of(length) || !site.outputs.is_multiple_of(length) {
            return Err(site
                .files
                .wrong("vector_length", "a divisor of both sides of every adapted weight")
                .into());
        }
        let chosen = both(
            self.chosen(site, &A, [rank, site.inputs / length]),
            self.chosen(site, &B, [site.outputs / length, rank]),
        );
        let (bank, (of_a, of_b)) = both(site.shared(BANK, &[self.vectors, length]), chosen)?;
        let [a, columns] = [of_a, of_b].map(|chosen| self.tiles(&bank, &chosen));
        Ok(Box::new(move || {
            let row = |output: usize| {
                let (tile, within) = (output / length, output % length);
                (0..rank).map(move |k| (tile * rank + k) * length + within)
            };
            let b = (0..site.outputs).flat_map(row).map(|at| columns[at]).collect();
            Ok(site.product(b, a, rank))
        }))
    }
}
