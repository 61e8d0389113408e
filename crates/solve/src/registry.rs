//! The lists of solvers, one for every question: one line a solver.

use crate::Solve;
use serde::{Serialize, de::DeserializeOwned};

/// The list of solvers of a question: an enum with a variant for each, which holds its settings.
pub trait Solvers: Clone + Serialize + DeserializeOwned {
    /// What they answer.
    type Problem;
    /// What they find.
    type Solution;

    /// Every solver with the paper's settings.
    fn all() -> Vec<Self>;

    /// The word of a settings file and of the command line.
    fn name(&self) -> String;

    /// What it is, in a line.
    fn about(&self) -> &'static str;

    /// The solver itself.
    fn solver(&self) -> &dyn Solve<Self::Problem, Solution = Self::Solution>;
}

/// From one line per solver: the enum that a settings file and the command line name (kebab case, externally tagged), all
/// solvers with the paper's settings, which the laws run over, and the solver behind a name. What stands above a line is
/// what the command line says of the solver.
macro_rules! solvers {
    ($(#[$about:meta])* $Solvers:ident: $Problem:ty => $Solution:ty; $($(#[doc = $doc:literal])* $module:ident :: $Solver:ident,)*) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum $Solvers {
            $($(#[doc = $doc])* $Solver($module::$Solver),)*
        }

        impl $Solvers {
            /// Every solver with the paper's settings.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Solver($module::$Solver::default()),)*]
            }

            /// The solver itself.
            pub fn solver(&self) -> &dyn $crate::Solve<$Problem, Solution = $Solution> {
                match self {
                    $(Self::$Solver(solver) => solver,)*
                }
            }
        }

        impl $crate::Solvers for $Solvers {
            type Problem = $Problem;
            type Solution = $Solution;

            fn all() -> Vec<Self> {
                $Solvers::all()
            }

            fn name(&self) -> String {
                match self {
                    $(Self::$Solver(_) => $crate::registry::kebab(stringify!($Solver)),)*
                }
            }

            fn about(&self) -> &'static str {
                match self {
                    $(Self::$Solver(_) => concat!($($doc),*).trim(),)*
                }
            }

            fn solver(&self) -> &dyn $crate::Solve<$Problem, Solution = $Solution> {
                $Solvers::solver(self)
            }
        }
    };
}
pub(crate) use solvers;

/// `AmKroSbl` as serde writes it in kebab case: `am-kro-sbl`.
pub(crate) fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportSolver;

    #[test]
    fn names_are_those_of_settings_files_and_every_solver_says_what_it_is() {
        assert_eq!(kebab("AmKroSbl"), "am-kro-sbl");
        for choice in <TransportSolver as Solvers>::all() {
            let written = serde_json::to_value(&choice).unwrap();
            assert_eq!(written.as_object().unwrap().keys().next(), Some(&choice.name()));
            assert!(!choice.about().is_empty() && !choice.about().contains('\n'), "{}", choice.name());
        }
    }
}
