//! SVFit: training the largest singular values of a weight, nothing else.
//!
//!     W = U·diag(σ)·Vᵀ,   w = W + U_r·diag(δ)·V_rᵀ        U_r: [out, r]  V_r: [in, r]  δ = s − σ_r: [r]
//!
//! Trains r numbers. With `ratio` δ = σ_r ∘ z, so that a step moves every value in proportion to it. With `direct` s itself
//! is trained beside the residual W − U_r·diag(σ_r)·V_rᵀ; weight decay would then shrink the weight towards the residual,
//! where with the other two it pulls back to W. Attaching costs one SVD a weight, and its values once more where the energy
//! chooses r; signs are fixed, so that values belong to a basis that can be made again. What was learnt is a LoRA of rank r
//! exactly. A convolution is taken over as the matrix [out, in·height·width].
//! Paper: [svfit]. Unconfirmed there and decided here: energy is Σ σ² (`energy_power = 1`: Σ σ), δ is trained by default,
//! values may become negative, and every linear layer is a target unless the recipe says otherwise.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{check_dropout, check_dropped, uniform_plan},
    pissa::principal,
};
use rankine_linalg::{Truncation, energy_rank, singular_values};
use rankine_nn::{Kind, Leaf, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Singular-value fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Svfit {
    /// r; by `energy` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Share of the energy that the trained values hold, where no rank is given: above 0, at most 1.
    pub energy: f32,
    /// Energy is the sum of the values to this power: 1 or 2.
    pub energy_power: u32,
    /// What is trained.
    pub param: Parametrisation,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
}

/// How singular values are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parametrisation {
    /// Their change δ, from 0.
    #[default]
    Delta,
    /// The values, from σ.
    Direct,
    /// Their relative change δ/σ, from 0.
    Ratio,
}

impl Default for Svfit {
    fn default() -> Self {
        Self { rank: None, energy: 0.99, energy_power: 2, param: Parametrisation::Delta, dropout: 0.0 }
    }
}

impl Method for Svfit {
    fn card(&self) -> Card {
        Card {
            name: "svfit",
            paper: "svfit",
            summary: "only the largest singular values are trained, between frozen singular vectors",
            formula: "W = U·S·Vt; w = W + U_r·diag(s - S_r)·Vt_r; s is trained, r numbers a weight",
            exact: true,
            trains: &["core"],
            export: Export::Lora,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        check_dropout(self.dropout)?;
        check_dropped(self.dropout, sites)?;
        let setting = |name, expected, found| Err(Error::Setting { name, expected, found });
        if !(self.energy > 0.0 && self.energy <= 1.0) {
            return setting("energy", "above 0, and at most 1", self.energy.to_string());
        }
        if !matches!(self.energy_power, 1 | 2) {
            return setting("energy_power", "1 or 2", self.energy_power.to_string());
        }
        match self.rank {
            Some(rank) => uniform_plan(rank, sites),
            None => sites.par_iter().with_max_len(1).map(|site| self.energy_rank(site)).collect(),
        }
    }

    fn trained(&self, _: &Site<'_>, rank: usize) -> Result<usize> {
        Ok(rank)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, _: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let found = principal(site, rank, Truncation::Exact)?;
        let v = Leaf::Frozen(Tensor::new(found.vt, &[rank, inputs])?.into());
        let u = |u: Vec<f32>| Ok::<_, Error>(Leaf::Frozen(Tensor::new(u, &[outputs, rank])?.into()));
        let core = |core: Vec<f32>| Ok::<_, Error>(Leaf::Trained(Var::new(core, &[rank])?));
        let weight = match self.param {
            Parametrisation::Delta => {
                weight::LowRank::with_core(site.matrix()?, v, u(found.u)?, core(vec![0.0; rank])?, 1.0)
            }
            Parametrisation::Ratio => {
                let scaled = found.u.chunks_exact(rank).flat_map(|row| row.iter().zip(&found.s));
                let scaled = u(scaled.map(|(u, s)| u * s).collect())?;
                weight::LowRank::with_core(site.matrix()?, v, scaled, core(vec![0.0; rank])?, 1.0)
            }
            Parametrisation::Direct => {
                let original = site.matrix()?.tensor();
                weight::LowRank::core_taken_out(&original, v, u(found.u)?, core(found.s)?, 1.0)?
            }
        };
        Ok(Box::new(weight.with_dropout(self.dropout).folded(&site.weight.shape())))
    }
}

impl Svfit {
    /// How many values hold the wanted share; 0 for a weight of zeros.
    fn energy_rank(&self, site: &Site<'_>) -> Result<usize> {
        let [rows, columns] = site.sizes()?;
        let mut s = site
            .weight
            .tensor()
            .read(|w| singular_values(w, rows, columns))
            .map_err(|source| Error::Decomposition { path: site.path.to_owned(), source })?;
        if self.energy_power == 1 {
            // The energy of the roots is the sum of the values.
            s.iter_mut().for_each(|s| *s = s.sqrt());
        }
        Ok(energy_rank(&s, f64::from(self.energy)))
    }
}
