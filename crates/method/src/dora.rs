//! DoRA: LoRA on the directions of a weight's rows, with their lengths trained beside it.
//!
//!     w = m ∘ V/‖V‖,   V = W + s · b·a        W: [out, in]  a: [r, in]  b: [out, r] = 0  m: [out] = ‖W‖ of every row
//!
//! s = α/r, or α/√r with `rslora`. Trains a, b and m: r·(out + in) + out numbers. ‖V‖ is a constant of the backward pass,
//! as in §4.3 and in peft: the slopes of a and b are not those of w's own formula.
//! Paper: [dora] §4; a starts as in [lora]. Departure: dropout acts on the branch alone; in peft the frozen part sees the
//! dropped input too, with the factor m/‖V‖ − 1.

use crate::{
    Card, Export, Method, Result, Site, check_finite,
    lora::{Lora, factor_numbers, scale},
};
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Weight-decomposed low-rank adaptation, with the settings of LoRA.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dora(pub Lora);

impl Method for Dora {
    fn card(&self) -> Card {
        Card {
            name: "dora",
            paper: "dora",
            summary: "LoRA on the directions of the weight's rows, with their lengths trained beside it",
            formula: "w = m·V/|V| row by row, V = W + s·b·a, s = alpha/rank (rslora: alpha/sqrt(rank)); \
                      a, b and m are trained",
            exact: true,
            trains: &["a", "b", "magnitude"],
            export: Export::Dora,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        self.0.plan(sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        let [outputs, _] = site.sizes()?;
        Ok(factor_numbers(site, rank)? + outputs)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        // The lengths that are trained are those of its rows.
        check_finite(site.path, &site.weight.tensor())?;
        let &Lora { alpha, rslora, dropout, init, .. } = &self.0;
        let (a, b) = (init.start(rank, inputs, rng)?, Tensor::zeros(&[outputs, rank]));
        let weight = weight::Magnitude::new(site.weight.clone(), &a, &b, scale(alpha, rank, rslora))?;
        Ok(Box::new(weight.with_dropout(dropout)))
    }
}
