//! A LoRA out of a full fine-tune: the leading part of what it changed.
//!
//!     ΔW = W − W₀ ≈ B·A        W₀, W: [out, in]  B: [out, r]  A: [r, in]  B·A the nearest product of rank r
//!     ranks      r
//!     fixed      as given
//!     energy     the fewest with this share of ‖ΔW‖²
//!     mp         singular values above those that noise has ([`noise_edge`](rankine_linalg::noise_edge)): what rounding and
//!                the noise of training leave below is no direction
//!     error      the fewest with E‖(ΔW − B·A)·x‖² ≤ error²·E‖W·x‖² over inputs x; nearest in their norm, see
//!                [`Metric`](rankine_linalg::Metric)
//!
//! Alpha is the rank, which patterns tell where modules differ. What is no linear layer (norms, embeddings, biases, the head) is
//! kept whole or lost, and told in either case. A layer of which nothing is worth a rank has no factors.
//! Source of the exchange of a fine-tune for its leading part: mergekit's `extract_lora`.

mod cut;
mod rest;

pub use cut::ExtractedModule;
pub use rest::LeftTensor;

use crate::adapters::{Keep, Part, assemble};
use crate::counterparts::Counterparts;
use crate::merged::{Squares, row_blocks};
use crate::progress::in_groups;
use crate::{Error, Inputs, Progress, Result, Stage, Subject, Wanted, Watch};
use cut::{Cut, cut};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{LayerKind, Targets};
use rankine_checkpoint::{Adapter, AdapterConfig, Pair, TensorInfo};
use rankine_kernels::reduce;
use rankine_linalg::Truncation;
use rest::Remainder;

/// What is taken out of a fine-tune.
pub struct Extraction<'a> {
    /// How much of every change is kept.
    pub ranks: Ranks,
    /// How singular triples are found for [`Ranks::Fixed`]; other ranks follow from whole spectra.
    pub svd: Truncation,
    /// Which of the linear layers.
    pub targets: Targets,
    /// What becomes of the other tensors that changed.
    pub rest: Rest,
    /// What the adapter names as its base.
    pub base: String,
    /// What shows the inputs of the matrices, for [`Ranks::Error`].
    pub inputs: Option<&'a dyn Inputs>,
}

/// How the rank of a module is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ranks {
    /// The same for all, as far as they have so many directions.
    Fixed(usize),
    /// The fewest with this share of the change's squares; above 0, at most 1.
    Energy(f64),
    /// Those above noise.
    MarchenkoPastur,
    /// The fewest whose answers are off by this share of what the layer answers, at most; above 0 and below 1.
    Error(f64),
}

/// What becomes of changed tensors that get no factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are stored whole, as far as peft loads them: `modules_to_save`, and the biases of adapted layers.
    Whole,
    /// They are left out.
    Lost,
}

/// An adapter, and what it holds of the fine-tune.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtractReport {
    /// The adapter, not written yet.
    pub adapter: Adapter,
    /// Every linear layer that changed, in the order of the model.
    pub modules: Vec<ExtractedModule>,
    /// √(Σ ‖ΔW − B·A‖² / Σ ‖ΔW‖²) over these.
    pub relative: f64,
    /// All other tensors that changed.
    pub left: Vec<LeftTensor>,
    /// How many tensors are as they were.
    pub unchanged: usize,
}

impl ExtractReport {
    /// How many numbers the factors have.
    pub fn numbers(&self) -> usize {
        self.adapter.low_rank.values().map(|low_rank| low_rank.a.len() + low_rank.b.len()).sum()
    }

    /// The share of Σ ‖ΔW‖² of the linear layers that is kept.
    pub fn energy(&self) -> f64 {
        (1.0 - self.relative * self.relative).max(0.0)
    }
}

impl Ranks {
    fn check(self) -> Result<()> {
        match self {
            Self::Fixed(rank) => Keep::Rank(rank).check(),
            Self::Energy(share) => Keep::Energy(share).check(),
            Self::Error(share) if !(0.0 < share && share < 1.0) => {
                let (expected, found) = ("above 0 and below 1", share.to_string());
                Err(Error::Setting { name: "error", expected, found })
            }
            Self::Error(_) | Self::MarchenkoPastur => Ok(()),
        }
    }

    fn wanted(self) -> Wanted {
        Wanted { moment: matches!(self, Self::Error(_)), ..Wanted::default() }
    }
}

impl Extraction<'_> {
    /// What makes `base` more like `tuned`, as an adapter.
    ///
    /// # Errors
    /// When a setting is out of its range, the two do not have the same tensors, a target is not there, nothing that an adapter
    /// would hold has changed, inputs are wanted and not shown, a matrix is not finite, or `watch` breaks off.
    pub fn run(&self, base: Subject<'_>, tuned: Subject<'_>, watch: &mut Watch) -> Result<ExtractReport> {
        self.ranks.check()?;
        base.check()?;
        tuned.check()?;
        let pair = base.pair(tuned)?;
        let selected = base.targeted(&self.targets)?;
        let moved = compare(pair, watch)?;
        let is_changed = |module: &&String| moved.contains_key(format!("{module}.weight").as_str());
        let layer = |module: &String| Counterparts::new([base.tensors(), tuned.tensors()], module);
        let layers: Vec<Counterparts<'_>> = selected.iter().filter(is_changed).filter_map(layer).collect();
        let cuts = self.cuts(&layers, watch)?;
        let unchanged = pair.tensors().count() - moved.len();
        let report = self.assembled(cuts, (pair, &moved), base.adapter_task()?, unchanged)?;
        if report.adapter.low_rank.is_empty() && report.adapter.replaced.is_empty() {
            let (base, tuned) = (base.path().to_owned(), tuned.path().to_owned());
            return Err(Error::Unchanged { base, tuned });
        }
        report.adapter.check(base.tensors())?;
        Ok(report)
    }

    /// Bytes of the adapter's factors, if all targets changed; where ranks are found on the way, if each kept all of its directions.
    ///
    /// # Errors
    /// When a setting is out of its range, the base is not whole, or a target is not there.
    pub fn most_bytes(&self, base: Subject<'_>) -> Result<u64> {
        self.ranks.check()?;
        base.check()?;
        let rank = match self.ranks {
            Ranks::Fixed(rank) => Some(rank),
            Ranks::Energy(_) | Ranks::MarchenkoPastur | Ranks::Error(_) => None,
        };
        base.lora_bytes(&self.targets, rank)
    }

    fn cuts(&self, layers: &[Counterparts<'_>], watch: &mut Watch) -> Result<Vec<Cut>> {
        let wanted = self.ranks.wanted();
        let mut cuts = Vec::with_capacity(layers.len());
        if layers.is_empty() {
            return Ok(cuts);
        }
        let mut progress = Progress { stage: Stage::Recompressing, done: 0, total: layers.len() as u64 };
        for batch in wanted.batches(layers, Counterparts::inputs) {
            let modules: Vec<String> = batch.iter().map(|layer| layer.module().to_owned()).collect();
            let seen = match self.inputs {
                _ if !wanted.any() => None,
                Some(inputs) => Some(inputs.see(&modules, wanted, watch)?),
                None => return Err(Error::NoCalibration),
            };
            let one =
                |layer: &Counterparts<'_>| cut(&layer.clone().with(seen.as_deref()), self.ranks, self.svd);
            cuts.extend(progress.in_groups(batch, one, watch)?);
        }
        Ok(cuts)
    }

    fn assembled(
        &self,
        cuts: Vec<Cut>,
        (pair, moved): (Pair<'_>, &IndexMap<&str, Squares>),
        task: Option<String>,
        unchanged: usize,
    ) -> Result<ExtractReport> {
        let (mut parts, mut modules) = (Vec::new(), Vec::with_capacity(cuts.len()));
        let (mut squares, mut error) = (0.0, 0.0);
        for Cut { told, piece, squares: whole } in cuts {
            squares += whole;
            error += piece.as_ref().map_or(whole, |piece| piece.error);
            if let Some(piece) = piece {
                let (path, kind) = (told.module.clone(), LayerKind::Linear);
                parts.push(Part { path, kind, piece, output_bias: None });
            }
            modules.push(told);
        }
        let adapted = parts.iter().map(|part| part.path.as_str()).collect();
        let looked_at = modules.iter().map(|told| told.module.as_str()).collect();
        let Remainder { replaced, saved, bias, left } =
            Remainder::of((pair, moved), adapted, looked_at, self.rest)?;
        let targets = Targets { saved, ..Targets::default() };
        let base_model = Some(self.base.clone());
        let config = AdapterConfig { base_model, task, bias, targets, ..AdapterConfig::default() };
        let source = Adapter { config, replaced, ..Adapter::default() };
        // Only a rank that was asked for is that of all modules.
        let keep = match self.ranks {
            Ranks::Fixed(rank) => Keep::Rank(rank),
            _ => Keep::Exact,
        };
        let adapter = assemble(&source, parts, keep).adapter;
        let relative = if squares == 0.0 { 0.0 } else { (error / squares).sqrt() };
        Ok(ExtractReport { adapter, modules, relative, left, unchanged })
    }
}

/// How far tensors moved; those that did not are not there.
fn compare<'a>(pair: Pair<'a>, watch: &mut Watch) -> Result<IndexMap<&'a str, Squares>> {
    let tensors: Vec<(&str, &TensorInfo)> = pair.tensors().collect();
    let squares = in_groups(Stage::Comparing, &tensors, |(name, info)| distance(pair, name, info), watch)?;
    let moved = tensors.into_iter().zip(squares).map(|((name, _), squares)| (name, squares));
    Ok(moved.filter(|(_, squares)| squares.moved != 0.0).collect())
}

fn distance(pair: Pair<'_>, name: &str, info: &TensorInfo) -> Result<Squares> {
    let (width, mut sum) = (info.row_elements(), Squares::default());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for rows in row_blocks(info.rows(), width) {
        before.resize(rows.len() * width, 0.0);
        after.resize(rows.len() * width, 0.0);
        pair.read_rows(name, rows, [&mut before, &mut after])?;
        reduce::axpy(-1.0, &before, &mut after);
        sum.before += reduce::sum_of_squares(&before);
        sum.moved += reduce::sum_of_squares(&after);
    }
    Ok(sum)
}
