//! HRA: the inputs reflected, r times.
//!
//!     W' = W·H    H = (1 − 2·u₁u₁ᵀ)·…·(1 − 2·uᵣuᵣᵀ)    = 1 − Σ mₖuₖᵀ,   mₖ = 2·(1 − Σ_{j<k} mⱼuⱼᵀ)·uₖ
//!     ΔW = −W·m·uᵀ                                       u: [in, r], columns of length 1
//!
//! Exact, of rank r. With `apply_GS` the columns are made orthogonal first, one after the other, and mₖ = 2·uₖ.

use super::faults::Faults;
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use crate::adapters::product::transposed;
use rankine_checkpoint::adapter::Foreign;
use rankine_kernels::gemm::{Matrix, matmul};

pub(super) const CARD: Card = Card {
    name: "HRA",
    tensors: &["hra_u"],
    settings: &["apply_GS", "init_weights", "r"],
    open: |files: &Foreign| Ok(Box::new(Hra { orthogonal: files.flag("apply_GS")?.unwrap_or(false) })),
};

struct Hra {
    /// The mirrors are made orthogonal to each other first.
    orthogonal: bool,
}

impl Formula for Hra {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let (rank, inputs) = (site.files.rank_of(site.path, 8)?, site.inputs);
        let u = transposed(&site.tensor("hra_u", &[inputs, rank])?, inputs, rank);
        Ok(Box::new(move || {
            let [mirrors, moved] = self.reflections(&u, inputs);
            let (weight, mut b) = (site.weight()?, vec![0.0; site.outputs * rank]);
            let moved = Matrix::new(&moved, rank, inputs).t();
            matmul(&mut b, Matrix::new(&weight, site.outputs, inputs), moved, -1.0, false);
            Ok(site.product(b, mirrors, rank))
        }))
    }
}

impl Hra {
    /// Rows uₖ and mₖ; u: columns of the file, each a row of so many numbers.
    fn reflections(&self, u: &[f32], inputs: usize) -> [Vec<f32>; 2] {
        let (mut mirrors, mut moved): (Vec<Vec<f64>>, Vec<Vec<f64>>) = Default::default();
        for row in u.chunks_exact(inputs) {
            let mut mirror: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            if self.orthogonal {
                for other in &mirrors {
                    let part = dot(other, &mirror);
                    subtract(&mut mirror, part, other);
                }
            }
            let length = dot(&mirror, &mirror).sqrt();
            mirror.iter_mut().for_each(|x| *x /= length);
            let mut step = mirror.clone();
            for (other, moved) in mirrors.iter().zip(&moved) {
                subtract(&mut step, dot(other, &mirror), moved);
            }
            moved.push(step.iter().map(|x| 2.0 * x).collect());
            mirrors.push(mirror);
        }
        [mirrors, moved].map(|rows| rows.iter().flatten().map(|&x| x as f32).collect())
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// x ← x − factor·y.
fn subtract(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x -= factor * y);
}
