//! Layer normalisation of rows.
//!
//!     m_i = mean_j x_ij      s_i = 1 / √(mean_j (x_ij − m_i)² + ε)      n_ij = (x_ij − m_i) · s_i      y_ij = n_ij · w_j + b_j
//!     x, y: [rows, width]  w, b: [width]  (m, s): [rows], the moments, kept for the backward pass
//!
//!     g_ij = w_j · dy_ij      dx_ij = s_i · (g_ij − mean_k g_ik − n_ij · mean_k g_ik·n_ik)
//!     dw_j = Σ_i dy_ij · n_ij      db_j = Σ_i dy_ij
//!
//! The variance is that of the centred row, so that a mean far from 0 costs no digits. The sums over rows are made in
//! blocks of `ROWS` rows that meet in order.

use crate::tasks;
use crate::vectorise::{LANES, Vector, dot, load, store};

/// Rows of a backward task; each holds one partial dw and db.
const ROWS: usize = 64;

/// What the backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The rows; [rows, width].
    pub x: &'a [f32],
    /// Factors; [width].
    pub w: &'a [f32],
    /// Mean and inverse deviation of every row; [rows].
    pub moments: &'a [[f32; 2]],
}

/// Where gradients go: what is wanted is overwritten.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// Of the rows; [rows, width].
    pub dx: Option<&'a mut [f32]>,
    /// Of the factors; [width].
    pub dw: Option<&'a mut [f32]>,
    /// Of the added vector; [width].
    pub db: Option<&'a mut [f32]>,
}

/// `y = (x − mean) / √(variance + eps) · w + b`, row by row; `x, y: [rows, width]`, `w, b: [width]`, `moments: [rows]`.
///
/// # Panics
/// When the lengths do not fit together.
pub fn layer_norm(x: &[f32], w: &[f32], b: &[f32], eps: f32, y: &mut [f32], moments: &mut [[f32; 2]]) {
    let width = w.len();
    check(x, width, moments.len());
    assert_eq!(b.len(), width, "length of a norm's bias");
    assert_eq!(y.len(), x.len(), "length of the normalised rows");
    if width == 0 {
        return moments.fill([0.0, 1.0 / eps.sqrt()]);
    }
    let rows = tasks::rows_per_task(width);
    let tasks = x.chunks(rows * width).zip(y.chunks_mut(rows * width)).zip(moments.chunks_mut(rows));
    tasks::run(tasks.collect(), |((x, y), moments)| forward(x, w, b, eps, y, moments));
}

/// Gradients of [`layer_norm`] for dy: [rows, width].
///
/// # Panics
/// When the lengths do not fit together.
pub fn layer_norm_backward(saved: Saved<'_>, dy: &[f32], into: Gradients<'_>) {
    let Saved { x, w, moments } = saved;
    let width = w.len();
    check(x, width, moments.len());
    assert_eq!(dy.len(), x.len(), "length of the gradient of the normalised rows");
    if let Some(dx) = &into.dx {
        assert_eq!(dx.len(), x.len(), "length of the gradient of the rows");
    }
    for gradient in [&into.dw, &into.db].into_iter().flatten() {
        assert_eq!(gradient.len(), width, "length of the gradient of a norm's weight");
    }
    if width == 0 {
        return;
    }
    let size = ROWS * width;
    let rows = || x.chunks(size).zip(dy.chunks(size)).zip(moments.chunks(ROWS));
    if let Some(dx) = into.dx {
        let tasks = rows().zip(dx.chunks_mut(size)).collect();
        tasks::run(tasks, |(((x, dy), moments), dx)| backward(x, w, moments, dy, dx));
    }
    if into.dw.is_none() && into.db.is_none() {
        return;
    }
    let parts = tasks::collect(rows().collect(), |((x, dy), moments)| {
        let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
        weight_gradients(x, moments, dy, &mut dw, &mut db);
        [dw, db]
    });
    for (which, gradient) in [into.dw, into.db].into_iter().enumerate() {
        let Some(gradient) = gradient else { continue };
        gradient.fill(0.0);
        for part in &parts {
            gradient.iter_mut().zip(&part[which]).for_each(|(sum, part)| *sum += part);
        }
    }
}

fn check(x: &[f32], width: usize, rows: usize) {
    assert_eq!(x.len(), rows * width, "length of rows against their count times the norm's weight");
}

/// The mean of a row that is not empty.
#[inline(always)]
fn mean<V: Vector>(x: &[f32]) -> f32 {
    let mut sum = V::splat(0.0);
    for x in x.chunks(LANES) {
        sum = sum.add(load(x));
    }
    sum.sum() / x.len() as f32
}

vectorised! {
    fn forward<V>(x: &[f32], w: &[f32], b: &[f32], eps: f32, y: &mut [f32], moments: &mut [[f32; 2]]) {
        let width = w.len();
        for ((x, y), kept) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(moments) {
            let m = mean::<V>(x);
            for (y, x) in y.iter_mut().zip(x) {
                *y = x - m;
            }
            let s = 1.0 / (dot::<V>(y, y) / width as f32 + eps).sqrt();
            for ((y, w), b) in y.iter_mut().zip(w).zip(b) {
                *y = *y * s * w + b;
            }
            *kept = [m, s];
        }
    }

    fn backward<V>(x: &[f32], w: &[f32], moments: &[[f32; 2]], dy: &[f32], dx: &mut [f32]) {
        let width = w.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((x, dy), dx), &[m, s]) in rows.zip(moments) {
            let (mut sum, mut along) = (V::splat(0.0), V::splat(0.0));
            let inputs = x.chunks(LANES).zip(dy.chunks(LANES)).zip(w.chunks(LANES));
            for (((x, dy), w), dx) in inputs.zip(dx.chunks_mut(LANES)) {
                let g = load::<V>(dy).mul(load(w));
                let n = load::<V>(x).sub(V::splat(m)).mul(V::splat(s));
                sum = sum.add(g);
                along = g.mul_add(n, along);
                store(g, dx);
            }
            let (sum, along) = (sum.sum() / width as f32, along.sum() / width as f32);
            for (dx, x) in dx.iter_mut().zip(x) {
                *dx = (*dx - sum - (x - m) * s * along) * s;
            }
        }
    }

    fn weight_gradients<V>(x: &[f32], moments: &[[f32; 2]], dy: &[f32], dw: &mut [f32], db: &mut [f32]) {
        let width = dw.len();
        for ((x, dy), [m, s]) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(moments) {
            for (((dw, db), x), dy) in dw.iter_mut().zip(db.iter_mut()).zip(x).zip(dy) {
                *dw += dy * (x - m) * s;
                *db += dy;
            }
        }
    }
}
