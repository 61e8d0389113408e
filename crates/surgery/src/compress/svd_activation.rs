//! Truncated SVD in the norm of the inputs: the product of a rank that changes what a layer answers least.
//!
//!     W ≈ L·R minimises E‖W·x − L·R·x‖² = ‖(W − L·R)·C^{1/2}‖²        W: [out, in]  C = E[xᵀ·x]: [in, in]
//!
//! Ranks are those of the plain truncated SVD: by numbers, or by the share of W's own squared singular values.
//! Paper: Wang et al. 2024, "SVD-LLM", §3.1, without its Cholesky factor, which a singular C does not have. Departure: inputs are
//! those of the whole model, not of one whose first blocks are compressed already.

use super::{Compact, Compress, Extent, Form, Site};
use crate::adapters::Product;
use crate::{Result, Wanted};
use rankine_linalg::{Metric, Pair};

/// The leading singular triples, weighed by the inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvdActivation {
    /// How many.
    pub extent: Extent,
}

impl Compress for SvdActivation {
    fn check(&self) -> Result<()> {
        self.extent.check()
    }

    fn wanted(&self) -> Wanted {
        Wanted { moment: true, ..Wanted::default() }
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        self.extent.form(site)
    }

    fn compress(&self, site: &Site<'_>, matrix: &[f32], form: Form) -> Result<Compact> {
        let Form::Factors(rank) = form else { return Ok(Compact::Whole(matrix.to_vec())) };
        let sizes @ [outputs, inputs] = site.sizes();
        let metric = Metric::Moment(site.moment()?);
        let pair = metric.truncated(&site.by_outputs(matrix), sizes, rank);
        let Pair { left, right } = pair.map_err(|source| site.failed(source))?;
        let product = Product { b: left, a: right, rank, outputs, inputs };
        let Product { b, a, .. } = if site.is_transposed() { product.turned() } else { product };
        Ok(Compact::Factors { left: b, right: a })
    }
}
