//! BitFit: the biases of the targeted modules are trained, nothing else.
//!
//!     y = x·Wᵀ + b        b: [d], trained; of linear maps, heads, convolutions and norms alike
//!
//! Trains d numbers a bias, about 0.1 % of an encoder. A model without biases, as most of the llama family are, has nothing
//! for it: [`Error::NoBias`](crate::Error::NoBias). Targets choose among the modules that have a bias, whatever they are
//! besides: `all-linear`, the default, is every bias, those of norms too; the paper's smaller choice, queries and second
//! feed-forward maps of BERT, is `.*(query|\d\.output\.dense)`. Written as peft's `bias = "all"`: see [`crate::export`].
//! Paper: [bitfit] §3.

use crate::{Card, Export, Method, Result, Site};
use rankine_nn::{Kind, Weight, weight::Dense};
use rankine_random::Rng;
use serde::{Deserialize, Serialize};

/// Bias-only fine-tuning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bitfit {}

impl Method for Bitfit {
    fn card(&self) -> Card {
        Card {
            name: "bitfit",
            paper: "bitfit",
            summary: "the biases of the targeted modules are trained and nothing else; `all-linear` is every bias of the \
                      model, of norms too, and it must have some",
            formula: "y = x·Wt + b; b is trained",
            exact: true,
            trains: &["value"],
            export: Export::Biases,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        kind == Kind::Bias
    }

    /// A vector has rank 1.
    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        Ok(vec![1; sites.len()])
    }

    fn trained(&self, site: &Site<'_>, _: usize) -> Result<usize> {
        Ok(site.weight.elements())
    }

    fn attach(&self, site: &Site<'_>, _: usize, _: Rng) -> Result<Box<dyn Weight>> {
        Ok(Box::new(Dense::trained(&site.weight.tensor())))
    }
}
