//! What makes a safetensors file or its index a lie.

/// Why a safetensors file or its index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Shorter than the eight bytes that every file begins with.
    #[error("{bytes} bytes are too few for a safetensors file")]
    Short {
        /// The file's size.
        bytes: u64,
    },
    /// The first eight bytes promise an absurd header.
    #[error("a header of {bytes} bytes is more than the {limit} that are accepted")]
    HeaderLimit {
        /// The promised size.
        bytes: u64,
        /// The largest that is read.
        limit: u64,
    },
    /// The header is longer than the file.
    #[error("the header should have {expected} bytes; the file has {found} after its first eight")]
    HeaderLength {
        /// The promised size.
        expected: u64,
        /// The bytes that are there.
        found: u64,
    },
    /// The header is not the JSON that it should be.
    #[error("the header does not parse: {reason}")]
    Header {
        /// Where and why.
        reason: String,
    },
    /// Two tensors of one file have the same name.
    #[error("tensor `{name}` appears twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A number format that safetensors does not have.
    #[error("tensor `{name}` is stored as `{found}`, which is no type of safetensors")]
    Dtype {
        /// The tensor.
        name: String,
        /// Its format.
        found: String,
    },
    /// A shape whose bytes do not fit the machine, or whose numbers of less than eight bits fill no whole bytes.
    #[error("tensor `{name}`: shape {shape:?} is too large, or fills no whole bytes")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// Offsets that run backwards.
    #[error("tensor `{name}`: the data offsets {begin} to {end} run backwards")]
    Backwards {
        /// The tensor.
        name: String,
        /// First byte.
        begin: u64,
        /// One after the last byte.
        end: u64,
    },
    /// Another number of bytes than shape and format need.
    #[error("tensor `{name}`: its shape needs {expected} bytes; the offsets span {found}")]
    Size {
        /// The tensor.
        name: String,
        /// shape × width of a number.
        expected: u64,
        /// end − begin.
        found: u64,
    },
    /// Data beyond the end of the file.
    #[error("tensor `{name}` ends at byte {end} of the data; the file has {found}: it is cut off")]
    Truncated {
        /// The tensor.
        name: String,
        /// One after its last byte.
        end: u64,
        /// The bytes of data that are there.
        found: u64,
    },
    /// Two tensors share bytes.
    #[error("tensor `{name}` begins at byte {begin} of the data, inside the tensor that ends at {previous}")]
    Overlap {
        /// The later tensor.
        name: String,
        /// Its first byte.
        begin: u64,
        /// Where the one before it ends.
        previous: u64,
    },
    /// Bytes that belong to no tensor.
    #[error("bytes {begin} to {end} of the data belong to no tensor")]
    Gap {
        /// First such byte.
        begin: u64,
        /// One after the last.
        end: u64,
    },
    /// The index does not parse.
    #[error("the index does not parse: {reason}")]
    Index {
        /// Where and why.
        reason: String,
    },
    /// The index names a shard outside its own folder.
    #[error("the index names the shard `{shard}`, which is not a plain file name")]
    ShardName {
        /// The name.
        shard: String,
    },
    /// A shard is not there.
    #[error("the shard `{shard}` is missing ({tensors} tensors)")]
    MissingShard {
        /// Its file name.
        shard: String,
        /// How many tensors it should hold.
        tensors: usize,
    },
    /// A shard lacks a tensor that the index places there.
    #[error("the index places tensor `{name}` in `{shard}`, which does not hold it")]
    NotInShard {
        /// The tensor.
        name: String,
        /// The shard.
        shard: String,
    },
    /// Shards without an index.
    #[error("there is a shard `{shard}` but no `model.safetensors.index.json`")]
    MissingIndex {
        /// A shard that is there.
        shard: String,
    },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Short { .. }
            | Self::HeaderLimit { .. }
            | Self::HeaderLength { .. }
            | Self::Header { .. }
            | Self::Truncated { .. } => {
                "the download was cut off, this is another kind of file, or it is a Git LFS pointer; download it \
                 again and compare the checksum"
            }
            Self::Duplicate { .. }
            | Self::Shape { .. }
            | Self::Backwards { .. }
            | Self::Size { .. }
            | Self::Overlap { .. }
            | Self::Gap { .. } => {
                "the header contradicts itself: save the file again with the safetensors library"
            }
            Self::Dtype { .. } => "convert the weights to F32, F16 or BF16 first",
            Self::Index { .. } | Self::ShardName { .. } => {
                "compare `model.safetensors.index.json` with the original repository's"
            }
            Self::MissingShard { .. } | Self::MissingIndex { .. } => {
                "download the missing file into the same folder"
            }
            Self::NotInShard { .. } => "index and shards are of different models; download all of them again",
        };
        Some(hint.to_owned())
    }
}
