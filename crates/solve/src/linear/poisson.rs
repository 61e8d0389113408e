//! Poisson's equation on a grid of cells with obstacles: the pressure of a fluid.
//!
//!     (A·x)_i = d_i·x_i − Σ_j x_j       over the fluid neighbours j of the fluid cell i
//!     d_i = 2·axes − how many neighbours of i are solid
//!
//! Unit spacing. Beyond the walls of the box the pressure is zero (Dirichlet); nothing flows into solid cells (Neumann), whose
//! rows are empty. One product costs three reads and a write a cell; no entry is kept. The condition number grows as N². Source:
//! [dcdm], whose problems are such grids.

use super::{Operator, SparseSymmetric, obstacle, sparse::Sparse};
use crate::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;

/// Cells from which on a product is cut between threads.
const PARALLEL: usize = 1 << 15;

/// The operator; cells in row-major order, the last axis contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Poisson {
    shape: Vec<usize>,
    /// 1 in fluid cells, 0 in solid ones; [n].
    fluid: Vec<f64>,
    /// d; 0 in solid cells; [n].
    diagonal: Vec<f64>,
}

impl Poisson {
    /// The operator of a box with obstacles; shape: cells along each axis, solid: one a cell.
    ///
    /// # Errors
    /// When the grid has no fluid cell, `solid` another length, or solid cells enclose fluid, whose pressure has then no
    /// level.
    pub fn new(shape: &[usize], solid: &[bool]) -> Result<Self> {
        let cells = cells(shape)?;
        if solid.len() != cells {
            let reason = "the shape of the grid multiplies to that";
            return Err(Error::Size {
                what: "solid",
                unit: "cells",
                found: solid.len(),
                expected: cells,
                reason,
            });
        }
        if shape.is_empty() || solid.iter().all(|&solid| solid) {
            return Err(Error::Empty { what: "the grid" });
        }
        if let Some(cell) = obstacle::enclosed(shape, solid).iter().position(|&enclosed| enclosed) {
            return Err(Error::Enclosed { cell });
        }
        let fluid = solid.iter().map(|&solid| f64::from(u8::from(!solid))).collect();
        let mut grid = Self { shape: shape.to_vec(), fluid, diagonal: Vec::new() };
        grid.diagonal = (0..cells).map(|cell| grid.fluid[cell] * grid.open_faces(cell)).collect();
        Ok(grid)
    }

    /// The operator of a box without obstacles, `side` cells along each of `axes` axes.
    ///
    /// # Errors
    /// As [`Poisson::new`].
    pub fn cube(side: usize, axes: usize) -> Result<Self> {
        let shape = vec![side; axes];
        Self::new(&shape, &vec![false; cells(&shape)?])
    }

    /// Cells along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Whether a cell is fluid.
    pub fn is_fluid(&self, cell: usize) -> bool {
        self.fluid[cell] > 0.0
    }

    /// Cells that touch a cell, before and after it along each axis.
    pub(super) fn neighbours(&self, cell: usize) -> impl Iterator<Item = usize> {
        neighbours(&self.shape, cell)
    }

    fn open_faces(&self, cell: usize) -> f64 {
        let solid = self.neighbours(cell).filter(|&neighbour| !self.is_fluid(neighbour)).count();
        (2 * self.shape.len() - solid) as f64
    }

    /// The product in the `row`-th line of cells along the last axis.
    fn apply_line(&self, row: usize, x: &[f64], product: &mut [f64]) {
        let (length, lines) = (product.len(), &self.shape[..self.shape.len() - 1]);
        let here = row * length..(row + 1) * length;
        let (fluid, here_x) = (&self.fluid[here.clone()], &x[here.clone()]);
        for (product, (diagonal, x)) in product.iter_mut().zip(self.diagonal[here].iter().zip(here_x)) {
            *product = diagonal * x;
        }
        subtract(&mut product[1..], fluid, here_x);
        subtract(product, &fluid[1..], &here_x[1..]);
        for line in neighbours(lines, row) {
            let there = line * length..(line + 1) * length;
            subtract(product, &self.fluid[there.clone()], &x[there]);
        }
        product.iter_mut().zip(fluid).for_each(|(product, fluid)| *product *= fluid);
    }
}

impl Operator for Poisson {
    fn size(&self) -> usize {
        self.fluid.len()
    }

    fn apply(&self, x: &[f64], product: &mut [f64]) {
        let length = self.shape.last().copied().unwrap_or(1);
        let line = |(row, product): (usize, &mut [f64])| self.apply_line(row, x, product);
        if product.len() < PARALLEL {
            product.chunks_mut(length).enumerate().for_each(line);
        } else {
            let lines = product.par_chunks_mut(length).enumerate();
            lines.with_min_len((PARALLEL / 8).div_ceil(length)).for_each(line);
        }
    }

    fn diagonal(&self) -> Option<Vec<f64>> {
        Some(self.diagonal.clone())
    }

    fn matrix(&self) -> Option<Cow<'_, SparseSymmetric>> {
        let mut matrix = Sparse::new(self.size());
        for cell in 0..self.size() {
            if self.is_fluid(cell) {
                let mut row: Vec<_> = self.neighbours(cell).filter(|&there| self.is_fluid(there)).collect();
                row.push(cell);
                row.sort_unstable();
                let value = |column| if column == cell { self.diagonal[cell] } else { -1.0 };
                row.into_iter().for_each(|column| matrix.push(column, value(column)));
            }
            matrix.end_row();
        }
        Some(Cow::Owned(SparseSymmetric::from_sparse(matrix)))
    }
}

/// How many cells there are.
fn cells(shape: &[usize]) -> Result<usize> {
    let (cells, limit) =
        (shape.iter().fold(1usize, |cells, &along| cells.saturating_mul(along)), u32::MAX as usize);
    if cells <= limit { Ok(cells) } else { Err(Error::Large { what: "the grid", unknowns: cells, limit }) }
}

/// product −= fluid·x, as far as the shortest reaches.
fn subtract(product: &mut [f64], fluid: &[f64], x: &[f64]) {
    product.iter_mut().zip(fluid.iter().zip(x)).for_each(|(product, (fluid, x))| *product -= fluid * x);
}

/// Places that touch a place of a grid, before and after it along each axis.
pub(super) fn neighbours(shape: &[usize], place: usize) -> impl Iterator<Item = usize> {
    let strides = shape.iter().rev().scan(1, |stride, &along| {
        let here = *stride;
        *stride *= along;
        Some((here, along))
    });
    strides.flat_map(move |(stride, along)| {
        let coordinate = place / stride % along;
        let before = (0 < coordinate).then(|| place - stride);
        before.into_iter().chain((coordinate + 1 < along).then(|| place + stride))
    })
}
