//! LoKr: a Kronecker product.
//!
//!     ΔW = alpha / r · w1⊗w2        w1: [l, m]  w2: [k, n]    l·k = out  m·n = in
//!     w = p·q for either    ⇒    w1⊗w2 = (p1⊗p2)·(q1⊗q2)
//!
//! Each of the two is stored whole or as w_a·w_b, of rank r. Exact where the product of their ranks is below both sides;
//! else of full rank. The sides come from [`factorisation`]. Of a convolution m·n are the channels, and w2 has all taps:
//! [k, n, h, w], [k, r] · [r, n·h·w], or with `use_effective_conv2d` in Tucker form w_a: [r, k]  w_b: [r, n]  t: [r, r, h, w].

use super::faults::{Faults, both};
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use crate::adapters::product::Product;
use rankine_checkpoint::adapter::{Foreign, LayerKind};

pub(super) const CARD: Card = Card {
    name: "LOKR",
    tensors: &["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"],
    settings: &[
        "alpha",
        "alpha_pattern",
        "decompose_both",
        "decompose_factor",
        "init_weights",
        "module_dropout",
        "r",
        "rank_dropout",
        "rank_dropout_scale",
        "rank_pattern",
        "use_effective_conv2d",
    ],
    open: LoKr::open,
};

struct LoKr {
    /// The first factor of both sides, where it divides them.
    factor: Option<usize>,
}

impl LoKr {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        let factor = match files.number("decompose_factor")? {
            Some(-1.0) | None => None,
            Some(_) => files.count("decompose_factor")?,
        };
        Ok(Box::new(Self { factor }))
    }
}

impl Formula for LoKr {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = site.files.rank_of(site.path, 8)?;
        let scale = site.files.alpha_of(site.path)?.unwrap_or(8.0) / rank as f64;
        let [l, k] = factorisation(site.outputs, self.factor);
        let [m, n] = factorisation(site.channels(), self.factor);
        let w1 = pair(site, ["lokr_w1", "lokr_w1_a", "lokr_w1_b"], [l, m, rank], &[l, m]);
        let w2 = match (site.has("lokr_t2"), site.kind) {
            (true, _) => site.tucker(["lokr_t2", "lokr_w2_a", "lokr_w2_b"], [k, n, rank]),
            (false, LayerKind::Convolution { kernel: [height, width] }) => {
                let sides = [k, n * height * width, rank];
                pair(site, ["lokr_w2", "lokr_w2_a", "lokr_w2_b"], sides, &[k, n, height, width])
            }
            _ => pair(site, ["lokr_w2", "lokr_w2_a", "lokr_w2_b"], [k, n, rank], &[k, n]),
        };
        let (w1, w2) = both(w1, w2)?;
        Ok(Box::new(move || {
            let w2 = w2.times(scale);
            let inner = w1.rank * w2.rank;
            if site.limit() <= inner {
                return Ok(site.dense(kronecker((&w1.dense(), m), (&w2.dense(), w2.inputs))));
            }
            let b = kronecker((&w1.b, w1.rank), (&w2.b, w2.rank));
            let a = kronecker((&w1.a, m), (&w2.a, w2.inputs));
            Ok(site.product(b, a, inner))
        }))
    }

    fn takes_convolutions(&self) -> bool {
        true
    }
}

/// One of the two matrices, [outputs, inputs], as a product; a whole one, of this shape in the file, with the identity on its
/// shorter side.
fn pair(
    site: &Site,
    names: [&str; 3],
    [outputs, inputs, rank]: [usize; 3],
    shape: &[usize],
) -> Result<Product, Faults> {
    let [whole, b, a] = names;
    if !site.has(whole) && (site.has(b) || site.has(a)) {
        let (b, a) = both(site.tensor(b, &[outputs, rank]), site.tensor(a, &[rank, inputs]))?;
        return Ok(Product { b, a, rank, outputs, inputs });
    }
    let (whole, rank) = (site.tensor(whole, shape)?, outputs.min(inputs));
    let mut one = vec![0.0; rank * rank];
    one.iter_mut().step_by(rank + 1).for_each(|x| *x = 1.0);
    let (b, a) = if outputs <= inputs { (one, whole) } else { (whole, one) };
    Ok(Product { b, a, rank, outputs, inputs })
}

/// x⊗y, of row-major matrices with so many columns.
fn kronecker((x, columns): (&[f32], usize), (y, other): (&[f32], usize)) -> Vec<f32> {
    let rows = x.chunks_exact(columns).flat_map(|x| y.chunks_exact(other).map(move |y| (x, y)));
    rows.flat_map(|(x, y)| x.iter().flat_map(move |x| y.iter().map(move |y| x * y))).collect()
}

/// peft's two factors of a side: `factor` and the rest where it divides the side; else, smaller first, the pair that a walk
/// through the divisors comes to, from 1 until they meet or are above `factor`.
fn factorisation(side: usize, factor: Option<usize>) -> [usize; 2] {
    if let Some(factor) = factor.filter(|&factor| 0 < factor && side.is_multiple_of(factor)) {
        return [factor, side / factor];
    }
    let limit = factor.unwrap_or(side);
    let mut pair = [1, side];
    while pair[0] < pair[1] {
        let Some(next) = (pair[0] + 1..=side.min(limit)).find(|&next| side.is_multiple_of(next)) else {
            break;
        };
        pair = [next, side / next];
    }
    pair.sort_unstable();
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples in peft's documentation, and those that its function gives besides.
    #[test]
    fn sides_are_cut_as_peft_cuts_them() {
        for (side, factor, expected) in [
            (256, None, [16, 16]),
            (128, None, [8, 16]),
            (127, None, [1, 127]),
            (128, Some(4), [4, 32]),
            (128, Some(32), [32, 4]),
            (48, Some(5), [4, 12]),
            (48, Some(9), [6, 8]),
            (7, Some(3), [1, 7]),
        ] {
            assert_eq!(factorisation(side, factor), expected, "{side} {factor:?}");
        }
    }
}
