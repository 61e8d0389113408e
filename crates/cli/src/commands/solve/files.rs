//! Files of numbers, as the questions read and write them.

pub use crate::disk::{write, write_with};

use crate::errors::Failure;
use anyhow::Result;
use rankine_data::arrays::npz::{Npz, Writer};
use rankine_data::arrays::{Array, Complex, Matrix, csv, npy};
use rankine_solve::recovery::Factors;
use rankine_solve::{Mat, MatRef, c64};
use std::fmt::Debug;
use std::path::Path;

/// The ending of a file in small letters; empty where it has none.
pub fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// A matrix; of several arrays in an archive the one called `name`.
pub fn matrix(path: &Path, name: &str) -> Result<Mat<f64>> {
    Ok(to_matrix(&Array::read_matrix(path, name)?))
}

/// A vector; of several arrays in an archive the one called `name`.
pub fn vector(path: &Path, name: &str) -> Result<Vec<f64>> {
    Ok(Array::read_vector(path, name)?)
}

/// The archive of a solution to start from.
pub fn solution(path: &Path) -> Result<Npz> {
    if ending(path) == "npz" {
        return Ok(Npz::open(path)?);
    }
    let message = format!("`{}` does not hold all of a solution", path.display());
    Err(Failure::with_hint(message, "start from a `.npz` that `--output` wrote").into())
}

/// Whether an array to start from has the shape that the problem wants, and no entry that is wrong in it.
pub fn check_start<T: Debug>(
    path: &Path,
    name: &str,
    array: &Array<T>,
    expected: &[usize],
    is_wrong: impl Fn(&T) -> bool,
) -> Result<()> {
    let found = &array.shape;
    if found != expected {
        let message =
            format!("`{name}` of `{}` has the shape {found:?}; expected {expected:?}", path.display());
        return Err(Failure::with_hint(message, "start from the answer to a problem of the same size").into());
    }
    let Some(place) = array.values.iter().position(is_wrong) else { return Ok(()) };
    let (mut index, mut rest) = (vec![0; expected.len()], place);
    for (index, size) in index.iter_mut().zip(expected).rev() {
        (*index, rest) = (rest % size, rest / size);
    }
    let (value, path) = (&array.values[place], path.display());
    let message = format!("`{name}` of `{path}` has the entry `{value:?}` at {index:?}");
    Err(Failure::with_hint(message, "start from an answer as `--output` wrote it, or from none").into())
}

/// Whether an array is a vector: a single row or column is one.
pub fn is_vector(shape: &[usize]) -> bool {
    shape.iter().filter(|size| **size != 1).count() <= 1
}

/// A vector to start from; of several arrays in an archive the one called `name`.
pub fn start(path: &Path, name: &str, count: usize) -> Result<Vec<f64>> {
    let Array { shape, values } = Matrix::read(path, name)?.dense(path)?;
    let array = Array { shape: if is_vector(&shape) { vec![values.len()] } else { shape }, values };
    check_start(path, name, &array, &[count], |value| value.is_nan()).map(|()| array.values)
}

/// Factors to start from.
pub fn factors(path: &Path, rows: usize, columns: usize, rank: usize) -> Result<Factors> {
    let mut archive = solution(path)?;
    let mut side = |name: &str, count: usize| -> Result<Mat<f64>> {
        let array = archive.array(name)?;
        check_start(path, name, &array, &[count, rank], |value| value.is_nan())?;
        Ok(to_matrix(&array))
    };
    Ok(Factors { left: side("left", rows)?, right: side("right", columns)? })
}

/// The matrix of an array with two axes.
pub fn to_matrix(array: &Array) -> Mat<f64> {
    Mat::from_fn(array.shape[0], array.shape[1], |i, j| array.values[i * array.shape[1] + j])
}

/// The array of a matrix.
pub fn from_matrix(matrix: MatRef<'_, f64>) -> Array {
    Array { shape: vec![matrix.nrows(), matrix.ncols()], values: by_rows(matrix).collect() }
}

/// The entries of a matrix, row after row.
pub fn by_rows(matrix: MatRef<'_, f64>) -> impl Iterator<Item = f64> {
    (0..matrix.nrows()).flat_map(move |i| (0..matrix.ncols()).map(move |j| matrix[(i, j)]))
}

/// The array of a single number.
pub fn from_number(value: f64) -> Array {
    Array { shape: Vec::new(), values: vec![value] }
}

/// The array of a vector.
pub fn from_vector(values: &[f64]) -> Array {
    Array { shape: vec![values.len()], values: values.to_vec() }
}

/// The array of a complex vector.
pub fn from_complex(values: &[c64]) -> Array<Complex> {
    Array { shape: vec![values.len()], values: values.iter().map(|value| [value.re, value.im]).collect() }
}

/// Writes named arrays as `.npz`.
pub fn write_npz(path: &Path, arrays: &[(&str, Array)]) -> Result<()> {
    let mut writer = Writer::new(path);
    for (name, array) in arrays {
        writer.add(name, array)?;
    }
    write(path, &writer.finish()?)
}

/// Writes an array as `.npy`, or else as `.csv`.
pub fn write_array(path: &Path, array: &Array) -> Result<()> {
    write_values(path, &array.shape, array.values.iter().copied())
}

/// The same of numbers that come row after row.
pub fn write_values(path: &Path, shape: &[usize], values: impl Iterator<Item = f64>) -> Result<()> {
    write_with(path, |target| {
        match ending(path).as_str() {
            "npy" => npy::write(target, shape, values)?,
            _ => csv::write(target, shape.iter().skip(1).product(), values)?,
        }
        Ok(())
    })
}
