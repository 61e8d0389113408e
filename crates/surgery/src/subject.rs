//! A model as a whole, of texts, of images or of nothing that is known: its tensors, and the files that tell what they are.

use crate::compress::Site;
use crate::output::check_target;
use crate::write::{WriteOptions, configured, first_dtype};
use crate::{Error, Result, base};
use rankine_checkpoint::adapter::{Kind, ModuleName, Targets, modules_of};
use rankine_checkpoint::{Bare, Checkpoint, Difference, ImageCheckpoint, Opened, Pair, ShardPlan, Tensors};
use serde_json::Value;
use std::path::Path;

/// A model and one that was made of it, read from these places.
///
/// # Errors
/// [`Error::Unlike`] when they do not have the same tensors.
pub fn pair<'a>([base, tuned]: [&'a dyn Tensors; 2], places: [&Path; 2]) -> Result<Pair<'a>> {
    Pair::of(base, tuned).map_err(|difference| unlike(places, difference))
}

/// That two models should have the same tensors.
pub(crate) fn unlike(places: [&Path; 2], difference: Difference) -> Error {
    let [first, second] = places.map(Path::to_owned);
    Error::Unlike { first, second, difference: Box::new(difference) }
}

/// A model that is read from files.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// A language model or an encoder.
    Texts(&'a Checkpoint),
    /// An image classifier.
    Images(&'a ImageCheckpoint),
    /// Weights without a configuration.
    Bare(&'a Bare),
}

impl<'a> From<&'a Opened> for Subject<'a> {
    fn from(opened: &'a Opened) -> Self {
        match opened {
            Opened::Texts(model) => Self::Texts(model),
            Opened::Images(model) => Self::Images(model),
            Opened::Bare(bare) => Self::Bare(bare),
        }
    }
}

impl<'a> Subject<'a> {
    /// All tensors.
    pub fn tensors(self) -> &'a dyn Tensors {
        match self {
            Self::Texts(model) => model.tensors(),
            Self::Images(model) => model.tensors(),
            Self::Bare(bare) => bare.tensors(),
        }
    }

    /// The folder or the file.
    pub fn path(self) -> &'a Path {
        match self {
            Self::Texts(model) => model.path(),
            Self::Images(model) => model.path(),
            Self::Bare(bare) => bare.path(),
        }
    }

    /// An error unless a model that is made of this one can be written to the folder `target`, before the work is done.
    ///
    /// # Errors
    /// When the model is not whole, or `target` exists and may not be replaced (what is read never is) or lies in what is read.
    pub fn check_output(self, target: &Path, options: &WriteOptions) -> Result<()> {
        self.check()?;
        check_target(target, &self.complete(options))
    }

    /// With the model as what is read, and the files that a copy of it should have.
    pub(crate) fn complete(self, options: &WriteOptions) -> WriteOptions {
        let mut options = options.clone();
        options.inputs.push(self.path().to_owned());
        options.companions.extend(match self {
            Self::Texts(model) => model.companions(),
            Self::Images(model) => model.companions(),
            Self::Bare(bare) => bare.companions(),
        });
        options
    }

    /// An error unless all tensors are there.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Texts(model) => base::check(model),
            Self::Images(model) => base::check_images(model),
            Self::Bare(_) => Ok(()),
        }
    }

    /// Whether a module is of the head.
    pub fn is_head(self, module: &str) -> bool {
        match self {
            Self::Texts(model) => model.config().architecture.head().contains(&module),
            Self::Images(model) => model.network().head() == module,
            Self::Bare(_) => false,
        }
    }

    /// The linear layers and convolutions, but for those of the head.
    pub(crate) fn maps(self) -> Vec<ModuleName> {
        let is_map = |module: &ModuleName| matches!(module.kind, Kind::Linear | Kind::Convolution);
        let mut modules = modules_of(self.tensors());
        modules.retain(|module| is_map(module) && !self.is_head(&module.path));
        modules
    }

    /// The linear layers among them.
    pub(crate) fn linear(self) -> Vec<ModuleName> {
        let mut modules = self.maps();
        modules.retain(|module| module.kind == Kind::Linear);
        modules
    }

    /// The targeted ones of the linear layers.
    ///
    /// # Errors
    /// [`Error::NoLinear`] when there are convolutions and none of these, and when a target is not there.
    pub(crate) fn targeted(self, targets: &Targets) -> Result<Vec<String>> {
        let linear = self.linear();
        let is_convolution = |module: &&ModuleName| module.kind == Kind::Convolution;
        let convolutions = modules_of(self.tensors()).iter().filter(is_convolution).count();
        if linear.is_empty() && 0 < convolutions {
            return Err(Error::NoLinear { path: self.path().to_owned(), convolutions });
        }
        Ok(targets.select_strictly(&linear)?)
    }

    /// Bytes of factors in f32 on the targeted linear layers: of this rank as far as a layer has so many directions, of all that it
    /// has where `None`.
    ///
    /// # Errors
    /// As [`targeted`](Self::targeted).
    pub(crate) fn lora_bytes(self, targets: &Targets, rank: Option<usize>) -> Result<u64> {
        let modules = self.targeted(targets)?;
        let sides =
            modules.iter().filter_map(|module| Site::new(self.tensors(), module)).map(|site| site.sides());
        let numbers = sides.map(|[rows, columns]| {
            let rank = rank.unwrap_or(usize::MAX).min(rows).min(columns);
            rank as u64 * (rows + columns) as u64
        });
        Ok(4 * numbers.sum::<u64>())
    }

    /// This model and one that was made of it.
    ///
    /// # Errors
    /// [`Error::Unlike`] when they do not have the same tensors.
    pub fn pair(self, tuned: Self) -> Result<Pair<'a>> {
        pair([self.tensors(), tuned.tensors()], [self.path(), tuned.path()])
    }

    /// That the other should have the same tensors.
    pub(crate) fn unlike(self, other: Self, difference: Difference) -> Error {
        unlike([self.path(), other.path()], difference)
    }

    /// What peft calls the task of an adapter for this model; `None` where it needs no word for it.
    pub(crate) fn adapter_task(self) -> Result<Option<String>> {
        Ok(match self {
            Self::Texts(model) if !model.config().architecture.is_encoder() && model.classes()?.is_none() => {
                Some("CAUSAL_LM".to_owned())
            }
            _ => None,
        })
    }

    /// The files that tell what the model is, whose weights are written by this plan.
    pub(crate) fn describe(self, plan: &ShardPlan, options: &WriteOptions) -> Vec<(&'static str, Value)> {
        match self {
            Self::Texts(model) => configured(model.tensors(), plan, model.config(), options),
            Self::Images(model) => model.describe(first_dtype(plan)),
            Self::Bare(bare) => bare.describe(first_dtype(plan)),
        }
    }
}
