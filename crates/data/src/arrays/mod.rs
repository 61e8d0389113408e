//! Files of numbers: NumPy's npy and npz, tables as CSV, Matrix Market, ratings.
//!
//! An [`Array`] lies row after row, whatever the file did. Readers believe nothing: a shape is held against what is really
//! there before room is made for it. What is written comes as bytes, or goes number by number to a target, for the caller to put
//! where it belongs as a whole.

pub mod csv;
mod fault;
pub mod matrix_market;
pub mod npy;
pub mod npz;
mod number;
mod quiet;
mod ratings;
mod text;

pub use fault::Fault;
pub use ratings::Ratings;

use crate::error::{Error, Result};
use std::path::Path;

/// The most numbers of an array that are read, or made of a sparse matrix: 16 GiB.
pub const LIMIT: usize = 1 << 31;

/// The most rows, and the most columns, of a matrix that is read by its entries. However few these are, whatever is made of it
/// has vectors as long: 2 GiB each.
pub const SIDE_LIMIT: usize = 1 << 28;

/// A complex number: real and imaginary part.
pub type Complex = [f64; 2];

/// Numbers with a shape, the last axis innermost: as many values as the product of the sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T = f64> {
    /// Size of every axis, outermost first; without one it is a single number.
    pub shape: Vec<usize>,
    /// The numbers, row after row.
    pub values: Vec<T>,
}

/// A matrix by some of its entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// How many rows there are.
    pub rows: usize,
    /// How many columns there are.
    pub columns: usize,
    /// Row, column and value, rows and columns from 0; in the order of the file.
    pub entries: Vec<(usize, usize, f64)>,
}

/// A matrix as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    /// All entries; an array of any shape.
    Dense(Array),
    /// Some entries.
    Sparse(Sparse),
}

impl Matrix {
    /// Reads a file, told by its ending: `.npy`, `.npz`, `.mtx`, and `.csv`, `.tsv` or `.txt`. Of several arrays in a `.npz` the
    /// one that is called `name` is meant.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Array`] with what is wrong with the file.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        Ok(match ending.as_deref() {
            Some("npy") => Self::Dense(npy::read(path)?),
            Some("npz") => {
                let mut archive = npz::Npz::open(path)?;
                let only = archive.only();
                Self::Dense(archive.array(only.as_deref().unwrap_or(name))?)
            }
            Some("mtx") => matrix_market::read(path)?,
            Some("csv" | "tsv" | "txt") => Self::Dense(csv::read(path)?.array),
            _ => return Err(at(path, Fault::Ending)),
        })
    }

    /// All entries, those that the file leaves out zero; `path` stands in messages.
    ///
    /// # Errors
    /// [`Fault::TooLarge`].
    pub fn dense(self, path: &Path) -> Result<Array> {
        match self {
            Self::Dense(array) => Ok(array),
            Self::Sparse(sparse) => sparse.dense().map_err(|fault| at(path, fault)),
        }
    }
}

impl Array {
    /// A matrix out of a file; a vector is one column. `name` as [`Matrix::read`] takes it.
    ///
    /// # Errors
    /// As [`Matrix::read`]; [`Fault::Shape`] where there are more axes.
    pub fn read_matrix(path: &Path, name: &str) -> Result<Self> {
        let Self { mut shape, values } = Matrix::read(path, name)?.dense(path)?;
        match shape.len() {
            1 => shape.push(1),
            2 => {}
            _ => return Err(at(path, Fault::Shape { found: shape, expected: "a matrix" })),
        }
        Ok(Self { shape, values })
    }

    /// A vector out of a file; a single row or column is one.
    ///
    /// # Errors
    /// As [`Matrix::read`]; [`Fault::Shape`] where it is none.
    pub fn read_vector(path: &Path, name: &str) -> Result<Vec<f64>> {
        let Self { shape, values } = Matrix::read(path, name)?.dense(path)?;
        match shape.iter().filter(|size| **size != 1).count() {
            0 | 1 => Ok(values),
            _ => Err(at(path, Fault::Shape { found: shape, expected: "a vector" })),
        }
    }
}

impl Sparse {
    /// All entries, those that are left out zero. Entries of one place are added.
    ///
    /// # Errors
    /// [`Fault::TooLarge`].
    pub fn dense(&self) -> Result<Array, Fault> {
        let shape = vec![self.rows, self.columns];
        let mut values = vec![0.0; count(&shape)?];
        self.entries.iter().for_each(|&(row, column, value)| values[row * self.columns + column] += value);
        Ok(Array { shape, values })
    }
}

/// How many numbers an array of this shape has.
fn count(shape: &[usize]) -> Result<usize, Fault> {
    let product = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let within = product.filter(|&count| count <= LIMIT);
    within.ok_or_else(|| Fault::TooLarge { shape: shape.to_vec(), limit: LIMIT })
}

fn at(path: &Path, fault: Fault) -> Error {
    Error::Array { path: path.to_owned(), fault }
}
