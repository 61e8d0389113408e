//! Projection to Monarch matrices: products of two block-diagonal ones with a fixed permutation between.
//!
//!     rows s·g + l, columns k·P + p:  W_kl[s, p] = W[s·g + l, k·P + p],  of rank ρ or less        k, l < g
//!     W' has the truncated SVD of every W_kl;  ‖W − W'‖² = Σ_kl Σ_{i>ρ} s_i(W_kl)²
//!
//! with g blocks, P = in/g, S = out/g and ρ = min(P, S)/g. No Monarch matrix is nearer. The result is the whole matrix; matrices
//! that g does not divide so are left alone.
//! Paper: [monarch] §3.3.

use super::{Compact, Compress, Form, Site};
use crate::{Error, Result};
use rankine_linalg::{Truncation, truncated};

/// The nearest Monarch matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monarch {
    /// Blocks of either factor; 2 or more.
    pub blocks: usize,
}

impl Default for Monarch {
    /// The paper's usual one.
    fn default() -> Self {
        Self { blocks: 4 }
    }
}

impl Compress for Monarch {
    fn check(&self) -> Result<()> {
        match self.blocks {
            found @ 0..=1 => {
                Err(Error::Setting { name: "blocks", expected: "2 or more", found: found.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        let [outputs, inputs] = site.sizes();
        let divides = |size: usize| 0 < size && size.is_multiple_of(self.blocks);
        let smaller = outputs.min(inputs) / self.blocks;
        Ok((divides(outputs) && divides(inputs) && divides(smaller)).then_some(Form::Whole))
    }

    fn compress(&self, site: &Site<'_>, matrix: &[f32], _: Form) -> Result<Compact> {
        let ([outputs, inputs], blocks) = (site.sizes(), self.blocks);
        let (height, width) = (outputs / blocks, inputs / blocks);
        let rank = height.min(width) / blocks;
        let mut nearest = site.by_outputs(matrix).into_owned();
        let mut block = vec![0.0; height * width];
        for (k, l) in (0..blocks).flat_map(|k| (0..blocks).map(move |l| (k, l))) {
            let place = |s: usize| (s * blocks + l) * inputs + k * width;
            for (s, row) in block.chunks_exact_mut(width).enumerate() {
                row.copy_from_slice(&nearest[place(s)..place(s) + width]);
            }
            let svd = truncated(&block, height, width, rank, Truncation::Exact)
                .map_err(|source| site.failed(source))?;
            for (s, row) in svd.reconstruct().chunks_exact(width).enumerate() {
                nearest[place(s)..place(s) + width].copy_from_slice(row);
            }
        }
        Ok(Compact::Whole(site.stored(nearest)))
    }
}
