//! The lists of solvers, one for every question: one line a solver.

/// From one line per solver: the enum that a settings file and the command line name (kebab case, externally tagged), all
/// solvers with the paper's settings, which the laws run over, and the solver behind a name.
macro_rules! solvers {
    ($(#[$about:meta])* $Solvers:ident: $Problem:ty => $Solution:ty; $($(#[$doc:meta])* $module:ident :: $Solver:ident,)*) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum $Solvers {
            $($(#[$doc])* $Solver($module::$Solver),)*
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
    };
}
pub(crate) use solvers;
