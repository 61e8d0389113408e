//! What can be wrong with a GGUF file.

use super::FileKind;

/// A fault of a GGUF file; positions are bytes from its start.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is a word of its message")]
pub enum Fault {
    /// It does not start with `GGUF`.
    #[error("not a GGUF file: it starts like {kind}")]
    Magic { kind: FileKind },
    /// Its numbers are stored the other way round.
    #[error("a big-endian GGUF file; only little-endian ones are read")]
    BigEndian,
    /// Neither version 2 nor 3.
    #[error("GGUF version {found}; versions 2 and 3 are read")]
    Version { found: u32 },
    /// One part of a model in several files.
    #[error("one of {parts} parts of a split model; split models are not read")]
    Split { parts: usize },
    /// The header ends with the file.
    #[error("the file ends inside its header: {length} bytes are expected at byte {at}")]
    Truncated { at: usize, length: usize },
    /// A count that the rest of the file cannot hold.
    #[error("{count} {what} are announced at byte {at}; the rest of the file has room for {room} at most")]
    Count { what: &'static str, count: u64, room: u64, at: usize },
    /// A string is not UTF-8.
    #[error("the text at byte {at} is not UTF-8")]
    NotUtf8 { at: usize },
    /// A metadata value of a type that the format does not have.
    #[error("unknown type {found} of a metadata value at byte {at}")]
    ValueType { found: u32, at: usize },
    /// Arrays in arrays without end.
    #[error("arrays are nested more than {limit} deep at byte {at}")]
    Depth { limit: usize, at: usize },
    /// A metadata key twice.
    #[error("metadata key `{key}` appears twice")]
    DuplicateKey { key: String },
    /// A key without which the model cannot be used.
    #[error("metadata key `{key}` is missing")]
    MissingKey { key: String },
    /// A key whose value is of another type.
    #[error("metadata key `{key}` should be {expected}; found {found}")]
    KeyType { key: String, expected: &'static str, found: &'static str },
    /// A key whose value makes no sense.
    #[error("metadata key `{key}` is `{found}`; expected {expected}")]
    KeyValue { key: String, found: String, expected: &'static str },
    /// The alignment is no power of two.
    #[error("`general.alignment` is {found}; expected a power of two")]
    Alignment { found: usize },
    /// A tensor name twice.
    #[error("tensor `{tensor}` appears twice")]
    DuplicateTensor { tensor: String },
    /// A tensor with more dimensions than ggml has.
    #[error("tensor `{tensor}` has {found} dimensions; at most 4 are possible")]
    Dimensions { tensor: String, found: u32 },
    /// A tensor whose size does not fit into a number.
    #[error("tensor `{tensor}` has an impossible shape {shape:?}")]
    Shape { tensor: String, shape: Vec<u64> },
    /// A storage type of ggml that is not read.
    #[error("tensor `{tensor}` is stored as {name}, which is not read")]
    Unsupported { tensor: String, name: &'static str },
    /// A storage type that ggml does not have either.
    #[error("tensor `{tensor}` has unknown type {found}")]
    UnknownType { tensor: String, found: u32 },
    /// Rows that do not divide into blocks.
    #[error(
        "tensor `{tensor}` has rows of {row} numbers, which do not divide into blocks of {block} ({format})"
    )]
    Row { tensor: String, row: usize, block: usize, format: &'static str },
    /// A tensor that starts beside the alignment.
    #[error(
        "tensor `{tensor}` starts at {offset} in the data, which is not a multiple of the alignment {alignment}"
    )]
    Misaligned { tensor: String, offset: u64, alignment: usize },
    /// A tensor that ends beyond the end of the file.
    #[error("tensor `{tensor}` takes {bytes} bytes from byte {start}; the file has {length}")]
    OutOfFile { tensor: String, start: u64, bytes: u64, length: u64 },
    /// Two tensors in the same place.
    #[error("tensors `{first}` and `{second}` overlap")]
    Overlap { first: String, second: String },
    /// The rows of a query or key weight do not divide among the heads.
    #[error("tensor `{tensor}` has {rows} rows, which do not divide into {heads} heads of even size")]
    Heads { tensor: String, rows: usize, heads: usize },
    /// A tensor without which there is no model.
    #[error("tensor `{tensor}` is missing")]
    MissingTensor { tensor: &'static str },
    /// A model family that is not built here.
    #[error("architecture `{found}` is not supported")]
    Architecture { found: String },
    /// Something of a known family that is not built here.
    #[error("{what} are not supported (metadata key `{key}`)")]
    Feature { what: &'static str, key: String },
    /// A list with one entry a token has another length than the list of tokens.
    #[error("`{key}` has {found} entries for {tokens} tokens")]
    VocabularyLength { key: &'static str, found: usize, tokens: usize },
    /// More tokens than embeddings.
    #[error("the tokenizer has {tokens} tokens, the embedding {rows} rows")]
    Tokens { tokens: usize, rows: usize },
    /// A special token that is not in the list of tokens.
    #[error("`{key}` is {found}; there are {tokens} tokens")]
    TokenId { key: &'static str, found: i128, tokens: usize },
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Magic { kind } => kind.hint(),
            Self::BigEndian => "use the little-endian file, or convert it with `gguf_convert_endian.py`",
            Self::Version { .. } => "convert the model again with a current llama.cpp",
            Self::Split { .. } => "join the parts first: `llama-gguf-split --merge FIRST_PART WHOLE`",
            Self::Truncated { .. } | Self::Count { .. } | Self::OutOfFile { .. } => {
                "the file is cut off or damaged; compare its size with the source and download it again"
            }
            Self::Unsupported { .. } => {
                "use a file in F32, F16, BF16, Q4_0 to Q8_0 or Q2_K to Q6_K; names like `Q4_K_M` and `Q8_0` are such"
            }
            Self::Architecture { .. } | Self::Feature { .. } => {
                "use a model of the llama family: llama, mistral, qwen2, qwen3, smollm"
            }
            Self::MissingTensor { .. }
            | Self::MissingKey { .. }
            | Self::KeyType { .. }
            | Self::KeyValue { .. } => {
                "the file was not written as a language model; convert the model again with a current llama.cpp"
            }
            _ => "the file is damaged or was written by a faulty program; download or convert it again",
        };
        Some(hint.to_owned())
    }
}
