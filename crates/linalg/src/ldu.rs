//! The leading part of an LDU decomposition with partial pivoting.
//!
//!     A = P · L · diag(d) · U        A: [rows, columns]  P: [rows, rows] a permutation  d: [k] pivots
//!                                    L: [rows, k] unit lower trapezoidal  U: [k, columns] unit upper trapezoidal
//!
//! P and L are those of `scipy.linalg.lu`, and diag(d)·U is its U. No entry of L is above 1 in magnitude; those of U have
//! no such bound. The first `rank` pivots are found from the first `rank` columns, and their rows of U by one triangular
//! solve, so that the leading part costs O(rank² · (rows + columns)). What it leaves, PᵀA − L·diag(d)·U, is zero in its
//! first `rank` rows and columns and the Schur complement elsewhere: nothing, where `rank` is min(rows, columns).
//!
//! A column in which nothing is left has the pivot 0, and a column of the identity in L. Nothing can be divided by such
//! a pivot, or by one that is rounding, so that its row of U stays the row of diag(d)·U: see [`Ldu::divides`].
//! Paper: [loldu].

use crate::{Error, Result, dense};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place as solve_unit_lower;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, ColMut, Mat, MatMut, Par};

/// The share of the largest entry of A up to which a pivot divides nothing: [loldu]'s bound for `f64`. A quotient above
/// its inverse would say more about rounding than about A.
const TINY: f64 = 1e-12;

/// The first columns of L, pivots and rows of U.
#[derive(Clone, Debug, PartialEq)]
pub struct Ldu {
    /// Row i of A is row `permutation[i]` of L·diag(d)·U, as with scipy's `p_indices`; [rows].
    pub permutation: Vec<usize>,
    /// Unit lower trapezoidal, row-major; [rows, rank].
    pub l: Vec<f32>,
    /// Pivots in the order of elimination, which is not that of their magnitude; [rank].
    pub d: Vec<f32>,
    /// Unit upper trapezoidal but for the rows that [`Ldu::divides`] tells, row-major; [rank, columns].
    pub u: Vec<f32>,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// How many pivots there are.
    pub rank: usize,
}

/// The leading LDU factors of a; a: row-major [rows, columns].
///
/// # Errors
/// When the slice does not fit the shape, the matrix is empty or has an entry that is not finite, when the rank is 0
/// or above the smaller side, and when a factor does not fit into `f32`.
pub fn ldu(a: &[f32], rows: usize, columns: usize, rank: usize) -> Result<Ldu> {
    let tiny = TINY * f64::from(dense::check(a, rows, columns)?);
    let limit = rows.min(columns);
    if rank == 0 || rank > limit {
        return Err(Error::Rank { rank, limit, rows, columns });
    }
    let mut leading = Mat::from_fn(rows, rank, |row, column| f64::from(a[row * columns + column]));
    let mut swaps = vec![0; rank];
    eliminate(leading.as_mut(), &mut swaps);
    let mut order: Vec<usize> = (0..rows).collect();
    swaps.iter().enumerate().for_each(|(k, &row)| order.swap(k, row));
    let mut right =
        Mat::from_fn(rank, columns - rank, |k, column| f64::from(a[order[k] * columns + rank + column]));
    solve_unit_lower(leading.get(..rank, ..), right.as_mut(), Par::Seq);

    let below = |row: usize, k: usize| match row.cmp(&k) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 1.0,
        std::cmp::Ordering::Greater => leading[(row, k)] as f32,
    };
    let above = |k: usize, column: usize| match column {
        column if column < k => 0.0,
        column if column < rank => leading[(k, column)],
        column => right[(k, column - rank)],
    };
    let d: Vec<f64> = (0..rank).map(|k| leading[(k, k)]).collect();
    let divisor = |k: usize| if tiny < d[k].abs() { d[k] } else { 1.0 };
    let u: Vec<f64> = (0..rank)
        .flat_map(|k| (0..columns).map(move |column| (k, column)))
        .map(|(k, column)| above(k, column) / divisor(k))
        .collect();
    let l =
        (0..rows).flat_map(|row| (0..rank).map(move |k| (row, k))).map(|(row, k)| below(row, k)).collect();
    let mut permutation = vec![0; rows];
    order.iter().enumerate().for_each(|(k, &row)| permutation[row] = k);
    let (d, u) = (dense::narrow(&d, 1.0)?, dense::narrow(&u, 1.0)?);
    Ok(Ldu { permutation, l, d, u, rows, columns, rank })
}

impl Ldu {
    /// Whether row k of U was divided by its pivot. Where it was not, it stands for row k of diag(d)·U, and its diagonal
    /// entry is the pivot, of at most 1e-12 of the largest entry.
    pub fn divides(&self, k: usize) -> bool {
        self.u.get(k * self.columns + k) == Some(&1.0)
    }
}

/// a = P·L·Ū in its own place, L below the diagonal; row k was exchanged with row `swaps[k]`, one k after the other.
/// a: [m, n], n ≤ m; swaps: [n].
///
/// The left half of the columns, one solve and one product that take it out of the right half, the right half.
fn eliminate(mut a: MatMut<'_, f64>, swaps: &mut [usize]) {
    if a.ncols() == 1 {
        swaps[0] = pivot(a.rb_mut().col_mut(0));
        return;
    }
    let half = a.ncols() / 2;
    let (first, second) = swaps.split_at_mut(half);
    let (mut left, mut right) = a.split_at_col_mut(half);
    eliminate(left.rb_mut(), first);
    exchange(right.rb_mut(), first);
    let (top, bottom) = left.split_at_row_mut(half);
    let (mut upper, mut rest) = right.split_at_row_mut(half);
    solve_unit_lower(top.rb(), upper.rb_mut(), Par::Seq);
    matmul(rest.rb_mut(), Accum::Add, bottom.rb(), upper.rb(), -1.0, Par::Seq);
    eliminate(rest, second);
    exchange(bottom, second);
    second.iter_mut().for_each(|row| *row += half);
}

/// Brings the entry of largest magnitude (the first one of equals) to the top and divides the others by it; where it was.
fn pivot(mut column: ColMut<'_, f64>) -> usize {
    let larger = |at: usize, row: usize| if column[at].abs() < column[row].abs() { row } else { at };
    let at = (1..column.nrows()).fold(0, larger);
    let largest = column[at];
    if largest != 0.0 {
        column[at] = column[0];
        column[0] = largest;
        // Not multiplied by the inverse: a quotient is at most 1, and that of two tiny numbers is finite.
        (1..column.nrows()).for_each(|row| column[row] /= largest);
    }
    at
}

/// Exchanges rows of a as `swaps` says.
fn exchange(a: MatMut<'_, f64>, swaps: &[usize]) {
    for mut column in a.col_iter_mut() {
        for (k, &row) in swaps.iter().enumerate() {
            let kept = column[k];
            column[k] = column[row];
            column[row] = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::singular_values;
    use rankine_random::Rng;

    const SHAPES: [(usize, usize); 9] =
        [(1, 1), (1, 6), (6, 1), (7, 3), (3, 7), (5, 5), (40, 30), (30, 47), (64, 64)];

    fn random(rows: usize, columns: usize) -> Vec<f32> {
        Rng::new(7).fork("ldu").normals(rows * columns, 1.0)
    }

    fn whole(a: &[f32], rows: usize, columns: usize) -> Ldu {
        ldu(a, rows, columns, rows.min(columns)).unwrap()
    }

    /// P·L·diag(d)·U, with 1 for the pivots of rows that were not divided.
    fn product(ldu: &Ldu) -> Vec<f64> {
        let pivot = |k: usize| if ldu.divides(k) { f64::from(ldu.d[k]) } else { 1.0 };
        let term = |row: usize, k: usize, column: usize| {
            f64::from(ldu.l[row * ldu.rank + k]) * pivot(k) * f64::from(ldu.u[k * ldu.columns + column])
        };
        let entry = |row: usize, column: usize| {
            (0..ldu.rank).map(|k| term(ldu.permutation[row], k, column)).sum::<f64>()
        };
        (0..ldu.rows * ldu.columns).map(|i| entry(i / ldu.columns, i % ldu.columns)).collect()
    }

    /// ‖found − a‖ / ‖a‖.
    fn error(found: &[f64], a: &[f32]) -> f64 {
        let squares = found.iter().zip(a).map(|(x, &y)| (x - f64::from(y)).powi(2)).sum::<f64>();
        let norm = a.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>();
        (squares / norm.max(f64::MIN_POSITIVE)).sqrt()
    }

    fn check_shapes(ldu: &Ldu) {
        let Ldu { permutation, l, d, u, rows, columns, rank } = ldu;
        let mut sorted = permutation.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..*rows).collect::<Vec<_>>());
        assert_eq!((l.len(), d.len(), u.len()), (rows * rank, *rank, rank * columns));
        assert!(l.iter().chain(d).chain(u).all(|x| x.is_finite()));
        for (row, l) in l.chunks_exact(*rank).enumerate() {
            assert!(l.iter().all(|x| x.abs() <= 1.0));
            assert!(l.iter().skip(row + 1).all(|&x| x == 0.0) && l.get(row).is_none_or(|&x| x == 1.0));
        }
        for (k, u) in u.chunks_exact(*columns).enumerate() {
            assert!(u[..k].iter().all(|&x| x == 0.0) && u[k] == if ldu.divides(k) { 1.0 } else { d[k] });
        }
    }

    #[test]
    fn the_whole_decomposition_gives_the_matrix_back() {
        for (rows, columns) in SHAPES {
            let a = random(rows, columns);
            let ldu = whole(&a, rows, columns);
            check_shapes(&ldu);
            assert!((0..ldu.rank).all(|k| ldu.divides(k)));
            let error = error(&product(&ldu), &a);
            assert!(error < 1e-6, "[{rows}, {columns}]: {error:e}");
        }
    }

    #[test]
    fn elimination_is_exact_to_the_rounding_of_f64() {
        let (rows, columns) = (70, 50);
        let a = random(rows, columns);
        let (mut factors, mut swaps) = (dense::widen(&a, rows, columns), vec![0; columns]);
        eliminate(factors.as_mut(), &mut swaps);
        let lower = Mat::from_fn(rows, columns, |row, k| match row.cmp(&k) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => factors[(row, k)],
        });
        let upper =
            Mat::from_fn(columns, columns, |k, column| if column < k { 0.0 } else { factors[(k, column)] });
        let mut permuted = dense::widen(&a, rows, columns);
        exchange(permuted.as_mut(), &swaps);
        let error =
            (dense::multiply(lower.as_ref(), upper.as_ref()) - &permuted).norm_l2() / permuted.norm_l2();
        assert!(error < 1e-14, "{error:e}");
    }

    #[test]
    fn pivots_and_permutation_are_those_of_scipy() {
        let two = whole(&[1.0, 2.0, 3.0, 4.0], 2, 2);
        assert_eq!((two.permutation, two.l), (vec![1, 0], vec![1.0, 0.0, 1.0 / 3.0, 1.0]));
        assert_eq!((two.d, two.u), (vec![3.0, 2.0 / 3.0], vec![1.0, 4.0 / 3.0, 0.0, 1.0]));
        // A cycle: its direction shows.
        let three = whole(&[0.0, 0.0, 5.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0], 3, 3);
        assert_eq!((three.permutation, three.d), (vec![2, 0, 1], vec![2.0, 3.0, 5.0]));
        // The first one of equals.
        assert_eq!(whole(&[-1.0, 1.0, 1.0, 1.0], 2, 2).permutation, [0, 1]);
    }

    #[test]
    fn the_leading_part_is_that_of_the_whole() {
        for (rows, columns, rank) in [(9, 6, 2), (30, 47, 13), (40, 30, 1), (64, 64, 63)] {
            let a = random(rows, columns);
            let (part, whole) = (ldu(&a, rows, columns, rank).unwrap(), whole(&a, rows, columns));
            check_shapes(&part);
            let close = |x: &f32, y: &f32| (x - y).abs() <= 1e-5 * y.abs().max(1.0);
            assert!(part.d.iter().zip(&whole.d).all(|(x, y)| close(x, y)));
            assert!(part.u.iter().zip(&whole.u).all(|(x, y)| close(x, y)));
            for row in 0..rows {
                let (mine, other) = (part.permutation[row], whole.permutation[row]);
                assert_eq!(mine.min(rank), other.min(rank), "the same rows are pivots");
                let (mine, other) = (&part.l[mine * rank..][..rank], &whole.l[other * whole.rank..][..rank]);
                assert!(mine.iter().zip(other).all(|(x, y)| close(x, y)));
            }
        }
    }

    #[test]
    fn the_leading_part_leaves_nothing_in_its_rows_and_columns() {
        let (rows, columns, rank) = (30, 47, 13);
        let a = random(rows, columns);
        let ldu = ldu(&a, rows, columns, rank).unwrap();
        for (i, (x, &y)) in product(&ldu).iter().zip(&a).enumerate() {
            if ldu.permutation[i / columns] < rank || i % columns < rank {
                assert!((x - f64::from(y)).abs() < 3e-6, "[{}, {}]", i / columns, i % columns);
            }
        }
    }

    #[test]
    fn the_product_of_the_pivots_is_the_determinant() {
        for side in [1, 2, 9, 20] {
            let a = random(side, side);
            let logarithm = |values: &[f32]| values.iter().map(|&x| f64::from(x.abs()).ln()).sum::<f64>();
            let expected = logarithm(&singular_values(&a, side, side).unwrap());
            assert!((logarithm(&whole(&a, side, side).d) - expected).abs() < 1e-5, "{side}");
        }
    }

    #[test]
    fn matrices_that_lack_rank_have_finite_factors() {
        let outer: Vec<f32> = (0..48).map(|i| ((i / 6 + 1) * (i % 6 + 2)) as f32).collect();
        let random = random(8, 6);
        let twins = (0..48).map(|i| random[i - (i % 6) % 2]).collect();
        let dark = random.iter().enumerate().map(|(i, x)| if i % 6 == 2 { 0.0 } else { *x }).collect();
        let first = random.iter().enumerate().map(|(i, x)| if i % 6 == 0 { 0.0 } else { *x }).collect();
        for (name, a, lost) in [
            ("zero", vec![0.0; 48], 6),
            ("outer", outer, 5),
            ("twins", twins, 3),
            ("dark", dark, 1),
            ("first", first, 1),
        ] {
            let ldu = whole(&a, 8, 6);
            check_shapes(&ldu);
            assert_eq!((0..6).filter(|&k| !ldu.divides(k)).count(), lost, "{name}: {:?}", ldu.d);
            let error = error(&product(&ldu), &a);
            assert!(error < 1e-6, "{name}: {error:e}");
        }
    }

    #[test]
    fn a_permutation_is_its_own_factor() {
        let rows = [3, 0, 4, 1, 2];
        let a: Vec<f32> = (0..25).map(|i| if rows[i / 5] == i % 5 { 1.0 } else { 0.0 }).collect();
        let ldu = whole(&a, 5, 5);
        let one: Vec<f32> = (0..25).map(|i| if i / 5 == i % 5 { 1.0 } else { 0.0 }).collect();
        assert_eq!((ldu.permutation.as_slice(), &ldu.d), (rows.as_slice(), &vec![1.0; 5]));
        assert_eq!((&ldu.l, &ldu.u), (&one, &one));
    }

    #[test]
    fn pivots_far_below_the_largest_entry_divide_nothing() {
        let (tiny, huge) = (f32::from_bits(1), 1e38);
        let ldu = whole(&[tiny, huge, 0.0, tiny], 2, 2);
        assert_eq!((&ldu.d, &ldu.u), (&vec![tiny, tiny], &vec![tiny, huge, 0.0, tiny]));
        let small = whole(&[tiny, 0.0, 3.0 * tiny, tiny], 2, 2);
        assert_eq!((small.permutation.as_slice(), small.divides(0)), ([1, 0].as_slice(), true));
        check_shapes(&small);
    }

    #[test]
    fn ranks_shapes_and_factors_are_checked() {
        for rank in [0, 4] {
            assert!(matches!(ldu(&[1.0; 12], 4, 3, rank), Err(Error::Rank { limit: 3, .. })));
        }
        assert!(matches!(ldu(&[1.0; 11], 4, 3, 1), Err(Error::Length { .. })));
        assert!(matches!(ldu(&[], 0, 3, 1), Err(Error::Empty { .. })));
        assert!(matches!(ldu(&[f32::NAN; 12], 4, 3, 1), Err(Error::NotFinite { .. })));
        let huge = f32::MAX;
        assert!(matches!(ldu(&[huge, huge, -huge, huge], 2, 2, 2), Err(Error::Overflow { .. })));
    }
}
