//! What can go wrong between a file and a batch, and how to mend it.

pub use crate::read::fault::Fault;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The tokenizer library's error.
pub(crate) type LibraryError = Box<dyn std::error::Error + Send + Sync>;

/// A fault of a data file, a tokenizer or a chat template.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading a file failed.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Neither the ending nor the first bytes tell the format.
    #[error("`{}`: cannot tell the format of this data", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file is known to be something that is not read here.
    #[error("`{}`: {found} is not read here", path.display())]
    UnreadableFormat {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: &'static str,
    },
    /// The file holds no record.
    #[error("`{}`: no records in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A record is broken.
    #[error("`{}`, line {line}: {fault}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line where the record, or the fault in it, begins; from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        fault: Fault,
    },
    /// A record could not be turned into tokens.
    #[error("`{}`, line {line}: {source}", path.display())]
    Example {
        /// The file.
        path: PathBuf,
        /// The line where the record begins; from 1.
        line: usize,
        /// The reason.
        source: Box<Error>,
    },
    /// No example is left after truncation.
    #[error("`{}`: all {records} records lose their whole answer at {max_length} tokens", path.display())]
    AllDropped {
        /// The file.
        path: PathBuf,
        /// The records read.
        records: usize,
        /// The limit.
        max_length: usize,
        /// The length that keeps an answer token of the record that needs least, in tokens.
        needed: usize,
        /// The most tokens that the model takes, where that is known.
        context: Option<usize>,
    },
    /// No record has anything to predict, whatever the maximum length.
    #[error("`{}`: nothing to learn in {records} records", path.display())]
    NothingToLearn {
        /// The file.
        path: PathBuf,
        /// The records read.
        records: usize,
    },
    /// The limit on the length leaves nothing to learn.
    #[error("a maximum length of {found} tokens: at least 2 are needed")]
    MaxLength {
        /// The limit given.
        found: usize,
    },
    /// A validation share outside its range.
    #[error("a validation share of {found}: expected 0 ≤ share < 1")]
    ShareRange {
        /// The share given.
        found: f64,
    },
    /// More validation examples asked for than there are.
    #[error("{wanted} validation examples out of {examples}: at least one must be left to train on")]
    ShareCount {
        /// The number asked for.
        wanted: usize,
        /// The number of examples.
        examples: usize,
    },
    /// A label that is none of the classes.
    #[error(
        "`{}`, line {line}: no class is called `{label}` (classes of the data: {found}, of the model: {classes})",
        path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The line where the record begins; from 1.
        line: usize,
        /// The label found.
        label: String,
        /// How many classes the data have.
        found: usize,
        /// How many the model has.
        classes: usize,
        /// What those of the model are called.
        known: String,
    },
    /// All texts have the same label.
    #[error("`{}`: every label is `{label}`; there is nothing to tell apart", path.display())]
    OneClass {
        /// The file.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// A limit on the length that special tokens use up.
    #[error("a maximum length of {found} tokens: the model's special tokens leave no room for text")]
    NoRoom {
        /// The limit given.
        found: usize,
        /// The smallest that works.
        needed: usize,
    },
    /// Images that cannot be used.
    #[error("`{}`: {fault}", path.display())]
    Images {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: crate::images::Fault,
    },
    /// Numbers that cannot be read.
    #[error("`{}`: {fault}", path.display())]
    Array {
        /// The file; of an archive with the name of the array behind it.
        path: PathBuf,
        /// What is wrong.
        fault: crate::arrays::Fault,
    },
    /// A batch of nothing.
    #[error("a batch of 0 {unit}: at least 1 is needed")]
    BatchSize {
        /// What is counted: examples or tokens.
        unit: &'static str,
    },
    /// No example to make batches of.
    #[error("no examples to make batches of")]
    NoExamples,
    /// `tokenizer.json` is not what it should be.
    #[error("tokenizer: `{part}`: {reason}")]
    BadTokenizer {
        /// The part of the file, as a path of keys.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A vocabulary whose lists do not fit together.
    #[error("tokenizer: {found} {list}, but {expected} tokens")]
    VocabularyLength {
        /// The list that does not fit.
        list: &'static str,
        /// The tokens in the vocabulary.
        expected: usize,
        /// The length of the list.
        found: usize,
    },
    /// A special token outside the vocabulary.
    #[error("tokenizer: the {token} token has id {id}, but there are {tokens} tokens")]
    SpecialToken {
        /// Which token.
        token: &'static str,
        /// Its id.
        id: u32,
        /// The size of the vocabulary.
        tokens: usize,
    },
    /// A kind of vocabulary that is not supported.
    #[error("tokenizer: vocabulary of kind `{found}` is not supported; supported are {supported}")]
    UnsupportedVocabulary {
        /// The kind found.
        found: String,
        /// The kinds supported.
        supported: String,
    },
    /// A way of splitting text that is not supported.
    #[error("tokenizer: pre-tokenizer `{found}` is not supported; supported are {supported}")]
    UnsupportedPreTokenizer {
        /// The name found.
        found: String,
        /// The names supported.
        supported: String,
    },
    /// Something of a tokenizer that a GGUF file cannot say.
    #[error("tokenizer: `{part}`: {reason}; with a GGUF file llama.cpp would tokenise otherwise")]
    NotInGguf {
        /// The part of `tokenizer.json`, as a path of keys.
        part: &'static str,
        /// What is not known of it.
        reason: String,
    },
    /// Text could not be encoded, or ids not decoded.
    #[error("tokenizer: cannot {verb}: {source}")]
    Tokenize {
        /// What was tried: `encode` or `decode`.
        verb: &'static str,
        /// The tokenizer's reason.
        source: LibraryError,
    },
    /// The chat template does not parse.
    #[error("chat template, line {line}: {reason}")]
    TemplateSyntax {
        /// The line in the template; from 1, 0 when unknown.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// The chat template failed on these messages.
    #[error("chat template, line {line}: {reason}")]
    TemplateRender {
        /// The line in the template; from 1, 0 when unknown.
        line: usize,
        /// What failed.
        reason: String,
    },
    /// The chat template itself called `raise_exception`.
    #[error("the chat template refuses this conversation: {message}")]
    TemplateRefused {
        /// The template's own words.
        message: String,
    },
    /// The place of an answer in the rendered conversation is not clear.
    #[error("message {message}: cannot tell which tokens of the rendered conversation are this answer")]
    AnswerNotFound {
        /// The number of the message; from 1.
        message: usize,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the path: it begins at the folder in which the program was started".into()
            }
            Self::UnknownFormat { .. } => {
                "name the format: `alpaca`, `sharegpt`, `messages`, `pairs` or `text`".into()
            }
            Self::UnreadableFormat { .. } => {
                "convert it to JSON lines, CSV or plain text in UTF-8 first".into()
            }
            Self::Record { fault, .. } => return fault.hint(),
            Self::Images { fault, .. } => return fault.hint(),
            Self::Array { fault, .. } => return fault.hint(),
            Self::Example { source, .. } => return source.hint(),
            Self::AllDropped { needed, context: Some(context), .. } if context < needed => format!(
                "shorten the prompts: the shortest takes {needed} tokens with the first of its answer, and the model no more \
                 than {context}"
            ),
            Self::AllDropped { needed, .. } => {
                format!("raise the maximum length to {needed} tokens or more")
            }
            Self::NothingToLearn { .. } => {
                "give answers that are not empty and do not all have weight 0".into()
            }
            Self::UnsupportedVocabulary { .. } | Self::UnsupportedPreTokenizer { .. } => {
                "use the model's folder with its `tokenizer.json` instead of this file".into()
            }
            Self::NotInGguf { .. } => {
                "byte-level BPE as of gpt2, smollm, llama 3, qwen2 and tekken is written, and SentencePiece BPE; for others \
                 make a GGUF file with llama.cpp's `convert_hf_to_gguf.py`, and `rankine quantize` that"
                    .into()
            }
            Self::TemplateSyntax { .. } | Self::TemplateRender { .. } => {
                "mend `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`".into()
            }
            Self::TemplateRefused { .. } => "change the conversation so that the template takes it".into(),
            Self::AnswerNotFound { .. } => {
                "mark the answers with `{% generation %}` in the template, or train on the prompt as well"
                    .into()
            }
            Self::ShareRange { .. } | Self::ShareCount { .. } => "hold out less".into(),
            Self::Label { known, .. } => {
                format!("the classes are {known}, or their numbers from 0 where no name is a number")
            }
            Self::OneClass { .. } => {
                "name the column of the labels, or give examples of another class".into()
            }
            Self::NoRoom { needed, .. } => format!("raise the maximum length to {needed} or more"),
            _ => return None,
        })
    }
}

/// Attaches a path to an input/output error.
pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Names of fields as a message shows them: `a`, `b`, at most eight.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => "none".into(),
        1..=8 => all.join(", "),
        more => format!("{} and {} more", all[..8].join(", "), more - 8),
    }
}
