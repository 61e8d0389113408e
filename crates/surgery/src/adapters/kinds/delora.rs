//! DeLoRA: directions of length 1, and one strength for all.
//!
//!     ΔW = b·diag(c)·a·diag(w)      cₖ = λ / r / (‖aₖ‖·‖bₖ‖)       b: [out, r]  a: [r, in]  λ: [1]  w: [in]
//!
//! Exact, of rank r. Lengths are 1e-4 at least; w holds the lengths of the columns of the base, as they were in training.

use super::faults::{Faults, both};
use super::site::{Site, scale_columns, scale_rows};
use super::{Card, Formula, Pending};
use crate::Result;
use crate::adapters::product::transposed;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "DELORA",
    tensors: &["delora_A", "delora_B", "delora_lambda", "delora_w_norm"],
    settings: &["delora_lambda", "init_weights", "lambda_pattern", "module_dropout", "r", "rank_pattern"],
    open: |_: &Foreign| Ok(Box::new(DeLora)),
};

/// peft's smallest length.
const SHORTEST: f64 = 1e-4;

struct DeLora;

impl Formula for DeLora {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = site.files.rank_of(site.path, 8)?;
        let ((mut a, b), (lambda, columns)) = both(
            both(
                site.tensor("delora_A", &[rank, site.inputs]),
                site.tensor("delora_B", &[site.outputs, rank]),
            ),
            both(site.tensor("delora_lambda", &[1]), site.tensor("delora_w_norm", &[site.inputs])),
        )?;
        Ok(Box::new(move || {
            let lambda = lambda.iter().map(|&x| f64::from(x)).sum::<f64>();
            let of_b = transposed(&b, site.outputs, rank);
            let lengths = lengths(&a, site.inputs).zip(lengths(&of_b, site.outputs));
            let strengths: Vec<_> = lengths.map(|(a, b)| (lambda / rank as f64 / (a * b)) as f32).collect();
            scale_rows(&mut a, &strengths);
            scale_columns(&mut a, &columns);
            Ok(site.product(b, a, rank))
        }))
    }
}

/// The lengths of the rows of a matrix.
fn lengths(matrix: &[f32], width: usize) -> impl Iterator<Item = f64> {
    let length = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt().max(SHORTEST);
    matrix.chunks_exact(width).map(length)
}
