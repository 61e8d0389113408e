//! What can be wrong with a problem or a setting.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a problem was not solved. That a tolerance was not reached is an outcome, not an error.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must agree do not.
    #[error("{what} has {found} {unit}; expected {expected}, as {reason}")]
    Size {
        /// Which part of the problem.
        what: &'static str,
        /// What is counted: rows, columns, entries.
        unit: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
        /// What they must agree with.
        reason: &'static str,
    },
    /// There is nothing to solve.
    #[error("{what} is empty")]
    Empty {
        /// Which part of the problem.
        what: &'static str,
    },
    /// An entry is infinite or not a number.
    #[error("{what} has the entry `{value}` at {index:?}")]
    NotFinite {
        /// Which part of the problem.
        what: &'static str,
        /// Its place, from 0: one number in a vector, two (row, column) in a matrix.
        index: Vec<usize>,
        /// The entry.
        value: f64,
    },
    /// An entry that may not be negative is.
    #[error("{what} has the negative entry `{value}` at {index}")]
    Negative {
        /// Which part of the problem.
        what: &'static str,
        /// Its place, from 0.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// A point at the origin has no direction, which the cosine is about.
    #[error("{what} has only zeros in row {index}: it has no direction")]
    NoDirection {
        /// Which part of the problem.
        what: &'static str,
        /// The row, from 0.
        index: usize,
    },
    /// What must ascend does not.
    #[error("{what} must ascend; the entry at {index} is below the one before it")]
    Descending {
        /// Which part of the problem.
        what: &'static str,
        /// Its place, from 0.
        index: usize,
    },
    /// A setting is outside its range.
    #[error("`{name}` is {found}; it must be {range}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What it is.
        found: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A setting is outside the range that the problem allows.
    #[error("`{name}` is {found}; this problem takes {least} to {most}")]
    Fit {
        /// Name of the setting.
        name: &'static str,
        /// What it is.
        found: usize,
        /// The least that fits.
        least: usize,
        /// The most that fits.
        most: usize,
    },
    /// What leaves is not what arrives.
    #[error(
        "the source has the mass {source_sum} and the target {target_sum}; they must agree and be above 0"
    )]
    Masses {
        /// Sum of the source.
        source_sum: f64,
        /// Sum of the target.
        target_sum: f64,
    },
    /// Finite numbers of which something that is needed is not a number above zero.
    #[error("{what} is `{found}`: the numbers are too large or too small")]
    Magnitude {
        /// What is computed of them.
        what: &'static str,
        /// What it is.
        found: f64,
    },
    /// A regularisation below the rounding of the costs, which the plan is the exponential of.
    #[error(
        "`regularization` is {regularization:e}, but costs of {cost:e} are rounded to {:e}: nothing of the plan is left",
        f64::EPSILON * cost
    )]
    Unresolved {
        /// The regularisation.
        regularization: f64,
        /// The largest of the least costs of the columns.
        cost: f64,
    },
    /// All measurements are of nothing.
    #[error("the squares of {what} are all 0")]
    Nothing {
        /// What measures.
        what: &'static str,
    },
    /// There are more unknowns than equations.
    #[error("{what} has {rows} rows and {columns} columns; it needs as many rows as columns at least")]
    Wide {
        /// Which part of the problem.
        what: &'static str,
        /// Rows of it.
        rows: usize,
        /// Columns of it.
        columns: usize,
    },
    /// A column is made of those before it, up to rounding.
    #[error("{what}: column {column} depends on those before it (a share of {share:e} of it is left)")]
    Dependent {
        /// Which matrix.
        what: &'static str,
        /// The first such column, from 0.
        column: usize,
        /// What is left of it beside those before it, of its length.
        share: f64,
    },
    /// An entry lies outside the matrix.
    #[error("{what} has an entry at [{row}, {column}], but {size} rows and columns")]
    OutsideMatrix {
        /// Which matrix.
        what: &'static str,
        /// Row of the entry, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// Rows and columns.
        size: usize,
    },
    /// A matrix that must be symmetric is not.
    #[error(
        "the matrix is not symmetric: `{value}` at [{row}, {column}], but `{mirror}` at [{column}, {row}]"
    )]
    NotSymmetric {
        /// Row of the entry, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// The entry.
        value: f64,
        /// The mirrored one.
        mirror: f64,
    },
    /// A pivot of a matrix that must be positive definite is not above zero.
    #[error("{what} is not positive definite: pivot {pivot} is `{value}`")]
    NotPositive {
        /// Which matrix.
        what: &'static str,
        /// Row of the pivot, from 0.
        pivot: usize,
        /// The pivot.
        value: f64,
    },
    /// A matrix that must be positive definite curves downwards, or not at all.
    #[error(
        "the matrix is not positive definite: step {step} found a direction p with pᵀ·A·p = {value} · ‖p‖²"
    )]
    Curvature {
        /// The step that found it.
        step: usize,
        /// Curvature along it, relative to its length.
        value: f64,
    },
    /// An empty row meets a right-hand side that is not zero.
    #[error("row {row} of the matrix is empty, but the right-hand side there is `{value}`")]
    NoSolution {
        /// The row, from 0.
        row: usize,
        /// The right-hand side there.
        value: f64,
    },
    /// Solid cells enclose fluid.
    #[error("cell {cell} is fluid, but enclosed by solid cells: its pressure has no level")]
    Enclosed {
        /// The first such cell, from 0 in row-major order.
        cell: usize,
    },
    /// The problem does not have what the solver needs.
    #[error("this solver needs {what}")]
    Lacks {
        /// What it needs.
        what: &'static str,
    },
    /// A problem is larger than what is held in memory for it may be.
    #[error("{what} of {unknowns} unknowns; at most {limit} are taken")]
    Large {
        /// What would be held.
        what: &'static str,
        /// How many unknowns there are.
        unknowns: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A row or column that is not there.
    #[error("{what} {found} is named; there are 0 to {}", limit - 1)]
    Outside {
        /// Row or column.
        what: &'static str,
        /// Its number, from 0.
        found: usize,
        /// How many there are.
        limit: usize,
    },
    /// An entry is given twice.
    #[error("the entry in row {row}, column {column} is given twice")]
    Twice {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// A solver of positive semidefinite matrices is given others.
    #[error(
        "a matrix of {rows} rows and {columns} columns is not square; this solver takes square ones only"
    )]
    NotSquare {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// There are fewer measurements than numbers to find.
    #[error(
        "{found} measurements of a matrix of {rows} rows and {columns} columns, which has {least} degrees of freedom even if it is \
         of rank 1"
    )]
    Few {
        /// Measurements.
        found: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Its columns.
        columns: usize,
        /// Degrees of freedom of a matrix of rank 1.
        least: usize,
    },
    /// A decomposition failed.
    #[error(transparent)]
    Linalg(#[from] rankine_linalg::Error),
}

impl Error {
    /// What ends a step that the watch has broken off.
    pub(crate) const INTERRUPTED: Self = Self::Linalg(rankine_linalg::Error::Interrupted);

    /// Whether it is the watch that has broken off. No solve ends in it: its outcome is [`Interrupted`](crate::Outcome::Interrupted).
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Linalg(rankine_linalg::Error::Interrupted))
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => Some("replace or leave out entries that are not numbers".into()),
            Self::Linalg(_) | Self::Size { .. } | Self::Empty { .. } | Self::Negative { .. } => None,
            Self::Masses { .. } => Some("divide each side by its sum where the masses are shares".into()),
            Self::Magnitude { .. } => {
                Some("multiply them by the power of ten that brings the largest near 1".into())
            }
            Self::Unresolved { .. } => {
                Some("take a larger one, subtract a constant from the costs, or take `exact`".into())
            }
            Self::Nothing { .. } => {
                Some("give at least one entry that is not 0; multiply all where they are below 1e-150".into())
            }
            Self::Dependent { .. } => Some(
                "leave the column out or add a small ridge; where only a sketch of the design lacks rank, take more rows, or a \
                 dense sketch"
                    .into(),
            ),
            Self::Wide { .. } => Some("add rows: a ridge gives as many as there are columns".into()),
            Self::NotSymmetric { .. } => Some("give both triangles alike, or one triangle only".into()),
            Self::NotPositive { .. } | Self::Curvature { .. } => {
                Some("solve the normal equations AᵀA·x = Aᵀb, or add a multiple of the identity".into())
            }
            Self::NoSolution { .. } => {
                Some("leave the row out, or make the right-hand side zero there".into())
            }
            Self::Enclosed { .. } => Some("make the enclosed cells solid".into()),
            Self::Large { .. } => Some("take an iterative solver".into()),
            Self::Lacks { .. } => Some("take `cg`, which needs products with the matrix only".into()),
            Self::OutsideMatrix { .. } => None,
            Self::Twice { .. } => Some("keep one of them, or their mean".into()),
            Self::Setting { .. } | Self::Fit { .. } | Self::Outside { .. } | Self::NotSquare { .. } => None,
            Self::Few { .. } => Some(
                "measure more, about three times as often as the matrix has degrees of freedom; a positive semidefinite matrix \
                 needs fewer"
                    .into(),
            ),
            Self::NoDirection { .. } => Some("leave such points out, or take another metric".into()),
            Self::Descending { .. } => None,
        }
    }
}
