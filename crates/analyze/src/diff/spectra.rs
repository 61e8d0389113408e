//! What changed matrices look like from within.
//!
//!     ΔW = W − W₀ = Σ s_i·u_i·v_iᵀ        effective rank exp(−Σ p_i·ln p_i), p_i = s_i / Σ s
//!     W = Σ s_j·u_j·v_jᵀ                  triple j ≤ k is an intruder where c_j = max_i |⟨u_j, u₀_i⟩| < ε
//!
//! Left vectors, of the matrices as the files hold them, as the paper's code and peft take them: those of GPT-2's matrices, which
//! are stored [in, out], are directions of inputs. A convolution counts as the matrix [out, in·height·width], as in
//! [`inspect`](crate::inspect); the paper has none. Heads and embeddings are left out, and so are matrices that did not change. Costs
//! a few decompositions of every matrix, O(rows · columns · min(rows, columns)), and the memory of one matrix a thread. An ε near
//! 1/√rows means nothing: a random vector has such a cosine with one of so many.
//! Paper: [intruder] §3; similarities within clusters of equal singular values as in [`rankine_linalg::alignment`].

use super::changes::TensorChange;
use crate::{Error, Result, Watch, progress::on_all_threads};
use rankine_checkpoint::Pair;
use rankine_checkpoint::adapter::{Kind, modules_of};
use rankine_kernels::reduce;
use rankine_linalg::{Alignment, alignment, effective_rank, energy_rank, singular_values, stable_rank};
use std::collections::HashSet;

/// A changed matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixChange {
    /// Its name.
    pub name: String,
    /// Rows and columns; the columns of a convolution are its taps.
    pub shape: [usize; 2],
    /// Singular values of the change, descending; [min(rows, columns)].
    pub update: Vec<f32>,
    /// Leading singular values of the tuned matrix, descending.
    pub values: Vec<f32>,
    /// Where its leading left vectors lie among those of the base.
    pub alignment: Alignment,
}

impl MatrixChange {
    /// ‖ΔW‖.
    pub fn norm(&self) -> f64 {
        self.update.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>().sqrt()
    }

    /// exp of the entropy of the singular values of the change.
    pub fn effective_rank(&self) -> f64 {
        effective_rank(&self.update)
    }

    /// ‖ΔW‖² / s₁².
    pub fn stable_rank(&self) -> f64 {
        stable_rank(&self.update)
    }

    /// The fewest triples of the change with this share of ‖ΔW‖².
    pub fn energy_rank(&self, share: f64) -> usize {
        energy_rank(&self.update, share)
    }

    /// Of the first left vectors the one that is least like any of the first of the base: min_j max_i |⟨u_j, u₀_i⟩|, both among the
    /// leading triples that were compared; `None` where there is none.
    pub fn least_similarity(&self) -> Option<f64> {
        let largest = |row: &Vec<f64>| row.iter().copied().fold(0.0, f64::max);
        self.alignment.similarity.iter().map(largest).reduce(f64::min)
    }

    /// Intruders among the first `top` triples of the tuned matrix, counted from 0.
    pub fn intruders(&self, epsilon: f64, top: usize) -> Vec<usize> {
        self.alignment.intruders(epsilon, top)
    }
}

/// The changed matrices of linear layers and convolutions, but for whole numbers, of which `top` leading triples are compared with
/// the base; `changes` is what [`changes`](super::changes()) found. Progress is counted in matrices.
///
/// # Errors
/// When `top` is 0, a matrix cannot be read or has an entry that is not finite, or `watch` breaks off.
pub fn spectra(
    pair: Pair<'_>,
    changes: &[TensorChange],
    top: usize,
    watch: &mut Watch,
) -> Result<Vec<MatrixChange>> {
    if top == 0 {
        return Err(Error::Setting { name: "top", expected: "1 or more", found: "0".to_owned() });
    }
    let modules = modules_of(pair.base());
    let maps = modules.iter().filter(|module| matches!(module.kind, Kind::Linear | Kind::Convolution));
    let maps: HashSet<&str> = maps.map(|module| module.path.as_str()).collect();
    let is_wanted = |change: &&TensorChange| {
        let module = change.name.strip_suffix(".weight");
        change.moved != 0.0 && module.is_some_and(|module| maps.contains(module))
    };
    let matrices: Vec<&TensorChange> = changes.iter().filter(is_wanted).collect();
    let one = |change: &&TensorChange| of_matrix(pair, change, top);
    Ok(on_all_threads(&matrices, one, watch)?.into_iter().flatten().collect())
}

/// `None` where it is no matrix.
fn of_matrix(pair: Pair<'_>, change: &TensorChange, top: usize) -> Result<Option<MatrixChange>> {
    let &[rows, _, ..] = change.shape.as_slice() else { return Ok(None) };
    let columns: usize = change.shape[1..].iter().product();
    let failed = |source| Error::Decomposition { name: change.name.clone(), source };
    let (mut before, mut after) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
    pair.read_rows(&change.name, 0..rows, [&mut before, &mut after])?;
    let (leading, alignment) = alignment(&before, &after, rows, columns, top).map_err(failed)?;
    reduce::axpy(-1.0, &before, &mut after);
    let update = singular_values(&after, rows, columns).map_err(failed)?;
    let (name, shape) = (change.name.clone(), [rows, columns]);
    Ok(Some(MatrixChange { name, shape, update, values: leading.s, alignment }))
}
