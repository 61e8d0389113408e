//! Choosing: by weight, without repetition.

use crate::{Error, Result};
use rankine_random::Rng;
use std::collections::BTreeSet;

/// Indices drawn in proportion to weights.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    /// Sums of the weights so far; [count].
    cumulative: Vec<f64>,
    /// The last index with a weight.
    last: usize,
}

impl Weighted {
    /// # Errors
    /// When a weight is negative or not finite, or all are zero.
    pub(crate) fn new(weights: &[f64]) -> Result<Self> {
        if let Some((index, &value)) =
            weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && 0.0 <= **w))
        {
            return Err(Error::Weight { index, value });
        }
        let last = weights
            .iter()
            .rposition(|&weight| 0.0 < weight)
            .ok_or(Error::NoWeight { count: weights.len() })?;
        let sums = weights.iter().scan(0.0, |sum, &weight| {
            *sum += weight;
            Some(*sum)
        });
        Ok(Self { cumulative: sums.collect(), last })
    }

    /// Sum of the weights.
    pub(crate) fn total(&self) -> f64 {
        self.cumulative[self.last]
    }

    /// One index; never one without weight.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.uniform_f64() * self.total();
        self.cumulative.partition_point(|&sum| sum <= at).min(self.last)
    }
}

/// `count` of the numbers below `bound`, every set of them as likely as any other, ascending. Floyd's way: O(count).
///
/// # Errors
/// When `count` is above `bound`.
pub(crate) fn distinct(what: &'static str, count: usize, bound: usize, rng: &mut Rng) -> Result<Vec<usize>> {
    if count == 0 || bound < count {
        return Err(Error::Count { what, found: count, least: 1, most: bound });
    }
    let mut chosen = BTreeSet::new();
    for limit in bound - count..bound {
        let drawn = rng.below(limit + 1);
        if !chosen.insert(drawn) {
            chosen.insert(limit);
        }
    }
    Ok(chosen.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_as_likely() {
        let mut rng = Rng::new(2).fork("distinct");
        let mut counts = [0.0; 16];
        for _ in 0..12_000 {
            let set = distinct("rows", 2, 4, &mut rng).unwrap();
            assert!(set[0] < set[1] && set[1] < 4);
            counts[set[0] * 4 + set[1]] += 1.0;
        }
        let drawn: Vec<f64> = counts.into_iter().filter(|&count| 0.0 < count).collect();
        // Six sets; the standard deviation of a count is 41.
        assert!(drawn.len() == 6 && drawn.iter().all(|count| (count - 2000.0).abs() < 170.0), "{drawn:?}");
        assert_eq!(distinct("rows", 5, 5, &mut rng).unwrap(), [0, 1, 2, 3, 4]);
        assert!(matches!(distinct("rows", 6, 5, &mut rng), Err(Error::Count { most: 5, .. })));
    }

    #[test]
    fn draws_follow_the_weights() {
        let weighted = Weighted::new(&[0.0, 1.0, 0.0, 3.0, 0.0]).unwrap();
        let mut rng = Rng::new(3).fork("weighted");
        let mut counts = [0; 5];
        (0..4000).for_each(|_| counts[weighted.draw(&mut rng)] += 1);
        assert_eq!((counts[0], counts[2], counts[4]), (0, 0, 0));
        assert!((counts[1] as f64 - 1000.0).abs() < 110.0, "{counts:?}");
        assert!(matches!(Weighted::new(&[1.0, -1.0]), Err(Error::Weight { index: 1, .. })));
        assert!(matches!(Weighted::new(&[0.0]), Err(Error::NoWeight { count: 1 })));
    }
}
