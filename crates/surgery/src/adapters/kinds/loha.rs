//! LoHa: two products, multiplied entry by entry.
//!
//!     ΔW = alpha / r · (w1_a·w1_b)∘(w2_a·w2_b)         w_a: [out, r]  w_b: [r, in]
//!        = alpha / r · b·a     b[o, (i, j)] = w1_a[o, i]·w2_a[o, j]     a[(i, j), n] = w1_b[i, n]·w2_b[j, n]
//!
//! Exact, of rank r², where that is below both sides; else of full rank. With `use_effective_conv2d` each of the two products
//! of a convolution larger than 1 × 1 is in Tucker form instead: w_a: [r, out]  w_b: [r, channels]  t: [r, r, h, w].

use super::faults::{Faults, both};
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use crate::adapters::change::Change;
use crate::adapters::product::Product;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "LOHA",
    tensors: &["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"],
    settings: &[
        "alpha",
        "alpha_pattern",
        "init_weights",
        "module_dropout",
        "r",
        "rank_dropout",
        "rank_pattern",
        "use_effective_conv2d",
    ],
    open: |_: &Foreign| Ok(Box::new(LoHa)),
};

struct LoHa;

impl Formula for LoHa {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let (rank, outputs, inputs) = (site.files.rank_of(site.path, 8)?, site.outputs, site.inputs);
        let scale = site.files.alpha_of(site.path)?.unwrap_or(8.0) / rank as f64;
        let pair = |[core, b, a]: [&str; 3]| -> Result<_, Faults> {
            if site.has(core) {
                return site.tucker([core, b, a], [outputs, site.channels(), rank]);
            }
            let (b, a) = both(site.tensor(b, &[outputs, rank]), site.tensor(a, &[rank, inputs]))?;
            Ok(Product { b, a, rank, outputs, inputs })
        };
        let (left, right) =
            both(pair(["hada_t1", "hada_w1_a", "hada_w1_b"]), pair(["hada_t2", "hada_w2_a", "hada_w2_b"]))?;
        Ok(Box::new(move || Ok(times(site, [left, right], scale))))
    }

    fn takes_convolutions(&self) -> bool {
        true
    }
}

/// scale · left∘right, both of the same rank.
fn times(site: &Site, [left, right]: [Product; 2], scale: f64) -> Change {
    let (rank, inputs) = (left.rank, left.inputs);
    if site.limit() <= rank * rank {
        let (mut values, other) = (left.times(scale).dense(), right.dense());
        values.iter_mut().zip(other).for_each(|(x, y)| *x *= y);
        return site.dense(values);
    }
    let rows = left.b.chunks_exact(rank).zip(right.b.chunks_exact(rank));
    let b = rows.flat_map(|(x, y)| x.iter().flat_map(move |x| y.iter().map(move |y| x * y)));
    let rows = left.a.chunks_exact(inputs).flat_map(|x| right.a.chunks_exact(inputs).map(move |y| (x, y)));
    let a = rows.flat_map(|(x, y)| x.iter().zip(y).map(move |(x, y)| (scale * f64::from(x * y)) as f32));
    site.product(b.collect(), a.collect(), rank * rank)
}
