//! What keeps a file from being written as planned.

use crate::Dtype;

/// Why an output cannot be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Something is there already.
    #[error("the output exists already")]
    Exists,
    /// The path has no last component that could be created.
    #[error("not a path at which an output can be made")]
    Path,
    /// A folder where a file should be.
    #[error("a folder, where a file should be written")]
    Folder,
    /// The path leads through a file.
    #[error("`{}` is a file, in which no folder can be made", file.display())]
    InFile {
        /// The file.
        file: std::path::PathBuf,
    },
    /// A name that would leave the output folder.
    #[error("`{name}` is not a name inside the output folder")]
    Name {
        /// The name.
        name: String,
    },
    /// A tensor that was not planned.
    #[error("tensor `{name}` was not planned")]
    Unplanned {
        /// Its name.
        name: String,
    },
    /// A tensor with another number of values than planned.
    #[error("tensor `{name}` was planned with {expected}; {found} came")]
    Length {
        /// Its name.
        name: String,
        /// Planned count of numbers or bytes.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Tensors that were planned but never came.
    #[error("{} planned tensors were not written, the first is `{}`", names.len(), names.first().map_or("", |n| n))]
    Unwritten {
        /// Their names.
        names: Vec<String>,
    },
    /// A number that becomes infinite in the storage type.
    #[error("tensor `{name}` holds {value}, which {dtype:?} cannot represent")]
    Overflow {
        /// The tensor.
        name: String,
        /// The first such number.
        value: f32,
        /// The storage type.
        dtype: Dtype,
    },
    /// A type that f32 values are not converted to.
    #[error("tensor `{name}` cannot be written as {dtype:?}")]
    Dtype {
        /// The tensor.
        name: String,
        /// The type.
        dtype: Dtype,
    },
    /// A shape whose size does not fit the machine.
    #[error("tensor `{name}`: shape {shape:?} is too large")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Something that a GGUF file cannot hold.
    #[error(transparent)]
    Gguf(#[from] crate::gguf::Fault),
    /// A shard size of zero.
    #[error("shards of zero bytes hold nothing")]
    ShardSize,
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Exists => "choose another output, or replace this one with `--force`",
            Self::InFile { .. } => "choose an output inside a folder",
            Self::Path => "name a folder that does not exist yet",
            Self::Folder => "name a file inside it",
            Self::Overflow { .. } => "write it as bf16 or f32",
            Self::Dtype { .. } => "write it as f32, f16 or bf16",
            Self::ShardSize => "give a shard size such as 5GB",
            Self::Name { .. } => "give a relative name without `..`",
            Self::Unplanned { .. }
            | Self::Length { .. }
            | Self::Unwritten { .. }
            | Self::Shape { .. }
            | Self::Gguf(_) => return None,
        };
        Some(hint.to_owned())
    }
}
