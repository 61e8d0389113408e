//! What is blended, and how: mergekit's YAML, or the same keys in TOML.
//!
//! ```yaml
//! merge_method: ties
//! base_model: base
//! models:                            # or `slices`, lists of `sources` with a `layer_range` each
//!   - model: first+adapter           # a LoRA is merged into the model before
//!     parameters:
//!       weight: [0, 0.5, 1]          # a gradient over the depth
//!   - model: second
//!     parameters:
//!       weight: [{filter: mlp, value: 0.3}, {value: 0.5}]
//! parameters: {density: 0.5}         # for all of them; what a source says counts more, then its slice
//! dtype: bfloat16                    # of the result; sums are f64 whatever is said
//! ```
//! A slice may have a `base_model` of its own. A base that is not in the list is a model like the others to methods that make nothing
//! else of it and have their parameters for all.
//!
//! Other keys: `out_dtype` (goes before `dtype`), `tokenizer_source` or `tokenizer: {source}` (`base`, or the model whose
//! tokenizer is copied), `chat_template` (its text). Departures from mergekit: a key or parameter that is none is an error and
//! not passed over, which would hide a slip of the pen; at the top those may stand that begin with `x-` or `.`, and those that hold
//! a YAML anchor which is used. So is a parameter of the whole blend that is given to one model. `modules`, the union of
//! vocabularies and changes of single tokens are not built.

mod extent;
mod fault;
mod from_toml;
mod from_yaml;
mod read;
mod setting;
mod tree;

pub use fault::RecipeFault;
pub(super) use fault::Wrong;
pub(super) use setting::{One, Parameters};

use super::card::{Card, Parameter};
use crate::{Error, Result};
use rankine_checkpoint::Dtype;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is blended, and how.
pub struct BlendRecipe {
    pub(super) path: PathBuf,
    /// For the place of a fault that only the models show.
    text: String,
    pub(super) card: &'static Card,
    /// Every model once; the base is the first, else the first of the list.
    pub(super) models: Vec<Reference>,
    pub(super) slices: Vec<Slice>,
    /// The result is a stack of layers from several places, and not a model of the same layers.
    pub(super) stacked: bool,
    pub(super) parameters: Parameters,
    pub(super) dtype: Option<Dtype>,
    /// The model whose tokenizer the result gets.
    pub(super) tokenizer: usize,
    /// Whether the recipe says so itself.
    pub(super) names_tokenizer: bool,
    pub(super) chat_template: Option<String>,
}

/// A model, and perhaps an adapter that goes into it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As the recipe names it.
    pub model: String,
    /// What stands behind a `+`.
    pub adapter: Option<String>,
}

/// Some layers of the result, or all of them.
pub(super) struct Slice {
    pub sources: Vec<Source>,
    /// Which of the sources is the base.
    pub base: Option<usize>,
    pub parameters: Parameters,
}

/// Where a slice's numbers come from.
pub(super) struct Source {
    /// In [`BlendRecipe::models`].
    pub model: usize,
    /// Of a stack.
    pub layers: Range<usize>,
    /// Where the recipe says how far they go, in bytes.
    pub end: Range<usize>,
    pub parameters: Parameters,
}

impl BlendRecipe {
    /// Reads a recipe; `name` stands for the file in messages, and says by `.toml` that it is no YAML.
    ///
    /// # Errors
    /// When it is neither, or asks for something that there is not; the message shows the line with a caret.
    pub fn parse(text: &str, name: &Path) -> Result<Self> {
        let is_toml = name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let tree = if is_toml { from_toml::parse(text) } else { from_yaml::parse(text) };
        let read = tree.and_then(|tree| read::recipe(&tree, (name, text)));
        read.map_err(|fault| Error::Recipe { path: name.to_owned(), fault: Box::new(fault.in_text(text)) })
    }

    /// Every model that is named, once, the one first whose configuration the result has.
    pub fn models(&self) -> &[Reference] {
        &self.models
    }

    /// Which of the models gives its tokenizer.
    pub fn tokenizer(&self) -> usize {
        self.tokenizer
    }

    /// Whether the recipe says whose tokenizer it is.
    pub fn names_tokenizer(&self) -> bool {
        self.names_tokenizer
    }

    /// Name of the method.
    pub fn method(&self) -> &'static str {
        self.card.name
    }

    /// A fault that the text alone does not show.
    pub(super) fn fault(&self, wrong: Wrong) -> Error {
        Error::Recipe { path: self.path.clone(), fault: Box::new(wrong.into()) }
    }

    /// The same of a place in it.
    pub(super) fn fault_at(&self, wrong: Wrong, span: &Range<usize>) -> Error {
        let fault = wrong.at(span).in_text(&self.text);
        Error::Recipe { path: self.path.clone(), fault: Box::new(fault) }
    }

    /// The value of a parameter, of one source or of all, for the tensor `name` at `depth` from 0 to 1.
    pub(super) fn value(
        &self,
        parameter: &Parameter,
        (slice, source): (&Slice, Option<&Source>),
        (name, depth): (&str, f64),
    ) -> Option<One> {
        let levels =
            [source.map(|source| &source.parameters), Some(&slice.parameters), Some(&self.parameters)];
        levels.into_iter().flatten().find_map(|level| level.get(parameter.name)?.at(name, depth))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.adapter {
            Some(adapter) => write!(out, "{}+{adapter}", self.model),
            None => out.write_str(&self.model),
        }
    }
}
