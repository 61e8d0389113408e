//! Whether a base has what its configuration calls for. Reading rows of it would not tell: a tensor that no adapter
//! changes is copied, and one that is absent is passed over.

use crate::{Error, Result};
use rankine_checkpoint::Checkpoint;
use rankine_checkpoint::adapter::Misshapen;

/// An error that lists every missing and misshapen tensor of `base`, if any.
pub(crate) fn check(base: &Checkpoint) -> Result<()> {
    let infos = base.tensors().infos();
    let mut required = base.config().tensors();
    let optional = optional(&required);
    let mut missing = Vec::new();
    required.retain(|(name, _)| {
        let there = infos.contains_key(name);
        if !there {
            missing.push(name.clone());
        }
        there
    });
    let misshapen = required.into_iter().chain(optional).filter_map(|(key, expected)| {
        let found = infos.get(&key)?.shape.clone();
        (found != expected).then_some(Misshapen { key, expected, found })
    });
    let misshapen: Vec<_> = misshapen.collect();
    if missing.is_empty() && misshapen.is_empty() {
        return Ok(());
    }
    Err(Error::Base { path: base.path().to_owned(), missing, misshapen })
}

/// What a model may have too: a head of its own although it is tied, and a bias beside every weight of a layer.
fn optional(required: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>)> {
    let mut optional = Vec::new();
    for (name, shape) in required {
        match (name.strip_suffix(".weight"), shape.as_slice()) {
            (Some("model.embed_tokens"), _) => optional.push((crate::merged::HEAD.to_owned(), shape.clone())),
            (Some("lm_head"), _) => optional.retain(|(name, _)| name != crate::merged::HEAD),
            (Some(module), &[outputs, _]) => optional.push((format!("{module}.bias"), vec![outputs])),
            _ => {}
        }
    }
    optional
}
