//! c = scale · a · b (+ c) on strided f32 matrices.
//!
//!     c: [rows, columns]  a: [rows, depth]  b: [depth, columns]
//!
//! Two routes. Up to 15 rows of a against a transposed row-major b (`y = x · Wᵀ`: a generated token, a short prompt):
//! dot products that read W once (`matvec.rs`). Otherwise the `gemm` crate, which packs panels of both operands into
//! cache; a product large enough for several threads is cut into tiles of up to `TALL` by `TILE`, each packed
//! and multiplied by one thread. That reaches the processor's rate within about 10 %, provided W's rows do not collide in
//! the cache while they are packed; where they would (`ALIASING`), the tile's part of W is transposed first.
//!
//! Every number of c is one sum over the depth in an order that depends on the shapes only.

use crate::transpose::transpose;
use crate::vectorise::LANES;
use crate::{matvec, tasks};
use gemm::Parallelism;
use std::ops::Range;

/// A matrix view: data with row and column strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The numbers; element (i, j) is `data[i · row_stride + j · column_stride]`.
    pub data: &'a [f32],
    /// How many rows.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// Distance between neighbours in a column.
    pub row_stride: usize,
    /// Distance between neighbours in a row.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix; `data` holds rows · columns numbers.
    ///
    /// # Panics
    /// When it holds more or fewer.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "data of a [{rows}, {columns}] matrix");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Self { data, rows: columns, columns: rows, row_stride: column_stride, column_stride: row_stride }
    }

    pub(crate) fn fits(&self) -> bool {
        fits(self.data.len(), [(self.rows, self.row_stride), (self.columns, self.column_stride)])
    }
}

/// A row-major matrix that is written; rows are `stride` apart.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// The numbers of `data` in rows that touch.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, stride: columns }
    }

    /// The same for a shorter time.
    fn again(&mut self) -> MatrixMut<'_> {
        let Self { rows, columns, stride, .. } = *self;
        MatrixMut { data: self.data, rows, columns, stride }
    }
}

/// Whether every index of a strided view is below `len`.
fn fits(len: usize, axes: [(usize, usize); 2]) -> bool {
    if axes.iter().any(|&(count, _)| count == 0) {
        return true;
    }
    let last = axes
        .iter()
        .try_fold(0usize, |sum, &(count, stride)| sum.checked_add((count - 1).checked_mul(stride)?));
    last.is_some_and(|last| last < len)
}

/// Multiply-adds above which a product is shared between threads.
const SHARED: usize = 1 << 20;

/// The most columns of c in a tile (rows, where there are not as many columns).
const TILE: usize = 128;

/// The most rows of c in a tile of many columns: enough of them to make packing W cheap beside multiplying it.
const TALL: usize = 512;

/// Rows that lie a multiple of this many numbers apart fall on few sets of the first cache. Packing a transposed
/// weight panel by panel then reads each line many times over; a blocked transpose reads it once.
const ALIASING: usize = 256;

/// `c = scale · a · b`, plus the old `c` when `accumulate`; c: row-major [a.rows, b.columns].
///
/// # Panics
/// When the inner sizes differ, or a slice is too short for its shape.
pub fn matmul(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
    assert_eq!(
        c.len(),
        a.rows * b.columns,
        "length of the product of [{}, _] and [_, {}]",
        a.rows,
        b.columns
    );
    product(MatrixMut::new(c, a.rows, b.columns), a, b, scale, accumulate);
}

fn product(c: MatrixMut<'_>, a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
    check(&c, &a, &b);
    if matvec::applies(&a, &b) {
        matvec::shared(c, a, b.t(), scale, accumulate);
    } else if c.rows.saturating_mul(c.columns).saturating_mul(a.columns) < SHARED {
        matmul_alone(c, a, b, scale, accumulate);
    } else {
        together(vec![Sum { accumulate, ..Sum::of(c, Term { a, b, scale }) }]);
    }
}

fn check(c: &MatrixMut<'_>, a: &Matrix<'_>, b: &Matrix<'_>) {
    assert_eq!(a.columns, b.rows, "inner sizes of a matrix product");
    assert!(c.rows == a.rows && c.columns == b.columns, "shape of a matrix product");
    assert!(a.fits(), "the left operand is shorter than its [{}, {}]", a.rows, a.columns);
    assert!(b.fits(), "the right operand is shorter than its [{}, {}]", b.rows, b.columns);
    assert!(
        fits(c.data.len(), [(c.rows, c.stride), (c.columns, 1)]),
        "the product is shorter than its shape"
    );
    assert!(c.rows < 2 || c.columns <= c.stride, "rows of the product overlap");
}

/// The product on the calling thread.
pub(crate) fn matmul_alone(c: MatrixMut<'_>, a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
    check(&c, &a, &b);
    if matvec::applies(&a, &b) {
        return matvec::alone(c, a, b.t(), scale, accumulate);
    }
    let whole = Tile { rows: 0..c.rows, columns: 0..c.columns };
    Destination { start: c.data.as_mut_ptr(), stride: c.stride }.fill(&whole, a, b, scale, accumulate);
}

/// `scale · a · b`.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    /// [rows, depth].
    pub a: Matrix<'a>,
    /// [depth, columns].
    pub b: Matrix<'a>,
    /// Factor of the product.
    pub scale: f32,
}

/// What becomes of c: the sum of some products, plus the old c when `accumulate`.
#[derive(Debug)]
pub struct Sum<'c, 'a> {
    /// Where it goes; [rows, columns].
    pub c: MatrixMut<'c>,
    /// At least one, unless c stays as it is.
    pub terms: Vec<Term<'a>>,
    /// Whether the old c is a part of it.
    pub accumulate: bool,
}

impl<'c, 'a> Sum<'c, 'a> {
    /// c = term.
    pub fn of(c: MatrixMut<'c>, term: Term<'a>) -> Self {
        Self { c, terms: vec![term], accumulate: false }
    }
}

/// Makes several sums in one go: threads share the tiles of all of them, and wait for each other once. All terms of a
/// tile are made by one thread while the tile is in its cache. Few rows against transposed weights take dot products.
///
/// # Panics
/// As [`matmul`], for every sum.
pub fn together(sums: Vec<Sum<'_, '_>>) {
    let (mut shared, mut tiles, mut work) = (Vec::new(), Vec::new(), 0_usize);
    for Sum { mut c, terms, accumulate } in sums {
        terms.iter().for_each(|term| check(&c, &term.a, &term.b));
        if terms.iter().any(|term| matvec::applies(&term.a, &term.b)) {
            for (at, &Term { a, b, scale }) in terms.iter().enumerate() {
                product(c.again(), a, b, scale, accumulate || at > 0);
            }
            continue;
        }
        let depth: usize = terms.iter().map(|term| term.a.columns).sum();
        work = work.saturating_add(c.rows.saturating_mul(c.columns).saturating_mul(depth));
        tiles.extend(Tile::cut(c.rows, c.columns).into_iter().map(|tile| (shared.len(), tile)));
        shared.push((Destination { start: c.data.as_mut_ptr(), stride: c.stride }, terms, accumulate));
    }
    let make = |(at, tile): (usize, Tile)| {
        let (destination, terms, accumulate) = &shared[at];
        for (at, term) in terms.iter().enumerate() {
            destination.fill(&tile, term.a, term.b, term.scale, *accumulate || at > 0);
        }
    };
    if work < SHARED { tiles.into_iter().for_each(make) } else { tasks::run(tiles, make) }
}

/// A product whose right operand is made piece by piece: threads share ranges of at most `most` columns of c (rounded up
/// to a multiple of `unit`), and `make` fills each.
pub(crate) fn matmul_columns(
    c: MatrixMut<'_>,
    (most, unit): (usize, usize),
    make: impl Fn(&Range<usize>, Columns<'_>) + Send + Sync,
) {
    assert!(
        fits(c.data.len(), [(c.rows, c.stride), (c.columns, 1)]),
        "the product is shorter than its shape"
    );
    let destination = Destination { start: c.data.as_mut_ptr(), stride: c.stride };
    tasks::run(tasks::pieces(c.columns, most, unit).collect(), |columns: Range<usize>| {
        let tile = Tile { rows: 0..c.rows, columns: columns.clone() };
        make(&columns, Columns { destination: &destination, tile: &tile });
    });
}

/// Some columns of a product, which belong to one task.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    destination: &'a Destination,
    tile: &'a Tile,
}

impl Columns<'_> {
    /// `c = a·b` in these columns, plus the old c when `accumulate`; a: [c.rows, depth], b: [depth, columns].
    pub fn fill(self, a: Matrix<'_>, b: Matrix<'_>, accumulate: bool) {
        let Tile { rows, columns } = self.tile;
        assert!(
            a.columns == b.rows && a.rows == rows.len() && b.columns == columns.len(),
            "shape of a piece"
        );
        assert!(a.fits() && b.fits(), "an operand of a piece is shorter than its shape");
        let whole = Tile { rows: rows.clone(), columns: 0..columns.len() };
        let destination = self.destination.shifted(columns.start);
        destination.fill(&whole, a, b, 1.0, accumulate);
    }
}

/// A part of the product: what one thread makes.
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Tile {
    /// Disjoint tiles that cover [rows, columns].
    fn cut(rows: usize, columns: usize) -> Vec<Self> {
        let (tall, wide) = if columns > TILE { (TALL, TILE) } else { (TILE, TILE) };
        let across: Vec<_> = tasks::pieces(columns, wide, LANES).collect();
        let cells = tasks::pieces(rows, tall, LANES)
            .flat_map(|rows| across.iter().map(move |at| (rows.clone(), at.clone())));
        cells.map(|(rows, columns)| Self { rows, columns }).collect()
    }
}

/// Where a product goes. Private to this file: made from a `MatrixMut` that `check` has passed, it lives no longer
/// than that borrow, and is filled with disjoint tiles.
struct Destination {
    start: *mut f32,
    stride: usize,
}

#[expect(unsafe_code, reason = "tiles of one row-major matrix are not slices that safe code can split")]
// SAFETY: threads write through it to disjoint tiles only (`Tile::cut`).
unsafe impl Sync for Destination {}

impl Destination {
    /// The same product without its first columns. The address is computed, not read: who fills it says how much is there.
    fn shifted(&self, column: usize) -> Self {
        Self { start: self.start.wrapping_add(column), stride: self.stride }
    }

    /// Makes one tile, by way of a transposed copy of its part of b where that is faster.
    fn fill(&self, tile: &Tile, a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
        let Tile { rows, columns } = tile;
        let a = Matrix { data: &a.data[rows.start * a.row_stride..], rows: rows.len(), ..a };
        let b = Matrix { data: &b.data[columns.start * b.column_stride..], columns: columns.len(), ..b };
        let offset = rows.start * self.stride + columns.start;
        if b.row_stride == 1 && b.column_stride.is_multiple_of(ALIASING) && rows.len() >= LANES {
            let mut copy = vec![0.0; b.rows * b.columns];
            transpose(b.data, b.columns, b.rows, b.column_stride, &mut copy);
            self.multiply(offset, a, Matrix::new(&copy, b.rows, b.columns), scale, accumulate);
        } else {
            self.multiply(offset, a, b, scale, accumulate);
        }
    }

    fn multiply(&self, offset: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) {
        // SAFETY: `check` saw that the three whole views lie inside their slices, and a tile lies inside the whole.
        #[expect(unsafe_code, reason = "the gemm crate takes pointers")]
        unsafe {
            gemm::gemm(
                a.rows,
                b.columns,
                a.columns,
                self.start.add(offset),
                1,
                self.stride as isize,
                accumulate,
                a.data.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                1.0,
                scale,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
