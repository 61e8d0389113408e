//! Full fine-tuning: the targeted weights themselves are trained.
//!
//!     w = W        W: [out, in], or [out, in, height, width] of a convolution, trained
//!
//! Trains out·in numbers a weight: the baseline that all others are held against. Embeddings, norms and biases stay, and with
//! `all-linear` so does the head; what is trained beside is named by `targets.whole`. Exported as whole modules.

use crate::{Card, Export, Method, Result, Site};
use rankine_nn::{Kind, Weight, weight::Dense};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// Full fine-tuning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Full {}

impl Method for Full {
    fn card(&self) -> Card {
        Card {
            name: "full",
            paper: "lora",
            summary: "the targeted weights themselves are trained, embeddings, norms and biases are not: the baseline, with an \
                      optimizer state of twice their size",
            formula: "w = W; W is trained",
            exact: true,
            trains: &["value"],
            export: Export::Whole,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        sites.iter().map(|site| Ok(site.sizes()?.into_iter().min().unwrap_or(0))).collect()
    }

    fn trained(&self, site: &Site<'_>, _: usize) -> Result<usize> {
        Ok(site.weight.elements())
    }

    fn attach(&self, site: &Site<'_>, _: usize, _: Rng) -> Result<Box<dyn Weight>> {
        Ok(Box::new(Dense::trained(&site.weight.tensor())))
    }
}
