//! What peft's `linear` makes of adapters, beside the sum of their changes.
//!
//!     Δ' = (Σ √|cᵢ|·Bᵢ) · (Σ ±√|cᵢ|·Aᵢ)        cᵢ = wᵢ·sᵢ, ± its sign
//!     Δ = Σ cᵢ·Bᵢ·Aᵢ,   distance = √(Σ ‖Δ' − Δ‖² / Σ ‖Δ‖²)        over all modules
//!
//! Δ' has products of one adapter's B with another's A in it. There is one for adapters of the same rank alone. Where the first
//! of them is of rslora Δ' counts √rank times: peft keeps that setting, and takes the rank for alpha.

use super::assemble::share;
use super::change::check;
use super::combine::Share;
use super::convert::needs_base;
use super::product::{Product, times};
use crate::progress::in_groups;
use crate::{Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::LowRank;
use rankine_kernels::reduce;

/// What peft's `linear` would make of adapters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Apart {
    /// A change this far from the sum of changes, relative to that.
    Distance(f64),
    /// Nothing: it refuses adapters of different ranks.
    Refused,
    /// Not known: a change depends on the base's numbers, too.
    Unknown,
}

/// How far from the sum of changes it is to add factors apart.
///
/// # Errors
/// When factors have not the shape that they declare, or `watch` breaks off.
pub fn factors_apart(shares: &[Share], watch: &mut Watch) -> Result<Apart> {
    if shares.iter().any(|share| needs_base(share.adapter)) {
        return Ok(Apart::Unknown);
    }
    let mut places: IndexMap<&str, Vec<(&LowRank, f64)>> = IndexMap::new();
    for share in shares {
        for (path, low_rank) in &share.adapter.low_rank {
            check(path, low_rank)?;
            places.entry(path).or_default().push((low_rank, share.weight));
        }
    }
    let places: Vec<_> = places.into_values().collect();
    let highest = |share: &Share| share.adapter.low_rank.values().map(|low_rank| low_rank.rank).max();
    let mut ranks = shares.iter().map(highest);
    let first = ranks.next();
    if !ranks.all(|rank| first == Some(rank)) || !places.iter().all(|place| is_alike(place)) {
        return Ok(Apart::Refused);
    }
    let is_rslora = shares.first().is_some_and(|share| share.adapter.config.rslora);
    let factor = first.flatten().filter(|_| is_rslora).map_or(1.0, |rank| (rank as f64).sqrt());
    let squares = in_groups(Stage::Comparing, &places, |place| Ok(squares(place, factor)), watch)?;
    let (off, whole) = squares.iter().fold((0.0, 0.0), |sums, own| (sums.0 + own[0], sums.1 + own[1]));
    Ok(Apart::Distance(share(off, whole)))
}

/// Whether factors can be added.
fn is_alike(place: &[(&LowRank, f64)]) -> bool {
    let sides = |low_rank: &LowRank| [low_rank.outputs, low_rank.rank, low_rank.inputs];
    place.windows(2).all(|pair| sides(pair[0].0) == sides(pair[1].0))
}

/// ‖factor · Δ' − Δ‖² and ‖Δ‖².
fn squares(place: &[(&LowRank, f64)], factor: f64) -> [f64; 2] {
    let changes = place.iter().map(|(low_rank, weight)| Product::of(low_rank, *weight));
    let sum = changes.reduce(|sum, change| sum.beside(&change));
    let apart = place.iter().map(|(low_rank, weight)| rooted(low_rank, *weight)).reduce(added);
    let Some((sum, apart)) = sum.zip(apart) else { return [0.0, 0.0] };
    [apart.times(-factor).beside(&sum).squares(), sum.squares()]
}

/// √|c|·B and ±√|c|·A.
fn rooted(low_rank: &LowRank, weight: f64) -> Product {
    let &LowRank { ref a, ref b, rank, outputs, inputs, scaling, .. } = low_rank;
    let factor = weight * f64::from(scaling);
    let root = factor.abs().sqrt();
    Product { b: times(b, root), a: times(a, root.copysign(factor)), rank, outputs, inputs }
}

/// Both factors of one, and those of another of the same shape.
fn added(mut left: Product, right: Product) -> Product {
    reduce::axpy(1.0, &right.b, &mut left.b);
    reduce::axpy(1.0, &right.a, &mut left.a);
    left
}
