//! Units that fire together.
//!
//! A unit of a layer that is never negative is a ReLU's, and fires where it is above 0. Every row has a random key of 128 bits,
//! and a unit is known by the exclusive or of those of the rows where it fires, so that two units of one pattern have one
//! name and others do not, but for a chance of 2⁻¹²⁸ a pair.

use rankine_random::Rng;
use std::collections::BTreeMap;

/// Patterns of firing, as they arrive batch by batch.
#[derive(Clone, Debug)]
pub struct Firing {
    rng: Rng,
    rows: u64,
    is_negative: bool,
    /// Name and count of every unit.
    units: Vec<([u64; 2], u64)>,
}

/// Which units of a layer of ReLUs fire together.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Synchronised {
    /// Two or more units each, which fire on the same rows and not never.
    pub groups: Vec<Vec<usize>>,
    /// Units that never fire.
    pub off: Vec<usize>,
    /// Units that always do.
    pub on: Vec<usize>,
}

impl Firing {
    /// Nothing seen yet of `width` units.
    pub fn new(width: usize) -> Self {
        Self {
            rng: Rng::new(0).fork("firing"),
            rows: 0,
            is_negative: false,
            units: vec![Default::default(); width],
        }
    }

    /// Takes rows in; [rows, d].
    pub fn see(&mut self, activations: &[f32]) {
        for row in activations.chunks_exact(self.units.len().max(1)) {
            self.is_negative |= row.iter().any(|&x| x < 0.0);
            if self.is_negative {
                return;
            }
            let key = [self.rng.bits(), self.rng.bits()];
            for ((name, count), _) in self.units.iter_mut().zip(row).filter(|(_, x)| 0.0 < **x) {
                name.iter_mut().zip(key).for_each(|(name, key)| *name ^= key);
                *count += 1;
            }
            self.rows += 1;
        }
    }

    /// What fires together; `None` where the units are no ReLUs.
    pub fn synchronised(&self) -> Option<Synchronised> {
        let rests = self.units.iter().any(|&(_, count)| count < self.rows);
        if self.is_negative || !rests {
            return None;
        }
        let mut patterns: BTreeMap<([u64; 2], u64), Vec<usize>> = BTreeMap::new();
        for (unit, &pattern) in self.units.iter().enumerate() {
            patterns.entry(pattern).or_default().push(unit);
        }
        let of = |wanted: u64| {
            let units = self.units.iter().enumerate().filter(|(_, (_, count))| *count == wanted);
            units.map(|(unit, _)| unit).collect()
        };
        let together = patterns.into_iter().filter(|((_, count), units)| 0 < *count && 1 < units.len());
        let mut groups: Vec<Vec<usize>> = together.map(|(_, units)| units).collect();
        groups.sort();
        Some(Synchronised { groups, off: of(0), on: of(self.rows) })
    }
}

impl Synchronised {
    /// Pairs of units that fire together.
    pub fn pairs(&self) -> usize {
        self.directions() / 2
    }

    /// Directions of the weights before and behind that this frees, where the layer stands between two maps.
    pub fn directions(&self) -> usize {
        self.groups.iter().map(|group| group.len() * (group.len() - 1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synchronised(rows: &[[f32; 5]]) -> Option<Synchronised> {
        let mut firing = Firing::new(5);
        rows.iter().for_each(|row| firing.see(row));
        firing.synchronised()
    }

    #[test]
    fn units_of_one_pattern_are_a_group() {
        let found = synchronised(&[[1.0, 0.0, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 2.0, 1.0]]).unwrap();
        assert_eq!(found, Synchronised { groups: vec![vec![0, 2]], off: vec![1], on: vec![4] });
        assert_eq!((found.pairs(), found.directions()), (1, 2));
        let three = Synchronised { groups: vec![vec![0, 1, 2], vec![3, 4]], ..Synchronised::default() };
        assert_eq!((three.pairs(), three.directions()), (4, 8));
    }

    #[test]
    fn what_is_negative_or_never_rests_is_no_relu() {
        assert_eq!(synchronised(&[[1.0, 0.0, -0.1, 0.0, 1.0], [0.0; 5]]), None);
        assert_eq!(synchronised(&[[1.0; 5], [2.0; 5]]), None);
    }
}
