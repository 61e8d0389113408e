//! SHiRA: some entries of a weight trained.
//!
//!     ΔW[i₀[n], i₁[n]] += w[n]        w: [n]  i: [2, n], whole numbers        n = r·(out + in)
//!
//! Of full rank.

use super::site::Site;
use super::{Card, Formula};
use crate::Result;
use crate::adapters::change::Change;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "SHIRA",
    tensors: &["shira_weight", "shira_indices"],
    settings: &["init_weights", "mask_type", "r", "random_seed"],
    open: |_: &Foreign| Ok(Box::new(Shira)),
};

struct Shira;

impl Formula for Shira {
    fn change(&self, site: &Site) -> Result<Change> {
        let entries = site.files.rank_of(site.path, 32)? * (site.outputs + site.inputs);
        let weights = site.tensor("shira_weight", &[entries])?;
        let indices = site.tensor("shira_indices", &[2, entries])?;
        let mut change = vec![0.0; site.outputs * site.inputs];
        let (rows, columns) = indices.split_at(entries);
        for ((&row, &column), weight) in rows.iter().zip(columns).zip(weights) {
            let row = site.index("shira_indices", row, site.outputs)?;
            let column = site.index("shira_indices", column, site.inputs)?;
            change[row * site.inputs + column] += weight;
        }
        Ok(site.dense(change))
    }
}
