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
    /// A transform takes lengths of a power of two only.
    #[error("a Walsh–Hadamard transform takes a power of two of numbers; found {found}")]
    PowerOfTwo {
        /// How many there are.
        found: usize,
    },
    /// A count is outside what fits.
    #[error("{what}: {found} is outside {least} to {most}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there were to be.
        found: usize,
        /// The least that fits.
        least: usize,
        /// The most that fits.
        most: usize,
    },
    /// A matrix or vector has not as many rows as it is to be multiplied by.
    #[error("a product takes {expected} rows; found {found}")]
    Rows {
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// What is drawn by is negative or no number.
    #[error("the weight `{value}` at {index}")]
    Weight {
        /// Its place, from 0.
        index: usize,
        /// The weight.
        value: f64,
    },
    /// Nothing can be drawn.
    #[error("none of {count} weights is above zero")]
    NoWeight {
        /// How many there are.
        count: usize,
    },
    /// A function has a value that is no number.
    #[error("a proposed point has the feature `{value}`")]
    Feature {
        /// The value.
        value: f64,
    },
    /// Columns that must be orthonormal are not.
    #[error("the columns are orthonormal up to {defect:e} only; 1e-8 is wanted")]
    NotOrthonormal {
        /// max |VᵀV − 1|.
        defect: f64,
    },
    /// Rejection did not end.
    #[error("no proposal was taken after {found} of {wanted} points")]
    NoProposal {
        /// Points that were found.
        found: usize,
        /// Points that were wanted.
        wanted: usize,
    },
    /// Whoever asked for it broke it off.
    #[error("broken off")]
    Interrupted,
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => Some("the weight is damaged: fetch or save the model again".to_owned()),
            Self::Rank { limit, .. } => Some(format!("choose a rank of at most {limit}")),
            Self::Overflow { .. } => Some("divide the matrix by a constant first".to_owned()),
            Self::NoConvergence { .. } => Some("try the randomised SVD with another seed".to_owned()),
            Self::NotOrthonormal { .. } => {
                Some("orthonormalise the columns first, by a QR decomposition".to_owned())
            }
            Self::NoProposal { .. } => Some(
                "check that the functions are orthonormal and points drawn from their mean density"
                    .to_owned(),
            ),
            Self::PowerOfTwo { .. } => Some("put zeros behind the numbers".to_owned()),
            Self::Length { .. }
            | Self::Count { .. }
            | Self::Rows { .. }
            | Self::Weight { .. }
            | Self::NoWeight { .. }
            | Self::Feature { .. }
            | Self::Empty { .. }
            | Self::Array { .. }
            | Self::Axes { .. }
            | Self::Scale { .. }
            | Self::Interrupted => None,
        }
    }
}
