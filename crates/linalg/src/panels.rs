//! QR decompositions by panels of columns, between which they can be broken off.
//!
//!     A = Q·R        Q = H_1·H_2·…, one H a panel        what follows a panel is reflected with it
//!
//! With Householder reflections, on the calling thread.

use crate::dense::Reflections;
use crate::going::{UNASKED, ask};
use crate::{Going, Result};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
    apply_block_householder_sequence_transpose_on_the_left_in_place_scratch as apply_transpose_scratch,
    apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj as apply_transpose,
};
use faer::linalg::qr::no_pivoting::factor as qr;
use faer::{Conj, Mat, MatMut, Par};

/// Columns that are reflected, and those that follow them, between two questions in a large decomposition.
pub(crate) const PANEL: usize = 128;

/// The triangle R of A = Q · R; [min(rows, columns), columns].
///
/// # Errors
/// When the work is to stop.
pub(crate) fn triangle(mut a: Mat<f64>, going: &Going<'_>) -> Result<Mat<f64>> {
    let (rows, columns) = a.shape();
    let count = rows.min(columns);
    if rows * columns * count <= UNASKED {
        ask(going)?;
        a = Reflections::of(a).basis;
    } else {
        reflect_all(&mut a, going)?;
    }
    Ok(upper(&a))
}

/// Q with orthonormal columns and R of a matrix with no more columns than rows; [rows, columns] and [columns, columns]. Q is
/// orthonormal even where `a` lacks rank.
///
/// # Errors
/// When the work is to stop.
pub(crate) fn thin_qr(mut a: Mat<f64>, going: &Going<'_>) -> Result<(Mat<f64>, Mat<f64>)> {
    let (rows, columns) = a.shape();
    let panels = reflect_all(&mut a, going)?;
    let mut q = Mat::identity(rows, columns);
    // Columns before the panel are those of the identity, which it leaves alone.
    for (start, coefficients) in panels.iter().rev() {
        let start = *start;
        let vectors = a.get(start.., start..start + coefficients.ncols());
        for from in (start..columns).step_by(PANEL) {
            ask(going)?;
            let others = PANEL.min(columns - from);
            let mut memory = MemBuffer::new(apply_scratch::<f64>(rows - start, coefficients.nrows(), others));
            let target = q.as_mut().submatrix_mut(start, from, rows - start, others);
            let stack = MemStack::new(&mut memory);
            apply(vectors, coefficients.as_ref(), Conj::No, target, Par::Seq, stack);
        }
    }
    Ok((q, upper(&a)))
}

/// What is on and above the diagonal; [min(rows, columns), columns].
fn upper(a: &Mat<f64>) -> Mat<f64> {
    let (rows, columns) = a.shape();
    Mat::from_fn(rows.min(columns), columns, |row, column| if row <= column { a[(row, column)] } else { 0.0 })
}

/// Reflects a matrix onto its triangle, panel after panel; where each begins, and the coefficients of its reflections, whose
/// vectors stand below the diagonal.
fn reflect_all(a: &mut Mat<f64>, going: &Going<'_>) -> Result<Vec<(usize, Mat<f64>)>> {
    let (rows, columns) = a.shape();
    let count = rows.min(columns);
    let panel = |start: usize| {
        let rest = a.as_mut().submatrix_mut(start, start, rows - start, columns - start);
        reflect(rest, PANEL.min(count - start), going).map(|coefficients| (start, coefficients))
    };
    (0..count).step_by(PANEL).map(panel).collect()
}

/// Reflects the first columns of a matrix onto their triangle, and the others with them; the coefficients.
fn reflect(a: MatMut<'_, f64>, width: usize, going: &Going<'_>) -> Result<Mat<f64>> {
    ask(going)?;
    let rows = a.nrows();
    let (mut left, mut right) = a.split_at_col_mut(width);
    let block = qr::recommended_block_size::<f64>(rows, width);
    let mut coefficients = Mat::zeros(block, rows.min(width));
    let scratch = qr::qr_in_place_scratch::<f64>(rows, width, block, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let (target, stack) = (left.as_mut(), MemStack::new(&mut memory));
    qr::qr_in_place(target, coefficients.as_mut(), Par::Seq, stack, Default::default());
    for start in (0..right.ncols()).step_by(PANEL) {
        ask(going)?;
        let others = PANEL.min(right.ncols() - start);
        let mut memory = MemBuffer::new(apply_transpose_scratch::<f64>(rows, block, others));
        let (target, stack) = (right.as_mut().subcols_mut(start, others), MemStack::new(&mut memory));
        apply_transpose(left.as_ref(), coefficients.as_ref(), Conj::No, target, Par::Seq, stack);
    }
    Ok(coefficients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, multiply};
    use rankine_random::Rng;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn random(rows: usize, columns: usize) -> Mat<f64> {
        let mut rng = Rng::new(2);
        Mat::from_fn(rows, columns, |_, _| rng.normal_f64())
    }

    /// By panels, as large ones are, and at once.
    #[test]
    fn panels_give_the_triangle_of_the_whole() {
        let a = random(330, 300);
        let mut panels = a.clone();
        reflect_all(&mut panels, &|| true).unwrap();
        let r = upper(&panels);
        let left = multiply(r.transpose(), r.as_ref()) - multiply(a.transpose(), a.as_ref());
        assert!(left.norm_l2() < 1e-11 * a.squared_norm_l2(), "{}", left.norm_l2());
        let whole = triangle(a.clone(), &|| true).unwrap();
        assert!((0..300).all(|i| (r[(i, i)].abs() - whole[(i, i)].abs()).abs() < 1e-10), "the diagonals");
        assert_eq!(triangle(a, &|| false), Err(Error::Interrupted));
    }

    #[test]
    fn panels_give_an_orthonormal_basis() {
        for (rows, columns) in [(1, 1), (150, 128), (300, 270), (280, 280)] {
            let mut a = random(rows, columns);
            // Two columns alike: it lacks rank.
            let first = a.col(0).to_owned();
            a.col_mut(columns - 1).copy_from(&first);
            let (q, r) = thin_qr(a.clone(), &|| true).unwrap();
            let left = multiply(q.as_ref(), r.as_ref()) - &a;
            assert!(left.norm_l2() < 1e-12 * a.norm_l2(), "{rows} × {columns}");
            let defect = multiply(q.transpose(), q.as_ref()) - Mat::<f64>::identity(columns, columns);
            assert!(defect.norm_l2() < 1e-12 * columns as f64, "{rows} × {columns}");
        }
    }

    #[test]
    fn a_decomposition_ends_where_it_is_told_to() {
        let asked = AtomicUsize::new(0);
        let until = |most: usize| {
            asked.store(0, Ordering::Relaxed);
            thin_qr(random(300, 270), &|| asked.fetch_add(1, Ordering::Relaxed) < most)
        };
        until(usize::MAX).unwrap();
        let all = asked.load(Ordering::Relaxed);
        assert!(8 < all, "{all}");
        for most in [0, all / 2, all - 1] {
            assert_eq!(until(most), Err(Error::Interrupted));
            assert_eq!(asked.load(Ordering::Relaxed), most + 1);
        }
    }
}
