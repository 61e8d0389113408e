//! One block: attention and MLP, each behind a norm and around the residual stream.

use crate::{
    Parameter, Pass, Result,
    layers::{Linear, RmsNorm},
    models::LayerCache,
};
use rankine_tensor::{
    Tensor,
    ops::{Attention, Heads, Rotation, Span, attention, attention_cached, rotate, swiglu},
};
use std::sync::Arc;

pub(super) struct Block {
    pub input_norm: RmsNorm,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub o: Linear,
    /// Norms of query and key heads (qwen3).
    pub head_norms: Option<[RmsNorm; 2]>,
    pub mlp_norm: RmsNorm,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
    pub heads: Heads,
    pub window: Option<usize>,
}

impl Block {
    /// x: [t, d] → [t, d], attention inside `spans`.
    pub fn forward(
        &self,
        x: &Tensor,
        spans: &Arc<[Span]>,
        rotation: &Rotation,
        pass: &Pass<'_>,
    ) -> Result<Tensor> {
        let [q, k, v] = self.projections(x, rotation, pass)?;
        let mixed = attention(&q, &k, &v, &self.layout(spans.clone()))?;
        self.finish(x, &mixed, pass)
    }

    /// The same for rows that continue the text in `cache`, off the tape.
    pub fn extend(
        &self,
        x: &Tensor,
        span: &Span,
        rotation: &Rotation,
        cache: &mut LayerCache,
    ) -> Result<Tensor> {
        let pass = Pass::quiet();
        let [q, k, v] = self.projections(x, rotation, &pass)?;
        k.read(|keys| cache.keys.extend_from_slice(keys));
        v.read(|values| cache.values.extend_from_slice(values));
        let layout = self.layout(Arc::from([span.clone()]));
        let mixed = attention_cached(&q, &cache.keys, &cache.values, &layout)?;
        self.finish(x, &mixed, &pass)
    }

    fn layout(&self, spans: Arc<[Span]>) -> Attention {
        let scale = (self.heads.size as f32).sqrt().recip();
        Attention { heads: self.heads, spans, scale, window: self.window, causal: true }
    }

    fn projections(&self, x: &Tensor, rotation: &Rotation, pass: &Pass<'_>) -> Result<[Tensor; 3]> {
        let x = self.input_norm.forward(x)?;
        let (mut q, mut k) = (self.q.forward(&x, pass)?, self.k.forward(&x, pass)?);
        if let Some([q_norm, k_norm]) = &self.head_norms {
            q = q_norm.forward_heads(&q, self.heads.size)?;
            k = k_norm.forward_heads(&k, self.heads.size)?;
        }
        Ok([rotate(&q, rotation)?, rotate(&k, rotation)?, self.v.forward(&x, pass)?])
    }

    fn finish(&self, x: &Tensor, mixed: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let x = x.add(&self.o.forward(mixed, pass)?)?;
        let normed = self.mlp_norm.forward(&x)?;
        let inner = swiglu(&self.gate.forward(&normed, pass)?, &self.up.forward(&normed, pass)?)?;
        Ok(x.add(&self.down.forward(&inner, pass)?)?)
    }

    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let attention = [&self.q, &self.k, &self.v, &self.o].into_iter().flat_map(Linear::parameters);
        let norms = self.head_norms.iter().flatten().map(|norm| &norm.weight);
        let mlp = [&self.gate, &self.up, &self.down].into_iter().flat_map(Linear::parameters);
        std::iter::once(&self.input_norm.weight)
            .chain(attention)
            .chain(norms)
            .chain(std::iter::once(&self.mlp_norm.weight))
            .chain(mlp)
    }

    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let attention = [&mut self.q, &mut self.k, &mut self.v, &mut self.o];
        let norms = self.head_norms.iter_mut().flatten().map(|norm| &mut norm.weight);
        let mlp = [&mut self.gate, &mut self.up, &mut self.down];
        std::iter::once(&mut self.input_norm.weight)
            .chain(attention.into_iter().flat_map(Linear::parameters_mut))
            .chain(norms)
            .chain(std::iter::once(&mut self.mlp_norm.weight))
            .chain(mlp.into_iter().flat_map(Linear::parameters_mut))
    }
}
