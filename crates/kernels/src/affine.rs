//! What stands around the products of a linear layer with a bias and an activation.
//!
//!     y = f(x·wᵀ + b)        x: [t, in]  w: [out, in]  b: [out]  y: [t, out]  f: none or relu
//!     dz = dy ∘ f′(y),  db = Σ_rows dz
//!
//! relu's derivative is read off its output (y > 0), so nothing but y is kept for the backward pass. Each function is
//! one pass over a [t, out] matrix; the products themselves are `gemm.rs`.

use crate::tasks;
use crate::vectorise::{LANES, load, store};

/// What is done to every number behind a linear map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// max(z, 0); NaN stays NaN.
    Relu,
}

impl Activation {
    /// `y ← f(y + bias)`; y: [t, out], bias: [out].
    ///
    /// # Panics
    /// When y holds no whole rows.
    pub fn apply(self, y: &mut [f32], bias: &[f32]) {
        assert!(
            bias.is_empty() && y.is_empty() || y.len().is_multiple_of(bias.len()),
            "rows as long as the bias"
        );
        let rows = tasks::rows_per_task(bias.len()) * bias.len();
        let relu = self == Self::Relu;
        tasks::run(y.chunks_mut(rows.max(1)).collect(), |y: &mut [f32]| add(y, bias, relu));
    }

    /// `dz = dy ∘ f′(y)` where f is not the identity, and the sums of its columns in `db`; all but db: [t, out].
    ///
    /// # Panics
    /// When the lengths differ, or dy holds no whole rows.
    pub fn backward(self, y: &[f32], dy: &[f32], db: &mut [f32]) -> Option<Vec<f32>> {
        assert!(
            db.is_empty() && dy.is_empty() || dy.len().is_multiple_of(db.len()),
            "rows as long as the bias"
        );
        let width = db.len().max(1);
        let step = tasks::rows_per_task(width) * width;
        let (masked, sums): (Option<Vec<f32>>, Vec<Vec<f32>>) = match self {
            Self::None => (None, tasks::collect(dy.chunks(step).collect(), |dy| columns(dy, width))),
            Self::Relu => {
                assert_eq!(y.len(), dy.len(), "output and its gradient");
                let mut dz = vec![0.0; dy.len()];
                let tasks = y.chunks(step).zip(dy.chunks(step)).zip(dz.chunks_mut(step)).collect();
                let sums = tasks::collect(tasks, |((y, dy), dz): ((&[f32], &[f32]), &mut [f32])| {
                    mask(y, dy, dz);
                    columns(dz, width)
                });
                (Some(dz), sums)
            }
        };
        db.fill(0.0);
        for part in sums {
            db.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        masked
    }
}

/// The sums of the columns of x: [_, width].
fn columns(x: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    add_rows(x, &mut sums);
    sums
}

vectorised! {
    fn add<V>(y: &mut [f32], bias: &[f32], relu: bool) {
        let zero = V::splat(0.0);
        for row in y.chunks_exact_mut(bias.len()) {
            for (y, bias) in row.chunks_mut(LANES).zip(bias.chunks(LANES)) {
                let sum = load::<V>(y).add(load(bias));
                store(if relu { zero.max(sum) } else { sum }, y);
            }
        }
    }

    /// `dz = dy` where y > 0, and 0 elsewhere.
    pub(crate) fn mask<V>(y: &[f32], dy: &[f32], dz: &mut [f32]) {
        let zero = V::splat(0.0);
        for ((y, dy), dz) in y.chunks(LANES).zip(dy.chunks(LANES)).zip(dz.chunks_mut(LANES)) {
            store(zero.select_below(load(y), load(dy), zero), dz);
        }
    }

    /// Adds all rows of x to `sums`, as long as one.
    pub(crate) fn add_rows<V>(x: &[f32], sums: &mut [f32]) {
        for row in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.chunks_mut(LANES).zip(row.chunks(LANES)) {
                store(load::<V>(sum).add(load(x)), sum);
            }
        }
    }
}
