//! `matmul` in every layout.

use crate::oracle::{close, normals, wide};
use rankine_kernels::gemm::{Matrix, matmul};

/// c = scale · a · b (+ c) from the definition.
fn plain(c: &[f32], a: Matrix<'_>, b: Matrix<'_>, scale: f32, accumulate: bool) -> Vec<f64> {
    let mut out = Vec::new();
    for i in 0..a.rows {
        for j in 0..b.columns {
            let sum: f64 = (0..a.columns)
                .map(|k| {
                    f64::from(a.data[i * a.row_stride + k * a.column_stride])
                        * f64::from(b.data[k * b.row_stride + j * b.column_stride])
                })
                .sum();
            out.push(f64::from(scale) * sum + if accumulate { f64::from(c[i * b.columns + j]) } else { 0.0 });
        }
    }
    out
}

fn check(a: Matrix<'_>, b: Matrix<'_>) {
    for (scale, accumulate) in [(1.0, false), (-0.5, true)] {
        let old = normals("c", a.rows * b.columns);
        let mut c = old.clone();
        if !accumulate {
            c.fill(f32::NAN);
        }
        matmul(&mut c, a, b, scale, accumulate);
        let name = format!("[{}, {}] · [{}, {}]", a.rows, a.columns, b.rows, b.columns);
        close(&name, &c, &plain(&old, a, b, scale, accumulate), 2e-6);
    }
}

#[test]
fn agrees_with_the_definition_in_all_four_layouts() {
    let sizes = [1, 2, 3, 5, 15, 16, 17, 64, 130];
    for (m, n) in sizes.into_iter().flat_map(|m| sizes.map(|n| (m, n))) {
        for k in [1, 7, 16, 33, 100] {
            let (a, b) = (normals("a", m * k), normals("b", k * n));
            check(Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            check(Matrix::new(&a, m, k), Matrix::new(&b, n, k).t());
            check(Matrix::new(&a, k, m).t(), Matrix::new(&b, k, n));
            check(Matrix::new(&a, k, m).t(), Matrix::new(&b, n, k).t());
        }
    }
}

#[test]
fn agrees_where_threads_share_and_where_rows_collide_in_cache() {
    for (m, k, n) in
        [(150, 576, 200), (40, 256, 300), (16, 512, 257), (300, 64, 70), (4, 700, 1000), (1, 300, 2000)]
    {
        let (a, b) = (normals("a", m * k), normals("b", k * n));
        check(Matrix::new(&a, m, k), Matrix::new(&b, n, k).t());
        check(Matrix::new(&a, m, k), Matrix::new(&b, k, n));
        check(Matrix::new(&a, k, m).t(), Matrix::new(&b, k, n));
    }
}

#[test]
fn empty_sides_give_empty_or_zero_products() {
    for (m, k, n) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 0, 1), (20, 0, 20)] {
        let (a, b) = (normals("a", m * k), normals("b", k * n));
        let mut c = vec![7.0; m * n];
        matmul(&mut c, Matrix::new(&a, m, k), Matrix::new(&b, k, n), 1.0, true);
        matmul(&mut c, Matrix::new(&a, m, k), Matrix::new(&b, n, k).t(), 1.0, true);
        assert!(k > 0 || c.iter().all(|&c| c == 7.0));
        matmul(&mut c, Matrix::new(&a, m, k), Matrix::new(&b, k, n), 1.0, false);
        assert!(k > 0 || c.iter().all(|&c| c == 0.0));
    }
}

#[test]
fn strided_views_read_their_own_numbers_only() {
    // Columns 2..5 of a [6, 8] matrix, NaN elsewhere.
    let mut data = [f32::NAN; 6 * 8];
    for row in 0..6 {
        data[row * 8 + 2..row * 8 + 5].copy_from_slice(&normals(&format!("row-{row}"), 3));
    }
    let view = Matrix { data: &data[2..], rows: 6, columns: 3, row_stride: 8, column_stride: 1 };
    check(view, view.t());
    check(view.t(), view);
    let identity: Vec<f32> = (0..9).map(|at| if at % 4 == 0 { 1.0 } else { 0.0 }).collect();
    let mut copy = vec![0.0; 18];
    matmul(&mut copy, view, Matrix::new(&identity, 3, 3), 1.0, false);
    assert_eq!(wide(&copy[..3]), wide(&data[2..5]));
}
