//! A training and a validation part.

use std::collections::BTreeMap;

use rankine_random::Rng;

use crate::encode::Example;
use crate::error::{Error, Result};

/// Something of a class.
pub trait Labelled {
    /// The number of its class.
    fn label(&self) -> u32;
}

/// How much is held out for validation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// A part of all examples; 0 ≤ share < 1. Above 0 at least one example is held out.
    Fraction(f64),
    /// So many examples.
    Count(usize),
}

impl Share {
    /// The number of examples held out of `examples`; at least one is left to train on.
    fn held_out(self, examples: usize) -> Result<usize> {
        match self {
            Self::Fraction(found) if !(0.0..1.0).contains(&found) => Err(Error::ShareRange { found }),
            Self::Fraction(0.0) => Ok(0),
            Self::Fraction(share) => {
                // Truncation is meant: what was rounded is a small whole number.
                let wanted = (share * examples as f64).round() as usize;
                Ok(wanted.max(1).min(examples.saturating_sub(1)))
            }
            Self::Count(wanted) if 0 < wanted && examples <= wanted => {
                Err(Error::ShareCount { wanted, examples })
            }
            Self::Count(wanted) => Ok(wanted),
        }
    }
}

/// Holds out a share of the examples at random; gives those to train on and those held out, each in their order.
///
/// # Errors
/// [`Error::ShareRange`], [`Error::ShareCount`] when the share leaves nothing to train on.
pub fn split(examples: Vec<Example>, share: Share, seed: u64) -> Result<(Vec<Example>, Vec<Example>)> {
    let held_out = share.held_out(examples.len())?;
    let mut order: Vec<usize> = (0..examples.len()).collect();
    Rng::new(seed).fork("split").shuffle(&mut order);
    let mut held = vec![false; examples.len()];
    for &index in &order[..held_out] {
        held[index] = true;
    }
    Ok(parted(examples, held))
}

/// As [`split`], with the same share of every class; the last example of a class is never held out.
///
/// # Errors
/// As [`split`].
pub fn split_stratified<S: Labelled>(examples: Vec<S>, share: Share, seed: u64) -> Result<(Vec<S>, Vec<S>)> {
    let held_out = share.held_out(examples.len())?;
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, example) in examples.iter().enumerate() {
        classes.entry(example.label()).or_default().push(index);
    }
    let rng = Rng::new(seed).fork("split");
    let mut held = vec![false; examples.len()];
    let sizes: Vec<usize> = classes.values().map(Vec::len).collect();
    for (count, (&class, members)) in quotas(&sizes, held_out).into_iter().zip(&mut classes) {
        rng.fork_index("class", class as usize).shuffle(members);
        for &index in &members[..count.min(members.len() - 1)] {
            held[index] = true;
        }
    }
    Ok(parted(examples, held))
}

/// `wanted` shared out among classes of these sizes, as near to their proportions as whole numbers are.
fn quotas(sizes: &[usize], wanted: usize) -> Vec<usize> {
    let all = sizes.iter().sum::<usize>().max(1);
    let mut quotas: Vec<usize> = sizes.iter().map(|size| wanted * size / all).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(wanted * sizes[class] % all));
    let left = wanted - quotas.iter().sum::<usize>();
    for &class in order.iter().take(left) {
        quotas[class] += 1;
    }
    quotas
}

/// Those not held out, and those held out.
fn parted<T>(items: Vec<T>, held: Vec<bool>) -> (Vec<T>, Vec<T>) {
    let (validation, train): (Vec<_>, Vec<_>) = items.into_iter().zip(held).partition(|(_, held)| *held);
    let items = |part: Vec<(T, bool)>| part.into_iter().map(|(item, _)| item).collect();
    (items(train), items(validation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labelled::LabelledExample;
    use proptest::prelude::*;

    fn examples(count: usize) -> Vec<Example> {
        (0..count).map(|source| Example { tokens: vec![0, 1], answers: vec![true; 2], source }).collect()
    }

    fn sources(examples: &[Example]) -> Vec<usize> {
        examples.iter().map(|example| example.source).collect()
    }

    proptest! {
        #[test]
        fn every_example_is_on_exactly_one_side(count in 1..200_usize, share in 0.0..0.999, seed: u64) {
            let (train, validation) = split(examples(count), Share::Fraction(share), seed).unwrap();
            prop_assert!(!train.is_empty());
            prop_assert_eq!(validation.is_empty(), share == 0.0 || count == 1);
            prop_assert!(train.is_sorted_by_key(|example| example.source));
            let mut all = sources(&[train, validation].concat());
            all.sort_unstable();
            prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_class_is_held_out_by_the_same_share() {
        let example = |source| LabelledExample {
            tokens: vec![1],
            types: vec![0],
            label: u32::from(source % 10 == 0),
            source,
        };
        let of = |count, share| split_stratified((0..count).map(example).collect(), share, 3).unwrap();
        let (train, validation) = of(100, Share::Fraction(0.2));
        let rare = |part: &[LabelledExample]| part.iter().filter(|example| example.label == 1).count();
        assert_eq!((train.len(), validation.len(), rare(&train), rare(&validation)), (80, 20, 8, 2));
        assert!(train.is_sorted_by_key(|example| example.source));
        // The only example of a class stays to be learnt.
        let (train, validation) = of(5, Share::Fraction(0.8));
        assert_eq!((rare(&train), rare(&validation), validation.len()), (1, 0, 3));
        assert_eq!(quotas(&[3, 3, 1], 5), [2, 2, 1]);
    }

    #[test]
    fn the_seed_decides() {
        let held = |seed| sources(&split(examples(100), Share::Count(10), seed).unwrap().1);
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
        assert_eq!(held(1).len(), 10);
        assert_eq!(split(examples(100), Share::Fraction(0.25), 0).unwrap().1.len(), 25);
    }

    #[test]
    fn something_is_left_to_train_on() {
        for share in [Share::Fraction(1.0), Share::Fraction(-0.1), Share::Fraction(f64::NAN), Share::Count(3)]
        {
            assert!(split(examples(3), share, 0).is_err(), "{share:?}");
        }
        assert_eq!(split(examples(2), Share::Fraction(0.999), 0).unwrap().0.len(), 1);
        assert!(split(Vec::new(), Share::Count(0), 0).unwrap().0.is_empty());
    }
}
