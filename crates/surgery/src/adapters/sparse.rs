//! Sums of changes of which only some entries count.
//!
//!     ties    Δᵢ' = the share `density` of the entries of Δᵢ that are largest;  s = sign Σ Δᵢ'
//!             Δ[n] = mean of wᵢ·Δᵢ'[n] over the i with sign Δᵢ'[n] = s[n]
//!     dare    Δᵢ' = Δᵢ / density where a coin of that chance says so, else 0;  Δ = Σ wᵢ·Δᵢ'
//!
//! The steps of peft's `ties` and `dare_linear`, on the changes themselves: peft takes them on A and B apart, which prunes
//! factors and not changes. Entries of equal size are kept in their order. The coins of an adapter in a module are a stream
//! of their own.

use rankine_random::Rng;

/// One adapter's change, not weighted, and its weight.
pub(super) type Weighted = (Vec<f32>, f64);

/// Trimmed, signs elected, disjoint means.
pub(super) fn ties(mut changes: Vec<Weighted>, density: f64) -> Vec<f32> {
    changes.iter_mut().for_each(|(change, _)| trim(change, density));
    let entries = changes.first().map_or(0, |(change, _)| change.len());
    let entry = |n: usize| {
        let total: f32 = changes.iter().map(|(change, _)| change[n]).sum();
        let agrees = |x: f32| x != 0.0 && (0.0 <= total) == (0.0 < x);
        let agreeing = changes.iter().filter(|(change, _)| agrees(change[n]));
        let (sum, count) = agreeing.fold((0.0, 0), |(sum, count), (change, weight)| {
            (sum + weight * f64::from(change[n]), count + 1)
        });
        (sum / f64::from(count.max(1))) as f32
    };
    (0..entries).map(entry).collect()
}

/// Dropped at random, the rest made larger by as much; `rng` is the module's own stream.
pub(super) fn dare(changes: Vec<Weighted>, density: f64, rng: &Rng) -> Vec<f32> {
    let entries = changes.first().map_or(0, |(change, _)| change.len());
    let mut sum = vec![0.0_f64; entries];
    for (index, (change, weight)) in changes.into_iter().enumerate() {
        let mut coins = rng.fork_index("adapter", index);
        for (sum, x) in sum.iter_mut().zip(change) {
            if coins.uniform_f64() < density {
                *sum += weight / density * f64::from(x);
            }
        }
    }
    sum.into_iter().map(|x| x as f32).collect()
}

/// Zeros in the place of all but the largest entries, of which ⌊density · n⌋ stay, one at least.
fn trim(change: &mut [f32], density: f64) {
    let kept = ((density * change.len() as f64) as usize).max(1);
    if change.len() <= kept {
        return;
    }
    let mut sizes: Vec<f32> = change.iter().map(|x| x.abs()).collect();
    let (_, &mut limit, _) = sizes.select_nth_unstable_by(kept - 1, |x, y| y.total_cmp(x));
    let larger = change.iter().filter(|x| limit < x.abs()).count();
    let mut equal = kept - larger;
    for x in change {
        let stays = limit < x.abs() || (x.abs() == limit && 0 < equal);
        if stays && x.abs() == limit {
            equal -= 1;
        }
        if !stays {
            *x = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stay() {
        let trimmed = |x: &[f32], density| {
            let mut x = x.to_vec();
            trim(&mut x, density);
            x
        };
        assert_eq!(trimmed(&[1.0, -4.0, 3.0, 2.0], 0.5), [0.0, -4.0, 3.0, 0.0]);
        assert_eq!(trimmed(&[1.0, 1.0, -1.0, 1.0], 0.5), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(trimmed(&[0.0, 5.0], 0.1), [0.0, 5.0]);
        assert_eq!(trimmed(&[1.0, 2.0], 1.0), [1.0, 2.0]);
    }

    #[test]
    fn signs_are_elected_and_means_are_of_those_that_agree() {
        let changes = vec![
            (vec![1.0, -3.0, 2.0, 0.5], 1.0),
            (vec![3.0, 1.0, -1.0, 0.5], 0.5),
            (vec![-1.0, 1.0, 4.0, -1.0], 2.0),
        ];
        // Sums are 3, −1, 5 and 0, which counts as positive.
        assert_eq!(ties(changes, 1.0), [(1.0 + 1.5) / 2.0, -3.0, (2.0 + 8.0) / 2.0, (0.5 + 0.25) / 2.0]);
    }

    #[test]
    fn dropped_entries_are_made_up_for_in_the_mean() {
        let rng = Rng::new(3);
        let sum = dare(vec![(vec![1.0; 40_000], 2.0)], 0.25, &rng);
        assert!(sum.iter().all(|&x| x == 0.0 || x == 8.0));
        let mean = sum.iter().map(|&x| f64::from(x)).sum::<f64>() / sum.len() as f64;
        assert!((mean - 2.0).abs() < 0.1, "{mean}");
        assert_eq!(dare(vec![(vec![1.0, 2.0], 3.0)], 1.0, &rng), [3.0, 6.0]);
    }
}
