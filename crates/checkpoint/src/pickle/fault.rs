//! What makes a file of torch unreadable, or unsafe to read.

/// Why a file of torch cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Neither of torch's two formats.
    #[error("not a file of `torch.save`")]
    NotTorch,
    /// The pickle calls for something that is not needed to describe tensors.
    #[error("the pickle calls for `{name}`, which is refused: reading a model runs no code")]
    Global {
        /// Module and name.
        name: String,
    },
    /// A number format that is not read.
    #[error("numbers of `{found}` are not supported")]
    Dtype {
        /// torch's name of the storage.
        found: String,
    },
    /// An instruction that torch does not write.
    #[error("the pickle has the instruction {code:#04x} at byte {at}, which torch does not write")]
    Opcode {
        /// The instruction.
        code: u8,
        /// Where it stands.
        at: usize,
    },
    /// A pickle that contradicts itself.
    #[error("the pickle is damaged at byte {at}: {reason}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
        /// How far it made sense.
        at: usize,
    },
    /// More instructions than any model needs.
    #[error("the pickle has more than {limit} instructions")]
    Operations {
        /// How many are carried out.
        limit: usize,
    },
    /// The file ends too early.
    #[error("{length} bytes are expected at byte {at}, beyond the end: the file is cut off")]
    Truncated {
        /// Where they should begin.
        at: usize,
        /// How many.
        length: usize,
    },
    /// A zip archive that is none.
    #[error("the zip archive is damaged: {reason}")]
    Archive {
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry of the archive that torch would have stored as it is.
    #[error("`{entry}` is compressed or encrypted inside the archive")]
    Packed {
        /// The entry.
        entry: String,
    },
    /// An entry or a storage that is not there.
    #[error("`{name}` is missing in the file")]
    Missing {
        /// Its name.
        name: String,
    },
    /// Written by a machine that stores the other end of a number first.
    #[error("the numbers are big-endian")]
    BigEndian,
    /// A version of the old format that is not known.
    #[error("the file has a version of the format that is not known")]
    Version,
    /// A storage that is a part of another one, as torch wrote before 0.4.
    #[error("storage `{key}` is a view into another storage")]
    StorageView {
        /// Its key.
        key: String,
    },
    /// A storage with two descriptions.
    #[error("storage `{key}` is described in two ways")]
    StorageTwice {
        /// Its key.
        key: String,
    },
    /// A storage that is shorter than described.
    #[error("storage `{key}` should have {expected} numbers; the file holds {found}")]
    StorageSize {
        /// Its key.
        key: String,
        /// As described.
        expected: usize,
        /// As found.
        found: usize,
    },
    /// A tensor that reaches beyond its storage.
    #[error("tensor `{name}` reaches beyond its storage of {elements} numbers")]
    Beyond {
        /// The tensor.
        name: String,
        /// Numbers of the storage.
        elements: usize,
    },
    /// A tensor that repeats its numbers.
    #[error("tensor `{name}` of shape {shape:?} repeats the {elements} numbers of its storage")]
    Expanded {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Numbers of the storage.
        elements: usize,
    },
    /// A shape whose element count does not fit the machine.
    #[error("tensor `{name}`: shape {shape:?} is too large")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A pickle without tensors by name.
    #[error("the file holds no dictionary of tensors")]
    NoTensors,
    /// The index names a shard outside its own folder.
    #[error("the index names the shard `{shard}`, which is not a plain file name")]
    ShardName {
        /// The name.
        shard: String,
    },
    /// A shard is not there.
    #[error("the shard `{shard}` is missing")]
    MissingShard {
        /// Its file name.
        shard: String,
    },
    /// A shard lacks a tensor that the index places there.
    #[error("the index places tensor `{name}` in `{shard}`, which does not hold it")]
    NotInShard {
        /// The tensor.
        name: String,
        /// The shard.
        shard: String,
    },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotTorch | Self::Truncated { .. } | Self::Archive { .. } => {
                "the download was cut off, this is another kind of file, or it is a Git LFS pointer; download it \
                 again and compare the checksum"
            }
            Self::Global { name } if name.starts_with("__torch__") => {
                "this is a TorchScript program; save its weights alone: `torch.save(model.state_dict(), path)`"
            }
            Self::Global { .. } => {
                "the file holds more than weights and could run code when Python reads it; if you trust where it is \
                 from, save its weights alone: `torch.save(model.state_dict(), path)`"
            }
            Self::Dtype { .. } => "convert the weights to float32, float16 or bfloat16 first",
            Self::Opcode { .. } | Self::Damaged { .. } | Self::Operations { .. } | Self::Shape { .. } => {
                "the file is damaged or was not written by `torch.save`: save it again"
            }
            Self::Packed { .. } => {
                "unpack the archive and put it together again without compression (`zip -0`)"
            }
            Self::Missing { .. }
            | Self::StorageTwice { .. }
            | Self::StorageSize { .. }
            | Self::Beyond { .. } => "the file contradicts itself: download it again, or save it again",
            Self::BigEndian | Self::Version | Self::StorageView { .. } => {
                "load it with a current torch on a little-endian machine and save it again"
            }
            Self::Expanded { .. } => "save it again with `tensor.contiguous()`",
            Self::NoTensors => "save the weights alone: `torch.save(model.state_dict(), path)`",
            Self::ShardName { .. } => "compare `pytorch_model.bin.index.json` with the original repository's",
            Self::MissingShard { .. } => "download the missing file into the same folder",
            Self::NotInShard { .. } => "index and shards are of different models; download all of them again",
        };
        Some(hint.to_owned())
    }
}
