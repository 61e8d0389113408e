//! One image of a task, with channels last, and what is done on the way in and out.
//!
//! Maps come and go as [channels, pixels]; inside a task a pixel is a row of channels, so that every pass below and every
//! transform runs over whole vectors whatever the size of the maps.

use super::LANES;
use crate::transpose::transpose_into;
use crate::vectorise::{load, store};

/// A padded image: [rows, columns, depth], the picture's pixel (y, x) at `origin + (y, x) · step`, zeros around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub origin: [usize; 2],
    pub step: [usize; 2],
}

impl Plane {
    pub fn len(&self) -> usize {
        self.rows * self.columns * self.depth
    }

    #[inline(always)]
    pub fn start(&self, y: usize, x: usize) -> usize {
        let [top, left] = self.origin;
        ((top + y * self.step[0]) * self.columns + left + x * self.step[1]) * self.depth
    }

    /// Puts a picture of [pixels, depth] where it belongs.
    pub fn place(&self, pixels: &[f32], columns: usize, out: &mut [f32]) {
        let line = (columns * self.depth).max(1);
        for (y, row) in pixels.chunks_exact(line).enumerate() {
            if self.step[1] == 1 {
                out[self.start(y, 0)..][..line].copy_from_slice(row);
            } else {
                for (x, pixel) in row.chunks_exact(self.depth).enumerate() {
                    out[self.start(y, x)..][..self.depth].copy_from_slice(pixel);
                }
            }
        }
    }
}

/// maps: [channels, pixels] → rows: [pixels, width], zeros behind the channels.
pub(super) fn to_rows(maps: &[f32], channels: usize, rows: &mut [f32], width: usize) {
    let pixels = maps.len() / channels.max(1);
    if channels < width {
        rows.fill(0.0);
    }
    if width == 1 {
        rows.copy_from_slice(maps);
    } else {
        transpose_into(maps, [channels, pixels], pixels, rows, width);
    }
}

/// rows: [pixels, width] → maps: [channels, pixels].
pub(super) fn to_maps(rows: &[f32], width: usize, maps: &mut [f32], channels: usize) {
    let pixels = maps.len() / channels.max(1);
    transpose_into(rows, [pixels, channels], width, maps, pixels);
}

/// The sizes of a pooling: windows of `side` × `side` that stand side by side on rows of `columns` pixels.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub side: usize,
    pub columns: usize,
    /// Windows: rows and columns.
    pub size: [usize; 2],
}

vectorised! {
    /// `rows ← f(rows + bias)`; rows: [_, width], bias: [width].
    pub(super) fn finish<V>(rows: &mut [f32], bias: &[f32], relu: bool) {
        let zero = V::splat(0.0);
        for row in rows.chunks_exact_mut(bias.len()) {
            for (y, bias) in row.chunks_mut(LANES).zip(bias.chunks(LANES)) {
                let sum = load::<V>(y).add(load(bias));
                store(if relu { zero.max(sum) } else { sum }, y);
            }
        }
    }

    /// The largest of every window, finished, and which one it was (the first of equals);
    /// rows: [pixels, width], pooled and winners: [windows, width].
    pub(super) fn pool<V>(
        rows: &[f32],
        by: Windows,
        bias: &[f32],
        relu: bool,
        pooled: &mut [f32],
        winners: &mut [u8],
    ) {
        let width = bias.len();
        let outputs = pooled.chunks_exact_mut(width).zip(winners.chunks_exact_mut(width));
        for (at, (pooled, winners)) in outputs.enumerate() {
            let (top, left) = (at / by.size[1] * by.side, at % by.size[1] * by.side);
            let start = (top * by.columns + left) * width;
            let blocks = pooled.as_chunks_mut::<LANES>().0.iter_mut().zip(winners.as_chunks_mut::<LANES>().0);
            for (block, (pooled, winners)) in blocks.enumerate() {
                let rows = &rows[start + block * LANES..];
                let mut which = [0u32; LANES];
                if let Some(first) = rows.first_chunk() {
                    *pooled = *first;
                }
                for position in 1..by.side * by.side {
                    let (i, j) = (position / by.side, position % by.side);
                    if let Some(row) = rows[(i * by.columns + j) * width..].first_chunk::<LANES>() {
                        for ((best, which), &x) in pooled.iter_mut().zip(&mut which).zip(row) {
                            let larger = (x > *best) | (x.is_nan() & !best.is_nan());
                            *which = if larger { position as u32 } else { *which };
                            *best = if larger { x } else { *best };
                        }
                    }
                }
                for (winner, which) in winners.iter_mut().zip(which) {
                    *winner = which as u8;
                }
                let sum = V::load(pooled).add(load(&bias[block * LANES..]));
                (if relu { V::splat(0.0).max(sum) } else { sum }).store(pooled);
            }
        }
    }

    /// Hands the gradient of every window to its winner, zeros to the others; pooled: [windows, width].
    pub(super) fn unpool<V>(pooled: &[f32], winners: &[u8], by: Windows, plane: Plane, out: &mut [f32]) {
        let width = plane.depth;
        for (at, (pooled, winners)) in pooled.chunks_exact(width).zip(winners.chunks_exact(width)).enumerate() {
            let (top, left) = (at / by.size[1] * by.side, at % by.size[1] * by.side);
            for position in 0..by.side * by.side {
                let start = plane.start(top + position / by.side, left + position % by.side);
                let out = &mut out[start..][..width];
                for ((out, &x), &winner) in out.iter_mut().zip(pooled).zip(winners) {
                    *out = if winner == position as u8 { x } else { 0.0 };
                }
            }
        }
    }
}
