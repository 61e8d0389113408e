//! Why aligned models can be averaged: how well the singular vectors of two models go together.
//!
//!     W = Σ s_i·u_i·v_iᵀ        R_γ = Σ_ℓ Σ_ij (uᵃ_i·uᵇ_j)·(vᵃ_i·vᵇ_j) / Σ_ℓ n_ℓ
//!
//! over the i and j with s ≥ γ·s₁ of their own matrix; n_ℓ is how many of them there are, in the matrix that has more. In [−1, 1]:
//! 1 for a model and itself, near 0 for independent ones, whatever the signs of the vectors. Weight matching hardly brings two
//! models nearer to each other, but it makes vectors of large singular values agree, and these carry the function.
//!
//! Matrices and convolutions, flattened to [out, in·height·width]; embeddings and the head of a language model are left out.
//! Costs one decomposition of every matrix of every model, O(rows · columns · min(rows, columns)), and the memory of some matrices
//! a thread. Paper: [matching] §4; that γ is relative to the layer's s₁ is not said there.

use crate::{Error, Result, Watch, progress::on_all_threads};
use rankine_checkpoint::adapter::{Kind, modules_of};
use rankine_checkpoint::{Tensors, ends};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_linalg::{Svd, svd};

/// One matrix of two models.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAlignment {
    /// Its name.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Sum over pairs and n_ℓ, for every γ.
    pub sums: Vec<(f64, usize)>,
}

impl VectorAlignment {
    /// R_γ of this matrix alone, for the γ at this place.
    pub fn ratio(&self, at: usize) -> f64 {
        ratio(self.sums.get(at).copied().into_iter())
    }
}

/// R_γ over all matrices, for the γ at this place; NaN of none.
pub fn vector_ratio(matrices: &[VectorAlignment], at: usize) -> f64 {
    ratio(matrices.iter().filter_map(|matrix| matrix.sums.get(at).copied()))
}

fn ratio(sums: impl Iterator<Item = (f64, usize)>) -> f64 {
    let (sum, count) = sums.fold((0.0, 0), |(sum, count), (one, kept)| (sum + one, count + kept));
    sum / count as f64
}

/// The matrices of `first` and of each of `others`, which have the same tensors, for these γ from 0 to 1: a list for each of the
/// others. Progress is counted in matrices.
///
/// # Errors
/// When a γ is out of its range, a matrix cannot be read or has an entry that is not finite, or `watch` breaks off.
pub fn vector_alignment(
    first: &dyn Tensors,
    others: &[&dyn Tensors],
    thresholds: &[f64],
    watch: &mut Watch,
) -> Result<Vec<Vec<VectorAlignment>>> {
    if let Some(found) = thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
        let found = found.to_string();
        return Err(Error::Setting { name: "threshold", expected: "from 0 to 1", found });
    }
    let modules = modules_of(first).into_iter();
    let modules = modules.filter(|module| !matches!(module.kind, Kind::Embedding | Kind::Norm));
    let names = modules.map(|module| format!("{}.weight", module.path));
    let names: Vec<String> =
        names.filter(|name| name != ends::HEAD && first.infos().contains_key(name)).collect();
    let mut found: Vec<Vec<VectorAlignment>> = vec![Vec::with_capacity(names.len()); others.len()];
    let one = |name: &String| of_matrix(first, others, name, thresholds);
    for alignments in on_all_threads(&names, one, watch)? {
        found.iter_mut().zip(alignments).for_each(|(list, alignment)| list.push(alignment));
    }
    Ok(found)
}

/// One for each of the others.
fn of_matrix(
    first: &dyn Tensors,
    others: &[&dyn Tensors],
    name: &str,
    thresholds: &[f64],
) -> Result<Vec<VectorAlignment>> {
    let ours = decomposed(first, name)?;
    let alignment = |other: &&dyn Tensors| {
        let theirs = decomposed(*other, name)?;
        let sums = sums(&ours, &theirs, thresholds);
        Ok(VectorAlignment { name: name.to_owned(), shape: [ours.rows, ours.columns], sums })
    };
    others.iter().map(alignment).collect()
}

fn decomposed(tensors: &dyn Tensors, name: &str) -> Result<Svd> {
    let info = tensors.infos().get(name);
    let (rows, columns) = info.map_or((0, 0), |info| (info.rows(), info.row_elements()));
    let mut values = vec![0.0; rows * columns];
    tensors.read_into(name, &mut values)?;
    tensors.release(name, 0..rows);
    svd(&values, rows, columns).map_err(|source| Error::Decomposition { name: name.to_owned(), source })
}

/// Σ_ij (uᵃ_i·uᵇ_j)·(vᵃ_i·vᵇ_j) and n, for every γ.
fn sums(ours: &Svd, theirs: &Svd, thresholds: &[f64]) -> Vec<(f64, usize)> {
    let pairs = ours.rank * theirs.rank;
    let (mut left, mut right) = (vec![0.0_f32; pairs], vec![0.0_f32; pairs]);
    let [u, other_u] = [ours, theirs].map(|svd| Matrix::new(&svd.u, svd.rows, svd.rank));
    let [vt, other_vt] = [ours, theirs].map(|svd| Matrix::new(&svd.vt, svd.rank, svd.columns));
    matmul(&mut left, u.t(), other_u, 1.0, false);
    matmul(&mut right, vt, other_vt.t(), 1.0, false);
    let products: Vec<f64> =
        left.iter().zip(&right).map(|(&left, &right)| f64::from(left) * f64::from(right)).collect();
    let of = |&threshold: &f64| {
        let [a, b] = [ours, theirs].map(|svd| kept(&svd.s, threshold));
        let sum = products.chunks_exact(theirs.rank).take(a).flat_map(|row| &row[..b]).sum::<f64>();
        (sum, a.max(b))
    };
    thresholds.iter().map(of).collect()
}

/// How many singular values are no smaller than this share of the largest.
fn kept(s: &[f32], threshold: f64) -> usize {
    let least = threshold * s.first().copied().map_or(0.0, f64::from);
    s.iter().take_while(|&&s| least <= f64::from(s)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    fn matrix(rows: usize, columns: usize, seed: u64) -> Svd {
        svd(&Rng::new(seed).normals(rows * columns, 1.0), rows, columns).unwrap()
    }

    #[test]
    fn it_is_one_for_a_matrix_and_itself_and_near_zero_for_strangers() {
        for [rows, columns] in [[30, 20], [20, 30], [16, 16]] {
            let (a, b) = (matrix(rows, columns, 1), matrix(rows, columns, 2));
            let [(whole, n), (part, fewer)] = sums(&a, &a, &[0.0, 0.5])[..] else { panic!("two") };
            assert_eq!(n, rows.min(columns));
            assert!(fewer < n && (whole / n as f64 - 1.0).abs() < 1e-5);
            assert!((part / fewer as f64 - 1.0).abs() < 1e-5);
            let (sum, n) = sums(&a, &b, &[0.0])[0];
            assert!((sum / n as f64).abs() < 0.3, "{sum}");
        }
    }

    #[test]
    fn signs_of_pairs_of_vectors_do_not_matter_and_permuted_rows_do() {
        let (a, mut b) = (matrix(12, 9, 3), matrix(12, 9, 3));
        for row in b.u.chunks_mut(9) {
            row[4] = -row[4];
        }
        b.vt[4 * 9..5 * 9].iter_mut().for_each(|v| *v = -*v);
        assert!((sums(&a, &b, &[0.0])[0].0 - 9.0).abs() < 1e-4);
        b.u.rotate_right(9);
        assert!(sums(&a, &b, &[0.0])[0].0 < 4.0);
    }

    #[test]
    fn ratios_weigh_matrices_by_what_is_kept() {
        let matrix =
            |sum, kept| VectorAlignment { name: String::new(), shape: [1, 1], sums: vec![(sum, kept)] };
        let both = [matrix(1.0, 1), matrix(0.0, 3)];
        assert_eq!((both[0].ratio(0), vector_ratio(&both, 0)), (1.0, 0.25));
        assert_eq!(kept(&[4.0, 2.0, 1.0], 0.5), 2);
        assert!(vector_ratio(&[], 0).is_nan());
    }
}
