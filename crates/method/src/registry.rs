//! The list of methods: one line each.

use crate::{Card, Error, Method, Result};
use serde::{Deserialize, Serialize};

/// Hyperparameters by name.
pub type Fields = toml::Table;

/// From one line per method: the enum of a recipe (externally tagged, misspelt keys refused), the words of the command
/// line, and the list over which the laws run.
macro_rules! methods {
    ($($(#[$doc:meta])* $module:ident :: $Method:ident,)*) => {
        /// A method with its hyperparameters, as a recipe names it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        pub enum Choice {
            $($(#[$doc])* $Method(crate::$module::$Method),)*
        }

        impl Choice {
            /// Every method with the paper's setting.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Method(crate::$module::$Method::default()),)*]
            }

            /// The method itself.
            pub fn method(&self) -> &dyn Method {
                match self {
                    $(Self::$Method(method) => method,)*
                }
            }
        }
    };
}

methods! {
    /// Every number.
    full::Full,
    /// Biases alone.
    bitfit::Bitfit,
    /// Low-rank adaptation.
    lora::Lora,
    /// Principal singular values and vectors.
    pissa::Pissa,
    /// The same beside a residual in four bits.
    qpissa::Qpissa,
    /// Low-rank adaptation beside a weight in four bits.
    qlora::Qlora,
    /// The same with a start that takes up the error of the four bits.
    loftq::Loftq,
    /// Leading columns, orthonormalised.
    olora::Olora,
    /// Principal directions of the inputs, and ranks where they explain most.
    eva::Eva,
    /// Low-rank adaptation of the modules that trained gates pick.
    diffora::Diffora,
    /// Directions of the rows by a low-rank branch, and their lengths.
    dora::Dora,
    /// A small core between factors, one for every axis.
    flora::Flora,
    /// Singular values scaled and shifted, with a low-rank term in the tail.
    salt::Salt,
    /// Singular values alone.
    svfit::Svfit,
    /// The first pivots of an LDU decomposition alone.
    loldu::Loldu,
    /// Singular values and vectors, held orthonormal.
    sorsa::Sorsa,
    /// Two thin matrices instead of the weight.
    pela::Pela,
}

impl Choice {
    /// What it is.
    pub fn card(&self) -> Card {
        self.method().card()
    }

    /// The rank that is asked for at every weight; `None` where each weight has its own, or none.
    pub fn rank(&self) -> Option<usize> {
        let table = toml::Table::try_from(self).ok()?;
        let rank = table.get(self.card().name)?.get("rank")?.as_integer()?;
        usize::try_from(rank).ok()
    }

    /// Refuses settings that no weight can be taken over with.
    ///
    /// # Errors
    /// [`Error::Of`] the method, with an [`Error::Setting`] in it.
    pub fn check(&self) -> Result<()> {
        let checked = match self.rank() {
            Some(0) => Err(Error::Setting { name: "rank", expected: "1 or more", found: "0".to_owned() }),
            _ => self.method().plan(&[]).map(drop),
        };
        checked.map_err(|error| error.of(self.card().name))
    }

    /// The method of that name with the paper's setting.
    pub fn named(name: &str) -> Result<Self> {
        Self::all().into_iter().find(|choice| choice.card().name == name).ok_or_else(|| Error::Unknown {
            name: name.to_owned(),
            known: Self::all().iter().map(|choice| choice.card().name).collect(),
        })
    }

    /// The same method with some hyperparameters changed.
    ///
    /// # Errors
    /// [`Error::Of`] the method, with an [`Error::Read`] in it, where it has no such key or another kind of value.
    pub fn with(self, changes: &Fields) -> Result<Self> {
        let name = self.card().name;
        let mut table = toml::Table::try_from(&self)?;
        if let Some(toml::Value::Table(fields)) = table.get_mut(name) {
            fields.extend(changes.clone());
        }
        table.try_into().map_err(|error| Error::Read(error).of(name))
    }
}
