//! Whole tensors of several adapters as one.
//!
//!     W' = W + Σ wᵢ·(Wᵢ − W) = Σ wᵢ·Wᵢ + (1 − Σ wᵢ)·W        over the adapters that have it; W of the base
//!
//! The base is looked at only where the weights do not sum to 1. A head that the base lacks counts as zeros there.

use super::combine::Share;
use crate::{Error, Result};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{Bias, Origin, Replacement, TrainableTokens};
use rankine_checkpoint::{Adapter, Tensors, ends};

/// How far from 1 the sum of weights may be by rounding.
const ROUNDING: f64 = 1e-9;

/// An error for what is neither a product nor a whole module, and for a module that is both in two adapters.
pub(super) fn check(shares: &[Share]) -> Result<()> {
    for adapter in shares.iter().map(|share| share.adapter) {
        let refused = |name: &str| Error::NotProduct { adapter: adapter.path.clone(), name: name.to_owned() };
        if let Some(name) = adapter.new_rows.keys().next() {
            return Err(refused(name));
        }
        if adapter.config.bias != Bias::None || adapter.config.trainable_tokens != TrainableTokens::None {
            return Err(refused("bias or trainable_token_indices"));
        }
        let is_adapted = |name: &str| {
            let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
            shares.iter().any(|share| share.adapter.low_rank.contains_key(module))
        };
        for (name, replacement) in &adapter.replaced {
            match replacement.origin {
                Origin::Base => {}
                Origin::Module if !is_adapted(name) => {}
                Origin::Module | Origin::Bias => return Err(refused(name)),
            }
        }
    }
    Ok(())
}

/// The whole tensors of the sum, and the names of the modules that they belong to, as the adapters have them. Copies of the
/// base, which peft saves beside an adapted embedding, are the same in all.
pub(super) fn sum(
    shares: &[Share],
    base: Option<&dyn Tensors>,
) -> Result<(IndexMap<String, Replacement>, Vec<String>)> {
    let mut found: IndexMap<&str, Vec<(&Share, &Replacement)>> = IndexMap::new();
    let mut saved: Vec<String> = Vec::new();
    for share in shares {
        let Adapter { config, replaced, .. } = share.adapter;
        for (name, replacement) in replaced {
            found.entry(name.as_str()).or_default().push((share, replacement));
        }
        let whole = replaced.values().any(|replacement| replacement.origin == Origin::Module);
        for name in config.targets.saved.iter().filter(|_| whole) {
            if !saved.contains(name) {
                saved.push(name.clone());
            }
        }
    }
    let sums = found.into_iter().map(|(name, parts)| Ok((name.to_owned(), of_one(name, &parts, base)?)));
    Ok((sums.collect::<Result<_>>()?, saved))
}

/// The sum of one tensor, in f64.
fn of_one(name: &str, parts: &[(&Share, &Replacement)], base: Option<&dyn Tensors>) -> Result<Replacement> {
    let Some(&(share, first)) = parts.first() else { return Err(Error::Factors { module: name.to_owned() }) };
    let refused =
        |share: &Share| Error::NotProduct { adapter: share.adapter.path.clone(), name: name.to_owned() };
    for (share, part) in parts {
        if part.shape != first.shape {
            let (expected, found) = (first.shape.clone(), part.shape.clone());
            return Err(Error::OtherShape { module: name.to_owned(), expected, found });
        }
        if part.origin != first.origin || (part.origin == Origin::Base && part.values != first.values) {
            return Err(refused(share));
        }
    }
    if first.origin == Origin::Base {
        return Ok(first.clone());
    }
    let rest = 1.0 - parts.iter().map(|(share, _)| share.weight).sum::<f64>();
    let mut values = vec![0.0; first.values.len()];
    if ROUNDING < rest.abs() {
        let base = base.ok_or_else(|| Error::NeedsBase { adapter: share.adapter.path.clone() })?;
        let mut before = vec![0.0_f32; values.len()];
        let tied = ends::tied(base.infos()).filter(|_| name == ends::HEAD);
        base.read_into(tied.unwrap_or(name), &mut before)?;
        values.iter_mut().zip(before).for_each(|(sum, x)| *sum = rest * f64::from(x));
    }
    for (share, part) in parts {
        values.iter_mut().zip(&part.values).for_each(|(sum, &x)| *sum += share.weight * f64::from(x));
    }
    let values = values.into_iter().map(|x: f64| x as f32).collect();
    Ok(Replacement { shape: first.shape.clone(), values, origin: Origin::Module })
}
