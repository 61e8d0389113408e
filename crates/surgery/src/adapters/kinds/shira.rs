//! SHiRA: some entries of a weight trained.
//!
//!     ΔW[i₀[n], i₁[n]] += w[n]        w: [n]  i: [2, n], whole numbers        n = r·(out + in)
//!
//! Of full rank.

use super::faults::{Faults, both};
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "SHIRA",
    tensors: &["shira_weight", "shira_indices"],
    settings: &["init_weights", "mask_type", "r", "random_seed"],
    open: |_: &Foreign| Ok(Box::new(Shira)),
};

struct Shira;

impl Formula for Shira {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let entries = site.files.rank_of(site.path, 32)? * (site.outputs + site.inputs);
        let (weights, places) = both(site.tensor("shira_weight", &[entries]), places(site, entries))?;
        Ok(Box::new(move || {
            let mut change = vec![0.0; site.outputs * site.inputs];
            places.into_iter().zip(weights).for_each(|(place, weight)| change[place] += weight);
            Ok(site.dense(change))
        }))
    }
}

/// Where in the weight, row-major, each trained entry is.
fn places(site: &Site, entries: usize) -> Result<Vec<usize>> {
    let indices = site.tensor("shira_indices", &[2, entries])?;
    let (rows, columns) = indices.split_at(entries);
    let place = |(&row, &column): (&f32, &f32)| -> Result<usize> {
        let row = site.index("shira_indices", row, site.outputs)?;
        Ok(row * site.inputs + site.index("shira_indices", column, site.inputs)?)
    };
    rows.iter().zip(columns).map(place).collect()
}
