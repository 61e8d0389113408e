//! Draws of a projection determinantal process: [`SIZE`] rows out of many.
//!
//! The basis is that of the `.npy` file in `RANKINE_BENCH_MATRIX`, [candidates, size] with orthonormal columns, or a random one.

use crate::{
    Result,
    figure::{Figure, median},
};
use rankine_data::arrays::Array;
use rankine_linalg::{ProjectionDpp, double::orthonormal_basis};
use rankine_random::Rng;
use rankine_solve::Mat;
use std::path::Path;
use std::time::Instant;

const CANDIDATES: usize = 10_000;
const SIZE: usize = 50;
const DRAWS: usize = 21;

/// Seconds to make the process, and of a draw.
pub fn run() -> Result<Vec<Figure>> {
    let rows = basis()?;
    let started = Instant::now();
    let process = ProjectionDpp::new(rows.as_ref())?;
    let made = started.elapsed().as_secs_f64();
    let (mut rng, mut seconds) = (Rng::new(0).fork("dpp"), Vec::new());
    for _ in 0..DRAWS {
        let started = Instant::now();
        process.sample(&mut rng)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(vec![Figure::new("made", made, "s"), Figure::new("a draw", median(&mut seconds), "s")])
}

fn basis() -> Result<Mat<f64>> {
    if let Some(path) = std::env::var_os("RANKINE_BENCH_MATRIX") {
        let Array { shape, values } = Array::read_matrix(Path::new(&path), "matrix")?;
        return Ok(Mat::from_fn(shape[0], shape[1], |row, column| values[row * shape[1] + column]));
    }
    let mut rng = Rng::new(0).fork("basis");
    Ok(orthonormal_basis(Mat::from_fn(CANDIDATES, SIZE, |_, _| rng.normal_f64())))
}
