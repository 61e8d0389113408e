//! BOFT: the inputs rotated by a butterfly of blocks, the outputs scaled.
//!
//!     W' = diag(s)·W·(Fₖ·…·F₁·F₀)ᵀ        Fᵢ = Pᵢ·Dᵢ·Pᵢᵀ,  Dᵢ = diag of blocks cayley((R − Rᵀ) / 2)
//!     R: [k + 1, blocks, n, n]  s: [out, 1]
//!
//! Of full rank. Pᵢ cuts the inputs into groups of n·2ⁱ, each group into halves of blocks, and puts the even halves before
//! the odd ones; with one factor there is none. How many factors there are shows in the shape: peft makes one only where
//! its CUDA code is missing, whatever `boft_n_butterfly_factor` says.

use super::faults::{Faults, both};
use super::rotations::{cayley, rotate};
use super::site::{Site, scale_rows};
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::Foreign;
use rankine_kernels::reduce;

pub(super) const CARD: Card = Card {
    name: "BOFT",
    tensors: &["boft_R", "boft_s"],
    settings: &[
        "boft_block_num",
        "boft_block_size",
        "boft_dropout",
        "boft_n_butterfly_factor",
        "init_weights",
    ],
    open: |_: &Foreign| Ok(Box::new(Boft)),
};

struct Boft;

impl Formula for Boft {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let inputs = site.inputs;
        // A tensor that is not there, or has another number of sides, is refused when it is read.
        let [factors, count, size] = match site.shape("boft_R") {
            &[factors, count, size, _] => [factors, count, size],
            _ => [1, 1, inputs],
        };
        let halves = factors < 2 || (size.is_multiple_of(2) && is_cut(count, factors - 1));
        let blocks = if factors == 0 || count.checked_mul(size) != Some(inputs) || !halves {
            let expected = "blocks that together are the inputs of every adapted weight";
            Err(site.files.wrong("boft_block_size", expected).into())
        } else {
            site.tensor("boft_R", &[factors, count, size, size])
        };
        let (blocks, scales) = both(blocks, site.tensor("boft_s", &[site.outputs, 1]))?;
        Ok(Box::new(move || {
            let weight = site.weight()?;
            let mut change = weight.clone();
            for (i, blocks) in blocks.chunks_exact(count * size * size).enumerate() {
                let blocks = blocks.chunks_exact(size * size);
                let rotations: Vec<f64> = blocks.flat_map(|block| cayley(&skew(block, size), size)).collect();
                let order = if factors == 1 { (0..inputs).collect() } else { butterfly(inputs, size, i) };
                rotate(&mut change, &rotations, size, &order);
            }
            scale_rows(&mut change, &scales);
            reduce::axpy(-1.0, &weight, &mut change);
            Ok(site.dense(change))
        }))
    }
}

/// Whether `count` can be halved so often.
fn is_cut(count: usize, power: usize) -> bool {
    u32::try_from(power).is_ok_and(|power| power <= count.trailing_zeros())
}

/// (R − Rᵀ) / 2.
fn skew(block: &[f32], size: usize) -> Vec<f64> {
    let at = |row: usize, column: usize| f64::from(block[row * size + column]);
    (0..size * size).map(|n| (at(n / size, n % size) - at(n % size, n / size)) / 2.0).collect()
}

/// The permutation of factor `i`: where in D each input is.
fn butterfly(inputs: usize, size: usize, i: usize) -> Vec<usize> {
    let (group, half) = (size << i, size / 2);
    let in_group = |at: usize| {
        let (place, rest) = (at / half, at % half);
        let halves = group / half;
        // Even halves first: 0, 2, 4, …, 1, 3, 5, …
        let from = if place < halves / 2 { 2 * place } else { 2 * place - halves + 1 };
        from * half + rest
    };
    (0..inputs).map(|at| at / group * group + in_group(at % group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_halves_come_first() {
        assert_eq!(butterfly(8, 4, 0), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(butterfly(8, 4, 1), [0, 1, 4, 5, 2, 3, 6, 7]);
        assert_eq!(butterfly(8, 2, 1), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(butterfly(8, 2, 2), [0, 2, 4, 6, 1, 3, 5, 7]);
    }
}
