//! Encoders with a classification head: bert, roberta, distilbert.
//!
//!     x = norm(words[ids] + positions[place + offset] + types[type])        types: not in distilbert
//!     per block:  x = block(x)         `models/block.rs`, with norms behind the sums and every token seen by every other
//!     logits = head(x₀)                x₀: state of an example's first token; `head.rs`
//!
//! Examples are packed without padding. Departure: the dropout that their configurations name is not applied in training;
//! that of a method is.

mod head;

use super::{
    Classifier, Model, Storage, Tokens,
    block::{Block, Projections},
    check_text,
    reader::Reader,
};
use crate::{Error, Kind, Parameter, Pass, Result, layers::LayerNorm};
use head::Head;
use rankine_checkpoint::{Config, Tensors, config::Positions};
use rankine_tensor::{
    Tensor,
    ops::{self, Heads, Span},
};
use std::sync::Arc;

/// An encoder and its head.
pub struct Encoder {
    config: Config,
    words: Parameter,
    /// [context + offset, d].
    positions: Parameter,
    /// The row of a text's first token.
    offset: u32,
    /// One row for each text of a pair; [types, d].
    types: Option<Parameter>,
    norm: LayerNorm,
    blocks: Vec<Block>,
    head: Head,
}

impl Encoder {
    /// Reads every weight, all frozen. `tensors` may be a checkpoint, or one with an adapter merged in; what a bare encoder
    /// lacks of a head comes from [`missing_head`](super::missing_head).
    ///
    /// # Errors
    /// When the configuration is of another family, a tensor is missing, or has another shape than it promises.
    pub fn load(config: &Config, tensors: &dyn Tensors, storage: Storage) -> Result<Self> {
        let Positions::Learned { offset } = config.positions else {
            return Err(Error::Family { found: config.architecture.name() });
        };
        let reader = Reader { tensors, storage };
        let d = config.hidden_size;
        let path = |name: &str| format!("{}.embeddings.{name}", config.architecture.name());
        let table = |name: &str, rows| reader.parameter(&path(name), Kind::Embedding, &[rows, d]);
        let types = match config.token_types() {
            0 => None,
            rows => Some(table("token_type_embeddings.weight", rows)?),
        };
        Ok(Self {
            words: table("word_embeddings.weight", config.vocabulary)?,
            positions: table("position_embeddings.weight", config.context + offset)?,
            offset: offset as u32,
            types,
            norm: reader.layer_norm(&path("LayerNorm"), d, config.norm_epsilon)?,
            blocks: (0..config.layers).map(|layer| block(&reader, config, layer)).collect::<Result<_>>()?,
            head: Head::load(&reader, config)?,
            config: config.clone(),
        })
    }

    /// State of every row after the last block; [t, d].
    ///
    /// # Errors
    /// When a token is outside the vocabulary or an example longer than the context.
    pub fn hidden<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor> {
        check_text(&self.config, &tokens.ids, tokens.longest())?;
        let mut x = self.embed(tokens)?;
        for block in &self.blocks {
            let spans = tokens.spans.clone();
            x = pass.block(x, move |x, pass| block.forward(x, &spans, pass))?;
        }
        Ok(x)
    }

    fn embed(&self, tokens: &Tokens) -> Result<Tensor> {
        let places: Arc<[u32]> = tokens.positions.iter().map(|place| place + self.offset).collect();
        let mut x = self.words.weight.rows(&tokens.ids)?.add(&self.positions.weight.rows(&places)?)?;
        if let Some(types) = &self.types {
            // A table of one row, as roberta's, knows no second text.
            let last = self.config.token_types().saturating_sub(1) as u32;
            let given = tokens.types.clone().filter(|_| last > 0);
            let given = given.unwrap_or_else(|| vec![0; tokens.ids.len()].into());
            if let Some(&token) = given.iter().find(|&&kind| kind > last) {
                return Err(Error::Token { token, vocabulary: self.config.token_types() });
            }
            x = x.add(&types.weight.rows(&given)?)?;
        }
        self.norm.forward(&x)
    }
}

fn block(reader: &Reader<'_>, config: &Config, layer: usize) -> Result<Block> {
    let &Config { hidden_size: d, intermediate_size: f, heads, head_dim, .. } = config;
    let names = config.architecture.layer_names();
    let layer = config.architecture.layer(layer);
    let linear = |name: &str, outputs, inputs| reader.linear(&format!("{layer}.{name}"), outputs, inputs);
    let norm = |name: &str| reader.layer_norm(&format!("{layer}.{name}"), d, config.norm_epsilon);
    let [q, k, v, o] = names.attention.map(|name| linear(name, d, d));
    Ok(Block {
        attention_norm: norm(names.attention_norm)?,
        projections: Projections::Separate(Box::new([q?, k?, v?])),
        o: o?,
        mlp_norm: norm(names.norm)?,
        up: linear(names.mlp[0], f, d)?,
        activation: config.activation,
        down: linear(names.mlp[1], d, f)?,
        heads: Heads { query: heads, key_value: heads, size: head_dim },
        norm_first: config.norm_first,
        causal: false,
    })
}

impl Model for Encoder {
    fn parameters(&self) -> Vec<&Parameter> {
        let blocks = self.blocks.iter().flat_map(Block::parameters);
        let tables = [&self.words, &self.positions].into_iter().chain(&self.types);
        tables.chain(self.norm.parameters()).chain(blocks).chain(self.head.parameters()).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let blocks = self.blocks.iter_mut().flat_map(Block::parameters_mut);
        let tables = [&mut self.words, &mut self.positions].into_iter().chain(&mut self.types);
        tables.chain(self.norm.parameters_mut()).chain(blocks).chain(self.head.parameters_mut()).collect()
    }
}

impl Classifier for Encoder {
    fn logits<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor> {
        let hidden = self.hidden(tokens, pass)?;
        let first = |span: &Span| span.queries.start as u32;
        let first = ops::embedding(&hidden, &tokens.spans.iter().map(first).collect())?;
        self.head.forward(&first, pass)
    }

    fn classes(&self) -> usize {
        self.head.classes
    }

    fn context(&self) -> usize {
        self.config.context
    }
}
