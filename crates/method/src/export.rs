//! What a model has learnt, as a peft adapter on its original base.
//!
//! Every changed weight is asked for its update as exact factors; PiSSA's is of rank 2r (see `nn::weight::LowRank`). The
//! scaling goes into alpha, so that any reader's alpha/r gives it back; ranks that differ go into the patterns.
//! A weight whose change is not of low rank is written whole, as a module that was trained as a whole is. A branch beside a
//! quantised base is written on that base alone: on the original it would be another model. So is a convolution in groups
//! written whole, whatever its branch: peft's LoRA of one looks at the inputs of all groups, and cannot be merged.
//!
//! Trained biases of modules that are not whole are written as peft writes `bias = "all"`: every bias of the model, those
//! that were not trained too. peft loads nothing without a LoRA: where biases are all that was trained, the first matrix
//! gets one of rank 1 and zeros, which changes nothing and learns nothing.

use crate::{Error, Result};
use rankine_checkpoint::adapter::{
    Adapter, AdapterConfig, Bias, LayerKind, LowRank, Origin, Replacement, Selection, Targets,
};
use rankine_nn::{Factors, Kind, Model, Parameter};
use std::collections::BTreeSet;

/// Name of the head in a checkpoint.
const HEAD: &str = "lm_head";

/// What an adapter is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The model as it was before the method was attached.
    Original,
    /// The model that the method left: where a branch started as a part of a weight, the weight without it; where a weight
    /// was quantised, that.
    Residual,
}

/// Whether an adapter of `model` can stand on `base`: so that one knows before training.
///
/// # Errors
/// [`Error::Quantized`] where a branch stands beside a quantised weight, and `base` is the original.
pub fn check_base(model: &dyn Model, base: Base) -> Result<()> {
    model.parameters().into_iter().try_for_each(|parameter| update(parameter, base).map(|_| ()))
}

/// The adapter of everything trained in `model`; `name` is what its configuration names as the base model.
pub fn export(model: &dyn Model, base: Base, name: Option<String>) -> Result<Adapter> {
    let mut adapter = Adapter::default();
    let (mut whole, mut biases) = (BTreeSet::new(), BTreeSet::new());
    for parameter in model.parameters() {
        if let Some(factors) = update(parameter, base)? {
            let low_rank = low_rank(parameter, factors)?;
            adapter.low_rank.insert(parameter.module().to_owned(), low_rank);
        } else if is_trained(parameter) {
            let kind = if parameter.kind() == Kind::Bias { &mut biases } else { &mut whole };
            kind.insert(parameter.module().to_owned());
        }
    }
    complete(model, &mut adapter, &whole)?;
    untie(model, &mut adapter, &mut whole);
    let trained = biases.difference(&whole).next().is_some();
    if trained {
        add_biases(model, &mut adapter)?;
    }
    adapter.config = config(&adapter, name, whole);
    adapter.config.targets.modules = selection(model, &adapter);
    adapter.config.bias = if trained { Bias::All } else { Bias::None };
    adapter.config.fan_in_fan_out = model
        .parameters()
        .into_iter()
        .any(|parameter| parameter.is_transposed() && adapter.low_rank.contains_key(parameter.module()));
    Ok(adapter)
}

/// A module that is written whole has all its parameters in the file, those that were not trained too: peft asks for them.
fn complete(model: &dyn Model, adapter: &mut Adapter, whole: &BTreeSet<String>) -> Result<()> {
    for parameter in model.parameters() {
        let module = parameter.module();
        if whole.contains(module) && !adapter.low_rank.contains_key(module) {
            let found = replacement(parameter, Origin::Module)?;
            adapter.replaced.insert(parameter.path().to_owned(), found);
        }
    }
    Ok(())
}

/// Every bias that is not there yet, and a LoRA of zeros where there is none.
fn add_biases(model: &dyn Model, adapter: &mut Adapter) -> Result<()> {
    let parameters = model.parameters();
    for bias in parameters.iter().filter(|parameter| parameter.kind() == Kind::Bias) {
        if !adapter.replaced.contains_key(bias.path()) {
            adapter.replaced.insert(bias.path().to_owned(), replacement(bias, Origin::Bias)?);
        }
    }
    let free = |parameter: &&&Parameter| {
        matches!(parameter.kind(), Kind::Linear | Kind::Head)
            && !adapter.replaced.contains_key(parameter.path())
    };
    if adapter.low_rank.is_empty()
        && let Some(matrix) = parameters.iter().find(free)
        && let &[outputs, inputs] = matrix.weight.constant()?.shape().as_slice()
    {
        let zeros = Factors { a: vec![0.0; inputs], b: vec![0.0; outputs], rank: 1, scale: 1.0 };
        adapter.low_rank.insert(matrix.module().to_owned(), low_rank(matrix, zeros)?);
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

fn update(parameter: &Parameter, base: Base) -> Result<Option<Factors>> {
    if 1 < parameter.groups() {
        return Ok(None);
    }
    let (weight, update) = (&parameter.weight, parameter.weight.update());
    match (base, weight.residual()) {
        (Base::Residual, Some((_, branch))) => Ok(Some(branch)),
        (Base::Original, Some(_)) if update.is_none() => {
            Err(Error::Quantized { path: parameter.path().to_owned() })
        }
        _ => Ok(update),
    }
}

/// The parameter as it is now, and as the base's file holds it.
fn replacement(parameter: &Parameter, origin: Origin) -> Result<Replacement> {
    let value = parameter.in_file(&parameter.weight.dense()?)?;
    Ok(Replacement { shape: value.shape(), values: value.to_vec(), origin })
}

fn is_trained(parameter: &Parameter) -> bool {
    let mut trained = false;
    parameter.weight.leaves(&mut |_, leaf| trained |= leaf.trained().is_some());
    trained
}

fn low_rank(parameter: &Parameter, factors: Factors) -> Result<LowRank> {
    let Factors { a, b, rank, scale } = factors;
    let (inputs, outputs) = (a.len() / rank.max(1), b.len() / rank.max(1));
    let kind = layer_kind(parameter)?;
    let magnitude = parameter.weight.magnitude();
    Ok(LowRank { a, b, rank, inputs, outputs, scaling: scale, magnitude, output_bias: None, kind })
}

/// What the factors stand for; an error where the file has no name for it.
fn layer_kind(parameter: &Parameter) -> Result<LayerKind> {
    let shape = match parameter.kind() {
        Kind::Linear | Kind::Head => return Ok(LayerKind::Linear),
        Kind::Convolution => parameter.weight.dense()?.shape(),
        _ => Vec::new(),
    };
    match shape.as_slice() {
        &[_, _, height, width] => Ok(LayerKind::Convolution { kernel: [height, width] }),
        _ => Err(Error::NotLowRank { path: parameter.path().to_owned() }),
    }
}

/// The adapted modules by their names; as one expression where a name would be taken for the ending of another module's, as
/// `conv1` is of `layer1.0.conv1`.
fn selection(model: &dyn Model, adapter: &Adapter) -> Selection {
    let names: Vec<&String> = adapter.low_rank.keys().collect();
    let ends = |module: &str| {
        names.iter().any(|name| module.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')))
    };
    let mistaken = |module: &str| !adapter.low_rank.contains_key(module) && ends(module);
    match model.parameters().into_iter().map(Parameter::module).any(mistaken) {
        true => {
            let escaped: Vec<String> = names.iter().map(|name| name.replace('.', r"\.")).collect();
            Selection::Pattern(escaped.join("|"))
        }
        false => Selection::Names(names.into_iter().cloned().collect()),
    }
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
        targets: Targets { saved: whole.into_iter().collect(), ..Targets::default() },
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
