//! Singular value decompositions of one matrix in f32: all triples, and the first [`RANK`] by random projection.
//!
//! The matrix is that of the `.npy` file in `RANKINE_BENCH_MATRIX`, or random ones of several shapes with values that fall like
//! 1/(1 + i/8), as those of weights do. The error is ‖A − A_r‖ / ‖A‖; that of all triples, cut, is the smallest there is.

use crate::{
    Result,
    figure::{Figure, median},
};
use rankine_data::arrays::Array;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_linalg::{Svd, Truncation, qr, svd, truncated};
use rankine_random::Rng;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 5;
const RANK: usize = 16;
const SHAPES: [[usize; 2]; 4] = [[576, 1536], [1024, 1024], [2048, 2048], [4096, 1024]];

/// Seconds and errors.
pub fn run() -> Result<Vec<Figure>> {
    if let Some(path) = std::env::var_os("RANKINE_BENCH_MATRIX") {
        let Array { shape, values } = Array::read_matrix(Path::new(&path), "matrix")?;
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        return figures("", &values, [shape[0], shape[1]]);
    }
    let mut all = Vec::new();
    for shape in SHAPES {
        all.extend(figures(&format!("{} × {}: ", shape[0], shape[1]), &falling(shape)?, shape)?);
    }
    Ok(all)
}

fn figures(place: &str, a: &[f32], [rows, columns]: [usize; 2]) -> Result<Vec<Figure>> {
    let rank = RANK.min(rows).min(columns);
    let kinds: [(&str, &dyn Fn() -> rankine_linalg::Result<Svd>); 2] = [
        ("exact", &|| svd(a, rows, columns)),
        ("randomised, 4 power iterations", &|| truncated(a, rows, columns, rank, Truncation::randomized(0))),
    ];
    let mut all = Vec::new();
    for (name, decompose) in kinds {
        let (mut seconds, mut error) = (Vec::new(), 0.0);
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let found = decompose()?;
            seconds.push(started.elapsed().as_secs_f64());
            error = left(a, &found.s[..rank]);
        }
        all.push(Figure::new(format!("{place}{name}"), median(&mut seconds), "s"));
        all.push(Figure::new(format!("{place}{name}: error"), error, ""));
    }
    Ok(all)
}

/// ‖A − A_r‖ / ‖A‖ by what is left of ‖A‖² beside the squares of the values.
fn left(a: &[f32], values: &[f32]) -> f64 {
    let squares = |list: &[f32]| list.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    (1.0 - squares(values) / squares(a)).max(0.0).sqrt()
}

/// U · diag(s) · Vᵀ of random orthonormal vectors.
fn falling([rows, columns]: [usize; 2]) -> Result<Vec<f32>> {
    let (width, rng) = (rows.min(columns), Rng::new(0).fork("svd"));
    let basis = |side: usize, path: &str| {
        let normals = rng.fork(path).normals(side * width, 1.0);
        qr(&normals, side, width, width).map(|found| found.q)
    };
    let (mut u, v) = (basis(rows, "left")?, basis(columns, "right")?);
    for row in u.chunks_exact_mut(width) {
        row.iter_mut().enumerate().for_each(|(i, x)| *x /= 1.0 + i as f32 / 8.0);
    }
    let mut a = vec![0.0; rows * columns];
    matmul(&mut a, Matrix::new(&u, rows, width), Matrix::new(&v, columns, width).t(), 1.0, false);
    Ok(a)
}
