//! SALT: a weight in its own singular basis, with its largest values scaled and shifted and a low-rank term in the rest.
//!
//!     W = U·diag(σ)·Vᵀ,   M = blockdiag(diag(α∘σ₁ + β), diag(σ₂) + X·Y)        α, β: [r]  X: [k−r, d]  Y: [d, k−r]
//!     w = U·relu(M)·Vᵀ,   α₀ = 1, β₀ = 0, Y₀ = 0, X₀ uniform in ±√(6/d)         k = min(out, in)
//!     loss += λ · (‖α∘σ₁ + β − σ₁‖ + ‖X·Y‖_F)
//!
//! Trains α, β, X and Y: 2r + 2d·(k−r) numbers. Attaching costs one whole SVD a weight, and U and V take k·(out + in)
//! numbers in the place of W. The signs of the singular vectors are fixed, which matters: relu(M) depends on them. A
//! convolution is taken over as the matrix [out, in·height·width].
//! Paper: [salt] §2. Departures: the slope of the ReLU at 0 is 1, so that X·Y = 0 is no dead end off the diagonal; with
//! `relu = "diag"` X·Y is never cut, so that what was learnt is exactly of rank r + d; λ is shared by the weights, as the
//! loop takes the mean of their penalties. Weights are adapted, norms and prompts are not.

use crate::{Card, Error, Export, Method, Result, Site, lora::uniform_plan};
use rankine_linalg::svd;
use rankine_nn::{
    Kind, Weight,
    weight::{Relu, Singular},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Singular value adaptation with low-rank transformation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Salt {
    /// r; when absent, `top_ratio` of the singular values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// Share of the singular values that are scaled and shifted; it is at least one of them.
    pub top_ratio: f32,
    /// d.
    pub rank: usize,
    /// Where negative entries of M are cut.
    pub relu: Relu,
    /// How X and Y start.
    pub init: Init,
    /// λ.
    pub regularization: f32,
}

/// How the low-rank term starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Y = 0, X uniform in ±√(6/d): the weight starts as it was.
    #[default]
    ZeroY,
    /// Both normal with standard deviation 0.01: the weight starts a little moved.
    SmallRandom,
}

/// Of `Init::SmallRandom`, from the released code.
const SMALL: f32 = 0.01;

impl Default for Salt {
    /// The paper's smaller setting, SALT-4.
    fn default() -> Self {
        let (relu, init) = (Relu::Full, Init::ZeroY);
        Self { top: None, top_ratio: 0.1, rank: 4, relu, init, regularization: 0.0 }
    }
}

impl Salt {
    /// r and k − r at a site.
    fn sizes(&self, site: &Site<'_>) -> Result<[usize; 2]> {
        let [outputs, inputs] = site.sizes()?;
        let count = outputs.min(inputs);
        let share = (count as f32 * self.top_ratio) as usize;
        let top = self.top.unwrap_or(share.max(1).min(count));
        if top > count {
            let expected = "at most the smaller side of every weight";
            return Err(Error::Setting { name: "top", expected, found: top.to_string() });
        }
        Ok([top, count - top])
    }

    /// X and Y; [rest, rank] and [rank, rest].
    fn tail(&self, rest: usize, rank: usize, mut rng: Rng) -> Result<[Tensor; 2]> {
        let size = rest * rank;
        let (x, y) = match self.init {
            Init::ZeroY => (rng.uniforms(size, (6.0 / rank as f32).sqrt()), vec![0.0; size]),
            Init::SmallRandom => (rng.normals(size, SMALL), rng.normals(size, SMALL)),
        };
        Ok([Tensor::new(x, &[rest, rank])?, Tensor::new(y, &[rank, rest])?])
    }
}

impl Method for Salt {
    fn card(&self) -> Card {
        Card {
            name: "salt",
            paper: "salt",
            summary: "the largest singular values are scaled and shifted, the others get a low-rank term; the vectors stay",
            formula: "W = U·diag(s)·Vt; w = U·relu(blockdiag(diag(alpha·s_r + beta), diag(s_rest) + x·y))·Vt; \
                      alpha, beta, x and y are trained",
            exact: self.init == Init::ZeroY,
            trains: &["alpha", "beta", "x", "y"],
            export: if self.relu == Relu::Full { Export::Whole } else { Export::Wider },
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head | Kind::Convolution)
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        if !(0.0 < self.top_ratio && self.top_ratio <= 1.0) {
            let found = self.top_ratio.to_string();
            return Err(Error::Setting { name: "top_ratio", expected: "above 0 and at most 1", found });
        }
        if !(0.0 <= self.regularization && self.regularization.is_finite()) {
            let found = self.regularization.to_string();
            return Err(Error::Setting { name: "regularization", expected: "0 or more", found });
        }
        sites.iter().try_for_each(|site| self.sizes(site).map(|_| ()))?;
        uniform_plan(self.rank, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        let [top, rest] = self.sizes(site)?;
        Ok(2 * top + 2 * rank * rest)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let ([outputs, inputs], [top, rest]) = (site.sizes()?, self.sizes(site)?);
        let found = site.weight.tensor().read(|w| svd(w, outputs, inputs));
        let found = found.map_err(|source| Error::Decomposition { path: site.path.to_owned(), source })?;
        let basis = [
            Tensor::new(found.u, &[outputs, found.rank])?,
            Tensor::new(found.s, &[found.rank])?,
            Tensor::new(found.vt, &[found.rank, inputs])?,
        ];
        let tail = (0 < rest).then(|| self.tail(rest, rank, rng)).transpose()?;
        let weight = Singular::new(basis, top, tail)?.folded(&site.weight.shape());
        Ok(Box::new(weight.with_relu(self.relu).with_regularization(self.regularization)))
    }
}
