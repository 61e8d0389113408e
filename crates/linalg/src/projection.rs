//! Projections on the simplex, with at most so many entries where wanted.
//!
//!     argmin ‖y − v‖²   subject to y ≥ 0, Σ y = total, at most k entries above 0
//!     y = max(v − τ, 0) on the k largest entries of v, 0 elsewhere, with τ such that Σ y = total
//!
//! Keeping the largest entries first and projecting them then is exact (Kyrillidis et al. 2013). The threshold is found by
//! Michelot's algorithm (1986): it drops entries below it until none is, in few passes without sorting.

use std::cmp::Ordering;

/// Keeps the `count` entries (place, value) of the largest values, of equals those of the lowest places; in any order.
/// O(entries).
pub fn keep_largest(entries: &mut Vec<(usize, f64)>, count: usize) {
    if count == 0 {
        entries.clear();
    } else if entries.len() > count {
        let order = |left: &(usize, f64), right: &(usize, f64)| -> Ordering {
            right.1.total_cmp(&left.1).then(left.0.cmp(&right.0))
        };
        entries.select_nth_unstable_by(count - 1, order);
        entries.truncate(count);
    }
}

/// τ with Σ max(v − τ, 0) = total, for finite v and a total of at least 0; −∞ of nothing.
pub fn simplex_threshold(values: impl Iterator<Item = f64> + Clone, total: f64) -> f64 {
    let (mut threshold, mut last) = (f64::NEG_INFINITY, usize::MAX);
    loop {
        let kept = values.clone().filter(|&value| value > threshold);
        let (sum, count) = kept.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
        if count == 0 || count >= last {
            return threshold;
        }
        (threshold, last) = ((sum - total) / count as f64, count);
    }
}

/// The nearest point of the simplex {y ≥ 0, Σ y = total} to v.
pub fn project_simplex(v: &[f64], total: f64) -> Vec<f64> {
    project_sparse_simplex(v, v.len(), total)
}

/// The nearest point to v of the simplex {y ≥ 0, Σ y = total} with at most `count` entries above 0.
pub fn project_sparse_simplex(v: &[f64], count: usize, total: f64) -> Vec<f64> {
    let mut entries: Vec<(usize, f64)> = v.iter().copied().enumerate().collect();
    keep_largest(&mut entries, count);
    let highest = entries.iter().fold(f64::NEG_INFINITY, |highest, entry| highest.max(entry.1));
    let threshold = simplex_threshold(entries.iter().map(|entry| entry.1 - highest), total);
    let mut projection = vec![0.0; v.len()];
    for (place, value) in entries {
        projection[place] = (value - highest - threshold).max(0.0);
    }
    projection
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Σ (y − v)².
    fn distance(y: &[f64], v: &[f64]) -> f64 {
        y.iter().zip(v).map(|(y, v)| (y - v).powi(2)).sum()
    }

    /// The projection of some entries by sorting them.
    fn by_sorting(v: &[f64], support: &[usize], total: f64) -> Vec<f64> {
        let mut sorted: Vec<f64> = support.iter().map(|&place| v[place]).collect();
        sorted.sort_by(|left, right| right.total_cmp(left));
        let (mut sum, mut threshold) = (0.0, f64::NEG_INFINITY);
        for (index, value) in sorted.into_iter().enumerate() {
            sum += value;
            let next = (sum - total) / (index + 1) as f64;
            if value > next {
                threshold = next;
            }
        }
        let mut projection = vec![0.0; v.len()];
        support.iter().for_each(|&place| projection[place] = (v[place] - threshold).max(0.0));
        projection
    }

    proptest! {
        #[test]
        fn no_other_support_is_nearer(
            v in prop::collection::vec(-2.0..2.0f64, 1..8),
            count in 1..5usize,
            total in 0.01..3.0f64,
        ) {
            let found = project_sparse_simplex(&v, count, total);
            prop_assert!((found.iter().sum::<f64>() - total).abs() < 1e-12);
            prop_assert!(found.iter().filter(|&&y| y > 0.0).count() <= count);
            let supports = (1..1usize << v.len()).filter(|mask| mask.count_ones() as usize <= count);
            let best = supports.map(|mask| {
                let support: Vec<usize> = (0..v.len()).filter(|place| mask >> place & 1 == 1).collect();
                distance(&by_sorting(&v, &support, total), &v)
            });
            let best = best.fold(f64::INFINITY, f64::min);
            prop_assert!((distance(&found, &v) - best).abs() < 1e-10);
        }
    }

    #[test]
    fn a_point_of_the_simplex_stays() {
        let v = [0.5, 0.0, 0.25, 0.25];
        assert_eq!(project_simplex(&v, 1.0), v);
        assert_eq!(project_sparse_simplex(&v, 1, 1.0), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn ties_go_to_the_lowest_places() {
        let mut entries = vec![(3, 1.0), (0, 1.0), (2, 2.0), (1, 1.0)];
        keep_largest(&mut entries, 3);
        entries.sort_by_key(|entry| entry.0);
        assert_eq!(entries, [(0, 1.0), (1, 1.0), (2, 2.0)]);
        keep_largest(&mut entries, 0);
        assert!(entries.is_empty());
    }

    #[test]
    fn nothing_and_a_total_of_zero_have_a_projection() {
        assert!(project_simplex(&[], 1.0).is_empty());
        assert_eq!(project_simplex(&[3.0, 1.0], 0.0), [0.0, 0.0]);
        assert_eq!(simplex_threshold([3.0, 1.0].into_iter(), 0.0), 3.0);
    }
}
