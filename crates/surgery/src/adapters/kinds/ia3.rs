//! IA³: outputs, or the inputs of a feed-forward layer, made larger or smaller.
//!
//!     outputs   W' = diag(l)·W    b' = l∘b        l: [out, 1]
//!     inputs    W' = W·diag(l)                     l: [1, in]
//!
//! Of full rank. Which of the two it is shows in the shape, so that `feedforward_modules` need not be read.

use super::site::{Site, scale_columns, scale_rows};
use super::{Card, Formula};
use crate::Result;
use crate::adapters::change::Change;
use rankine_checkpoint::adapter::Foreign;

pub(super) const CARD: Card = Card {
    name: "IA3",
    tensors: &["ia3_l"],
    settings: &["feedforward_modules", "init_ia3_weights"],
    open: |_: &Foreign| Ok(Box::new(Ia3)),
};

struct Ia3;

impl Formula for Ia3 {
    fn change(&self, site: &Site) -> Result<Change> {
        let factors = factors(site)?;
        // W·(l − 1), so that small changes are not differences of large numbers.
        let moved: Vec<_> = factors.iter().map(|l| l - 1.0).collect();
        let mut weight = site.weight()?;
        match scales_inputs(site) {
            true => scale_columns(&mut weight, &moved),
            false => scale_rows(&mut weight, &moved),
        }
        Ok(site.dense(weight))
    }

    /// A LoRA has the biases of all adapted modules or of none.
    fn bias(&self, site: &Site) -> Result<Option<Vec<f32>>> {
        let Some(mut bias) = site.bias()? else { return Ok(None) };
        if !scales_inputs(site) {
            scale_rows(&mut bias, &factors(site)?);
        }
        Ok(Some(bias))
    }
}

fn scales_inputs(site: &Site) -> bool {
    site.shape("ia3_l") == [1, site.inputs]
}

fn factors(site: &Site) -> Result<Vec<f32>> {
    let shape = if scales_inputs(site) { [1, site.inputs] } else { [site.outputs, 1] };
    site.tensor("ia3_l", &shape)
}
