//! Convolution as it is written: for every output pixel a product of the window with the taps.
//!
//!     out[y, x, :] = Σ_r Σ_i plane[y·s + r, x·s·c + i] · taps[r, i, :]        i < run = kernel width · c
//!
//! With channels last a row of a window is one run of numbers, so no columns are copied out (im2col). Up to six pixels
//! and sixteen outputs are summed in registers; the taps of sixteen outputs are read from cache for every pixel.

use super::local::Plane;
use super::{LANES, abreast, each_rows, split};
use crate::vectorise::Vector;

/// A window on its way over a plane.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    /// Rows of the window.
    pub height: usize,
    /// Numbers in a row of it.
    pub run: usize,
    /// Numbers between a window and the next one in its row.
    pub jump: usize,
    /// Numbers between rows of the plane.
    pub line: usize,
    /// Rows of the plane between a row of windows and the next.
    pub lines: usize,
    /// Windows: rows and columns.
    pub size: [usize; 2],
}

impl Walk {
    pub fn new(plane: &Plane, [height, width]: [usize; 2], stride: [usize; 2], size: [usize; 2]) -> Self {
        let Plane { columns, depth, .. } = *plane;
        Self {
            height,
            run: width * depth,
            jump: stride[1] * depth,
            line: columns * depth,
            lines: stride[0],
            size,
        }
    }

    /// Where the window of output (y, x) starts.
    #[inline(always)]
    fn start(&self, y: usize, x: usize) -> usize {
        y * self.lines * self.line + x * self.jump
    }
}

vectorised! {
    /// Rows of `width` outputs a pixel; taps: [width / 16][height][run][16], out: [pixels, width].
    pub(super) fn forward<V>(plane: &[f32], walk: Walk, taps: &[f32], out: &mut [f32], width: usize) {
        let [rows, columns] = walk.size;
        let taps = taps.as_chunks::<LANES>().0;
        for (block, taps) in taps.chunks_exact((walk.height * walk.run).max(1)).enumerate() {
            for y in 0..rows {
                for (x, count) in split(columns, abreast::<V>()) {
                    let out = &mut out[(y * columns + x) * width + block * LANES..];
                    each_rows!(count, pixels::<V>(plane, walk, walk.start(y, x), taps, out, width));
                }
            }
        }
    }

    /// Adds Σ_{y, x} window(y, x) ⊗ dy[y, x, :] to sums: [width / 16][height][run][16].
    pub(super) fn gradient<V>(plane: &[f32], walk: Walk, dy: &[f32], dy_plane: Plane, sums: &mut [f32]) {
        let sums = sums.as_chunks_mut::<LANES>().0;
        for (block, sums) in sums.chunks_exact_mut((walk.height * walk.run).max(1)).enumerate() {
            for (r, sums) in sums.chunks_exact_mut(walk.run).enumerate() {
                for (i, count) in split(walk.run, abreast::<V>()) {
                    let (plane, dy) = (&plane[r * walk.line + i..], &dy[block * LANES..]);
                    each_rows!(count, taps::<V>(plane, walk, dy, dy_plane, &mut sums[i..]));
                }
            }
        }
    }
}

/// N neighbouring pixels, sixteen outputs.
#[inline(always)]
fn pixels<V: Vector, const N: usize>(
    plane: &[f32],
    walk: Walk,
    start: usize,
    taps: &[[f32; LANES]],
    out: &mut [f32],
    width: usize,
) {
    let mut sums = [V::splat(0.0); N];
    for (r, taps) in taps.chunks_exact(walk.run).enumerate() {
        let mut windows = [&plane[..0]; N];
        for (at, window) in windows.iter_mut().enumerate() {
            *window = &plane[start + r * walk.line + at * walk.jump..][..walk.run];
        }
        products(&mut sums, windows, taps);
    }
    for (at, sum) in sums.into_iter().enumerate() {
        if let Some(out) = out[at * width..].first_chunk_mut() {
            sum.store(out);
        }
    }
}

/// sums[n] += Σ_i rows[n][i] · columns[i, :].
#[inline(always)]
pub(super) fn products<V: Vector, const N: usize>(
    sums: &mut [V; N],
    mut rows: [&[f32]; N],
    columns: &[[f32; LANES]],
) {
    for row in &mut rows {
        *row = &row[..columns.len()];
    }
    for (i, column) in columns.iter().enumerate() {
        let column = V::load(column);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = V::splat(row[i]).mul_add(column, *sum);
        }
    }
}

/// N neighbouring taps, sixteen outputs, all pixels.
#[inline(always)]
fn taps<V: Vector, const N: usize>(
    plane: &[f32],
    walk: Walk,
    dy: &[f32],
    dy_plane: Plane,
    kept: &mut [[f32; LANES]],
) {
    let mut sums = [V::splat(0.0); N];
    let [rows, columns] = walk.size;
    for y in 0..rows {
        let (plane, dy) = (&plane[walk.start(y, 0)..], &dy[dy_plane.start(y, 0)..]);
        for x in 0..columns {
            let dy = dy[x * dy_plane.step[1] * dy_plane.depth..].first_chunk();
            let window = plane[x * walk.jump..].first_chunk::<N>();
            if let (Some(dy), Some(window)) = (dy, window) {
                let dy = V::load(dy);
                for (sum, number) in sums.iter_mut().zip(window) {
                    *sum = V::splat(*number).mul_add(dy, *sum);
                }
            }
        }
    }
    for (sum, kept) in sums.into_iter().zip(kept) {
        V::load(kept).add(sum).store(kept);
    }
}
