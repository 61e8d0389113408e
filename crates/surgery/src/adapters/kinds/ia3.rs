//! IA³: outputs, or the inputs of a feed-forward layer, made larger or smaller.
//!
//!     outputs   W' = diag(l)·W    b' = l∘b        l: [out, 1]      of a convolution [1, out, 1, 1]
//!     inputs    W' = W·diag(l)                     l: [1, in]       of a convolution [1, channels, 1, 1]
//!
//! Of full rank. Which of the two it is shows in the shape of a linear layer; of a convolution `feedforward_modules` says.

use super::faults::Faults;
use super::site::{Site, scale_columns, scale_rows};
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::{Foreign, LayerKind};

pub(super) const CARD: Card = Card {
    name: "IA3",
    tensors: &["ia3_l"],
    settings: &["feedforward_modules", "init_ia3_weights"],
    open: |_: &Foreign| Ok(Box::new(Ia3)),
};

struct Ia3;

impl Formula for Ia3 {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let factors = factors(site)?;
        Ok(Box::new(move || {
            // W·(l − 1), so that small changes are not differences of large numbers.
            let less_one = |factors: Vec<f32>| -> Vec<f32> { factors.iter().map(|l| l - 1.0).collect() };
            let mut weight = site.weight()?;
            match factors {
                Factors::Inputs(factors) => scale_columns(&mut weight, &less_one(factors)),
                Factors::Outputs(factors) => scale_rows(&mut weight, &less_one(factors)),
            }
            Ok(site.dense(weight))
        }))
    }

    fn takes_convolutions(&self) -> bool {
        true
    }

    /// A LoRA has the biases of all adapted modules or of none.
    fn bias(&self, site: &Site) -> Result<Option<Vec<f32>>> {
        let Some(mut bias) = site.bias()? else { return Ok(None) };
        if let Factors::Outputs(factors) = factors(site)? {
            scale_rows(&mut bias, &factors);
        }
        Ok(Some(bias))
    }
}

/// l.
enum Factors {
    /// One for every column of the weight.
    Inputs(Vec<f32>),
    /// One for every row of it.
    Outputs(Vec<f32>),
}

fn factors(site: &Site) -> Result<Factors> {
    let &Site { outputs, inputs, .. } = site;
    match site.kind {
        LayerKind::Convolution { kernel: [height, width] } => {
            if !site.files.names("feedforward_modules", site.path)? {
                return Ok(Factors::Outputs(site.tensor("ia3_l", &[1, outputs, 1, 1])?));
            }
            let channels = site.tensor("ia3_l", &[1, site.channels(), 1, 1])?;
            let taps = channels.into_iter().flat_map(|l| std::iter::repeat_n(l, height * width));
            Ok(Factors::Inputs(taps.collect()))
        }
        _ if site.shape("ia3_l") == [1, inputs] => Ok(Factors::Inputs(site.tensor("ia3_l", &[1, inputs])?)),
        _ => Ok(Factors::Outputs(site.tensor("ia3_l", &[outputs, 1])?)),
    }
}
