//! Language models with learned positions: GPT-2 and OPT.
//!
//!     x = in(embed[ids]) + positions[place + offset]
//!     per block:  x = block(x)                          `models/block.rs`
//!     hidden = out(norm(x)),   logits = hidden·headᵀ    in and out: OPT-350m only
//!
//! Departure: the dropout that their configurations name is not applied in training; that of a method is.

mod gpt2;
mod opt;

use super::{
    Cache, LanguageModel, Model, Tokens,
    block::{Block, Projections},
    check_continued, check_text,
    reader::Reader,
};
use crate::{
    Error, Kind, Parameter, Pass, Result,
    layers::{LayerNorm, Linear},
};
use rankine_checkpoint::{Config, config::Positions};
use rankine_tensor::{Tensor, ops::Span, untaped};

/// A language model with learned positions.
pub struct Decoder {
    config: Config,
    embedding: Parameter,
    /// [context + offset, d].
    positions: Parameter,
    /// The row of a text's first token.
    offset: u32,
    /// From the embedding's width to that of the blocks, and back.
    projections: Option<[Linear; 2]>,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    /// `None` when the head is the embedding.
    head: Option<Parameter>,
}

/// What stands around the blocks besides embedding and head.
struct Ends {
    positions: &'static str,
    projections: Option<[Linear; 2]>,
    norm: Option<LayerNorm>,
}

impl Decoder {
    fn assemble(reader: &Reader<'_>, config: &Config, blocks: Vec<Block>, ends: Ends) -> Result<Self> {
        let Positions::Learned { offset } = config.positions else {
            return Err(Error::Family { found: config.architecture.name() });
        };
        let (embedding, head) = reader.ends(config)?;
        let shape = [config.context + offset, config.hidden_size];
        let positions = reader.parameter(ends.positions, Kind::Embedding, &shape)?;
        let Ends { projections, norm, .. } = ends;
        let (config, offset) = (config.clone(), offset as u32);
        Ok(Self { config, embedding, positions, offset, projections, blocks, norm, head })
    }

    /// What the first block sees of `ids` at `places`; [t, d].
    fn embed(&self, ids: &[u32], places: impl Iterator<Item = u32>, pass: &Pass<'_>) -> Result<Tensor> {
        let rows = places.map(|place| place + self.offset).collect();
        let x = self.embedding.weight.rows(&ids.into())?;
        let x = match &self.projections {
            Some([input, _]) => input.forward(&x, pass)?,
            None => x,
        };
        Ok(x.add(&self.positions.weight.rows(&rows)?)?)
    }

    /// What the head sees of the last block's output.
    fn finish(&self, x: Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let x = match &self.norm {
            Some(norm) => norm.forward(&x)?,
            None => x,
        };
        match &self.projections {
            Some([_, output]) => output.forward(&x, pass),
            None => Ok(x),
        }
    }
}

impl Model for Decoder {
    fn parameters(&self) -> Vec<&Parameter> {
        let ends = self.projections.iter().flatten().flat_map(Linear::parameters);
        let blocks = self.blocks.iter().flat_map(Block::parameters);
        let norm = self.norm.iter().flat_map(LayerNorm::parameters);
        [&self.embedding, &self.positions]
            .into_iter()
            .chain(ends)
            .chain(blocks)
            .chain(norm)
            .chain(&self.head)
            .collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let ends = self.projections.iter_mut().flatten().flat_map(Linear::parameters_mut);
        let blocks = self.blocks.iter_mut().flat_map(Block::parameters_mut);
        let norm = self.norm.iter_mut().flat_map(LayerNorm::parameters_mut);
        let tables = [&mut self.embedding, &mut self.positions].into_iter();
        tables.chain(ends).chain(blocks).chain(norm).chain(&mut self.head).collect()
    }
}

impl LanguageModel for Decoder {
    fn config(&self) -> &Config {
        &self.config
    }

    fn hidden<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor> {
        check_text(&self.config, &tokens.ids, tokens.longest())?;
        if tokens.positions.len() != tokens.ids.len() {
            let found = format!("{} for {} tokens", tokens.positions.len(), tokens.ids.len());
            return Err(Error::Setting { name: "positions", expected: "one for every token", found });
        }
        let mut x = self.embed(&tokens.ids, tokens.positions.iter().copied(), pass)?;
        for block in &self.blocks {
            let spans = tokens.spans.clone();
            x = pass.block(x, move |x, pass| block.forward(x, &spans, pass))?;
        }
        self.finish(x, pass)
    }

    fn head(&self) -> &Parameter {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    fn extend(&self, ids: &[u32], cache: &mut Cache) -> Result<Tensor> {
        let (start, tokens) = check_continued(&self.config, ids, cache)?;
        untaped(|| {
            let pass = Pass::quiet();
            let span = Span { queries: 0..ids.len(), keys: 0..tokens };
            let mut x = self.embed(ids, start as u32..tokens as u32, &pass)?;
            for (block, layer) in self.blocks.iter().zip(&mut cache.layers) {
                x = block.extend(&x, &span, layer)?;
            }
            cache.length = tokens;
            self.finish(x.narrow(0, ids.len() - 1, 1)?, &pass)
        })
    }
}
