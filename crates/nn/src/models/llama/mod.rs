//! The llama family: llama, mistral, qwen2, qwen3, smollm.
//!
//!     x = embed[ids]
//!     per block:  x += o(attention(rope(q(n₁x)), rope(k(n₁x)), v(n₁x)));   x += down(silu(gate(n₂x)) ∘ up(n₂x))
//!     hidden = norm(x),   logits = hidden·headᵀ
//!
//! qwen2 adds biases to q, k and v; qwen3 norms every head of q and k; mistral and qwen2 may see a window only.

mod block;
mod load;

use super::{Cache, LanguageModel, Model, Tokens, check_continued, check_text};
use crate::{
    Parameter, Pass, Result,
    layers::{RmsNorm, Rotary},
};
use block::Block;
use rankine_checkpoint::Config;
use rankine_tensor::{Tensor, ops::Span, untaped};

/// A language model of the llama family.
pub struct Llama {
    config: Config,
    embedding: Parameter,
    blocks: Vec<Block>,
    norm: RmsNorm,
    /// `None` when the head is the embedding.
    head: Option<Parameter>,
    rotary: Rotary,
}

impl Model for Llama {
    fn parameters(&self) -> Vec<&Parameter> {
        let blocks = self.blocks.iter().flat_map(Block::parameters);
        std::iter::once(&self.embedding).chain(blocks).chain([&self.norm.weight]).chain(&self.head).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let blocks = self.blocks.iter_mut().flat_map(Block::parameters_mut);
        let ends = std::iter::once(&mut self.norm.weight).chain(&mut self.head);
        std::iter::once(&mut self.embedding).chain(blocks).chain(ends).collect()
    }
}

impl LanguageModel for Llama {
    fn config(&self) -> &Config {
        &self.config
    }

    fn hidden<'m>(&'m self, tokens: &Tokens, pass: &mut Pass<'m>) -> Result<Tensor> {
        check_text(&self.config, &tokens.ids, tokens.longest())?;
        let mut x = self.embedding.weight.rows(&tokens.ids)?;
        let rotation = self.rotary.at(tokens.positions.clone())?;
        for block in &self.blocks {
            let (spans, rotation) = (tokens.spans.clone(), rotation.clone());
            x = pass.block(x, move |x, pass| block.forward(x, &spans, &rotation, pass))?;
        }
        self.norm.forward(&x)
    }

    fn head(&self) -> &Parameter {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    fn extend(&self, ids: &[u32], cache: &mut Cache) -> Result<Tensor> {
        let (start, tokens) = check_continued(&self.config, ids, cache)?;
        untaped(|| {
            let rotation = self.rotary.at((start as u32..tokens as u32).collect())?;
            let span = Span { queries: 0..ids.len(), keys: 0..tokens };
            let mut x = self.embedding.weight.rows(&ids.into())?;
            for (block, layer) in self.blocks.iter().zip(&mut cache.layers) {
                x = block.extend(&x, &span, &rotation, layer)?;
            }
            cache.length = tokens;
            self.norm.forward(&x.narrow(0, ids.len() - 1, 1)?)
        })
    }
}
