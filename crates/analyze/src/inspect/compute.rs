//! What a language model costs to run, told by its shapes.
//!
//!     operations of a token = 2·Σ numbers of the matrices that it is multiplied by; looking a row up costs none
//!     cache of a token = 2·layers·key_value_heads·head_dim numbers
//!
//! The attention's own products grow with the text and are not counted.

use super::TensorReport;
use rankine_checkpoint::{Opened, Part, ends};
use serde::Serialize;

/// Bytes of a number in the cache that is told: 16 bits.
const CACHE_BYTES: u64 = 2;

/// Work and memory of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compute {
    /// Multiplications and additions of the matrices.
    pub operations_per_token: u64,
    /// Bytes of keys and values, in 16 bits; `None` of an encoder, which keeps none.
    pub cache_bytes_per_token: Option<u64>,
}

impl Compute {
    /// `None` of a model that reads no texts, or of which no configuration is known.
    pub(super) fn of(model: &Opened, tensors: &[TensorReport]) -> Option<Self> {
        let Opened::Texts(checkpoint) = model else { return None };
        let config = checkpoint.config();
        let is_used = |tensor: &&TensorReport| tensor.shape.len() == 2 && tensor.kind != Part::Embedding;
        let matrices: u64 = tensors.iter().filter(is_used).map(|tensor| tensor.parameters).sum();
        let encoder = config.architecture.is_encoder();
        let infos = model.tensors().infos();
        // The table is multiplied by where it is the head too.
        let tied = ends::tied(infos).filter(|_| !encoder).and_then(|name| infos.get(name));
        let head = tied.map_or(0, |info| info.elements() as u64);
        let cache = [2, config.layers, config.key_value_heads, config.head_dim].map(|size| size as u64);
        let cache_bytes = cache.into_iter().fold(CACHE_BYTES, u64::saturating_mul);
        Some(Self {
            operations_per_token: 2 * (matrices + head),
            cache_bytes_per_token: (!encoder).then_some(cache_bytes),
        })
    }
}
