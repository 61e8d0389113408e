//! Matrices to try, and measures of what comes back, in double precision.

use rankine_linalg::Svd;
use rankine_random::Rng;

pub struct Case {
    pub name: &'static str,
    pub rows: usize,
    pub columns: usize,
    pub a: Vec<f32>,
}

pub fn gaussian(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    Rng::new(seed).normals(rows * columns, 1.0)
}

/// Σ_i s_i · u_i · v_iᵀ with random orthonormal u and v; row-major [rows, columns].
pub fn with_spectrum(rows: usize, columns: usize, s: &[f64], seed: u64) -> Vec<f32> {
    let (u, v) = (orthonormal(rows, s.len(), seed), orthonormal(columns, s.len(), seed + 1));
    let entry = |i: usize, j: usize| (0..s.len()).map(|k| u[k][i] * s[k] * v[k][j]).sum::<f64>() as f32;
    (0..rows * columns).map(|at| entry(at / columns, at % columns)).collect()
}

/// Gram–Schmidt, twice, on Gaussian vectors.
fn orthonormal(length: usize, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Rng::new(seed);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for _ in 0..count {
        let mut vector: Vec<f64> = (0..length).map(|_| rng.normal_f64()).collect();
        for _ in 0..2 {
            for other in &basis {
                let overlap: f64 = other.iter().zip(&vector).map(|(x, y)| x * y).sum();
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= overlap * y);
            }
            let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|x| *x /= norm);
        }
        basis.push(vector);
    }
    basis
}

pub fn awkward() -> Vec<Case> {
    let case = |name, rows, columns, a| Case { name, rows, columns, a };
    let diagonal = |s: &[f32]| {
        let n = s.len();
        (0..n * n).map(|at| if at / n == at % n { s[at / n] } else { 0.0 }).collect::<Vec<_>>()
    };
    let scaled = |factor: f32| gaussian(9, 7, 5).iter().map(|x| x * factor).collect::<Vec<_>>();
    let spread: Vec<f64> = (0..12).map(|i| 10f64.powi(-i)).collect();
    vec![
        case("square", 20, 20, gaussian(20, 20, 1)),
        case("tall", 61, 13, gaussian(61, 13, 2)),
        case("wide", 13, 61, gaussian(13, 61, 3)),
        case("above the block size", 150, 140, gaussian(150, 140, 4)),
        case("one number", 1, 1, vec![-3.0]),
        case("one row", 1, 40, gaussian(1, 40, 6)),
        case("one column", 40, 1, gaussian(40, 1, 7)),
        case("zero", 7, 5, vec![0.0; 35]),
        case("zero row", 1, 5, vec![0.0; 5]),
        case("identity", 9, 9, diagonal(&[1.0; 9])),
        case("repeated values", 6, 6, diagonal(&[2.0, 5.0, 2.0, -5.0, 0.0, 2.0])),
        case("ones", 8, 12, vec![1.0; 96]),
        case("rank three", 30, 24, with_spectrum(30, 24, &[4.0, 2.0, 1.0], 8)),
        case("twelve orders of magnitude", 25, 18, with_spectrum(25, 18, &spread, 9)),
        case("near the largest float", 9, 7, scaled(1e37)),
        case("subnormal", 9, 7, scaled(1e-39)),
        case("negative zero and one entry", 3, 3, vec![-0.0, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, -0.0, 0.0]),
    ]
}

pub fn norm(a: &[f32]) -> f64 {
    a.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// A − U · diag(s) · Vᵀ in double precision; row-major [rows, columns].
pub fn residual(a: &[f32], svd: &Svd) -> Vec<f32> {
    let &Svd { columns, rank, ref u, ref s, ref vt, .. } = svd;
    let triple = |i: usize, j: usize, k: usize| {
        f64::from(u[i * rank + k]) * f64::from(s[k]) * f64::from(vt[k * columns + j])
    };
    let entry = |at: usize| (0..rank).map(|k| triple(at / columns, at % columns, k)).sum::<f64>();
    a.iter().enumerate().map(|(at, &x)| (f64::from(x) - entry(at)) as f32).collect()
}

pub fn assert_signs_fixed(svd: &Svd, name: &str) {
    for (k, vector) in svd.vt.chunks_exact(svd.columns).enumerate() {
        let largest = vector.iter().map(|x| x.abs()).fold(0.0, f32::max);
        let first = vector.iter().find(|x| x.abs() == largest).copied();
        assert_eq!(first, Some(largest), "{name}: right vector {k}");
    }
}
