//! FLoRA: a small core between factors, one for every axis of the weight.
//!
//!     linear         w = W + s · b·G·a                        a: [r, in]  b: [out, r]  G: [r, r]
//!     convolution    w = W + s · G ×₁ A₁ ×₂ A₂ ×₃ A₃ ×₄ A₄    Aₙ: [dₙ, rₙ]  G: [r₁, r₂, r₃, r₄]  d: [out, in, height, width]
//!
//! Trains G and the factors: Π rₙ + Σ dₙ·rₙ numbers, r·(out + in + r) of a linear layer. G starts at zero, so that only it
//! has a gradient at first; the factors start random (`init`). As a matrix [out, in·height·width] the update has rank r:
//! exported as a LoRA of rank r exactly, of a convolution too. What one rank has above the product of the others is wasted.
//!
//! Paper: [flora]; the released code's scale is the factor itself, not α/r, and its example takes 16, 16, 2, 2 and s = 4.
//! Departures: one rank for outputs and inputs, which a matrix with different ones could not use; along inputs and kernel
//! sides a rank above the size is cut to it, as images have 3 channels and kernels of 1 × 1 exist; the released code
//! confuses the channels of grouped convolutions, the shape of the weight does not.

use crate::{
    Card, Error, Export, Method, Result, Site,
    lora::{check_dropout, check_dropped, uniform_plan},
};
use rankine_nn::{Kind, Leaf, Weight, weight};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Low-rank core space adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flora {
    /// r along outputs and inputs.
    pub rank: usize,
    /// r along the sides of a kernel.
    pub kernel_rank: usize,
    /// s.
    pub scale: f32,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How the factors start.
    pub init: Init,
}

/// How a factor starts; the fan-in of a matrix is its number of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// N(0, 1/(2·rₙ)): the released code.
    #[default]
    KaimingNormal,
    /// N(0, 0.02²): its variant for language models.
    Normal,
    /// Uniform in ±1/√fan-in: another variant for them.
    KaimingUniform,
}

impl Default for Flora {
    fn default() -> Self {
        Self { rank: 16, kernel_rank: 2, scale: 4.0, dropout: 0.0, init: Init::KaimingNormal }
    }
}

impl Method for Flora {
    fn card(&self) -> Card {
        Card {
            name: "flora",
            paper: "flora",
            summary: "a small core between one factor for every axis: kernels of convolutions are not flattened",
            formula: "w = W + s·b·G·a, of a convolution W + s·G x1 A1 x2 A2 x3 A3 x4 A4; core and factors are trained",
            exact: true,
            trains: &["a", "b", "core"],
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
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return setting("scale", "above 0", self.scale.to_string());
        }
        if self.kernel_rank == 0 {
            return setting("kernel_rank", "1 or more", self.kernel_rank.to_string());
        }
        uniform_plan(self.rank, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        let (shape, ranks) = (site.weight.shape(), self.ranks(site, rank));
        let factors: usize = shape.iter().zip(&ranks).map(|(size, rank)| size * rank).sum();
        Ok(ranks.iter().product::<usize>() + factors)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, mut rng: Rng) -> Result<Box<dyn Weight>> {
        let (shape, ranks) = (site.weight.shape(), self.ranks(site, rank));
        if let &[outputs, inputs] = shape.as_slice() {
            let a = self.init.start([rank, inputs], rank, &mut rng)?;
            let b = self.init.start([outputs, rank], rank, &mut rng)?;
            let [a, b, core] =
                [a, b, Tensor::zeros(&ranks)].map(|start| Leaf::Trained(Var::from_tensor(&start)));
            let weight = weight::LowRank::with_core(site.weight.clone(), a, b, core, self.scale);
            return Ok(Box::new(weight.with_dropout(self.dropout)));
        }
        let sizes = shape.iter().zip(&ranks);
        let factors = sizes
            .map(|(&size, &rank)| self.init.start([size, rank], rank, &mut rng))
            .collect::<Result<Vec<_>>>()?;
        let core = Tensor::zeros(&ranks);
        Ok(Box::new(weight::Tucker::new(site.weight.clone(), &core, &factors, self.scale)))
    }
}

impl Flora {
    /// The rank along every axis: r is that of the outputs.
    fn ranks(&self, site: &Site<'_>, rank: usize) -> Vec<usize> {
        let wanted = |axis: usize| if axis < 2 { rank } else { self.kernel_rank };
        let cut = |(axis, size): (usize, &usize)| wanted(axis).min(*size);
        site.weight.shape().iter().enumerate().map(cut).collect()
    }
}

impl Init {
    /// A factor of rank `rank`; [rows, columns].
    fn start(self, [rows, columns]: [usize; 2], rank: usize, rng: &mut Rng) -> Result<Tensor> {
        let count = rows * columns;
        let values = match self {
            Self::KaimingNormal => rng.normals(count, (0.5 / rank as f32).sqrt()),
            Self::Normal => rng.normals(count, 0.02),
            Self::KaimingUniform => rng.uniforms(count, (columns as f32).sqrt().recip()),
        };
        Ok(Tensor::new(values, &[rows, columns])?)
    }
}
