//! What a model has learnt, as a peft adapter on its original base.
//!
//! Every changed weight is asked for its update as exact factors; PiSSA's is of rank 2r (see `nn::weight::LowRank`). The
//! scaling goes into alpha, so that any reader's alpha/r gives it back; ranks that differ go into the patterns.
//! A weight whose change is not of low rank is written whole, as a module that was trained as a whole is.

use crate::{Error, Result};
use rankine_checkpoint::adapter::{
    Adapter, AdapterConfig, LayerKind, LowRank, Origin, Replacement, Selection, Targets,
};
use rankine_nn::{Factors, Kind, Model, Parameter, Weight};
use std::collections::BTreeSet;

/// Name of the head in a checkpoint.
const HEAD: &str = "lm_head";

/// What an adapter is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The model as it was before the method was attached.
    Original,
    /// The model that the method left: where a branch started as a part of a weight, the weight without it.
    Residual,
}

/// The adapter of everything trained in `model`; `name` is what its configuration names as the base model.
pub fn export(model: &dyn Model, base: Base, name: Option<String>) -> Result<Adapter> {
    let mut adapter = Adapter::default();
    let mut whole = BTreeSet::new();
    for parameter in model.parameters() {
        if let Some(factors) = update(parameter.weight.as_ref(), base) {
            let low_rank = low_rank(parameter, factors)?;
            adapter.low_rank.insert(parameter.module().to_owned(), low_rank);
        } else if is_trained(parameter) {
            adapter.replaced.insert(parameter.path().to_owned(), replacement(parameter)?);
            whole.insert(parameter.module().to_owned());
        }
    }
    complete(model, &mut adapter, &whole)?;
    untie(model, &mut adapter, &mut whole);
    adapter.config = config(&adapter, name, whole);
    Ok(adapter)
}

/// A module that is written whole has all its parameters in the file, those that were not trained too: peft asks for them.
fn complete(model: &dyn Model, adapter: &mut Adapter, whole: &BTreeSet<String>) -> Result<()> {
    for parameter in model.parameters() {
        let (module, path) = (parameter.module(), parameter.path());
        let is_there = adapter.replaced.contains_key(path) || adapter.low_rank.contains_key(module);
        if whole.contains(module) && !is_there {
            adapter.replaced.insert(path.to_owned(), replacement(parameter)?);
        }
    }
    Ok(())
}

/// An embedding that is the head too was trained at both ends: the adapter says so for both, as readers untie them.
fn untie(model: &dyn Model, adapter: &mut Adapter, whole: &mut BTreeSet<String>) {
    let parameters = model.parameters();
    let tied = !parameters.iter().any(|parameter| parameter.kind() == Kind::Head);
    let embedding = parameters.iter().find(|parameter| parameter.kind() == Kind::Embedding);
    if let Some(embedding) = embedding.filter(|_| tied)
        && let Some(trained) = adapter.replaced.get(embedding.path()).cloned()
    {
        adapter.replaced.insert(format!("{HEAD}.weight"), trained);
        whole.insert(HEAD.to_owned());
    }
}

fn update(weight: &dyn Weight, base: Base) -> Option<Factors> {
    let branch = weight.residual().filter(|_| base == Base::Residual).map(|(_, branch)| branch);
    branch.or_else(|| weight.update())
}

/// The parameter as it is now.
fn replacement(parameter: &Parameter) -> Result<Replacement> {
    let value = parameter.weight.dense()?;
    Ok(Replacement { shape: value.shape(), values: value.to_vec(), origin: Origin::Module })
}

fn is_trained(parameter: &Parameter) -> bool {
    let mut trained = false;
    parameter.weight.leaves(&mut |_, leaf| trained |= leaf.trained().is_some());
    trained
}

fn low_rank(parameter: &Parameter, factors: Factors) -> Result<LowRank> {
    let Factors { a, b, rank, scale } = factors;
    let (inputs, outputs) = (a.len() / rank.max(1), b.len() / rank.max(1));
    let kind = LayerKind::Linear;
    if parameter.kind() == Kind::Embedding {
        return Err(Error::NotLowRank { path: parameter.path().to_owned() });
    }
    let magnitude = parameter.weight.magnitude();
    Ok(LowRank { a, b, rank, inputs, outputs, scaling: scale, magnitude, output_bias: None, kind })
}

/// Alpha whose share of the rank is the scaling; the whole number that it was, where it was one.
fn alpha(low_rank: &LowRank) -> f64 {
    let rank = low_rank.rank as f64;
    let alpha = f64::from(low_rank.scaling) * rank;
    if (alpha.round() / rank) as f32 == low_rank.scaling { alpha.round() } else { alpha }
}

/// The most common rank and alpha in front, the others as patterns.
fn config(adapter: &Adapter, name: Option<String>, whole: BTreeSet<String>) -> AdapterConfig {
    let settings = |low_rank: &LowRank| (low_rank.rank, alpha(low_rank));
    let all: Vec<(usize, f64)> = adapter.low_rank.values().map(settings).collect();
    let frequency = |wanted: &&(usize, f64)| all.iter().filter(|found| found == wanted).count();
    let (rank, alpha) = all.iter().max_by_key(frequency).copied().unwrap_or((8, 8.0));
    let mut config = AdapterConfig {
        base_model: name,
        task: Some("CAUSAL_LM".to_owned()),
        rank,
        alpha,
        dora: adapter.low_rank.values().any(|low_rank| low_rank.magnitude.is_some()),
        targets: Targets {
            modules: Selection::Names(adapter.low_rank.keys().cloned().collect()),
            saved: whole.into_iter().collect(),
            ..Targets::default()
        },
        ..AdapterConfig::default()
    };
    for (module, low_rank) in &adapter.low_rank {
        let (own_rank, own_alpha) = settings(low_rank);
        if own_rank != rank {
            config.rank_pattern.insert(format!("^{}", module.replace('.', r"\.")), own_rank);
        }
        if own_alpha != alpha {
            config.alpha_pattern.insert(format!("^{}", module.replace('.', r"\.")), own_alpha);
        }
    }
    config
}
