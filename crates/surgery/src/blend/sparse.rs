//! Which entries of a change are kept.
//!
//!     Nothing        none (a density of 0)
//!     Largest        the ⌊density·n⌋ of largest magnitude, one at least
//!     Middle         the same number, without the ⌊gamma·n⌋ largest as long as enough are left (Model Breadcrumbs)
//!     Chance         each by a coin of that chance (DARE)
//!     ChanceBySize   by a coin of chance density − ε … density + ε, evenly by its rank in its row (DELLA)

use super::sums::scale;
use rankine_random::Rng;
use std::ops::Range;

/// A way of leaving entries out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sparsifier {
    Nothing,
    Largest { density: f64 },
    Middle { density: f64, gamma: f64 },
    Chance { density: f64 },
    ChanceBySize { density: f64, epsilon: f64 },
}

/// What makes up for entries that were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rescale {
    Never,
    /// Σ |x| is as before.
    Norm,
    /// A factor of 1/density.
    Density,
}

/// A smaller sum of magnitudes is not divided by.
const SMALLEST: f64 = 1e-7;

impl Sparsifier {
    /// Puts zeros in the place of what is not kept, in rows of this width.
    pub fn apply(&self, x: &mut [f32], width: usize, rescale: Rescale, mut coins: Rng) {
        let before = magnitude(x);
        let n = x.len();
        let share = |share: f64| (share * n as f64) as usize;
        let density = match *self {
            Self::Nothing => return x.fill(0.0),
            Self::Largest { density } => {
                keep_ranks(x, n - share(density).max(1).min(n)..n);
                density
            }
            Self::Middle { density, gamma } => {
                let top = share(gamma).min(n - share(density));
                keep_ranks(x, n - top - share(density)..n - top);
                density
            }
            Self::Chance { density } => {
                x.iter_mut().filter(|_| density <= coins.uniform_f64()).for_each(|x| *x = 0.0);
                density
            }
            Self::ChanceBySize { density, epsilon } => {
                x.chunks_mut(width).for_each(|row| toss_by_rank(row, density, epsilon, &mut coins));
                density
            }
        };
        let factor = match rescale {
            Rescale::Never => return,
            Rescale::Density => 1.0 / density,
            Rescale::Norm => {
                let after = magnitude(x);
                if before < SMALLEST || after < SMALLEST {
                    return;
                }
                before / after
            }
        };
        scale(x, factor);
    }
}

/// Σ |x|.
fn magnitude(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(x.abs())).sum()
}

/// Keeps what has these ranks by magnitude, the smallest first; of equal ones the earlier has the lower rank.
fn keep_ranks(x: &mut [f32], ranks: Range<usize>) {
    if ranks.is_empty() {
        x.fill(0.0);
        return;
    }
    let mut sizes: Vec<f32> = x.iter().map(|x| x.abs()).collect();
    // The magnitude at a rank, and how many of the same magnitude have a lower one.
    let mut at = |rank: usize| {
        let (below, &mut size, _) = sizes.select_nth_unstable_by(rank, f32::total_cmp);
        (size, rank - below.iter().filter(|other| **other < size).count())
    };
    let ((low, dropped), (high, before_last)) = (at(ranks.start), at(ranks.end - 1));
    let (mut lows, mut highs) = (0, 0);
    for x in x {
        let size = x.abs();
        lows += usize::from(size == low);
        highs += usize::from(size == high);
        let stays = (low < size || (size == low && dropped < lows))
            && (size < high || (size == high && highs <= before_last + 1));
        if !stays {
            *x = 0.0;
        }
    }
}

/// Keeps each number of a row by a coin that is kinder to larger ones.
fn toss_by_rank(row: &mut [f32], density: f64, epsilon: f64, coins: &mut Rng) {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&i, &j| row[i].abs().total_cmp(&row[j].abs()));
    let last = row.len().saturating_sub(1).max(1) as f64;
    let mut chances = vec![0.0; row.len()];
    for (rank, at) in order.into_iter().enumerate() {
        chances[at] = density - epsilon + 2.0 * epsilon * rank as f64 / last;
    }
    for (x, chance) in row.iter_mut().zip(chances) {
        if chance <= coins.uniform_f64() {
            *x = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(x: &[f32], ranks: Range<usize>) -> Vec<f32> {
        let mut x = x.to_vec();
        keep_ranks(&mut x, ranks);
        x
    }

    #[test]
    fn ranks_are_of_magnitudes_and_equal_ones_in_order() {
        let x = [1.0, -4.0, 3.0, 2.0];
        assert_eq!(kept(&x, 2..4), [0.0, -4.0, 3.0, 0.0]);
        assert_eq!(kept(&x, 1..3), [0.0, 0.0, 3.0, 2.0]);
        assert_eq!(kept(&x, 0..4), x);
        let alike = [1.0, -1.0, 1.0, 1.0];
        assert_eq!(kept(&alike, 1..3), [0.0, -1.0, 1.0, 0.0]);
        assert_eq!(kept(&[2.0, 1.0, 2.0, 2.0, 5.0], 2..4), [0.0, 0.0, 2.0, 2.0, 0.0]);
        assert_eq!(kept(&[1.0, 2.0], 2..2), [0.0, 0.0]);
    }

    /// mergekit's `magnitude` keeps one, and its `magnitude_outliers` none.
    #[test]
    fn a_density_below_one_entry_keeps_the_largest_or_nothing() {
        for (sparsifier, expected) in [
            (Sparsifier::Largest { density: 0.1 }, [0.0, -4.0, 0.0]),
            (Sparsifier::Middle { density: 0.1, gamma: 0.01 }, [0.0; 3]),
        ] {
            for rescale in [Rescale::Never, Rescale::Density] {
                let mut x = [1.0, -4.0, 2.0];
                sparsifier.apply(&mut x, 3, rescale, Rng::new(0));
                let factor = if matches!(rescale, Rescale::Density) { 1.0 / 0.1 } else { 1.0 };
                assert_eq!(x, expected.map(|x: f32| (factor * f64::from(x)) as f32), "{sparsifier:?}");
            }
        }
        let mut x = [1.0, -4.0];
        Sparsifier::Nothing.apply(&mut x, 2, Rescale::Density, Rng::new(0));
        assert_eq!(x, [0.0; 2]);
        Sparsifier::Largest { density: 0.5 }.apply(&mut [], 1, Rescale::Norm, Rng::new(0));
    }

    #[test]
    fn breadcrumbs_cut_off_both_ends_and_keep_their_density() {
        let x: Vec<f32> = (1..=100).map(|at| at as f32).collect();
        for (density, gamma, expected) in
            [(0.9, 0.01, 10..100), (0.9, 0.0, 11..101), (0.5, 0.1, 41..91), (0.9, 0.5, 1..91)]
        {
            let mut y = x.clone();
            let sparsifier = Sparsifier::Middle { density, gamma };
            sparsifier.apply(&mut y, 100, Rescale::Never, Rng::new(0));
            let left: Vec<f32> = y.into_iter().filter(|x| *x != 0.0).collect();
            assert_eq!(left, expected.map(|at: i32| at as f32).collect::<Vec<_>>(), "{density} {gamma}");
        }
    }

    #[test]
    fn the_norm_is_made_up_for_or_the_mean() {
        let x = Rng::new(4).normals(4000, 1.0);
        let norm = magnitude(&x);
        for sparsifier in [
            Sparsifier::Largest { density: 0.3 },
            Sparsifier::Chance { density: 0.3 },
            Sparsifier::ChanceBySize { density: 0.3, epsilon: 0.2 },
        ] {
            let mut y = x.clone();
            sparsifier.apply(&mut y, 50, Rescale::Norm, Rng::new(1));
            assert!((magnitude(&y) / norm - 1.0).abs() < 1e-5, "{sparsifier:?}");
            let share = y.iter().filter(|x| **x != 0.0).count() as f64 / 4000.0;
            assert!((share - 0.3).abs() < 0.03, "{sparsifier:?}: {share}");
        }
        // The mean over many draws of one number.
        let seeds = 10_000;
        let total: f64 = (0..seeds)
            .map(|seed| {
                let mut one = [1.0];
                let coins = Rng::new(seed).fork("blend");
                Sparsifier::Chance { density: 0.25 }.apply(&mut one, 1, Rescale::Density, coins);
                f64::from(one[0])
            })
            .sum();
        // The deviation of a draw is √(1/density − 1).
        assert!((total / seeds as f64 - 1.0).abs() < 3.0 * 3.0_f64.sqrt() / 100.0, "{total}");
    }

    #[test]
    fn larger_numbers_have_better_chances() {
        let row: Vec<f32> = (1..=10).map(|at| at as f32).collect();
        let mut counts = [0; 10];
        for seed in 0..2000 {
            let mut row = row.clone();
            toss_by_rank(&mut row, 0.5, 0.4, &mut Rng::new(seed).fork("della"));
            counts.iter_mut().zip(&row).for_each(|(count, x)| *count += i32::from(*x != 0.0));
        }
        for (rank, count) in counts.into_iter().enumerate() {
            let chance = 0.1 + 0.8 * rank as f64 / 9.0;
            assert!((f64::from(count) / 2000.0 - chance).abs() < 0.04, "{rank}: {count}");
        }
        let mut one = [3.0];
        toss_by_rank(&mut one, 0.5, 0.4, &mut Rng::new(0));
    }
}
