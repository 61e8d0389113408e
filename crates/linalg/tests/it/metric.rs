//! Products of a rank that are nearest in the norm of some inputs, against what the inputs themselves say.

use crate::matrices::gaussian;
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_linalg::{Error, Metric, Pair, Truncation, singular_values, truncated};

/// Inputs of very different size that go together; [rows, columns].
fn inputs(rows: usize, columns: usize) -> Vec<f32> {
    let mut x = gaussian(rows, columns, 11);
    for row in x.chunks_mut(columns) {
        let first = row[0];
        row.iter_mut().enumerate().for_each(|(j, x)| *x = (*x + first) * (0.05 + (j % 5) as f32));
    }
    x
}

/// The mean of xᵀ·x; [columns, columns].
fn moment(x: &[f32], columns: usize) -> Vec<f64> {
    let entry = |at: usize| -> f64 {
        let (i, j) = (at / columns, at % columns);
        x.chunks(columns).map(|row| f64::from(row[i]) * f64::from(row[j])).sum()
    };
    let rows = (x.len() / columns) as f64;
    (0..columns * columns).map(|at| entry(at) / rows).collect()
}

fn product(pair: &Pair, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let (rank, mut product) = (pair.left.len() / rows, vec![0.0; rows * columns]);
    let left = Matrix::new(&pair.left, rows, rank);
    matmul(&mut product, left, Matrix::new(&pair.right, rank, columns), 1.0, false);
    product
}

fn minus(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// What the matrix answers to all inputs, divided by √rows; [a.rows, rows].
fn answers(a: &[f32], [rows, columns]: [usize; 2], x: &[f32]) -> Vec<f32> {
    let shown = x.len() / columns;
    let mut answers = vec![0.0; rows * shown];
    let scale = 1.0 / (shown as f32).sqrt();
    let x = Matrix::new(x, shown, columns);
    matmul(&mut answers, Matrix::new(a, rows, columns), x.t(), scale, false);
    answers
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|x| f64::from(*x).powi(2)).sum()
}

fn close(found: f64, expected: f64, allowed: f64, what: &str) {
    assert!((found - expected).abs() <= allowed, "{what}: {found}, not {expected}");
}

fn near(found: &[f32], expected: &[f32], allowed: f32, sides: [usize; 2]) {
    let apart = minus(found, expected).iter().fold(0.0f32, |most, x| most.max(x.abs()));
    assert!(found.len() == expected.len() && apart <= allowed, "{sides:?}: {apart}");
}

const SIDES: [[usize; 2]; 3] = [[12, 20], [20, 12], [16, 16]];

#[test]
fn nothing_of_the_rank_answers_more_alike() {
    for sides @ [rows, columns] in SIDES {
        let a = gaussian(rows, columns, 3);
        // Fewer inputs than columns too: the second moment is singular then.
        for shown in [200, 7] {
            let x = inputs(shown, columns);
            let moment = moment(&x, columns);
            let metric = Metric::Moment(&moment);
            let all = answers(&a, sides, &x);
            let s = singular_values(&all, rows, shown).unwrap();
            close(metric.norm(&a, sides).unwrap().powi(2), squares(&all), 1e-5 * squares(&all), "norm");
            let mut before = f64::INFINITY;
            for rank in [1, 3, 5] {
                let what = format!("{sides:?}, {shown} inputs, rank {rank}");
                let pair = metric.truncated(&a, sides, rank).unwrap();
                let left = minus(&a, &product(&pair, sides));
                let (found, tail) = (squares(&answers(&left, sides, &x)), squares(&s[rank..]));
                close(found, tail, 1e-4 * tail + 1e-6 * squares(&all), &what);
                let measured = metric.norm(&left, sides).unwrap().powi(2);
                close(measured, found, 1e-3 * found + 1e-6 * squares(&all), &what);
                assert!(found <= before, "{what}");
                before = found;
                for seed in 0..20 {
                    let moved = |values: &[f32], seed: u64| -> Vec<f32> {
                        let noise = gaussian(1, values.len(), seed);
                        values.iter().zip(noise).map(|(x, noise)| x + 0.01 * noise).collect()
                    };
                    let (left, right) = (moved(&pair.left, seed), moved(&pair.right, 100 + seed));
                    let other = minus(&a, &product(&Pair { left, right }, sides));
                    let other = squares(&answers(&other, sides, &x));
                    assert!(
                        found <= other * (1.0 + 1e-5) + 1e-6 * squares(&all),
                        "{what}: {other} < {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_metrics_agree_where_they_are_one() {
    for sides @ [rows, columns] in SIDES {
        let a = gaussian(rows, columns, 4);
        let scales: Vec<f64> = (0..columns).map(|j| 0.1 + (j % 6) as f64).collect();
        let diagonal = |values: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let entry = |at: usize| if at / columns == at % columns { values(at % columns) } else { 0.0 };
            (0..columns * columns).map(entry).collect()
        };
        let (one, squared) = (diagonal(&|_| 1.0), diagonal(&|j| scales[j] * scales[j]));
        let of = |metric: Metric<'_>| product(&metric.truncated(&a, sides, 4).unwrap(), sides);
        let plain = of(Metric::Plain);
        let svd = truncated(&a, rows, columns, 4, Truncation::Exact).unwrap();
        near(&plain, &svd.reconstruct(), 1e-5, sides);
        near(&of(Metric::Moment(&one)), &plain, 1e-5, sides);
        let scaled = of(Metric::Scales(&scales));
        near(&of(Metric::Moment(&squared)), &scaled, 1e-4, sides);
        let norms = [Metric::Scales(&scales), Metric::Moment(&squared)].map(|m| m.norm(&a, sides).unwrap());
        close(norms[0], norms[1], 1e-12 * norms[1], "norms");
        // The size of the inputs does not matter.
        let larger: Vec<f64> = squared.iter().map(|x| 1e6 * x).collect();
        near(&of(Metric::Moment(&larger)), &scaled, 1e-4, sides);
    }
}

#[test]
fn a_full_rank_is_the_matrix_and_factors_share_its_size() {
    for sides @ [rows, columns] in SIDES {
        let (a, rank) = (gaussian(rows, columns, 5), rows.min(columns));
        let moment = moment(&inputs(300, columns), columns);
        let pair = Metric::Moment(&moment).truncated(&a, sides, rank).unwrap();
        near(&product(&pair, sides), &a, 1e-4, sides);
        for k in 0..rank {
            let column: Vec<f32> = pair.left.iter().skip(k).step_by(rank).copied().collect();
            let row = &pair.right[k * columns..(k + 1) * columns];
            close(squares(&column), squares(row), 1e-4 * squares(row), "lengths");
            let largest = row.iter().copied().max_by(|x, y| x.abs().total_cmp(&y.abs())).unwrap();
            assert!(0.0 < largest, "{sides:?}: {k}");
        }
        let nothing = Metric::Moment(&moment).truncated(&vec![0.0; rows * columns], sides, 2).unwrap();
        assert!(nothing.left.iter().chain(&nothing.right).all(|x| *x == 0.0));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (a, one) = (gaussian(3, 4, 1), [1.0; 16]);
    for rank in [0, 4] {
        let error = Metric::Plain.truncated(&a, [3, 4], rank).unwrap_err();
        assert!(matches!(error, Error::Rank { limit: 3, .. }), "{error}");
    }
    for metric in [Metric::Moment(&one[..9]), Metric::Scales(&one[..3])] {
        assert!(matches!(metric.norm(&a, [3, 4]), Err(Error::Length { .. })), "{metric:?}");
    }
    let infinite = [1.0, f64::INFINITY, 1.0, 1.0];
    let error = Metric::Scales(&infinite).truncated(&a, [3, 4], 1).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 0, column: 1, .. }), "{error}");
}
