//! Classifiers of texts: a language model with a matrix for classes in the place of its head, and what any model lacks of one.
//!
//!     logits = hidden[last]·scoreᵀ        hidden: [t, d]  score: [classes, d]
//!
//! `last` is the last token of a text that is not `pad_token_id`, as transformers finds it behind padding: a text that ends in
//! that token itself is read before it, one of nothing else at its first. Where the configuration has no such token it is the
//! last of all. Then transformers takes one text at a time; here texts are packed without padding, and any number will do.
//!
//! A new head starts normal with the deviation that the configuration names (0.02 where it names none) and biases of 0, as in
//! transformers.

use super::{Classifier, LanguageModel, Model, Storage, Tokens, body, reader::Reader};
use crate::{Error, Kind, Parameter, Pass, Result, layers::Linear};
use rankine_checkpoint::{Config, Tensors};
use rankine_random::Rng;
use rankine_tensor::{
    Tensor,
    ops::{self, Span},
};
use std::sync::Arc;

/// A language model that tells texts apart.
pub struct SequenceClassifier {
    body: Box<dyn LanguageModel>,
    /// Without a bias; [classes, d].
    score: Linear,
    padding: Option<u32>,
    classes: usize,
}

impl SequenceClassifier {
    /// Reads every weight, all frozen; the file says how many classes there are. `tensors` may be a checkpoint, or one with an
    /// adapter merged in; what a language model lacks comes from [`missing_head`].
    ///
    /// # Errors
    /// When the configuration is of an encoder, a tensor is missing, or has another shape than it promises.
    pub fn load(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let reader = Reader { tensors, storage };
        let name = format!("{}.weight", config.architecture.output());
        let classes = reader.rows(&name);
        // Before the body, which may be large.
        let weight = reader.parameter(&name, Kind::Head, &[classes, config.embedding_size])?;
        let score = Linear { weight, bias: None };
        Ok(Self { body: body(config, tensors, storage)?, score, padding: config.padding, classes })
    }

    /// The row at which a text is read.
    fn last(&self, ids: &[u32], span: &Span) -> Result<u32> {
        let rows = span.queries.clone();
        let Some(text) = ids.get(rows.clone()).filter(|text| !text.is_empty()) else {
            let found = format!("rows {rows:?} of {}", ids.len());
            return Err(Error::Setting {
                name: "lengths",
                expected: "one or more tokens for every text",
                found,
            });
        };
        let last = text.iter().rposition(|&id| Some(id) != self.padding).unwrap_or(0);
        Ok((rows.start + last) as u32)
    }
}

impl Model for SequenceClassifier {
    fn parameters(&self) -> Vec<&Parameter> {
        let mut parameters = self.body.parameters();
        parameters.extend(self.score.parameters());
        parameters
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut parameters = self.body.parameters_mut();
        parameters.extend(self.score.parameters_mut());
        parameters
    }
}

impl Classifier for SequenceClassifier {
    fn logits<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor> {
        let last = tokens.spans.iter().map(|span| self.last(&tokens.ids, span));
        let last: Arc<[u32]> = last.collect::<Result<_>>()?;
        let hidden = self.body.hidden(tokens, pass)?;
        self.score.forward(&ops::embedding(&hidden, &last)?, pass)
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn context(&self) -> usize {
        self.body.context()
    }
}

/// Name, shape and numbers of the tensors of a head for so many classes that `tensors` lacks; each draws from the stream of
/// its own name.
pub fn missing_head(
    config: &Config,
    tensors: &dyn Tensors,
    classes: usize,
    rng: &Rng,
) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let (d, architecture) = (config.embedding_size, config.architecture);
    // OPT's name for it comes second.
    let named = ["initializer_range", "init_std"].into_iter().find_map(|key| config.raw.get(key)?.as_f64());
    let deviation = named.unwrap_or(0.02) as f32;
    let mut missing = Vec::new();
    for &module in architecture.head() {
        let outputs = if module == architecture.output() { classes } else { d };
        let weight = format!("{module}.weight");
        if tensors.infos().contains_key(&weight) {
            continue;
        }
        let numbers = rng.fork(&weight).normals(outputs * d, deviation);
        missing.push((weight, vec![outputs, d], numbers));
        if architecture.is_encoder() {
            missing.push((format!("{module}.bias"), vec![outputs], vec![0.0; outputs]));
        }
    }
    missing
}
