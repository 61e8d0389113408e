//! Operands of bf16 products: rounding, rows, packed panels.
//!
//!     b: [k, n]  →  [n/16 panels][k/2 pairs] lines of 16 words    word j of a line = (b[2q, 16p + j], b[2q + 1, 16p + j])
//!
//! The layout that `tdpbf16ps` and `vdpbf16ps` want: a line is 64 bytes, what one multiply-add of sixteen columns takes; the
//! number of the even row is the lower half of its word. n is filled up with zeros to whole cells (two panels), k to whole
//! steps. Packing reads b once and writes 2·k·n bytes.
//!
//! Rounding is to nearest, ties to even; NaN stays NaN. Beyond the largest bf16 lies ∞.

use crate::tasks::{self, CHUNK};
use crate::vectorise::LANES;
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Rows and columns of a cell, and the numbers along k in a step of the kernels.
pub(super) const SIDE: usize = 32;

/// Columns in a panel.
const PANEL: usize = LANES;

/// Panels that one task packs from rows: 256 bytes of each.
const ABREAST: usize = 8;

/// Pairs of bf16 numbers of sixteen columns.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [u32; PANEL]);

/// Rows of bf16 numbers, `stride` apart: the left operand.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    numbers: &'a [[u8; 2]],
    pub rows: usize,
    pub depth: usize,
}

impl<'a> Rows<'a> {
    /// A row-major matrix, little endian; numbers: [rows, depth].
    pub fn new(numbers: &'a [[u8; 2]], rows: usize, depth: usize) -> Self {
        assert_eq!(numbers.len(), rows * depth, "numbers of a bf16 [{rows}, {depth}] matrix");
        Self { numbers, rows, depth }
    }

    /// SIDE rows of whole steps, from `rows` and the numbers `piece` of each, and the distance between rows: where they
    /// are, if there are as many, else in `copy`, with zeros behind them.
    pub(super) fn cell<'b>(
        &self,
        rows: &Range<usize>,
        piece: &Range<usize>,
        copy: &'b mut Vec<Line>,
    ) -> (&'b [[u8; 2]], usize)
    where
        'a: 'b,
    {
        if rows.len() == SIDE && piece.len().is_multiple_of(SIDE) {
            return (&self.numbers[rows.start * self.depth + piece.start..], self.depth);
        }
        let stride = piece.len().next_multiple_of(SIDE);
        copy.clear();
        copy.resize(stride, Line::zeroed());
        let numbers: &mut [[u8; 2]] = bytemuck::cast_slice_mut(copy);
        for (row, out) in rows.clone().zip(numbers.chunks_exact_mut(stride.max(1))) {
            out[..piece.len()].copy_from_slice(&self.numbers[row * self.depth..][piece.clone()]);
        }
        (numbers, stride)
    }
}

/// Numbers rounded to bf16, little endian, where a line of memory starts.
#[derive(Default)]
pub(crate) struct Rounded {
    lines: Vec<Line>,
    length: usize,
}

impl Rounded {
    /// Rounds on all threads.
    pub fn new(x: &[f32]) -> Self {
        let mut rounded = Self::default();
        let out = rounded.resized(x.len());
        tasks::run(x.chunks(CHUNK).zip(out.chunks_mut(CHUNK)).collect(), |(x, out)| round(x, out));
        rounded
    }

    /// Rounds other numbers, on this thread.
    pub fn refill(&mut self, x: &[f32]) {
        round(x, self.resized(x.len()));
    }

    /// The numbers as the rows of a matrix.
    pub fn rows(&self, rows: usize, depth: usize) -> Rows<'_> {
        Rows::new(&bytemuck::cast_slice(&self.lines)[..self.length], rows, depth)
    }

    fn resized(&mut self, length: usize) -> &mut [[u8; 2]] {
        self.length = length;
        self.lines.resize(length.div_ceil(2 * PANEL), Line::zeroed());
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..length]
    }
}

/// A packed right operand, [depth, columns].
#[derive(Default)]
pub(crate) struct Packed {
    lines: Vec<Line>,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// b = xᵀ, rounded; x: [columns, depth].
    pub fn transposed(x: &[f32], columns: usize, depth: usize) -> Self {
        assert_eq!(x.len(), columns * depth, "numbers of a [{columns}, {depth}] matrix");
        let mut packed = Self::zeros(depth, columns);
        let pairs = packed.pairs();
        let panels = x.chunks((PANEL * depth).max(1)).zip(packed.lines.chunks_mut(pairs.max(1)));
        tasks::run(panels.collect(), |(x, lines)| turn_panel(x, depth, lines));
        packed
    }

    /// b = w, whose rows are those of b.
    pub fn straight(w: Rows<'_>) -> Self {
        let Rows { numbers, rows, depth: columns } = w;
        let mut packed = Self::zeros(rows, columns);
        let pairs = packed.pairs();
        let blocks = packed.lines.chunks_mut((ABREAST * pairs).max(1)).enumerate();
        tasks::run(blocks.collect(), |(block, lines): (usize, &mut [Line])| {
            pair_rows(numbers, columns, block * ABREAST * PANEL, lines, pairs);
        });
        packed
    }

    /// All of it.
    pub fn panels(&self) -> Panels<'_> {
        let Self { lines, depth, columns } = self;
        Panels { lines, pairs: self.pairs(), first: 0, depth: *depth, columns: *columns }
    }

    fn zeros(depth: usize, columns: usize) -> Self {
        let lines = columns.next_multiple_of(SIDE) / PANEL * (depth.next_multiple_of(SIDE) / 2);
        Self { lines: vec![Line::zeroed(); lines], depth, columns }
    }

    /// Lines of a panel.
    fn pairs(&self) -> usize {
        self.depth.next_multiple_of(SIDE) / 2
    }
}

/// A part of a packed operand.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    lines: &'a [Line],
    /// Lines of a panel, in memory.
    pairs: usize,
    /// The first of them that counts.
    first: usize,
    pub depth: usize,
    pub columns: usize,
}

impl<'a> Panels<'a> {
    /// Some columns, from the start of a cell to the start of one or to the end.
    pub fn columns(self, columns: Range<usize>) -> Self {
        let whole = columns.end.is_multiple_of(SIDE) || columns.end == self.columns;
        assert!(
            columns.start.is_multiple_of(SIDE) && whole && columns.end <= self.columns,
            "whole cells of columns"
        );
        let lines = &self.lines[columns.start / PANEL * self.pairs..];
        Self { lines, columns: columns.len(), ..self }
    }

    /// Some of the depth, from the start of a step to the start of one or to the end.
    pub fn depth(self, depth: Range<usize>) -> Self {
        let whole = depth.end.is_multiple_of(SIDE) || depth.end == self.depth;
        assert!(depth.start.is_multiple_of(SIDE) && whole && depth.end <= self.depth, "whole steps of depth");
        Self { first: self.first + depth.start / 2, depth: depth.len(), ..self }
    }

    /// The lines of two panels, from `column` on, that hold a piece of the depth.
    pub(super) fn cell(&self, column: usize, piece: &Range<usize>) -> [&'a [Line]; 2] {
        let lines = piece.len().next_multiple_of(SIDE) / 2;
        let panel = column / PANEL;
        [panel, panel + 1]
            .map(|panel| &self.lines[panel * self.pairs + self.first + piece.start / 2..][..lines])
    }
}

/// The bf16 nearest to x.
#[inline(always)]
fn nearest(x: f32) -> [u8; 2] {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    let quiet = bits | 0x40_0000;
    ((if x.is_nan() { quiet } else { up } >> 16) as u16).to_le_bytes()
}

vectorised! {
    /// Rounds x to bf16, little endian.
    pub(crate) fn round<V>(x: &[f32], out: &mut [[u8; 2]]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = nearest(x);
        }
    }

    /// Packs sixteen rows of x or fewer, of `depth` numbers each, as the columns of a panel.
    fn turn_panel<V>(x: &[f32], depth: usize, lines: &mut [Line]) {
        let mut words = [0.0; PANEL * PANEL];
        for (step, lines) in lines.chunks_exact_mut(PANEL).enumerate() {
            for (x, words) in x.chunks_exact(depth).zip(words.chunks_exact_mut(PANEL)) {
                let x = &x[step * 2 * PANEL..];
                let mut rounded = [[0; 2]; 2 * PANEL];
                for (rounded, &x) in rounded.iter_mut().zip(x) {
                    *rounded = nearest(x);
                }
                for (word, [even, odd]) in words.iter_mut().zip(rounded.as_chunks().0) {
                    *word = f32::from_bits(u32::from_le_bytes([even[0], even[1], odd[0], odd[1]]));
                }
            }
            V::turn(&words, PANEL, bytemuck::cast_slice_mut(lines), PANEL);
        }
    }

    /// Packs the columns from `first` on of w, which has `columns` of them, into as many panels of `pairs` lines as there are.
    fn pair_rows<V>(w: &[[u8; 2]], columns: usize, first: usize, lines: &mut [Line], pairs: usize) {
        for (pair, rows) in w.chunks(2 * columns).enumerate() {
            let (even, odd) = rows.split_at(columns);
            for (panel, left) in (first..columns).step_by(PANEL).take(lines.len() / pairs).enumerate() {
                let line = &mut lines[panel * pairs + pair].0;
                let right = (left + PANEL).min(columns);
                for (word, &[low, high]) in line.iter_mut().zip(&even[left..right]) {
                    *word = u32::from_le_bytes([low, high, 0, 0]);
                }
                if !odd.is_empty() {
                    for (word, &[low, high]) in line.iter_mut().zip(&odd[left..right]) {
                        *word |= u32::from_le_bytes([0, 0, low, high]);
                    }
                }
            }
        }
    }
}
