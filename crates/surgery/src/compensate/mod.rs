//! Corrections of low rank beside the matrices of a compressed model, without training.
//!
//!     W ≈ Ŵ + B·A        W: [out, in] as it was  Ŵ: [out, in] compressed  B: [out, r]  A: [r, in]  E = W − Ŵ
//!     eora        minimises ‖(E − B·A)·C^{1/2}‖, what the layer answers wrongly; C = E[xᵀ·x]: [in, in]
//!     activation  minimises ‖(E − B·A)·diag(E|x|)‖
//!     svd         minimises ‖E − B·A‖
//!
//! The result is a plain LoRA on the compressed model, of scale 1: alpha is the rank, for every module. A module that the
//! compression left as it was has none.
//! Paper: [eora] §3; how B·A is found stands at [`Metric`](rankine_linalg::Metric). Departure: all inputs are those of the model
//! as it was, where the paper takes each block's from the corrected blocks before it.

mod patch;

pub use patch::{CompensatedModule, Norms};

use crate::counterparts::Counterparts;
use crate::{Error, Inputs, Progress, Result, Stage, Subject, Wanted, Watch};
use patch::{Patch, patch};
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::{Adapter, AdapterConfig, Difference};

/// What is done for a compressed model.
pub struct Compensation<'a> {
    /// In which norm corrections are nearest.
    pub correction: Correction,
    /// Their rank; a smaller matrix gets that of its smaller side.
    pub rank: usize,
    /// Which of the linear layers.
    pub targets: Targets,
    /// What the adapter names as its base.
    pub base: String,
    /// What shows the inputs of the matrices; [`Correction::Svd`] needs none, and errors of answers are not told then.
    pub inputs: Option<&'a dyn Inputs>,
}

/// The norm in which a correction is nearest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correction {
    /// That of the inputs' second moment.
    #[default]
    Eora,
    /// That of the inputs' mean magnitudes, each column for itself.
    Activation,
    /// Frobenius's.
    Svd,
}

/// Corrections, and what they mend.
#[derive(Clone, Debug, PartialEq)]
pub struct Compensated {
    /// The adapter, not written yet.
    pub adapter: Adapter,
    /// The corrected modules, in the order of the model.
    pub modules: Vec<CompensatedModule>,
    /// Modules that the compression left as they were.
    pub left: Vec<String>,
    /// Of the matrices themselves, over all corrected modules.
    pub plain: Norms,
    /// The same in the norm of their inputs; zeros where none were shown.
    pub activation: Norms,
}

/// What corrections there may be, before any is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompensationPlan {
    /// Modules that the compression may have changed.
    pub modules: usize,
    /// Bytes of their corrections.
    pub bytes: u64,
}

impl Compensation<'_> {
    /// The corrections that make `compressed` more like `model`.
    ///
    /// # Errors
    /// When the rank is 0, a target is not there, the compressed model lacks one or has it in another shape, nothing differs, a
    /// matrix is not finite or sees nothing, inputs are needed and not shown, or `watch` breaks off.
    pub fn run(&self, model: Subject<'_>, compressed: Subject<'_>, watch: &mut Watch) -> Result<Compensated> {
        let gaps = self.gaps(model, compressed)?;
        let wanted = self.wanted()?;
        let mut progress = Progress { stage: Stage::Compensating, done: 0, total: gaps.len() as u64 };
        let (mut patches, mut left) = (Vec::new(), Vec::new());
        for batch in wanted.batches(&gaps, Counterparts::inputs) {
            let modules: Vec<String> = batch.iter().map(|gap| gap.module().to_owned()).collect();
            let seen = match self.inputs {
                Some(inputs) => Some(inputs.see(&modules, wanted, watch)?),
                None => None,
            };
            let one = |gap: &Counterparts<'_>| {
                patch(&gap.clone().with(seen.as_deref()), self.correction, self.rank)
            };
            for (gap, patch) in batch.iter().zip(progress.in_groups(batch, one, watch)?) {
                match patch {
                    Some(patch) => patches.push(patch),
                    None => left.push(gap.module().to_owned()),
                }
            }
        }
        match patches.is_empty() {
            true => Err(Error::Alike {
                first: model.path().to_owned(),
                second: compressed.path().to_owned(),
                matrices: left.len(),
            }),
            false => self.assembled(patches, left, compressed),
        }
    }

    /// What [`run`](Self::run) may find at most: reads names and shapes, and no numbers.
    ///
    /// # Errors
    /// As [`run`](Self::run), as far as names and shapes tell.
    pub fn plan(&self, model: Subject<'_>, compressed: Subject<'_>) -> Result<CompensationPlan> {
        let modules = self.gaps(model, compressed)?.len();
        Ok(CompensationPlan { modules, bytes: model.lora_bytes(&self.targets, Some(self.rank))? })
    }

    /// Errors are told in the norm of the inputs whatever the method, where they are shown.
    fn wanted(&self) -> Result<Wanted> {
        match (self.inputs, self.correction) {
            (Some(_), correction) => {
                let magnitudes = correction == Correction::Activation;
                Ok(Wanted { moment: true, magnitudes, ..Wanted::default() })
            }
            (None, Correction::Svd) => Ok(Wanted::default()),
            (None, Correction::Eora | Correction::Activation) => Err(Error::NoCalibration),
        }
    }

    fn gaps<'s>(&self, model: Subject<'s>, compressed: Subject<'s>) -> Result<Vec<Counterparts<'s>>> {
        if self.rank == 0 {
            let (expected, found) = ("1 or more", "0".to_owned());
            return Err(Error::Setting { name: "rank", expected, found });
        }
        model.check()?;
        compressed.check()?;
        let (before, after) = (model.tensors(), compressed.tensors());
        let modules = model.targeted(&self.targets)?;
        let gaps = modules.iter().map(|module| Counterparts::new([before, after], module));
        gaps.collect::<Option<_>>()
            .ok_or_else(|| model.unlike(compressed, Difference::between(before, after)))
    }

    fn assembled(
        &self,
        patches: Vec<Patch>,
        left: Vec<String>,
        compressed: Subject<'_>,
    ) -> Result<Compensated> {
        let mut config = AdapterConfig {
            base_model: Some(self.base.clone()),
            task: compressed.adapter_task()?,
            rank: self.rank,
            alpha: self.rank as f64,
            ..AdapterConfig::default()
        };
        let (mut adapter, mut modules) = (Adapter::default(), Vec::with_capacity(patches.len()));
        let (mut plain, mut activation) = (Norms::default(), Norms::default());
        for Patch { low_rank, told } in patches {
            if told.rank != self.rank {
                let key = format!("^{}", told.module.replace('.', r"\."));
                config.alpha_pattern.insert(key.clone(), told.rank as f64);
                config.rank_pattern.insert(key, told.rank);
            }
            (plain, activation) = (plain.and(told.plain), activation.and(told.activation));
            adapter.low_rank.insert(told.module.clone(), low_rank);
            modules.push(told);
        }
        let targets = Selection::of_paths(adapter.low_rank.keys());
        config.targets = Targets { modules: targets, ..Targets::default() };
        adapter.config = config;
        Ok(Compensated { adapter, modules, left, plain, activation })
    }
}
