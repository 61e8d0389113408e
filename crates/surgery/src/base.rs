//! Whether a base has what its configuration calls for. Reading rows of it would not tell: a tensor that no adapter
//! changes is copied, and one that is absent is passed over.

use crate::{Error, Result};
use rankine_checkpoint::adapter::Misshapen;
use rankine_checkpoint::{Checkpoint, ImageCheckpoint, Tensors, ends::HEAD};
use std::collections::HashSet;
use std::path::Path;

/// An error that lists every missing and misshapen tensor of `base`, if any.
pub(crate) fn check(base: &Checkpoint) -> Result<()> {
    let embedding = base.config().architecture.embedding();
    compare(base.path(), base.tensors(), base.config().tensors(), embedding)
}

/// As [`check`], of an image classifier.
pub(crate) fn check_images(base: &ImageCheckpoint) -> Result<()> {
    compare(base.path(), base.tensors(), base.required(), "")
}

fn compare(
    path: &Path,
    tensors: &dyn Tensors,
    mut required: Vec<(String, Vec<usize>)>,
    embedding: &str,
) -> Result<()> {
    let infos = tensors.infos();
    let optional = optional(&required, embedding);
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
    Err(Error::Base { path: path.to_owned(), missing, misshapen })
}

/// What a model may have too: a head of its own although it is tied, and a bias beside every weight of a layer.
fn optional(required: &[(String, Vec<usize>)], embedding: &str) -> Vec<(String, Vec<usize>)> {
    let mut optional = Vec::new();
    for (name, shape) in required {
        match (name.strip_suffix(".weight"), shape.as_slice()) {
            _ if name == embedding => optional.push((HEAD.to_owned(), shape.clone())),
            (Some(module), &[outputs, _]) => optional.push((format!("{module}.bias"), vec![outputs])),
            _ => {}
        }
    }
    // What is required has its shape from there; the rows of a matrix that is stored as [in, out] are no outputs.
    let known: HashSet<&str> = required.iter().map(|(name, _)| name.as_str()).collect();
    optional.retain(|(name, _)| !known.contains(name.as_str()));
    optional
}
