//! What the reduction to tridiagonal form asks of real and of complex numbers, and the columns that it works on.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par, c64};
use rankine_kernels::columns;
use std::iter::Sum;
use std::ops::{DivAssign, Mul, Neg, Sub};

/// Real or complex numbers in double precision.
pub trait Entry:
    ComplexField<Real = f64>
    + Copy
    + From<f64>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + DivAssign
    + DivAssign<f64>
    + Sum
{
    /// Multiplications that one of these takes.
    const PRODUCTS: usize;
    /// Rows from which on panels are faster than faer's columns, which are read and written for every one.
    const LARGE: usize;
    /// Whether a matrix of them is kept in its lower triangle alone.
    const HALF: bool;

    /// x − y·i of x + y·i.
    fn conjugate(self) -> Self;
    /// x of x + y·i.
    fn real_part(self) -> f64;
    /// x² + y² of x + y·i.
    fn square(self) -> f64;
    /// y ← y + C·w of the first columns of C, from `row` on; weights: [k], y: [rows − row].
    fn add_columns(columns: &Columns<Self>, row: usize, weights: &[Self], y: &mut [Self]);
    /// Cᴴ·x of the first columns of C, from `row` on; x: [rows − row]; [count].
    fn products(columns: &Columns<Self>, row: usize, count: usize, x: &[Self]) -> Vec<Self>;
    /// A·x of the part of A from row and column `start` on; x: [n − start]; as long.
    fn image(a: &Columns<Self>, start: usize, x: &[Self]) -> Vec<Self>;
    /// A − x·yᴴ − y·xᴴ of the part of A from row and column `start` on; x, y: [n − start, k].
    fn follow(a: &mut Columns<Self>, start: usize, x: MatRef<'_, Self>, y: MatRef<'_, Self>);
}

impl Entry for f64 {
    const PRODUCTS: usize = 1;
    const LARGE: usize = 768;
    const HALF: bool = true;

    fn conjugate(self) -> Self {
        self
    }

    fn real_part(self) -> f64 {
        self
    }

    fn square(self) -> f64 {
        self * self
    }

    fn add_columns(columns: &Columns<Self>, row: usize, weights: &[Self], y: &mut [Self]) {
        columns::add(columns.rest(row, 0), columns.stride, weights, y);
    }

    fn products(columns: &Columns<Self>, row: usize, count: usize, x: &[Self]) -> Vec<Self> {
        let mut products = vec![0.0; count];
        columns::products(columns.rest(row, 0), columns.stride, x, &mut products);
        products
    }

    fn image(a: &Columns<Self>, start: usize, x: &[Self]) -> Vec<Self> {
        let mut image = vec![0.0; x.len()];
        columns::add_symmetric(a.rest(start, start), a.stride, x, &mut image);
        image
    }

    fn follow(a: &mut Columns<Self>, start: usize, x: MatRef<'_, Self>, y: MatRef<'_, Self>) {
        let (half, all) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        for (x, y) in [(x, y), (y, x)] {
            let target = a.part_mut(start);
            triangular::matmul(target, half, Accum::Add, x, all, y.transpose(), all, -1.0, Par::Seq);
        }
    }
}

impl Entry for c64 {
    const PRODUCTS: usize = 4;
    // Their products are as fast column by column.
    const LARGE: usize = usize::MAX;
    const HALF: bool = false;

    fn conjugate(self) -> Self {
        self.conj()
    }

    fn real_part(self) -> f64 {
        self.re
    }

    fn square(self) -> f64 {
        self.norm_sqr()
    }

    fn add_columns(columns: &Columns<Self>, row: usize, weights: &[Self], y: &mut [Self]) {
        let (rows, count) = (y.len(), weights.len());
        let target = MatMut::from_column_major_slice_mut(y, rows, 1);
        let (left, right) = (columns.part(row, 0, count), MatRef::from_column_major_slice(weights, count, 1));
        matmul(target, Accum::Add, left, right, Self::ONE, Par::Seq);
    }

    fn products(columns: &Columns<Self>, row: usize, count: usize, x: &[Self]) -> Vec<Self> {
        let mut products = vec![Self::ZERO; count];
        let target = MatMut::from_column_major_slice_mut(&mut products, count, 1);
        let (left, right) = (columns.part(row, 0, count), MatRef::from_column_major_slice(x, x.len(), 1));
        matmul(target, Accum::Add, left.adjoint(), right, Self::ONE, Par::Seq);
        products
    }

    fn image(a: &Columns<Self>, start: usize, x: &[Self]) -> Vec<Self> {
        let mut image = vec![Self::ZERO; x.len()];
        let target = MatMut::from_column_major_slice_mut(&mut image, x.len(), 1);
        let (left, right) = (a.part(start, start, x.len()), MatRef::from_column_major_slice(x, x.len(), 1));
        matmul(target, Accum::Add, left, right, Self::ONE, Par::Seq);
        image
    }

    fn follow(a: &mut Columns<Self>, start: usize, x: MatRef<'_, Self>, y: MatRef<'_, Self>) {
        for (x, y) in [(x, y), (y, x)] {
            matmul(a.part_mut(start), Accum::Add, x, y.adjoint(), Self::from(-1.0), Par::Seq);
        }
    }
}

/// A matrix, column by column.
#[derive(Clone, Debug)]
pub struct Columns<T> {
    pub(super) entries: Vec<T>,
    pub(super) rows: usize,
    /// Between the beginnings of two columns.
    stride: usize,
}

impl<T: Entry> Columns<T> {
    pub(super) fn zeros(rows: usize, count: usize) -> Self {
        // Columns a power of two apart would share places of the processor's cache.
        let stride = rows + if rows.is_multiple_of(512) { 8 } else { 0 };
        Self { entries: vec![T::from(0.0); stride * count], rows, stride }
    }

    /// The Hermitian matrix with this lower triangle.
    pub(super) fn hermitian(a: MatRef<'_, T>) -> Self {
        let mut columns = Self::zeros(a.nrows(), a.nrows());
        for j in 0..columns.rows {
            let first = if T::HALF { j } else { 0 };
            for (i, entry) in (first..).zip(columns.column_mut(j, first)) {
                *entry = if j <= i { a[(i, j)] } else { a[(j, i)].conjugate() };
            }
        }
        columns
    }

    /// Everything from this number on.
    fn rest(&self, row: usize, column: usize) -> &[T] {
        self.entries.get(column * self.stride + row..).unwrap_or_default()
    }

    /// A column from this row on.
    pub(super) fn column(&self, column: usize, row: usize) -> &[T] {
        &self.rest(row, column)[..self.rows - row]
    }

    pub(super) fn column_mut(&mut self, column: usize, row: usize) -> &mut [T] {
        &mut self.entries[column * self.stride..][row..self.rows]
    }

    /// Some columns from this row and column on; [rows − row, count].
    pub(super) fn part(&self, row: usize, column: usize, count: usize) -> MatRef<'_, T> {
        let entries = self.rest(row, column);
        MatRef::from_column_major_slice_with_stride(entries, self.rows - row, count, self.stride)
    }

    /// Of a square matrix what is left from this row and column on.
    fn part_mut(&mut self, start: usize) -> MatMut<'_, T> {
        let (size, entries) = (self.rows - start, self.entries.get_mut(start * (self.stride + 1)..));
        MatMut::from_column_major_slice_with_stride_mut(entries.unwrap_or_default(), size, size, self.stride)
    }
}
