//! What makes a file of numbers unusable.

/// Why numbers cannot be read. Lines and columns count from 1, bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An ending that is none of those known.
    #[error("the ending does not tell how the numbers are written")]
    Ending,
    /// A file that does not start as npy does.
    #[error("not an npy file of version 1 to 3: it starts with {found:02x?}")]
    NotNpy {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A header of npy that does not say what it should.
    #[error("byte {offset}: {expected} expected in the header")]
    Header {
        /// Where in the file.
        offset: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// A header that is longer than a header is.
    #[error("byte 8: a header of {found} bytes; {limit} are the most that is read")]
    LongHeader {
        /// The length it announces.
        found: u64,
        /// The most that is read.
        limit: u64,
    },
    /// A type of numbers that is not read.
    #[error("numbers of the type `{found}` are not read here")]
    Type {
        /// The type, in NumPy's words.
        found: String,
    },
    /// Numbers where texts are needed.
    #[error("texts are expected; found the type `{found}`")]
    NotText {
        /// The type, in NumPy's words.
        found: String,
    },
    /// Complex numbers where real ones are needed.
    #[error("the numbers are complex; real ones are expected")]
    Complex,
    /// An array that is larger than what is read.
    #[error("shape {shape:?} makes more than {limit} numbers")]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
        /// The most that is read.
        limit: usize,
    },
    /// A matrix by its entries that is longer or wider than what is read.
    #[error(
        "line {line}: a matrix of {rows} rows and {columns} columns; {limit} of each are the most that is read"
    )]
    Sides {
        /// The line that says so.
        line: usize,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
        /// The most of either that is read.
        limit: usize,
    },
    /// A file that holds more or fewer numbers than it announces.
    #[error("shape {shape:?} announces {expected} bytes of numbers; found {found}")]
    Length {
        /// The shape it announces.
        shape: Vec<usize>,
        /// Bytes of the numbers.
        expected: usize,
        /// How many there are: a lower bound where there are more than announced.
        found: usize,
    },
    /// An archive without the array that is asked for.
    #[error("no array is called `{name}`; there are {known}")]
    NoArray {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An archive that is none.
    #[error("the zip archive cannot be read or written: {reason}")]
    Archive {
        /// Why.
        reason: String,
    },
    /// A shape that does not fit the purpose.
    #[error("an array of shape {found:?}; {expected} is expected")]
    Shape {
        /// Its shape.
        found: Vec<usize>,
        /// What was expected.
        expected: &'static str,
    },
    /// A field of text that is not what it should be.
    #[error("line {line}, column {column}: `{found}` is no {expected}")]
    Field {
        /// The line.
        line: usize,
        /// The column of the table.
        column: usize,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A line with more or fewer fields than it should have.
    #[error("line {line}: {found} fields; {expected} expected")]
    Fields {
        /// The line.
        line: usize,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A quote that is opened and not closed in its line.
    #[error("line {line}: a quote is opened and not closed")]
    Quote {
        /// The line.
        line: usize,
    },
    /// A column that is not there.
    #[error("line 1: there is no column `{name}` among {known}")]
    Column {
        /// The name or number asked for.
        name: String,
        /// The columns there are.
        known: String,
    },
    /// A name that more than one column has.
    #[error("columns {first} and {second} are both called `{name}`")]
    Twice {
        /// The name asked for.
        name: String,
        /// The first of the columns, from 1.
        first: usize,
        /// The next.
        second: usize,
    },
    /// A first line that is not that of Matrix Market, or of a kind that is not read.
    #[error(
        "line 1: expected `%%MatrixMarket matrix coordinate|array real|integer|pattern general|symmetric`, found `{found}`"
    )]
    Banner {
        /// The line.
        found: String,
    },
    /// An entry outside the matrix, or above the diagonal of a symmetric one.
    #[error("line {line}: no entry has the place ({row}, {column}) in {within}")]
    Outside {
        /// The line.
        line: usize,
        /// Row of the entry, from 1.
        row: usize,
        /// Column of the entry, from 1.
        column: usize,
        /// The matrix in words.
        within: String,
    },
    /// More or fewer entries than announced.
    #[error("line {line}: {expected} entries are announced; found {found}")]
    Entries {
        /// The line that announces them.
        line: usize,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A file without a number.
    #[error("no numbers in it")]
    Empty,
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Ending => {
                "name the file `.npy`, `.npz`, `.csv`, `.tsv`, `.txt` or `.mtx`, as it is written"
            }
            Self::NotNpy { .. } | Self::Header { .. } | Self::LongHeader { .. } => {
                "write the array with `numpy.save(path, array)`"
            }
            Self::Type { .. } => "convert it first: `numpy.save(path, array.astype(\"float64\"))`",
            Self::NotText { .. } => "write names as texts: `numpy.array(names, dtype=str)`",
            Self::Complex => "give the real part, where that is meant: `numpy.save(path, array.real)`",
            Self::Length { .. } | Self::Archive { .. } => "the file is damaged or cut off: write it again",
            Self::NoArray { .. } => "rename the array, or give an archive that holds it alone",
            Self::Field { .. } | Self::Fields { .. } => {
                "write plain numbers with a point, separated by commas, semicolons, tabs or blanks, equally many a line"
            }
            Self::Quote { .. } => {
                "close it: a field may not go on in the next line; a quote within quotes is written twice"
            }
            Self::Column { .. } => "name columns as the first line does, or by their number from 1",
            Self::Twice { .. } => "name it by its number from 1, or rename one of them",
            Self::Banner { .. } => "write it with `scipy.io.mmwrite(path, matrix)` from a real matrix",
            Self::Outside { .. } => {
                "rows and columns count from 1; a symmetric matrix has its lower triangle only"
            }
            Self::Sides { .. } => "leave out empty rows and columns, and number the others anew",
            Self::Entries { .. } => "the file is cut off, or its size line is wrong: write it again",
            Self::Empty => "give a file with at least one line of numbers",
            Self::TooLarge { .. } | Self::Shape { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
