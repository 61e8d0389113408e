//! A product cut into tiles, which tasks make, and tiles into cells, which kernels make.
//!
//! Blocking. A task makes a tile of up to `TALL` by `WIDE` numbers of c. It walks k in pieces of about `DEEP` numbers, so
//! that the piece's part of a cell's rows of a (64·DEEP bytes = 32 KiB) stays in the first cache while all columns of the
//! tile pass by it, and the piece's part of b (2·DEEP·WIDE bytes = 256 KiB) stays in the second while all rows do.
//! Beyond the second cache a tile causes 2·k·(TALL + WIDE) bytes of reading for 2·k·TALL·WIDE operations: one byte
//! for 85 operations. Tiles depend on the shapes only, so every number of c is one sum in one order.

use super::pack::{Line, Panels, Rows, SIDE};
use super::{CellMut, Kernel, Operands};
use crate::tasks;
use crate::vectorise::LANES;
use std::cell::Cell;
use std::ops::Range;

/// The most rows of c in a tile.
const TALL: usize = 128;

/// The most columns of c in a tile.
const WIDE: usize = 256;

/// Numbers along k in a piece; the pieces of a product are equal and have between 2/3 and 3/2 of it.
pub(super) const DEEP: usize = 512;

/// How the product lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    /// [m, n], row-major.
    Straight,
    /// [n, m], row-major.
    Transposed,
}

/// Where a product goes: row-major, without gaps.
pub(crate) struct Target<'a> {
    pub data: &'a mut [f32],
    pub layout: Layout,
    /// Whether the product is added to what is there.
    pub accumulate: bool,
}

/// The product on the calling thread.
pub(crate) fn alone(kernel: Kernel, a: Rows<'_>, b: Panels<'_>, c: Target<'_>) {
    let destination = Destination::checked(a, b, c);
    tiles(a, b).into_iter().for_each(|tile| destination.fill(kernel, a, b, &tile));
}

/// The product in tiles that threads share.
pub(crate) fn shared(kernel: Kernel, a: Rows<'_>, b: Panels<'_>, c: Target<'_>) {
    let destination = Destination::checked(a, b, c);
    tasks::run(tiles(a, b), |tile| destination.fill(kernel, a, b, &tile));
}

/// A part of the product: what one task makes.
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Disjoint tiles that cover the product.
fn tiles(a: Rows<'_>, b: Panels<'_>) -> Vec<Tile> {
    let down: Vec<_> = tasks::pieces(a.rows, TALL, SIDE).collect();
    let across = tasks::pieces(b.columns, WIDE, SIDE);
    let cells = across.flat_map(|columns| down.iter().map(move |rows| (rows.clone(), columns.clone())));
    cells.map(|(rows, columns)| Tile { rows, columns }).collect()
}

/// 0..depth in equal pieces; a single empty one where there is no depth, so that the product is 0.
pub(super) fn pieces(depth: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
    let count = ((depth + DEEP / 2) / DEEP).max(1);
    let size = depth.div_ceil(count).next_multiple_of(SIDE).max(SIDE);
    (0..depth.max(1)).step_by(size).map(move |start| start..(start + size).min(depth))
}

/// SIDE by SIDE numbers of a product in a buffer.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Buffered([f32; SIDE * SIDE]);

const EMPTY: Buffered = Buffered([0.0; SIDE * SIDE]);

/// Memory of a thread, kept from task to task.
#[derive(Default)]
struct Scratch {
    /// Copies of rows of a that are not whole.
    left: Vec<Line>,
    /// Cells that do not lie in c.
    cells: Vec<Buffered>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { left: Vec::new(), cells: Vec::new() }) };
}

/// Where a product goes, for tasks. Private to this file: made from a target that has room for the product, it lives no
/// longer than that borrow, and is filled with disjoint tiles.
struct Destination {
    start: *mut f32,
    stride: usize,
    layout: Layout,
    accumulate: bool,
}

#[expect(unsafe_code, reason = "tiles of one row-major matrix are not slices that safe code can split")]
// SAFETY: threads write through it to disjoint tiles only (`tiles`).
unsafe impl Sync for Destination {}

impl Destination {
    fn checked(a: Rows<'_>, b: Panels<'_>, c: Target<'_>) -> Self {
        assert_eq!(a.depth, b.depth, "inner sizes of a bf16 product");
        assert_eq!(c.data.len(), a.rows * b.columns, "length of a bf16 product");
        let stride = if c.layout == Layout::Straight { b.columns } else { a.rows };
        Self { start: c.data.as_mut_ptr(), stride, layout: c.layout, accumulate: c.accumulate }
    }

    /// Makes one tile.
    fn fill(&self, kernel: Kernel, a: Rows<'_>, b: Panels<'_>, tile: &Tile) {
        let mut scratch = SCRATCH.take();
        let ready = kernel.ready();
        let pieces = pieces(a.depth);
        let last = pieces.len() - 1;
        let across = tile.columns.len().div_ceil(SIDE);
        for (at, piece) in pieces.enumerate() {
            for (down, row) in tile.rows.clone().step_by(SIDE).enumerate() {
                let rows = row..(row + SIDE).min(tile.rows.end);
                let (left, stride) = a.cell(&rows, &piece, &mut scratch.left);
                for (side, column) in tile.columns.clone().step_by(SIDE).enumerate() {
                    let columns = column..(column + SIDE).min(tile.columns.end);
                    let operands = Operands { left, stride, right: b.cell(column, &piece) };
                    let index = if last == 0 { 0 } else { down * across + side };
                    let cell = self.cell(&rows, &columns);
                    let accumulate = 0 < at || (self.accumulate && cell.is_some());
                    #[expect(unsafe_code, reason = "a cell of a matrix that several threads write")]
                    // SAFETY: the cell lies in this task's tile of c, or in the buffer.
                    unsafe {
                        ready.multiply(
                            operands,
                            cell.unwrap_or_else(|| buffered(&mut scratch.cells, index)),
                            accumulate,
                        );
                    }
                    if cell.is_none() && at == last {
                        self.put(&scratch.cells[index].0, &rows, &columns);
                    }
                }
            }
        }
        drop(ready);
        SCRATCH.set(scratch);
    }

    /// A cell in its place, where it can be made there.
    fn cell(&self, rows: &Range<usize>, columns: &Range<usize>) -> Option<CellMut> {
        if self.layout == Layout::Transposed || rows.len() < SIDE || columns.len() < SIDE {
            return None;
        }
        Some(CellMut {
            start: self.start.wrapping_add(rows.start * self.stride + columns.start),
            stride: self.stride,
        })
    }

    /// Stores what exists of a cell that was made in a buffer.
    fn put(&self, cell: &[f32; SIDE * SIDE], rows: &Range<usize>, columns: &Range<usize>) {
        let mut turned = EMPTY;
        let (cell, lines, within) = match self.layout {
            Layout::Straight => (cell, rows, columns),
            Layout::Transposed => {
                turn(cell, &mut turned.0);
                (&turned.0, columns, rows)
            }
        };
        for (line, numbers) in lines.clone().zip(cell.as_chunks::<SIDE>().0) {
            #[expect(unsafe_code, reason = "a row of a tile of a matrix that several threads write")]
            // SAFETY: this part of a line of c lies in the task's tile, and `checked` saw that c has it.
            let out = unsafe {
                std::slice::from_raw_parts_mut(
                    self.start.add(line * self.stride + within.start),
                    within.len(),
                )
            };
            if self.accumulate {
                out.iter_mut().zip(numbers).for_each(|(out, number)| *out += number);
            } else if let Some(out) = out.first_chunk_mut() {
                *out = *numbers;
            } else {
                out.copy_from_slice(&numbers[..within.len()]);
            }
        }
    }
}

vectorised! {
    /// Transposes a cell.
    fn turn<V>(cell: &[f32; SIDE * SIDE], turned: &mut [f32; SIDE * SIDE]) {
        for row in [0, LANES] {
            for column in [0, LANES] {
                V::turn(&cell[row * SIDE + column..], SIDE, &mut turned[column * SIDE + row..], SIDE);
            }
        }
    }
}

/// One of the cells in a buffer.
fn buffered(cells: &mut Vec<Buffered>, index: usize) -> CellMut {
    if cells.len() <= index {
        cells.resize(index + 1, EMPTY);
    }
    CellMut { start: cells[index].0.as_mut_ptr(), stride: SIDE }
}
