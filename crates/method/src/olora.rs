//! OLoRA: LoRA that starts with an orthonormal basis of the weight's leading columns.
//!
//!     W = Q·R,   b₀ = Q_r, the first r columns,   a₀ = R_r, the first r rows,   base = W − s·b₀·a₀
//!     w = base + s · b·a        base: [out, in]  a: [r, in]  b: [out, r]        s = α/r, or α/√r with `rslora`
//!
//! Trains a and b: r·(out + in) numbers. Attaching costs O(out·r²) for Q_r and one product Q_rᵀ·W for R_r, no SVD.
//! Paper: [olora] §3; the scale is peft's, where b₀·a₀ is not divided by s. Departure: the diagonal of R is not negative,
//! where LAPACK leaves its signs to chance; b₀·a₀ and base are the same.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{factor_plan, scale},
};
use rankine_linalg::qr;
use rankine_nn::{Weight, weight};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Orthonormal low-rank adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Olora {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1 without `rslora`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
}

impl Default for Olora {
    fn default() -> Self {
        Self { rank: 16, alpha: None, rslora: false, dropout: 0.0 }
    }
}

impl Method for Olora {
    fn card(&self) -> Card {
        Card {
            name: "olora",
            paper: "olora",
            summary: "LoRA that starts with an orthonormal basis of the weight's leading columns; the residual is frozen",
            formula: "W = Q·R; b = Q_r, a = R_r, w = (W - s·b0·a0) + s·b·a; a and b are trained",
            exact: true,
            trains: &["a", "b"],
            export: Export::Doubled,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, _rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let original = site.weight.tensor();
        let found = original
            .read(|w| qr(w, outputs, inputs, rank))
            .map_err(|source| Error::Decomposition { path: site.path.to_owned(), source })?;
        let (a, b) = (Tensor::new(found.r, &[rank, inputs])?, Tensor::new(found.q, &[outputs, rank])?);
        let scale = scale(self.alpha, rank, self.rslora);
        Ok(Box::new(weight::LowRank::taken_out(&original, &a, &b, scale)?.with_dropout(self.dropout)))
    }
}
