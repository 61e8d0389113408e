//! Any adapter that is read, as a plain LoRA.

use super::altered;
use super::assemble::Part;
use super::change::{Piece, Site};
use super::cut::Cut;
use super::keep::Keep;
use crate::merged::{Beginning, Merged};
use crate::{Result, Watch};
use rankine_checkpoint::adapter::LowRank;
use rankine_checkpoint::{Adapter, Tensors, ends, ends::HEAD};

/// A plain LoRA, and how near it is to the changes it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// The adapter.
    pub adapter: Adapter,
    /// Every changed module.
    pub modules: Vec<Recompressed>,
    /// √(Σ ‖Δ − Δ'‖² / Σ ‖Δ‖²) over all modules.
    pub relative: f64,
}

impl Conversion {
    /// Gives modules other names.
    pub fn rename(&mut self, name: impl Fn(&str) -> String) {
        self.adapter.rename(&name);
        for Recompressed { module, .. } in &mut self.modules {
            *module = name(module);
        }
    }
}

/// How a module's change was recompressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Recompressed {
    /// The module.
    pub module: String,
    /// Rank of the change; `None` where it was none of low rank.
    pub before: Option<usize>,
    /// Rank of its factors now.
    pub rank: usize,
    /// ‖Δ‖, the Frobenius norm of the change.
    pub norm: f64,
    /// ‖Δ − Δ'‖ / ‖Δ‖; 0 where nothing was changed.
    pub relative: f64,
}

/// `adapter` as a plain LoRA on `base`: factors of the rank that `keep` asks for, alpha equal to the rank of the
/// configuration, no patterns but ranks, no initialisation that alters the base. Biases and new rows stay as they are; modules
/// that were trained whole stay whole, or where a cut is asked for become factors of what changed: linear layers, convolutions
/// and the head of a language model.
///
/// The scale of a module is alpha over its own rank and nothing else, so that readers that take ranks from the tensors
/// (llama.cpp) and those that take them from the patterns (peft) agree.
///
/// # Errors
/// When the adapter does not fit the base, its changes cannot be recomputed ([`Merged::new`]) or are of full rank and `keep`
/// is [`Keep::Exact`]; when a decomposition fails, or `watch` breaks off.
pub fn convert(base: &dyn Tensors, adapter: &Adapter, keep: Keep, watch: &mut Watch) -> Result<Conversion> {
    convert_from(base, adapter, Beginning::Recomputed, keep, watch)
}

/// The same where more is known of the base that `adapter` was trained on: the change is that of `base` all the same.
///
/// # Errors
/// As [`convert`], and when the beginning cannot be that of the adapter ([`BeginningFault`](crate::BeginningFault)).
pub fn convert_from(
    base: &dyn Tensors,
    adapter: &Adapter,
    beginning: Beginning,
    keep: Keep,
    watch: &mut Watch,
) -> Result<Conversion> {
    keep.check()?;
    adapter.check(base)?;
    if let Beginning::Residual(altered) = beginning {
        return altered::convert(base, altered, adapter, keep, watch);
    }
    let merged = match needs_base(adapter) || matches!(beginning, Beginning::Initial(_)) {
        true => Some(Merged::begun(base, adapter, beginning, watch)?),
        false => None,
    };
    let sites = sites(adapter, merged.as_ref())?;
    let cut = Cut::of(base, adapter, keep);
    let mut progress = cut.progress(sites.len());
    let compress = |site: &Site| site.change(Some(base), 1.0)?.compress(site.path, keep);
    let pieces = progress.in_groups(&sites, compress, watch)?;
    let mut conversion = cut.assemble(parts(&sites, pieces), &mut progress, watch)?;
    mirror(base, adapter, &mut conversion.adapter);
    Ok(conversion)
}

/// The modules of the adapter that is made.
pub(super) fn parts(sites: &[Site], pieces: Vec<Piece>) -> Vec<Part> {
    let part = |(site, piece): (&Site, Piece)| Part {
        path: site.path.to_owned(),
        kind: site.kind(),
        piece,
        output_bias: site.low_rank.and_then(output_bias),
    };
    sites.iter().zip(pieces).map(part).collect()
}

/// What factors add to the bias of their module; [outputs].
pub(super) fn output_bias(low_rank: &LowRank) -> Option<Vec<f32>> {
    Some(low_rank.output_bias.as_ref()?.iter().map(|x| x * low_rank.scaling).collect())
}

/// Whether the changes depend on the numbers of the base.
pub(super) fn needs_base(adapter: &Adapter) -> bool {
    adapter.config.initialisation.alters_base()
        || adapter.low_rank.values().any(|low_rank| low_rank.magnitude.is_some())
}

/// The modules that `adapter` changes by products.
pub(super) fn sites<'a>(adapter: &'a Adapter, merged: Option<&'a Merged<'a>>) -> Result<Vec<Site<'a>>> {
    let mut sites = Vec::new();
    let embedding = merged.and_then(Merged::embedding);
    let shared = merged.zip(embedding).and_then(|(merged, name)| merged.recipe(name));
    for (path, low_rank) in &adapter.low_rank {
        let name = format!("{path}.weight");
        // A head that changes as its embedding does has no recipe of its own.
        let own = merged.and_then(|merged| merged.recipe(&name));
        let recipe = own.or(shared.filter(|_| name == HEAD));
        sites.push(Site::new(adapter, path, Some(low_rank), recipe)?);
    }
    // A residual that was taken out of a tied head is missing in the embedding too.
    let residual = shared.filter(|recipe| recipe.residual.is_some());
    if let Some((recipe, path)) = residual.zip(embedding.map(module))
        && !adapter.low_rank.contains_key(path)
    {
        sites.push(Site::new(adapter, path, None, Some(recipe))?);
    }
    Ok(sites)
}

/// The module of a weight.
fn module(weight: &str) -> &str {
    weight.strip_suffix(".weight").unwrap_or(weight)
}

/// Where embedding and tied head were changed by the same factors, they are again.
pub(super) fn mirror(base: &dyn Tensors, before: &Adapter, after: &mut Adapter) {
    let Some(embedding) = ends::embedding(base.infos()) else { return };
    let (embedding, head) = (module(embedding), module(HEAD));
    let pair = before.low_rank.get(embedding).zip(before.low_rank.get(head));
    let Some(source) = after.low_rank.get(embedding).cloned() else { return };
    if pair.is_some_and(|(embedding, head)| crate::merged::is_same_change(embedding, head))
        && let Some(head) = after.low_rank.get_mut(head)
        && head.rank == source.rank
    {
        head.a = super::product::transposed(&source.b, source.outputs, source.rank);
        head.b = super::product::transposed(&source.a, source.rank, source.inputs);
    }
}
