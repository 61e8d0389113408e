//! The largest eigenvalues of a symmetric tridiagonal matrix, of magnitudes about 1, and their vectors, without the others.
//!
//!     λ by halving intervals, by how many eigenvalues lie below the middle
//!     (T − λ)·z = x,  x ← z / ‖z‖           L·U = P·(T − λ) by elimination with exchanges of rows
//!
//! λ is known to rounding, so T − λ is singular to rounding and one step finds the vector; a second one purifies it. Every vector is
//! made orthogonal to those before it, twice in a step: eigenvalues that lie close together have one space between them, in which
//! any orthonormal vectors serve, and others are orthogonal anyway. O(n·k²) for k of them, where dividing and conquering finds all n
//! in O(n³). LAPACK's `stebz` and `stein` (Peters and Wilkinson 1979), which looks for close eigenvalues instead.

use crate::hermitian::Eigen;
use faer::{Mat, MatRef};
use rankine_kernels::{columns, sturm};
use rankine_random::Rng;

/// ‖T·z − λ·z‖ of a vector that is good, relative to ‖T‖.
const TOLERANCE: f64 = 1e-13;

/// Steps after which it is not to be had.
const STEPS: usize = 6;

/// The `count` largest eigenvalues, descending, and a column for each; `None` where one does not come. diagonal: [n], what stands
/// below it: [n − 1].
pub(crate) fn largest(diagonal: &[f64], below: &[f64], count: usize) -> Option<Eigen<f64>> {
    let norm = norm(diagonal, below);
    let values = eigenvalues(diagonal, below, count, norm);
    let vectors = eigenvectors(diagonal, below, &values, norm)?;
    Some(Eigen { values, vectors })
}

/// The largest eigenvalues, descending, within the rounding of ‖T‖.
fn eigenvalues(diagonal: &[f64], below: &[f64], count: usize, norm: f64) -> Vec<f64> {
    // Beside the norm this is nothing, and it keeps divisions from 0 / 0.
    let least = f64::MIN_POSITIVE.max((f64::EPSILON * norm).powi(4));
    let squares: Vec<f64> = below.iter().map(|x| x.powi(2).max(least)).collect();
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        // Those before them are above.
        let ceiling = values.last().copied().unwrap_or(norm);
        let (mut low, mut high) = ([-norm; sturm::LANES], [ceiling; sturm::LANES]);
        // How many are below the one that is sought.
        let rank = |lane: usize| (diagonal.len() - 1).saturating_sub(values.len() + lane);
        loop {
            let middle: [f64; sturm::LANES] =
                std::array::from_fn(|lane| f64::midpoint(low[lane], high[lane]));
            let open = (0..sturm::LANES).any(|lane| high[lane] - low[lane] > f64::EPSILON * norm);
            if !open {
                values.extend_from_slice(&middle[..sturm::LANES.min(count - values.len())]);
                break;
            }
            let counts = sturm::count_below(diagonal, &squares, &middle);
            let ends = low.iter_mut().zip(&mut high).zip(middle.into_iter().zip(counts));
            for (lane, ((low, high), (middle, below))) in ends.enumerate() {
                *(if rank(lane) < below as usize { high } else { low }) = middle;
            }
        }
    }
    values
}

/// One column for each of `values`, in their order.
fn eigenvectors(diagonal: &[f64], below: &[f64], values: &[f64], norm: f64) -> Option<Mat<f64>> {
    let size = diagonal.len();
    let mut rng = Rng::new(0).fork("inverse-iteration");
    // Column by column.
    let mut vectors = Vec::with_capacity(size * values.len());
    for &value in values {
        let factors = Factors::of(diagonal, below, value, norm);
        let mut x: Vec<f64> = rng.normals(size, 1.0).into_iter().map(f64::from).collect();
        make_orthonormal(&mut x, &vectors)?;
        let mut steps = 0;
        loop {
            factors.solve(&mut x);
            make_orthonormal(&mut x, &vectors)?;
            steps += 1;
            if 1 < steps && residual(diagonal, below, value, &x) <= TOLERANCE * norm {
                break;
            }
            if steps == STEPS {
                return None;
            }
        }
        vectors.extend_from_slice(&x);
    }
    Some(MatRef::from_column_major_slice(&vectors, size, values.len()).to_owned())
}

/// The largest sum of the magnitudes in a row, which no eigenvalue exceeds.
fn norm(diagonal: &[f64], below: &[f64]) -> f64 {
    let beside = |at: Option<usize>| at.and_then(|at| below.get(at)).map_or(0.0, |x| x.abs());
    let row = |(at, x): (usize, &f64)| x.abs() + beside(Some(at)) + beside(at.checked_sub(1));
    diagonal.iter().enumerate().map(row).fold(0.0, f64::max)
}

/// Of length 1 and without what lies along the columns `before`; `None` where nothing finite is left.
fn make_orthonormal(x: &mut [f64], before: &[f64]) -> Option<()> {
    // So that no square leaves the range of the numbers.
    divide(x, x.iter().fold(0.0, |largest, x| x.abs().max(largest)))?;
    let size = x.len();
    let mut along = vec![0.0; before.len() / size];
    for _ in 0..if before.is_empty() { 0 } else { 2 } {
        columns::products(before, size, x, &mut along);
        along.iter_mut().for_each(|along| *along = -*along);
        columns::add(before, size, &along, x);
    }
    divide(x, x.iter().map(|x| x * x).sum::<f64>().sqrt())
}

fn divide(x: &mut [f64], by: f64) -> Option<()> {
    (by.is_finite() && 0.0 < by).then(|| x.iter_mut().for_each(|x| *x /= by))
}

/// ‖T·z − λ·z‖.
fn residual(diagonal: &[f64], below: &[f64], value: f64, z: &[f64]) -> f64 {
    let row = |i: usize| {
        let left = if 0 < i { below[i - 1] * z[i - 1] } else { 0.0 };
        let right = if i + 1 < z.len() { below[i] * z[i + 1] } else { 0.0 };
        (diagonal[i] - value) * z[i] + left + right
    };
    (0..z.len()).map(|i| row(i).powi(2)).sum::<f64>().sqrt()
}

/// T − λ, eliminated.
struct Factors {
    /// Rows of U: the diagonal, and the two beside it.
    rows: Vec<[f64; 3]>,
    /// What is taken of a row from the next one, and whether they were exchanged first.
    steps: Vec<(f64, bool)>,
}

impl Factors {
    fn of(diagonal: &[f64], below: &[f64], value: f64, norm: f64) -> Self {
        // What a pivot that vanished is known to.
        let least = f64::EPSILON * norm.max(f64::MIN_POSITIVE / f64::EPSILON);
        let safe = |pivot: f64| if pivot.abs() < least { least.copysign(pivot) } else { pivot };
        let off_diagonal = |at: usize| below.get(at).copied().unwrap_or(0.0);
        let (mut rows, mut steps) = (Vec::with_capacity(diagonal.len()), Vec::with_capacity(below.len()));
        // The row that is being eliminated from those below.
        let mut row = [diagonal[0] - value, off_diagonal(0), 0.0];
        for (at, &off) in below.iter().enumerate() {
            let next = [off, diagonal[at + 1] - value, off_diagonal(at + 1)];
            let exchanged = row[0].abs() < next[0].abs();
            let ([pivot, beside, beyond], other) = if exchanged { (next, row) } else { (row, next) };
            let pivot = [safe(pivot), beside, beyond];
            let factor = other[0] / pivot[0];
            rows.push(pivot);
            steps.push((factor, exchanged));
            row = [other[1] - factor * pivot[1], other[2] - factor * pivot[2], 0.0];
        }
        rows.push([safe(row[0]), 0.0, 0.0]);
        Self { rows, steps }
    }

    /// x ← (T − λ)⁻¹·x.
    fn solve(&self, x: &mut [f64]) {
        for (at, &(factor, exchanged)) in self.steps.iter().enumerate() {
            let (first, second) = (x[at], x[at + 1]);
            let (kept, other) = if exchanged { (second, first) } else { (first, second) };
            (x[at], x[at + 1]) = (kept, other - factor * kept);
        }
        let (mut next, mut beyond) = (0.0, 0.0);
        for (row, x) in self.rows.iter().zip(x).rev() {
            *x = (*x - row[1] * next - row[2] * beyond) / row[0];
            (next, beyond) = (*x, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hermitian::{eigh, multiply};

    fn tridiagonal(diagonal: &[f64], below: &[f64]) -> Mat<f64> {
        let size = diagonal.len();
        Mat::from_fn(size, size, |i, j| match i.abs_diff(j) {
            0 => diagonal[i],
            1 => below[i.min(j)],
            _ => 0.0,
        })
    }

    /// The vectors of the `count` largest values are orthonormal eigenvectors.
    fn is_right(name: &str, diagonal: &[f64], below: &[f64], count: usize) {
        let t = tridiagonal(diagonal, below);
        let expected = eigh(t.as_ref()).unwrap().values;
        let Eigen { values, vectors } = largest(diagonal, below, count).unwrap();
        for (found, expected) in values.iter().zip(expected.iter().rev()) {
            assert!((found - expected).abs() <= 1e-14 * norm(diagonal, below), "{name}: {found} {expected}");
        }
        let defect = multiply(vectors.transpose(), vectors.as_ref()) - Mat::<f64>::identity(count, count);
        assert!(defect.norm_max() < 1e-14, "{name}: {}", defect.norm_max());
        let scaled = Mat::from_fn(diagonal.len(), count, |i, j| vectors[(i, j)] * values[j]);
        let left = multiply(t.as_ref(), vectors.as_ref()) - scaled;
        assert!(left.norm_max() <= 2e-13 * norm(diagonal, below), "{name}: {}", left.norm_max());
    }

    #[test]
    fn vectors_of_spread_close_and_equal_values() {
        let mut rng = Rng::new(4);
        let mut draw = |count: usize| (0..count).map(|_| rng.normal_f64()).collect::<Vec<f64>>();
        is_right("random", &draw(60), &draw(59), 20);
        is_right("all of them", &draw(30), &draw(29), 30);
        is_right("one", &[3.0], &[], 1);
        // Wilkinson's: pairs that agree to the last digit.
        let wilkinson: Vec<f64> = (0..41).map(|i| f64::from(i - 20_i32).abs()).collect();
        is_right("Wilkinson", &wilkinson, &[1.0; 40], 12);
        is_right("equal", &[2.0; 25], &[0.0; 24], 6);
        is_right("blocks", &[[1.0, 2.0, 3.0]; 8].concat(), &[[0.5, 0.5, 0.0]; 8].concat()[..23], 12);
        is_right("graded", &(0..40).map(|i| 0.3_f64.powi(i)).collect::<Vec<_>>(), &[1e-9; 39], 10);
        is_right("zeros", &[0.0; 7], &[0.0; 6], 3);
    }

    #[test]
    fn what_is_no_eigenvalue_has_no_vector() {
        assert_eq!(eigenvectors(&[1.0, 2.0, 3.0], &[0.1, 0.1], &[9.0], 3.0), None);
        assert_eq!(eigenvectors(&[1.0, f64::NAN], &[0.0], &[1.0], 1.0), None);
    }
}
