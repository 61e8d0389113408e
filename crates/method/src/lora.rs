//! LoRA: a frozen weight with a trained low-rank branch that starts at zero.
//!
//!     w = W + s · b·a        W: [out, in]  a: [r, in]  b: [out, r] = 0        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers. Paper: [lora] §4.1; the start of a is peft's: uniform in ±1/√in (`kaiming`), or
//! N(0, 1/r²) (`gaussian`). A convolution is taken over as the matrix [out, in·height·width], as peft does it: a is a
//! convolution to r channels, b one of 1 × 1 behind it.

use crate::{Card, Error, Export, Method, Result, Site};
use rankine_nn::{Kind, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Low-rank adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How a starts.
    pub init: Init,
}

/// How the down projection starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform in ±1/√in, peft's default.
    #[default]
    Kaiming,
    /// Normal with standard deviation 1/r.
    Gaussian,
}

impl Init {
    /// a before training; [rank, inputs].
    pub(crate) fn start(self, rank: usize, inputs: usize, mut rng: Rng) -> Result<Tensor> {
        let a = match self {
            Self::Kaiming => rng.uniforms(rank * inputs, (inputs as f32).sqrt().recip()),
            Self::Gaussian => rng.normals(rank * inputs, (rank as f32).recip()),
        };
        Ok(Tensor::new(a, &[rank, inputs])?)
    }
}

impl Default for Lora {
    fn default() -> Self {
        Self { rank: 16, alpha: None, rslora: false, dropout: 0.0, init: Init::Kaiming }
    }
}

impl Method for Lora {
    fn card(&self) -> Card {
        Card {
            name: "lora",
            paper: "lora",
            summary: "a frozen weight with a trained low-rank branch that starts at zero",
            formula: "w = W + s·b·a, s = alpha/rank (rslora: alpha/sqrt(rank)); a and b are trained",
            exact: true,
            trains: &["a", "b"],
            export: Export::Lora,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        random_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let (a, b) = (self.init.start(rank, inputs, rng)?, Tensor::zeros(&[outputs, rank]));
        let scale = scale(self.alpha, rank, self.rslora);
        let weight = weight::LowRank::new(site.matrix()?, &a, &b, scale).with_dropout(self.dropout);
        Ok(Box::new(weight.folded(&site.weight.shape())))
    }
}

/// s of a branch of rank `rank`.
pub(crate) fn scale(alpha: Option<f32>, rank: usize, rslora: bool) -> f32 {
    let rank = rank as f32;
    alpha.unwrap_or(rank) / if rslora { rank.sqrt() } else { rank }
}

/// The plan of a method with two factors a site that are made of the weight: one rank for all, its settings checked.
pub(crate) fn factor_plan(
    rank: usize,
    alpha: Option<f32>,
    dropout: f32,
    sites: &[Site<'_>],
) -> Result<Vec<usize>> {
    sites.iter().try_for_each(|site| site.check_rank(rank))?;
    random_plan(rank, alpha, dropout, sites)
}

/// The same of factors that do not depend on the weight: any rank will do, as in peft, though above the smaller side it adds
/// nothing but numbers. Models whose keys are narrow are trained so.
pub(crate) fn random_plan(
    rank: usize,
    alpha: Option<f32>,
    dropout: f32,
    sites: &[Site<'_>],
) -> Result<Vec<usize>> {
    check_dropout(dropout)?;
    check_dropped(dropout, sites)?;
    check_alpha(alpha)?;
    match sites.first() {
        Some(site) if rank == 0 => {
            Err(Error::Rank { path: site.path.to_owned(), rank, shape: site.sizes()? })
        }
        _ => Ok(vec![rank; sites.len()]),
    }
}

/// Numbers of two factors of a site: r·(out + in).
pub(crate) fn factor_numbers(site: &Site<'_>, rank: usize) -> Result<usize> {
    Ok(rank * site.sizes()?.iter().sum::<usize>())
}

/// One rank for every site, refused where a site cannot have it.
pub(crate) fn uniform_plan(rank: usize, sites: &[Site<'_>]) -> Result<Vec<usize>> {
    sites.iter().try_for_each(|site| site.check_rank(rank))?;
    Ok(vec![rank; sites.len()])
}

pub(crate) fn check_dropout(dropout: f32) -> Result<()> {
    if (0.0..1.0).contains(&dropout) {
        return Ok(());
    }
    Err(Error::Setting { name: "dropout", expected: "at least 0 and below 1", found: dropout.to_string() })
}

/// Only the input of a product with a matrix can be dropped.
pub(crate) fn check_dropped(dropout: f32, sites: &[Site<'_>]) -> Result<()> {
    if dropout > 0.0 && sites.iter().any(|site| site.kind == Kind::Convolution) {
        let expected = "0 where a convolution is taken over";
        return Err(Error::Setting { name: "dropout", expected, found: dropout.to_string() });
    }
    Ok(())
}

fn check_alpha(alpha: Option<f32>) -> Result<()> {
    match alpha.filter(|alpha| !(*alpha > 0.0 && alpha.is_finite())) {
        Some(alpha) => Err(Error::Setting { name: "alpha", expected: "above 0", found: alpha.to_string() }),
        None => Ok(()),
    }
}
