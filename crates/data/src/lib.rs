//! Text in, batches out: tokenizers, chat templates, readers, packing.
//!
//! The way of a data set: a file is [read](Dataset::read) into [`Record`]s (conversations or plain text, each with
//! its line), records are [encoded](encode()) into [`Example`]s (token ids and, for each, whether it is to be
//! learnt), examples are [split](split()) into a training and a validation part, and [`Batches`] lays them end to
//! end without padding. A [`Tokenizer`] comes from `tokenizer.json` or from the vocabulary inside a GGUF file and
//! carries the model's chat template. [`LabelledTexts`] go the same way to a classifier, without a template.
//!
//! Files of numbers are read and written in [`arrays`].

#![forbid(unsafe_code)]

pub mod arrays;
mod batch;
mod chat;
mod encode;
mod error;
pub mod images;
mod labelled;
mod pack;
mod read;
mod split;
mod tokenizer;

pub use batch::{Batch, Batches, Batching, IGNORE, Sample};
pub use chat::{ChatOptions, ChatTokens, Message, Moment};
pub use encode::{Encoding, Example, Summary, TemplateKind, encode};
pub use error::{Error, Fault, Result};
pub use labelled::{
    LabelColumns, LabelSummary, LabelledBatch, LabelledExample, LabelledText, LabelledTexts, encode_labelled,
};
pub use read::{Columns, Content, Dataset, Format, Record};
pub use split::{Labelled, Share, split, split_stratified};
pub use tokenizer::{StreamDecoder, Tokenizer, Vocabulary};
