//! The Tucker form of an array with any number of axes, by the higher-order SVD.
//!
//!     A ≈ G ×₁ U₁ ×₂ U₂ … ×_N U_N        A: [d₁, …, d_N]  G: [r₁, …, r_N]  Uₙ: [dₙ, rₙ]
//!     (B ×ₙ M)₍ₙ₎ = M·B₍ₙ₎,   B₍ₙ₎: [dₙ, Π_{m≠n} d_m], the unfolding of B along axis n
//!     Uₙ: the first rₙ left singular vectors of A₍ₙ₎,   G = A ×₁ U₁ᵀ … ×_N U_Nᵀ
//!
//! Exact at full ranks. Otherwise ‖A − G ×₁ U₁ …‖² ≤ Σₙ Σ_{j>rₙ} σⱼ(A₍ₙ₎)²: at most N times the smallest squared error that
//! these ranks allow (De Lathauwer, De Moor and Vandewalle 2000). Costs one decomposition of every unfolding.

use crate::{Error, Result, Truncation, truncated};
use rankine_kernels::gemm::{Matrix, matmul};

/// A core, and a factor for each axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tucker {
    /// G, row-major; of shape `ranks`.
    pub core: Vec<f32>,
    /// Uₙ, row-major; [dₙ, rₙ] each.
    pub factors: Vec<Vec<f32>>,
    /// Sizes of the array.
    pub shape: Vec<usize>,
    /// Sizes of the core.
    pub ranks: Vec<usize>,
}

/// The higher-order SVD of a, cut to `ranks`; a: row-major, of shape `shape`.
///
/// # Errors
/// When the slice does not fit the shape, there are not as many ranks as axes, or a rank is 0 or above the smaller side of
/// its unfolding; else as [`crate::svd`].
pub fn hosvd(a: &[f32], shape: &[usize], ranks: &[usize]) -> Result<Tucker> {
    if ranks.len() != shape.len() {
        return Err(Error::Axes { axes: shape.len(), found: ranks.len() });
    }
    let factor = |(axis, &rank): (usize, &usize)| {
        let columns = a.len().checked_div(shape[axis]).unwrap_or(0);
        Ok(truncated(&unfold(a, shape, axis)?, shape[axis], columns, rank, Truncation::Exact)?.u)
    };
    let factors = ranks.iter().enumerate().map(factor).collect::<Result<Vec<_>>>()?;
    let transposed = (0..ranks.len()).map(|n| Matrix::new(&factors[n], shape[n], ranks[n]).t());
    let core = multiplied(a, shape, transposed);
    Ok(Tucker { core, factors, shape: shape.to_vec(), ranks: ranks.to_vec() })
}

/// a₍ₙ₎ for n = `axis`, from 0; its columns stand in the order of the other axes; row-major [dₙ, the rest].
///
/// # Errors
/// When the slice does not fit the shape, or there is no such axis.
pub fn unfold(a: &[f32], shape: &[usize], axis: usize) -> Result<Vec<f32>> {
    if shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size)) != Some(a.len()) {
        return Err(Error::Array { shape: shape.to_vec(), found: a.len() });
    }
    if axis >= shape.len() {
        return Err(Error::Axes { axes: shape.len(), found: axis + 1 });
    }
    let [size, right] = [shape[axis], shape[axis + 1..].iter().product()];
    // An empty array has no blocks, of whatever size.
    let blocks = |row: usize| {
        a.chunks_exact((size * right).max(1)).flat_map(move |block| &block[row * right..][..right])
    };
    Ok((0..size).flat_map(blocks).copied().collect())
}

impl Tucker {
    /// G ×₁ U₁ … ×_N U_N; row-major, of shape `shape`.
    pub fn reconstruct(&self) -> Vec<f32> {
        let Self { core, factors, shape, ranks } = self;
        let factors = (0..ranks.len()).map(|n| Matrix::new(&factors[n], shape[n], ranks[n]));
        multiplied(core, ranks, factors)
    }

    /// How many numbers core and factors hold: Π rₙ + Σ dₙ·rₙ.
    pub fn elements(&self) -> usize {
        self.core.len() + self.factors.iter().map(Vec::len).sum::<usize>()
    }
}

/// a ×₁ M₁ … ×_N M_N.
fn multiplied<'m>(a: &[f32], shape: &[usize], matrices: impl Iterator<Item = Matrix<'m>>) -> Vec<f32> {
    let (mut array, mut shape) = (a.to_vec(), shape.to_vec());
    for (axis, matrix) in matrices.enumerate() {
        array = product(&array, &shape, axis, matrix);
        shape[axis] = matrix.rows;
    }
    array
}

/// a ×ₙ M for n = `axis`, from 0; a: of shape `shape`, none of it 0.
fn product(a: &[f32], shape: &[usize], axis: usize, matrix: Matrix<'_>) -> Vec<f32> {
    let [size, right] = [shape[axis], shape[axis + 1..].iter().product()];
    let mut product = vec![0.0; a.len() / size * matrix.rows];
    let blocks = product.chunks_exact_mut(matrix.rows * right).zip(a.chunks_exact(size * right));
    blocks.for_each(|(to, from)| matmul(to, matrix, Matrix::new(from, size, right), 1.0, false));
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{orthonormality_defect, singular_values};
    use rankine_random::Rng;

    const SHAPES: [&[usize]; 5] = [&[6], &[5, 7], &[4, 3, 5], &[6, 5, 3, 2], &[3, 2, 4, 1, 2]];

    fn random(shape: &[usize]) -> Vec<f32> {
        Rng::new(7).fork(&format!("{shape:?}")).normals(shape.iter().product(), 1.0)
    }

    /// Ranks that every unfolding can have.
    fn full(shape: &[usize]) -> Vec<usize> {
        let all: usize = shape.iter().product();
        shape.iter().map(|&size| size.min(all / size)).collect()
    }

    fn squares(values: impl IntoIterator<Item = f32>) -> f64 {
        values.into_iter().map(|x| f64::from(x).powi(2)).sum()
    }

    fn error(tucker: &Tucker, a: &[f32]) -> f64 {
        squares(tucker.reconstruct().iter().zip(a).map(|(x, y)| x - y))
    }

    /// The place of entry `at` along every axis.
    fn places(mut at: usize, shape: &[usize]) -> Vec<usize> {
        let mut places = vec![0; shape.len()];
        for (place, size) in places.iter_mut().zip(shape).rev() {
            (*place, at) = (at % size, at / size);
        }
        places
    }

    #[test]
    fn products_along_the_axes_are_the_sum_over_the_core_in_any_order() {
        for shape in SHAPES {
            let ranks: Vec<usize> = shape.iter().map(|size| size.div_ceil(2)).collect();
            let core = random(&ranks);
            let factors: Vec<_> = shape.iter().zip(&ranks).map(|(&d, &r)| random(&[d, r])).collect();
            let tucker = Tucker { core, factors, shape: shape.to_vec(), ranks };
            let found = tucker.reconstruct();
            for (at, &found) in found.iter().enumerate() {
                let rows = places(at, shape);
                let term = |(entry, &core): (usize, &f32)| {
                    let columns = places(entry, &tucker.ranks);
                    let pick =
                        |n: usize| f64::from(tucker.factors[n][rows[n] * tucker.ranks[n] + columns[n]]);
                    f64::from(core) * (0..shape.len()).map(pick).product::<f64>()
                };
                let expected: f64 = tucker.core.iter().enumerate().map(term).sum();
                assert!((f64::from(found) - expected).abs() < 1e-5 * expected.abs().max(1.0), "{shape:?}");
            }
            let (mut turned, mut sizes) = (tucker.core.clone(), tucker.ranks.clone());
            for n in (0..shape.len()).rev() {
                let factor = Matrix::new(&tucker.factors[n], shape[n], tucker.ranks[n]);
                turned = product(&turned, &sizes, n, factor);
                sizes[n] = shape[n];
            }
            let apart = squares(turned.iter().zip(&found).map(|(x, y)| x - y));
            assert!(apart <= 1e-11 * squares(found.iter().copied()), "{shape:?}: {apart:e}");
        }
    }

    #[test]
    fn an_unfolding_has_the_axis_as_its_rows() {
        let shape = [2, 3, 4];
        let a: Vec<f32> = (0..24).map(|at| at as f32).collect();
        assert_eq!(unfold(&a, &shape, 0).unwrap(), a);
        assert_eq!(unfold(&a, &shape, 2).unwrap()[..6], [0.0, 4.0, 8.0, 12.0, 16.0, 20.0]);
        assert_eq!(unfold(&a, &shape, 1).unwrap()[8..16], [4.0, 5.0, 6.0, 7.0, 16.0, 17.0, 18.0, 19.0]);
    }

    #[test]
    fn full_ranks_give_the_array_back_and_factors_are_orthonormal() {
        for shape in SHAPES.into_iter().filter(|shape| shape.len() > 1) {
            let a = random(shape);
            let tucker = hosvd(&a, shape, &full(shape)).unwrap();
            let relative = (error(&tucker, &a) / squares(a.iter().copied())).sqrt();
            assert!(relative < 3e-6, "{shape:?}: {relative:e}");
            for (factor, (&rows, &rank)) in tucker.factors.iter().zip(shape.iter().zip(&tucker.ranks)) {
                assert!(orthonormality_defect(factor, rows, rank).unwrap() < 1e-6);
            }
        }
    }

    #[test]
    fn the_error_is_bounded_by_the_singular_values_left_out() {
        for shape in SHAPES.into_iter().filter(|shape| shape.len() > 1) {
            let (a, full) = (random(shape), full(shape));
            for cut in 1..=3 {
                let ranks: Vec<usize> = full.iter().map(|rank| rank.saturating_sub(cut).max(1)).collect();
                let (mut bound, mut largest) = (0.0, 0.0_f64);
                for (axis, &rank) in ranks.iter().enumerate() {
                    let columns = a.len() / shape[axis];
                    let s = singular_values(&unfold(&a, shape, axis).unwrap(), shape[axis], columns).unwrap();
                    let left = squares(s[rank..].iter().copied());
                    (bound, largest) = (bound + left, largest.max(left));
                }
                let error = error(&hosvd(&a, shape, &ranks).unwrap(), &a);
                let rounding = 1e-6 * squares(a.iter().copied());
                assert!(error <= bound + rounding, "{shape:?} {ranks:?}: {error:e} above {bound:e}");
                assert!(largest <= error + rounding, "{shape:?} {ranks:?}: below what one axis alone leaves");
            }
        }
    }

    #[test]
    fn an_array_of_these_ranks_is_found_again() {
        let (shape, ranks) = ([6, 5, 4, 3], [2, 3, 2, 1]);
        let factors = (0..4).map(|n| random(&[shape[n], ranks[n]])).collect();
        let made = Tucker { core: random(&ranks), factors, shape: shape.to_vec(), ranks: ranks.to_vec() };
        let a = made.reconstruct();
        let found = hosvd(&a, &shape, &ranks).unwrap();
        assert!(error(&found, &a) <= 1e-11 * squares(a.iter().copied()));
        assert_eq!((found.elements(), made.elements()), (12 + 12 + 15 + 8 + 3, 12 + 12 + 15 + 8 + 3));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let a = [1.0; 12];
        assert!(matches!(hosvd(&a, &[3, 5], &[1, 1]), Err(Error::Array { found: 12, .. })));
        assert_eq!(hosvd(&a, &[3, 4], &[1]), Err(Error::Axes { axes: 2, found: 1 }));
        assert_eq!(unfold(&a, &[3, 4], 2), Err(Error::Axes { axes: 2, found: 3 }));
        for rank in [0, 4] {
            assert!(matches!(hosvd(&a, &[3, 4], &[rank, 1]), Err(Error::Rank { limit: 3, .. })));
        }
        assert!(matches!(hosvd(&[], &[0, 4], &[1, 1]), Err(Error::Empty { .. })));
        assert!(matches!(hosvd(&[f32::NAN; 4], &[2, 2], &[1, 1]), Err(Error::NotFinite { .. })));
        assert!(hosvd(&a, &[usize::MAX, 4], &[1, 1]).is_err());
    }
}
