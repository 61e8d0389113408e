//! What can be wrong with a matrix or a request.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a decomposition was not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The slice does not hold the matrix that its shape declares.
    #[error("a [{rows}, {columns}] matrix does not have {found} numbers")]
    Length {
        /// Declared rows.
        rows: usize,
        /// Declared columns.
        columns: usize,
        /// Length of the slice.
        found: usize,
    },
    /// A matrix without rows or without columns has no spectrum.
    #[error("a [{rows}, {columns}] matrix is empty")]
    Empty {
        /// Declared rows.
        rows: usize,
        /// Declared columns.
        columns: usize,
    },
    /// The slice does not hold the array that its shape declares.
    #[error("an array of shape {shape:?} does not have {found} numbers")]
    Array {
        /// Declared sizes.
        shape: Vec<usize>,
        /// Length of the slice.
        found: usize,
    },
    /// What is asked for does not fit the number of axes.
    #[error("an array of {axes} axes takes as many ranks and no axis beyond them; found {found}")]
    Axes {
        /// How many axes the array has.
        axes: usize,
        /// How many there were to be.
        found: usize,
    },
    /// An entry is infinite or not a number.
    #[error("the matrix has the entry `{value}` in row {row}, column {column}")]
    NotFinite {
        /// Row of the first such entry, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// The entry.
        value: f32,
    },
    /// The rank asked for is 0 or above the smaller side.
    #[error("a [{rows}, {columns}] matrix takes a rank from 1 to {limit}; found {rank}")]
    Rank {
        /// The rank asked for.
        rank: usize,
        /// The smaller side.
        limit: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// The scale of a low-rank product is infinite or not a number.
    #[error("the scale of a low-rank product is finite; found `{found}`")]
    Scale {
        /// The scale given.
        found: f64,
    },
    /// A singular value is above the largest `f32`.
    #[error("the singular value {value:e} does not fit into 32 bits")]
    Overflow {
        /// The singular value.
        value: f64,
    },
    /// The iteration on the bidiagonal matrix did not settle.
    #[error("the SVD of a [{rows}, {columns}] matrix did not converge")]
    NoConvergence {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => Some("the weight is damaged: fetch or save the model again".to_owned()),
            Self::Rank { limit, .. } => Some(format!("choose a rank of at most {limit}")),
            Self::Overflow { .. } => Some("divide the matrix by a constant first".to_owned()),
            Self::NoConvergence { .. } => Some("try the randomised SVD with another seed".to_owned()),
            Self::Length { .. }
            | Self::Empty { .. }
            | Self::Array { .. }
            | Self::Axes { .. }
            | Self::Scale { .. } => None,
        }
    }
}
