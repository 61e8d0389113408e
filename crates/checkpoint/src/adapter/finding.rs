//! Why an adapter cannot be used as it is, one finding each.

use super::{Fault, Initialisation, Kind, Mismatch, Misshapen, ModuleName};

/// Why an adapter cannot be used as it is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The configuration is at fault.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// No module of the adapter is in the base.
    #[error(
        "the adapter is of another architecture: the base has none of its modules, whose first is `{adapter}`; the first \
         linear one of the base is `{base}`"
    )]
    OtherArchitecture {
        /// Path of the adapter's first module.
        adapter: String,
        /// Path of the base's first linear module, of its first one where there is none.
        base: String,
    },
    /// A module of the adapter that the base has not.
    #[error("the base has no module `{module}`")]
    NoModule {
        /// Its path.
        module: String,
        /// The adapter's tensors for it.
        keys: Vec<String>,
        /// The most similar path in the base.
        nearest: Option<String>,
    },
    /// A tensor that configuration and base call for.
    #[error("`{key}` is missing")]
    Missing {
        /// Its key.
        key: String,
    },
    /// A tensor that belongs to nothing.
    #[error("`{key}` belongs to nothing")]
    Unexpected {
        /// Its key.
        key: String,
    },
    /// A tensor of another shape.
    #[error("`{}` is {:?}, not {:?}", .0.key, .0.found, .0.expected)]
    Misshapen(Misshapen),
    /// A tensor with infinities or NaNs.
    #[error("`{key}`: {count} of {numbers} numbers are not finite, the first is {first}")]
    NotFinite {
        /// Its key.
        key: String,
        /// How many.
        count: usize,
        /// Of how many.
        numbers: usize,
        /// The first of them.
        first: f32,
    },
    /// The base was altered before training, by something that cannot be done again.
    #[error("`init_lora_weights` is `{}`: {}", initialisation.word(), initialisation.meaning())]
    AlteredBase {
        /// How it was altered.
        initialisation: Initialisation,
    },
}

impl Finding {
    /// That none of the adapter's modules `paths` is among the base's, where it is so.
    pub(super) fn other_architecture(paths: &[&str], modules: &[ModuleName]) -> Option<Self> {
        let linear = modules.iter().find(|module| module.kind == Kind::Linear).or(modules.first());
        let (adapter, base) = paths.first().zip(linear)?;
        let is_there = |path: &&str| modules.iter().any(|module| module.path == *path);
        let strange = !paths.iter().any(is_there);
        strange.then(|| Self::OtherArchitecture { adapter: (*adapter).to_owned(), base: base.path.clone() })
    }

    /// One word for lists and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fault(_) => "configuration",
            Self::OtherArchitecture { .. } => "other_architecture",
            Self::NoModule { .. } => "no_module",
            Self::Missing { .. } => "missing",
            Self::Unexpected { .. } => "unexpected",
            Self::Misshapen(_) => "misshapen",
            Self::NotFinite { .. } => "not_finite",
            Self::AlteredBase { .. } => "altered_base",
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let mismatch = |mismatch: Mismatch| Fault::Mismatch(Box::new(mismatch)).hint();
        match self {
            Self::Fault(fault) => fault.hint(),
            Self::OtherArchitecture { .. } => Some(
                "use it on the model that it was made for, `base_model_name_or_path` of its configuration, or on one like that"
                    .to_owned(),
            ),
            Self::NoModule { nearest: Some(nearest), .. } => Some(format!("the nearest is `{nearest}`")),
            Self::NoModule { .. } => mismatch(Mismatch::default()),
            Self::Missing { key } => mismatch(Mismatch { missing: vec![key.clone()], ..Mismatch::default() }),
            Self::Unexpected { key } => {
                mismatch(Mismatch { unexpected: vec![key.clone()], ..Mismatch::default() })
            }
            Self::Misshapen(found) => {
                mismatch(Mismatch { misshapen: vec![found.clone()], ..Mismatch::default() })
            }
            Self::NotFinite { key, first, .. } => Fault::NotFinite { key: key.clone(), value: *first }.hint(),
            Self::AlteredBase { initialisation } => Some(initialisation.way_back().to_owned()),
        }
    }
}
