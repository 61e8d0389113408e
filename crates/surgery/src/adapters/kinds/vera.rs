//! VeRA: two random matrices that all modules share, and the vectors between and after them.
//!
//!     ΔW = diag(b)·B·diag(d)·A        A: [r, ≥ in]  B: [≥ out, r]  d: [r]  b: [out]
//!
//! Exact, of rank r. A module takes the corner of A and B that it needs. Both are in the file only with `save_projection`;
//! torch's random numbers, from which they could be made again, are not ours.

use super::faults::{Faults, both};
use super::site::{Site, scale_rows};
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "VERA",
    tensors: &["vera_lambda_b", "vera_lambda_d", "vera_A", "vera_B"],
    settings: &["d_initial", "init_weights", "projection_prng_key", "r", "save_projection", "vera_dropout"],
    open: |_: &Foreign| Ok(Box::new(Vera)),
};

struct Vera;

impl Formula for Vera {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = site.files.rank_of(site.path, 256)?;
        let width = site.shared_side("vera_A", 1).max(site.inputs);
        let height = site.shared_side("vera_B", 0).max(site.outputs);
        let ((outer, inner), (random_a, mut b)) = both(
            both(site.tensor("vera_lambda_b", &[site.outputs]), site.tensor("vera_lambda_d", &[rank])),
            both(site.projection("vera_A", &[rank, width]), site.projection("vera_B", &[height, rank])),
        )?;
        Ok(Box::new(move || {
            let mut a: Vec<f32> =
                random_a.chunks_exact(width).flat_map(|row| row[..site.inputs].iter().copied()).collect();
            b.truncate(site.outputs * rank);
            scale_rows(&mut a, &inner);
            scale_rows(&mut b, &outer);
            Ok(site.product(b, a, rank))
        }))
    }
}
