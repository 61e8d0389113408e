//! Spectra as they are drawn: without rounding, and with no more points than the eye tells apart.

/// Points of a drawn spectrum at most.
const POINTS: usize = 64;

/// Singular values of at most this share of the largest are rounding, and would stretch a log axis over nothing.
const ROUNDING: f32 = 1e-6;

/// The values that are more than rounding; values: descending.
pub fn drawn(values: &[f32]) -> &[f32] {
    let least = values.first().map_or(0.0, |first| first * ROUNDING);
    &values[..values.partition_point(|&value| least < value)]
}

/// Of these, some that stand equally far apart, the first and the last among them; `None` where there is none.
pub fn thinned(values: &[f32]) -> Option<Vec<f32>> {
    let values = drawn(values);
    (!values.is_empty()).then(|| places(values.len()).map(|at| values[at]).collect())
}

/// Places of at most [`POINTS`] of so many values.
pub fn places(count: usize) -> impl Iterator<Item = usize> {
    let points = count.min(POINTS);
    (0..points).map(move |point| point * count.saturating_sub(1) / points.saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_spectrum_keeps_its_ends() {
        let values: Vec<f32> = (1..=1000).rev().map(|at| at as f32).collect();
        let thin = thinned(&values).unwrap();
        assert_eq!((thin.len(), thin[0], thin[POINTS - 1]), (POINTS, 1000.0, 1.0));
        assert_eq!(thinned(&values[..3]).unwrap(), [1000.0, 999.0, 998.0]);
        assert_eq!((thinned(&values[..1]), thinned(&[])), (Some(vec![1000.0]), None));
    }

    #[test]
    fn rounding_is_not_drawn() {
        assert_eq!(drawn(&[2.0, 1.0, 1e-7, 0.0]), [2.0, 1.0]);
        assert!(drawn(&[0.0, 0.0]).is_empty() && thinned(&[0.0]).is_none());
    }
}
