//! One block: attention and MLP around the residual stream, each behind a norm, or with the norm behind the sum.
//!
//!     first     x += o(attention(q, k, v of n₁x));        x += down(f(up(n₂x)))
//!     behind    x = n₁(x + o(attention(q, k, v of x)));   x = n₂(x + down(f(up(x))))

use crate::{
    Parameter, Pass, Result,
    layers::{LayerNorm, Linear},
    models::LayerCache,
};
use rankine_checkpoint::config::Activation;
use rankine_tensor::{
    Tensor,
    ops::{Attention, Heads, Span, attention, attention_cached},
};
use std::sync::Arc;

pub(super) struct Block {
    pub attention_norm: LayerNorm,
    pub projections: Projections,
    pub o: Linear,
    pub mlp_norm: LayerNorm,
    pub up: Linear,
    pub activation: Activation,
    pub down: Linear,
    pub heads: Heads,
    /// Norms stand before attention and MLP rather than behind the sums.
    pub norm_first: bool,
    /// A token sees what lies before it only.
    pub causal: bool,
}

/// Query, key and value.
pub(super) enum Projections {
    /// One under the other; [3·d, d].
    Joined(Linear),
    /// Each by itself; [d, d].
    Separate(Box<[Linear; 3]>),
}

impl Block {
    /// x: [t, d] → [t, d], attention inside `spans`.
    pub fn forward(&self, x: &Tensor, spans: &Arc<[Span]>, pass: &Pass<'_>) -> Result<Tensor> {
        let [q, k, v] = self.attended(x, pass)?;
        let mixed = attention(&q, &k, &v, &self.layout(spans.clone()))?;
        self.finish(x, &mixed, pass)
    }

    /// The same for rows that continue the text in `cache`, off the tape.
    pub fn extend(&self, x: &Tensor, span: &Span, cache: &mut LayerCache) -> Result<Tensor> {
        let pass = Pass::quiet();
        let [q, k, v] = self.attended(x, &pass)?;
        k.read(|keys| cache.keys.extend_from_slice(keys));
        v.read(|values| cache.values.extend_from_slice(values));
        let layout = self.layout(Arc::from([span.clone()]));
        let mixed = attention_cached(&q, &cache.keys, &cache.values, &layout)?;
        self.finish(x, &mixed, &pass)
    }

    fn layout(&self, spans: Arc<[Span]>) -> Attention {
        let scale = (self.heads.size as f32).sqrt().recip();
        Attention { heads: self.heads, spans, scale, window: None, causal: self.causal }
    }

    fn attended(&self, x: &Tensor, pass: &Pass<'_>) -> Result<[Tensor; 3]> {
        match self.norm_first {
            true => self.projections.forward(&self.attention_norm.forward(x)?, pass),
            false => self.projections.forward(x, pass),
        }
    }

    fn finish(&self, x: &Tensor, mixed: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let x = x.add(&self.o.forward(mixed, pass)?)?;
        if self.norm_first {
            return Ok(x.add(&self.mlp(&self.mlp_norm.forward(&x)?, pass)?)?);
        }
        let x = self.attention_norm.forward(&x)?;
        self.mlp_norm.forward(&x.add(&self.mlp(&x, pass)?)?)
    }

    fn mlp(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.down.forward(&self.up.followed_by(self.activation, x, pass)?, pass)
    }

    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let attention = self.projections.layers().iter().chain([&self.o]).flat_map(Linear::parameters);
        let mlp = [&self.up, &self.down].into_iter().flat_map(Linear::parameters);
        self.attention_norm.parameters().chain(attention).chain(self.mlp_norm.parameters()).chain(mlp)
    }

    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let attention = self.projections.layers_mut().iter_mut().chain([&mut self.o]);
        let mlp = [&mut self.up, &mut self.down].into_iter().flat_map(Linear::parameters_mut);
        let norms = (self.attention_norm.parameters_mut(), self.mlp_norm.parameters_mut());
        norms.0.chain(attention.flat_map(Linear::parameters_mut)).chain(norms.1).chain(mlp)
    }
}

impl Projections {
    /// Query, key and value of x: [t, d]; [t, d] each.
    fn forward(&self, x: &Tensor, pass: &Pass<'_>) -> Result<[Tensor; 3]> {
        match self {
            Self::Joined(joined) => {
                let y = joined.forward(x, pass)?;
                let width = y.matrix("attention")?[1] / 3;
                let part = |index: usize| y.narrow(1, index * width, width);
                Ok([part(0)?, part(1)?, part(2)?])
            }
            Self::Separate(separate) => {
                let [q, k, v] = separate.as_ref();
                Ok([q.forward(x, pass)?, k.forward(x, pass)?, v.forward(x, pass)?])
            }
        }
    }

    fn layers(&self) -> &[Linear] {
        match self {
            Self::Joined(joined) => std::slice::from_ref(joined),
            Self::Separate(separate) => separate.as_ref(),
        }
    }

    fn layers_mut(&mut self) -> &mut [Linear] {
        match self {
            Self::Joined(joined) => std::slice::from_mut(joined),
            Self::Separate(separate) => separate.as_mut(),
        }
    }
}
