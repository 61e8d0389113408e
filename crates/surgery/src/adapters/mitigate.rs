//! The intruders of a base with an adapter, made smaller in the adapter.
//!
//!     Δ' = Δ + (λ − 1)·Σ_j s_j·u_j·v_jᵀ        triples of W₀ + Δ, see [`Mitigation`]
//!
//! As peft's `reduce_intruder_dimension` does, Δ' is cut to the rank of Δ, though it is of that rank and as many more as there are
//! intruders; kept in full it is exact. Modules without intruders keep their factors.

use super::assemble::assemble;
use super::change::{Change, Piece, Site};
use super::convert::{Conversion, parts, sites};
use super::keep::Keep;
use crate::merged::Merged;
use crate::mitigate::{Correction, Mitigated, Mitigation};
use crate::progress::in_groups;
use crate::{Result, Stage, Watch};
use rankine_checkpoint::adapter::{Kind, LayerKind, modules_of};
use rankine_checkpoint::{Adapter, Tensors};
use std::collections::HashSet;

/// How much of a changed module is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptRank {
    /// As many directions as it had.
    Same,
    /// All of them.
    Exact,
}

impl Mitigation {
    /// The adapter with the intruders that it makes in `base` scaled, and the modules that had some. What a cut to the same rank
    /// costs stands in [`Conversion::modules`].
    ///
    /// # Errors
    /// When a setting is out of its range, the adapter does not fit the base or brings tensors that the base lacks, a change of full
    /// rank is to be kept exactly, a matrix is not finite, or `watch` breaks off.
    pub fn of_adapter(
        &self,
        base: &dyn Tensors,
        adapter: &Adapter,
        kept: KeptRank,
        watch: &mut Watch,
    ) -> Result<(Conversion, Vec<Mitigated>)> {
        self.check()?;
        let merged = Merged::watched(base, adapter, watch)?;
        let sites = sites(adapter, Some(&merged))?;
        let modules = modules_of(base);
        let maps = modules.iter().filter(|module| matches!(module.kind, Kind::Linear | Kind::Convolution));
        let maps: HashSet<&str> = maps.map(|module| module.path.as_str()).collect();
        let work = |site: &Site| -> Result<(Piece, Option<Mitigated>)> {
            let looked_at = maps.contains(site.path) && site.kind() != LayerKind::Embedding;
            let name = format!("{}.weight", site.path);
            let found = if looked_at { self.of_tensor([base, &merged], &name)? } else { None };
            Ok((mitigated(site, base, found.as_ref(), kept)?, found.map(|found| found.of(site.path))))
        };
        let (mut pieces, mut found) = (Vec::new(), Vec::new());
        for (piece, mitigated) in in_groups(Stage::Recompressing, &sites, work, watch)? {
            pieces.push(piece);
            found.extend(mitigated);
        }
        // Ranks stay those of the modules.
        Ok((assemble(adapter, parts(&sites, pieces), Keep::Exact), found))
    }
}

/// The change of a module, corrected.
fn mitigated(site: &Site, base: &dyn Tensors, found: Option<&Correction>, kept: KeptRank) -> Result<Piece> {
    let change = site.change(Some(base), 1.0)?;
    let keep = match (kept, site.low_rank) {
        (KeptRank::Same, Some(low_rank)) => Keep::Rank(low_rank.rank),
        _ => Keep::Exact,
    };
    match (found, change) {
        (None, change @ (Change::Product(_) | Change::Rounded(..))) => change.whole(site.path),
        (None, change) => change.compress(site.path, keep),
        (Some(Correction { product, .. }), change) => {
            let product = product.clone();
            let product = if site.transposed { product.turned() } else { product };
            change.plus(Change::Product(product)).compress(site.path, keep)
        }
    }
}
