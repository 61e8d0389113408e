//! How far the loss rises on the line from one model to another.
//!
//!     rise(t) = L(t) − (1 − t)·L(0) − t·L(1)        barrier = max(0, max_t rise(t))
//!
//! L(t) is the loss of the model (1 − t)·θ_a + t·θ_b. Where a loss is not finite, rise and barrier are no numbers.
//! Paper: [matching].

/// The rise at every point (t, L(t)), of which the first and the last are the two models. Negative where the loss falls; NaN where
/// it is not finite, and of fewer than two points.
pub fn rises(points: &[(f64, f64)]) -> Vec<f64> {
    let ends = match points {
        [first, .., last] => [first.1, last.1],
        _ => [f64::NAN; 2],
    };
    let rise = |&(t, loss): &(f64, f64)| {
        let rise = loss - (1.0 - t) * ends[0] - t * ends[1];
        if rise.is_finite() { rise } else { f64::NAN }
    };
    points.iter().map(rise).collect()
}

/// The highest rise, 0 where there is none; NaN where one is, and of no points.
pub fn barrier(points: &[(f64, f64)]) -> f64 {
    let rises = rises(points);
    match rises.is_empty() || rises.iter().any(|rise| rise.is_nan()) {
        true => f64::NAN,
        false => rises.into_iter().fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(losses: &[f64]) -> Vec<(f64, f64)> {
        let last = losses.len().saturating_sub(1) as f64;
        losses.iter().enumerate().map(|(at, &loss)| (at as f64 / last, loss)).collect()
    }

    #[test]
    fn a_barrier_is_what_stands_above_the_line_between_the_ends() {
        assert_eq!(rises(&line(&[1.0, 4.0, 3.0])), [0.0, 2.0, 0.0]);
        assert_eq!(barrier(&line(&[1.0, 4.0, 3.0])), 2.0);
        assert_eq!((rises(&line(&[1.0, 0.5, 3.0]))[1], barrier(&line(&[1.0, 0.5, 3.0]))), (-1.5, 0.0));
        assert_eq!(barrier(&line(&[2.0, 2.0, 0.0, 1.0, 2.0])), 0.0);
    }

    #[test]
    fn there_is_none_where_a_loss_is_no_number() {
        let infinite = [f64::INFINITY; 3];
        for losses in [&[1.0, f64::NAN, 3.0][..], &[1.0, f64::INFINITY, 3.0], &infinite, &[1.0], &[]] {
            assert!(barrier(&line(losses)).is_nan(), "{losses:?}");
        }
    }
}
