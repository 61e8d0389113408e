//! Root-mean-square normalisation of rows.
//!
//!     s_i = 1 / √(mean_j x_ij² + ε)      y_ij = x_ij · s_i · w_j
//!     x, y: [rows, width]  w: [width]  s: [rows], kept for the backward pass
//!
//!     dx_ij = s_i · (w_j·dy_ij − x_ij · s_i² · mean_k(w_k·dy_ik·x_ik))      dw_j = Σ_i dy_ij · x_ij · s_i
//!
//! Forward reads x twice (the second time from cache) and writes y. The sum over rows for dw is made in blocks of
//! `ROWS` rows that meet in order.

use crate::tasks;
use crate::vectorise::dot;

/// Rows of a backward task; each holds one partial dw.
const ROWS: usize = 64;

/// `y = x / √(mean(x²) + eps) · w`, row by row; `x, y: [rows, w.len()]`, `inverse_rms: [rows]`.
///
/// # Panics
/// When the lengths do not fit together.
pub fn rms_norm(x: &[f32], w: &[f32], eps: f32, y: &mut [f32], inverse_rms: &mut [f32]) {
    let width = w.len();
    check(x, w, inverse_rms);
    assert_eq!(y.len(), x.len(), "length of the normalised rows");
    if width == 0 {
        return inverse_rms.fill(1.0 / eps.sqrt());
    }
    let rows = tasks::rows_per_task(width);
    let tasks = x.chunks(rows * width).zip(y.chunks_mut(rows * width)).zip(inverse_rms.chunks_mut(rows));
    tasks::run(tasks.collect(), |((x, y), inverse_rms)| forward(x, w, eps, y, inverse_rms));
}

/// Gradients of [`rms_norm`]. Overwrites `dx: [rows, w.len()]`, and `dw: [w.len()]` where it is wanted.
///
/// # Panics
/// When the lengths do not fit together.
pub fn rms_norm_backward(
    x: &[f32],
    w: &[f32],
    inverse_rms: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dw: Option<&mut [f32]>,
) {
    let width = w.len();
    check(x, w, inverse_rms);
    assert_eq!(dy.len(), x.len(), "length of the gradient of the normalised rows");
    assert_eq!(dx.len(), x.len(), "length of the gradient of the rows");
    if width == 0 {
        return;
    }
    let size = ROWS * width;
    let tasks: Vec<_> =
        x.chunks(size).zip(dy.chunks(size)).zip(dx.chunks_mut(size)).zip(inverse_rms.chunks(ROWS)).collect();
    let Some(dw) = dw else {
        return tasks::run(tasks, |(((x, dy), dx), s)| backward(x, w, s, dy, dx));
    };
    assert_eq!(dw.len(), width, "length of the gradient of a norm's weight");
    let parts = tasks::collect(tasks, |(((x, dy), dx), s)| {
        backward(x, w, s, dy, dx);
        let mut part = vec![0.0; width];
        weight_gradient(x, s, dy, &mut part);
        part
    });
    dw.fill(0.0);
    for part in parts {
        dw.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

fn check(x: &[f32], w: &[f32], inverse_rms: &[f32]) {
    assert_eq!(
        x.len(),
        inverse_rms.len() * w.len(),
        "length of rows against their count times the norm's weight"
    );
}

vectorised! {
    fn forward<V>(x: &[f32], w: &[f32], eps: f32, y: &mut [f32], inverse_rms: &mut [f32]) {
        let width = w.len();
        for ((x, y), kept) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(inverse_rms) {
            let s = 1.0 / (dot::<V>(x, x) / width as f32 + eps).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * s * w;
            }
            *kept = s;
        }
    }

    fn backward<V>(x: &[f32], w: &[f32], inverse_rms: &[f32], dy: &[f32], dx: &mut [f32]) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((x, dy), dx), &s) in rows.zip(inverse_rms) {
            for ((dx, dy), w) in dx.iter_mut().zip(dy).zip(w) {
                *dx = dy * w;
            }
            let along = dot::<V>(dx, x) / width as f32 * s * s;
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = (*dx - x * along) * s;
            }
        }
    }

    fn weight_gradient<V>(x: &[f32], inverse_rms: &[f32], dy: &[f32], part: &mut [f32]) {
        let width = part.len();
        for ((x, dy), s) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(inverse_rms) {
            for ((part, x), dy) in part.iter_mut().zip(x).zip(dy) {
                *part += dy * x * s;
            }
        }
    }
}
