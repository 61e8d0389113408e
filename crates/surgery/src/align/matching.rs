//! Weight matching: the permutations that bring one model nearest to another, by their weights alone.
//!
//!     max_π ⟨θ_a, π(θ_b)⟩ = const − min_π ‖θ_a − π(θ_b)‖² / 2
//!
//! For one group, with all others held, that is a linear assignment on the similarities of units. Groups take turns in random
//! order until none gains any more: the distance never grows. With one group it is the best there is, with more a local optimum
//! (the whole problem is NP-hard). A group whose neighbours, with whom it shares tensors, did not move since its last turn is
//! passed over: it would gain nothing.
//!
//! Where query heads share key and value heads, the score of a pair of the latter is its own and that of the best assignment of
//! the queries in it: an assignment of assignments, and the best there is.

use super::permutations::{Permutations, outer_or_all};
use super::similarity::{Models, Similarity};
use super::spec::{Group, PermutationSpec};
use crate::{Error, Progress, Result, Stage, Watch};
use rankine_linalg::{Aim, assignment};
use rankine_random::Rng;

/// What a turn must gain at least, as a share of what there is: less is rounding.
const TOLERANCE: f64 = 1e-12;

/// Where a search begins.
pub(super) struct Start {
    pub permutations: Permutations,
    /// Which groups have turns; by their places.
    pub free: Vec<bool>,
}

impl Start {
    /// All groups as they are.
    pub fn of(spec: &PermutationSpec) -> Self {
        Self { permutations: Permutations::identity(spec), free: vec![true; spec.groups().len()] }
    }
}

/// What was found.
pub(super) struct Matched {
    pub permutations: Permutations,
    /// How often all groups had their turn; the last time nothing was gained, unless there were no more.
    pub sweeps: usize,
}

impl Models<'_> {
    /// Takes turns, from `start` on, in orders drawn from `rng`.
    pub fn matched(&self, start: Start, sweeps: usize, rng: &Rng, watch: &mut Watch) -> Result<Matched> {
        let (groups, neighbours) = (self.spec.groups(), self.spec.neighbours());
        let Start { mut permutations, free } = start;
        let mut stale = free.clone();
        let mut done = 0;
        while done < sweeps && stale.contains(&true) {
            let mut turns: Vec<usize> = (0..groups.len()).collect();
            rng.fork_index("sweep", done).shuffle(&mut turns);
            let mut progress = Progress { stage: Stage::Matching, done: 0, total: groups.len() as u64 };
            for place in turns {
                if std::mem::take(&mut stale[place]) {
                    let group = &groups[place];
                    let similarity = self.similarity(place, &permutations)?;
                    let order = best(group, &similarity)?;
                    let now = value(group, &similarity, &permutations.orders[place]);
                    let gained = value(group, &similarity, &order) - now;
                    if TOLERANCE * now.abs() < gained {
                        permutations.orders[place] = order;
                        neighbours[place].iter().for_each(|&neighbour| stale[neighbour] = free[neighbour]);
                    }
                }
                progress.done += 1;
                progress.tell(watch)?;
            }
            done += 1;
        }
        Ok(Matched { permutations, sweeps: done })
    }
}

/// ⟨C, P⟩.
fn value(group: &Group, similarity: &Similarity, order: &[usize]) -> f64 {
    let sum = |scores: &[f64], order: &[usize]| -> f64 {
        order.iter().enumerate().map(|(row, column)| scores[row * order.len() + column]).sum()
    };
    let shared = match group.shared {
        1 => 0.0,
        shared => sum(&similarity.outer, &outer_or_all(order, shared, true)),
    };
    sum(&similarity.inner, order) + shared
}

/// The order with the largest ⟨C, P⟩.
pub(super) fn best(group: &Group, similarity: &Similarity) -> Result<Vec<usize>> {
    let failed = |source| Error::Decomposition { name: group.name.clone(), source };
    let (units, shared, outer) = (group.units, group.shared, group.units / group.shared);
    if shared == 1 {
        return assignment(&similarity.inner, units, Aim::Most).map_err(failed);
    }
    let mut scores = similarity.outer.clone();
    let mut inner = Vec::with_capacity(outer * outer);
    for (at, score) in scores.iter_mut().enumerate() {
        let (row, column) = (at / outer * shared, at % outer * shared);
        let line = |row: usize| &similarity.inner[row * units + column..][..shared];
        let block: Vec<f64> = (row..row + shared).flat_map(line).copied().collect();
        let order = assignment(&block, shared, Aim::Most).map_err(failed)?;
        *score += order.iter().enumerate().map(|(row, column)| block[row * shared + column]).sum::<f64>();
        inner.push(order);
    }
    let order = assignment(&scores, outer, Aim::Most).map_err(failed)?;
    let heads = order.iter().enumerate().flat_map(|(row, &column)| {
        inner[row * outer + column].iter().map(move |head| column * shared + head)
    });
    Ok(heads.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::spec::UnitKind;

    /// All permutations of 0..n.
    fn permutations(n: usize) -> Vec<Vec<usize>> {
        let Some(last) = n.checked_sub(1) else { return vec![Vec::new()] };
        let insert = |order: Vec<usize>| {
            (0..n).map(move |at| {
                let mut order = order.clone();
                order.insert(at, last);
                order
            })
        };
        permutations(last).into_iter().flat_map(insert).collect()
    }

    #[test]
    fn heads_that_share_are_assigned_as_the_best_of_all_allowed_orders() {
        for draw in 0..10 {
            let mut rng = Rng::new(4).fork_index("draw", draw);
            let mut numbers = |count: usize| (0..count).map(|_| rng.normal_f64()).collect::<Vec<f64>>();
            let similarity = Similarity { inner: numbers(36), outer: numbers(9) };
            let group = Group { name: "heads".to_owned(), kind: UnitKind::Heads, units: 6, shared: 2 };
            let is_allowed = |order: &Vec<usize>| order.chunks(2).all(|pair| pair[0] / 2 == pair[1] / 2);
            let allowed: Vec<Vec<usize>> = permutations(6).into_iter().filter(is_allowed).collect();
            assert_eq!(allowed.len(), 6 * 8);
            let values = allowed.iter().map(|order| value(&group, &similarity, order));
            let found = best(&group, &similarity).unwrap();
            assert!(allowed.contains(&found), "{found:?}");
            assert!((value(&group, &similarity, &found) - values.fold(f64::MIN, f64::max)).abs() < 1e-12);
        }
    }
}
