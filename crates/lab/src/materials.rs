//! Where the real inputs of the experiments lie.

use rankine_data::Tokenizer;
use rankine_nn::LanguageModel;
use std::path::PathBuf;

/// Where real inputs lie.
pub struct Materials<'a> {
    /// Folder with the four IDX files of Fashion-MNIST.
    pub fashion_mnist: PathBuf,
    /// A language model, perhaps with data to fine-tune it on.
    pub language: Option<Language<'a>>,
    /// A text encoder with labelled texts to fine-tune it on.
    pub encoder: Option<Encoder>,
    /// A file of ratings that [`rankine_data::arrays::Ratings`] reads: user, item and rating first in every line.
    pub ratings: Option<PathBuf>,
}

/// A text encoder and texts for it.
pub struct Encoder {
    /// What the model is called on the page.
    pub name: String,
    /// Its folder; each run starts from the untouched model.
    pub folder: PathBuf,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// A file that [`rankine_data::LabelledTexts`] reads, with the fields `text` and `label`.
    pub texts: PathBuf,
    /// Finished runs are kept in this file, and those that are there are not made again.
    pub runs: Option<PathBuf>,
}

/// A language model and data for it.
pub struct Language<'a> {
    /// What the model is called on the page.
    pub name: String,
    /// Loads it anew: each method starts from the untouched model.
    pub load: &'a LoadLanguage,
    /// A data file that [`rankine_data::Dataset`] reads.
    pub data: Option<PathBuf>,
}

/// Loads a language model with its tokenizer, every weight frozen.
pub type LoadLanguage =
    dyn Fn() -> Result<(Box<dyn LanguageModel>, Tokenizer), Box<dyn std::error::Error + Send + Sync>>;

impl Materials<'_> {
    /// Where Debian's package `dataset-fashion-mnist` puts its files.
    pub const FASHION_MNIST: &'static str = "/usr/share/datasets/fashion-mnist";
}

impl Default for Materials<'_> {
    fn default() -> Self {
        Self { fashion_mnist: Self::FASHION_MNIST.into(), language: None, encoder: None, ratings: None }
    }
}
