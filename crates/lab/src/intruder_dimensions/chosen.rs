//! Some triples of a tuned matrix, and the matrix with their singular values scaled:
//!
//!     W' = W + (λ − 1)·Σ_j s_j·u_j·v_jᵀ        over the intruders j of W, or over their neighbours

use super::runs::TOP;
use crate::{Result, language::Held};
use rankine_analyze::MatrixChange;
use rankine_linalg::{Svd, Truncation, truncated};

/// The intruders of a matrix, and as many triples near them that the base had too.
pub(super) struct Chosen {
    name: String,
    leading: Svd,
    pub intruders: Vec<usize>,
    /// Fewer where fewer of the leading triples are no intruders.
    pub neighbours: Vec<usize>,
}

impl Chosen {
    /// `None` where the matrix has no intruders.
    pub fn new(tuned: &Held, change: &MatrixChange, epsilon: f64) -> Result<Option<Self>> {
        let intruders = change.intruders(epsilon, TOP);
        let matrix = tuned.matrix(&change.name).filter(|_| !intruders.is_empty());
        let Some((values, [rows, columns])) = matrix else { return Ok(None) };
        let leading = truncated(values, rows, columns, TOP.min(rows).min(columns), Truncation::Exact)?;
        let known = 0..change.alignment.cosines.len();
        let mut others: Vec<usize> = known.filter(|triple| !intruders.contains(triple)).collect();
        let mut neighbours = Vec::with_capacity(intruders.len());
        for &intruder in &intruders {
            let nearest = (0..others.len()).min_by_key(|&at| others[at].abs_diff(intruder));
            neighbours.extend(nearest.map(|at| others.remove(at)));
        }
        Ok(Some(Self { name: change.name.clone(), leading, intruders, neighbours }))
    }

    /// All these matrices with some of their triples scaled.
    pub fn scaled(all: &[Self], tuned: &Held, factor: f64, triples: fn(&Self) -> &[usize]) -> Held {
        let mut held = Held::default();
        for chosen in all {
            if let Some((values, shape)) = tuned.matrix(&chosen.name) {
                held.insert(&chosen.name, &shape, chosen.one_scaled(values, factor, triples(chosen)));
            }
        }
        held
    }

    fn one_scaled(&self, matrix: &[f32], factor: f64, triples: &[usize]) -> Vec<f32> {
        let &Svd { ref u, ref s, ref vt, columns, rank, .. } = &self.leading;
        let mut scaled = matrix.to_vec();
        for &j in triples {
            let (shift, v) = ((factor - 1.0) as f32 * s[j], &vt[j * columns..][..columns]);
            for (row, u) in scaled.chunks_exact_mut(columns).zip(u.iter().skip(j).step_by(rank)) {
                row.iter_mut().zip(v).for_each(|(w, v)| *w += shift * u * v);
            }
        }
        scaled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_analyze::{Progress, changes, spectra};
    use rankine_checkpoint::Pair;
    use rankine_linalg::singular_values;
    use rankine_random::Rng;
    use std::ops::ControlFlow;

    #[test]
    fn a_spike_is_chosen_and_scaled_alone() {
        const SIDE: usize = 96;
        let name = "model.layers.0.mlp.up_proj.weight";
        let rng = Rng::new(6);
        let matrix = rng.fork("matrix").normals(SIDE * SIDE, 0.1);
        let unit = |name: &str| {
            let x = rng.fork(name).normals(SIDE, 1.0);
            let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
            x.iter().map(|x| x / length).collect::<Vec<f32>>()
        };
        let (u, v) = (unit("u"), unit("v"));
        let spiked = matrix.iter().enumerate().map(|(at, w)| w + 6.0 * u[at / SIDE] * v[at % SIDE]);
        let held = |values: Vec<f32>| {
            let mut held = Held::default();
            held.insert(name, &[SIDE, SIDE], values);
            held
        };
        let (base, tuned) = (held(matrix.clone()), held(spiked.collect()));
        let on = &mut |_: Progress| ControlFlow::<()>::Continue(());
        let pair = Pair::of(&base, &tuned).unwrap();
        let found = spectra(pair, &changes(pair, on).unwrap(), TOP, on).unwrap();
        let chosen = Chosen::new(&tuned, &found[0], 0.5).unwrap().unwrap();
        assert_eq!(chosen.intruders[0], 0);
        assert!(chosen.neighbours.iter().all(|triple| !chosen.intruders.contains(triple)));
        let scaled = Chosen::scaled(&[chosen], &tuned, 0.5, |chosen| &chosen.intruders[..1]);
        let values = |held: &Held| singular_values(held.matrix(name).unwrap().0, SIDE, SIDE).unwrap();
        let (before, after) = (values(&tuned), values(&scaled));
        assert!((after[0] - before[0] / 2.0).abs() < 1e-3 && (after[1] - before[1]).abs() < 1e-3);
        assert!(Chosen::new(&tuned, &found[0], 1e-6).unwrap().is_none());
    }
}
