//! What is known of the base that an adapter was trained on, where its initialisation altered it.
//!
//!     recomputed    W − s·B₀·A₀, found again from W, see `residual`
//!     initial       W − s·B₀·A₀, of the adapter as it was before the training
//!     residual      whatever it is
//!
//! The second is what peft's `path_initial_model_for_weight_conversion` takes: A₀, B₀ of the same modules, ranks and scales, and
//! `init_lora_weights` of either file. Departures: peft goes on with a warning where nothing was altered, and with LoftQ; it
//! loses embeddings, magnitudes of DoRA, whole modules and biases, and refuses rslora together with patterns.

use crate::Result;
use crate::adapters::check_factors;
use rankine_checkpoint::adapter::{Initialisation, LowRank};
use rankine_checkpoint::{Adapter, Difference, Tensors, nearest};
use std::path::PathBuf;

/// What is known of the base that an adapter was trained on.
#[derive(Clone, Copy, Default)]
pub enum Beginning<'a> {
    /// Nothing: what the initialisation took out of it is found again, where that can be done.
    #[default]
    Recomputed,
    /// The adapter as the initialisation made it: its product was taken out of the base.
    Initial(&'a Adapter),
    /// The altered base itself.
    Residual(&'a dyn Tensors),
}

/// Why what is said of a beginning does not go with an adapter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginningFault {
    /// Nothing was taken out of the base, or something else than a product.
    #[error("`init_lora_weights` is `{}`: {}", initialisation.word(), initialisation.meaning())]
    Initialisation {
        /// What was done to it.
        initialisation: Initialisation,
    },
    /// A module that only the trained adapter has.
    #[error("`{}` has no factors for `{module}`, which was trained", initial.display())]
    Missing {
        /// The file of the initial adapter.
        initial: PathBuf,
        /// The module.
        module: String,
        /// The module there whose name is nearest.
        nearest: Option<String>,
    },
    /// A module that only the initial adapter has.
    #[error("`{}` has factors for `{module}`, which the trained adapter has not", initial.display())]
    Surplus {
        /// The file of the initial adapter.
        initial: PathBuf,
        /// The module.
        module: String,
    },
    /// Factors of other sides.
    #[error("`{}`: rank, outputs and inputs of `{module}` are {found:?}, and {expected:?} after the training", initial.display())]
    Sides {
        /// The file of the initial adapter.
        initial: PathBuf,
        /// The module.
        module: String,
        /// Of the trained adapter.
        expected: [usize; 3],
        /// Of the initial one.
        found: [usize; 3],
    },
    /// Another scale, with which another product was taken out.
    #[error("`{}`: the scale of `{module}` is {found}, and {expected} after the training", initial.display())]
    Scale {
        /// The file of the initial adapter.
        initial: PathBuf,
        /// The module.
        module: String,
        /// Of the trained adapter.
        expected: f32,
        /// Of the initial one.
        found: f32,
    },
    /// An altered base with other tensors than the base has.
    #[error("base and altered base do not have the same tensors{difference}")]
    Unlike {
        /// What they do not have alike.
        difference: Box<Difference>,
    },
    /// A tensor of the altered base that no factors can change.
    #[error("`{name}` is another one in the altered base, and no linear layer, embedding or convolution")]
    Elsewhere {
        /// Its name.
        name: String,
    },
}

impl BeginningFault {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Initialisation { initialisation: Initialisation::Loftq } => {
                "give the quantised base that it stands on, with `--residual FOLDER` and `--rank N`".to_owned()
            }
            Self::Initialisation { .. } => {
                "leave `--initial` out; a base that was altered by other means is given with `--residual`".to_owned()
            }
            Self::Missing { nearest: Some(nearest), .. } => format!("the nearest there is `{nearest}`"),
            Self::Missing { .. } | Self::Surplus { .. } | Self::Sides { .. } | Self::Scale { .. } => {
                "give the folder that `save_pretrained` wrote right after `get_peft_model`, with the configuration of the \
                 training"
                    .to_owned()
            }
            Self::Unlike { .. } => {
                "the altered base is a model of the architecture and size of the base, such as `unload().save_pretrained(FOLDER)` \
                 or `rankine train --keep-residual` leaves"
                    .to_owned()
            }
            Self::Elsewhere { .. } => {
                "merge the adapter into the altered base with `rankine merge`, and take the difference to the base with \
                 `rankine extract BASE MERGED --whole`"
                    .to_owned()
            }
        }
    }
}

impl<'a> Beginning<'a> {
    /// The weights that the factors stand beside, but for what is taken out of them.
    pub(super) fn ground(self, base: &'a dyn Tensors) -> &'a dyn Tensors {
        match self {
            Self::Residual(altered) => altered,
            Self::Recomputed | Self::Initial(_) => base,
        }
    }

    /// An error where `adapter` cannot have begun so.
    pub(super) fn check(self, base: &dyn Tensors, adapter: &Adapter) -> Result<()> {
        match self {
            Self::Initial(initial) => {
                initial.check(base)?;
                check_initial(adapter, initial)
            }
            Self::Recomputed | Self::Residual(_) => Ok(()),
        }
    }
}

fn check_initial(adapter: &Adapter, initial: &Adapter) -> Result<()> {
    let initialisation = adapter.config.initialisation;
    // `true` says nothing: it stands beside the saved residual of any initialisation too.
    let is_known = initialisation.alters_base() || initialisation == Initialisation::Kaiming;
    if !is_known || initialisation == Initialisation::Loftq {
        return Err(BeginningFault::Initialisation { initialisation }.into());
    }
    let path = || initial.path.clone();
    if let Some(module) = initial.low_rank.keys().find(|module| !adapter.low_rank.contains_key(*module)) {
        return Err(BeginningFault::Surplus { initial: path(), module: module.clone() }.into());
    }
    for (name, trained) in &adapter.low_rank {
        let module = name.clone();
        let Some(first) = initial.low_rank.get(name) else {
            let nearest = nearest(name, initial.low_rank.keys().map(String::as_str), 1).pop();
            return Err(BeginningFault::Missing { initial: path(), module, nearest }.into());
        };
        let [expected, found] = [trained, first].map(sides);
        if expected != found || trained.kind != first.kind {
            return Err(BeginningFault::Sides { initial: path(), module, expected, found }.into());
        }
        let (expected, found) = (trained.scaling, first.scaling);
        if expected != found {
            return Err(BeginningFault::Scale { initial: path(), module, expected, found }.into());
        }
        check_factors(name, first)?;
    }
    Ok(())
}

fn sides(low_rank: &LowRank) -> [usize; 3] {
    [low_rank.rank, low_rank.outputs, low_rank.inputs]
}
