//! Proximal maps: the point near another that keeps a norm small as well.
//!
//!     argmin_x t·‖x‖ + ½·‖x − v‖₂²        t at least 0
//!     ‖·‖₁: sign(v)·max(|v| − t, 0), entry by entry        ‖·‖₂: max(1 − t/‖v‖₂, 0)·v
//!     ‖·‖∞: v − the nearest point of ‖x‖₁ ≤ t              ‖·‖_*: U·diag(max(s − t, 0))·Vᵀ, the SVD of v
//!
//! The third is Moreau's decomposition. Source: Parikh and Boyd 2014.

use crate::double::{Triples, multiply, thin_svd};
use crate::{Result, project_simplex};
use faer::{Mat, MatRef};

/// That of the sum of the magnitudes.
pub fn soft_threshold(v: &[f64], t: f64) -> Vec<f64> {
    v.iter().map(|x| (x.abs() - t).max(0.0).copysign(*x)).collect()
}

/// That of the length.
pub fn group_soft_threshold(v: &[f64], t: f64) -> Vec<f64> {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let share = if t < length { 1.0 - t / length } else { 0.0 };
    v.iter().map(|x| share * x).collect()
}

/// That of the largest magnitude.
pub fn max_threshold(v: &[f64], t: f64) -> Vec<f64> {
    v.iter().zip(project_l1_ball(v, t)).map(|(x, inside)| x - inside).collect()
}

/// That of the sum of the singular values; [a.nrows, a.ncols].
///
/// # Errors
/// When the matrix is empty, or its SVD does not converge.
pub fn singular_value_threshold(a: MatRef<'_, f64>, t: f64) -> Result<Mat<f64>> {
    let Triples { u, s, v } = thin_svd(a)?;
    let s = soft_threshold(&s, t);
    let scaled = Mat::from_fn(u.nrows(), s.len(), |i, k| u[(i, k)] * s[k]);
    Ok(multiply(scaled.as_ref(), v.transpose()))
}

/// The nearest point to v of those with ‖x‖₁ ≤ radius, which is at least 0.
pub fn project_l1_ball(v: &[f64], radius: f64) -> Vec<f64> {
    let magnitudes: Vec<f64> = v.iter().map(|x| x.abs()).collect();
    if magnitudes.iter().sum::<f64>() <= radius {
        return v.to_vec();
    }
    project_simplex(&magnitudes, radius).into_iter().zip(v).map(|(size, x)| size.copysign(*x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::svd_values;
    use proptest::prelude::*;
    use rankine_random::Rng;

    type Norm = fn(&[f64]) -> f64;
    type Map = fn(&[f64], f64) -> Vec<f64>;

    const MAPS: [(Norm, Map); 3] = [
        (|x| x.iter().map(|x| x.abs()).sum(), soft_threshold),
        (|x| x.iter().map(|x| x * x).sum::<f64>().sqrt(), group_soft_threshold),
        (|x| x.iter().fold(0.0, |largest, x| x.abs().max(largest)), max_threshold),
    ];

    fn near(x: &[f64], v: &[f64]) -> f64 {
        x.iter().zip(v).map(|(x, v)| (x - v).powi(2)).sum::<f64>() / 2.0
    }

    proptest! {
        #[test]
        fn no_other_point_is_better(
            v in prop::collection::vec(-2.0..2.0f64, 1..7),
            t in 0.0..3.0f64,
            seed in 0..1000u64,
        ) {
            let mut rng = Rng::new(seed);
            for (norm, map) in MAPS {
                let found = map(&v, t);
                let objective = |x: &[f64]| t * norm(x) + near(x, &v);
                let least = objective(&found);
                for size in [1e-4, 1e-2, 1.0] {
                    let other: Vec<f64> = found.iter().map(|x| x + size * rng.normal_f64()).collect();
                    prop_assert!(least <= objective(&other) + 1e-12, "{found:?} {other:?}");
                }
                prop_assert!(least <= objective(&v) + 1e-12 && least <= objective(&vec![0.0; v.len()]) + 1e-12);
            }
            let inside = project_l1_ball(&v, t);
            prop_assert!(inside.iter().map(|x| x.abs()).sum::<f64>() <= t + 1e-12);
            // Two projections are no further apart than the points.
            let moved: Vec<f64> = v.iter().map(|x| x + rng.normal_f64()).collect();
            prop_assert!(near(&inside, &project_l1_ball(&moved, t)) <= near(&v, &moved) + 1e-12);
        }
    }

    #[test]
    fn entries_keep_their_signs() {
        assert_eq!(soft_threshold(&[3.0, -1.0, 0.5], 1.0), [2.0, 0.0, 0.0]);
        assert_eq!(group_soft_threshold(&[3.0, -4.0], 2.5), [1.5, -2.0]);
        assert_eq!(group_soft_threshold(&[0.3, -0.3], 0.5), [0.0, 0.0]);
        assert_eq!(max_threshold(&[3.0, -1.0, 0.5], 1.0), [2.0, -1.0, 0.5]);
        assert_eq!(project_l1_ball(&[3.0, -1.0], 2.0), [2.0, 0.0]);
        for (_, map) in MAPS {
            assert_eq!(map(&[0.0, 0.0], 1.0), [0.0, 0.0]);
            assert!(map(&[], 1.0).is_empty());
        }
    }

    #[test]
    fn the_nuclear_norm_is_the_first_on_singular_values() {
        let mut rng = Rng::new(4);
        let a = Mat::from_fn(6, 4, |_, _| rng.normal_f64());
        let found = singular_value_threshold(a.as_ref(), 1.2).unwrap();
        let expected = soft_threshold(&svd_values(a.as_ref()).unwrap(), 1.2);
        let values = svd_values(found.as_ref()).unwrap();
        assert!(values.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-12), "{values:?} {expected:?}");
        let objective = |x: &Mat<f64>| {
            1.2 * svd_values(x.as_ref()).unwrap().iter().sum::<f64>() + (x - &a).squared_norm_l2() / 2.0
        };
        for _ in 0..20 {
            let other = Mat::from_fn(6, 4, |i, j| found[(i, j)] + 0.1 * rng.normal_f64());
            assert!(objective(&found) < objective(&other));
        }
        assert!(singular_value_threshold(Mat::zeros(0, 3).as_ref(), 1.0).is_err());
    }
}
