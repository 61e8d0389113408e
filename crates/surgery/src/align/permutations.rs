//! A permutation of every group.
//!
//! An order p takes: unit i of the permuted model is unit pᵢ of the original, W[p] and not W[p⁻¹].

use super::spec::{Group, Layout, PermutationSpec};
use rankine_random::Rng;

/// The orders of all groups of a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutations {
    /// By the place of the group; [units].
    pub(super) orders: Vec<Vec<usize>>,
}

impl Permutations {
    /// Everything stays where it is.
    pub fn identity(spec: &PermutationSpec) -> Self {
        Self { orders: spec.groups().iter().map(|group| (0..group.units).collect()).collect() }
    }

    /// Uniformly drawn among those that the specification allows; every group draws from the stream of its name.
    pub fn random(spec: &PermutationSpec, rng: &Rng) -> Self {
        let order = |group: &Group| {
            let mut rng = rng.fork(&group.name);
            let mut outer: Vec<usize> = (0..group.units / group.shared).collect();
            rng.shuffle(&mut outer);
            let inner = outer.into_iter().flat_map(|unit| {
                let mut inner: Vec<usize> = (unit * group.shared..(unit + 1) * group.shared).collect();
                rng.shuffle(&mut inner);
                inner
            });
            inner.collect::<Vec<usize>>()
        };
        Self { orders: spec.groups().iter().map(order).collect() }
    }

    /// What brings everything back.
    pub fn inverse(&self) -> Self {
        let inverse = |order: &Vec<usize>| {
            let mut inverse = vec![0; order.len()];
            order.iter().enumerate().for_each(|(at, &unit)| inverse[unit] = at);
            inverse
        };
        Self { orders: self.orders.iter().map(inverse).collect() }
    }

    /// The order of every group, in the order of the specification; [units].
    pub fn orders(&self) -> &[Vec<usize>] {
        &self.orders
    }

    /// How many units of a group are not in their place.
    pub fn moved(&self, group: usize) -> usize {
        let order = self.orders.get(group).map_or(&[][..], Vec::as_slice);
        order.iter().enumerate().filter(|(at, unit)| at != *unit).count()
    }

    /// Which number along an axis of this layout comes to every place; [sections · units · width].
    pub(super) fn places(&self, layout: &Layout, group: &Group) -> Vec<usize> {
        let &Layout { group: place, sections, width, outer } = layout;
        let units = outer_or_all(&self.orders[place], group.shared, outer);
        let stride = units.len() * width;
        let unit = |first: usize| first..first + width;
        let section = |at: usize| units.iter().flat_map(move |number| unit(at * stride + number * width));
        (0..sections).flat_map(section).collect()
    }
}

/// The order, or that of key and value heads that follows from it.
pub(super) fn outer_or_all(order: &[usize], shared: usize, outer: bool) -> Vec<usize> {
    match outer {
        true => order.iter().step_by(shared).map(|unit| unit / shared).collect(),
        false => order.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::spec::UnitKind;

    fn spec(units: usize, shared: usize) -> PermutationSpec {
        let group = Group { name: "heads".to_owned(), kind: UnitKind::Heads, units, shared };
        PermutationSpec { groups: vec![group], ..PermutationSpec::default() }
    }

    #[test]
    fn numbers_along_an_axis_go_with_their_units() {
        let permutations = Permutations { orders: vec![vec![3, 2, 0, 1]] };
        let spec = spec(4, 2);
        let group = &spec.groups()[0];
        let layout = Layout { group: 0, sections: 2, width: 2, outer: true };
        assert_eq!(permutations.places(&layout, group), [2, 3, 0, 1, 6, 7, 4, 5]);
        let inner = Layout { sections: 1, outer: false, ..layout };
        assert_eq!(permutations.places(&inner, group), [6, 7, 4, 5, 0, 1, 2, 3]);
        assert_eq!(
            (permutations.moved(0), permutations.inverse().orders()[0].as_slice()),
            (4, &[2, 3, 1, 0][..])
        );
    }

    #[test]
    fn heads_that_share_stay_together() {
        let spec = spec(12, 3);
        let drawn = Permutations::random(&spec, &Rng::new(1));
        assert_ne!(drawn, Permutations::identity(&spec));
        for heads in drawn.orders()[0].chunks(3) {
            assert!(heads.iter().all(|head| head / 3 == heads[0] / 3), "{heads:?}");
        }
        let mut sorted = drawn.orders()[0].clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..12));
    }
}
