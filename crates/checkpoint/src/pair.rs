//! A model and another that was made of it: the same tensors, with other numbers.
//!
//! A head that one of the two ties to its embedding is that embedding.

use crate::{Difference, Dtype, Result, TensorInfo, Tensors, ends};
use std::ops::Range;

/// Two models with the same tensors.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    base: &'a dyn Tensors,
    tuned: &'a dyn Tensors,
}

impl<'a> Pair<'a> {
    /// The two, unless names or shapes differ.
    ///
    /// # Errors
    /// What they do not have alike.
    pub fn of(base: &'a dyn Tensors, tuned: &'a dyn Tensors) -> Result<Self, Difference> {
        let mut difference = Difference::between(base, tuned);
        if is_tied_head(tuned, base) {
            difference.missing.retain(|(name, _)| name != ends::HEAD);
        }
        if is_tied_head(base, tuned) {
            difference.added.retain(|name| name != ends::HEAD);
        }
        if difference.is_empty() { Ok(Self { base, tuned }) } else { Err(difference) }
    }

    /// The model as it was.
    pub fn base(self) -> &'a dyn Tensors {
        self.base
    }

    /// What was made of it.
    pub fn tuned(self) -> &'a dyn Tensors {
        self.tuned
    }

    /// All tensors, in the order of the base; a head that only the tuned model has comes last.
    pub fn tensors(self) -> impl Iterator<Item = (&'a str, &'a TensorInfo)> {
        let (ours, theirs) = (self.base.infos(), self.tuned.infos());
        let head = theirs.get_key_value(ends::HEAD).filter(|_| !ours.contains_key(ends::HEAD));
        ours.iter().chain(head).map(|(name, info)| (name.as_str(), info))
    }

    /// The type in which one of the two stores `name`, where its numbers are not read.
    pub fn unread(self, name: &str) -> Option<Dtype> {
        let stored_in = |tensors: &dyn Tensors| {
            let infos = tensors.infos();
            infos.get(ends::stored(infos, name)).map(|info| info.dtype)
        };
        let dtypes = [stored_in(self.base), stored_in(self.tuned)].into_iter().flatten();
        dtypes.into_iter().find(|dtype| matches!(dtype, Dtype::Unread(_)))
    }

    /// Some rows of `name`, of the base and of the tuned model.
    ///
    /// # Errors
    /// When they cannot be read, or are no rows of the tensor.
    pub fn read_rows(self, name: &str, rows: Range<usize>, out: [&mut [f32]; 2]) -> Result<()> {
        let [before, after] = out;
        for (tensors, out) in [(self.base, before), (self.tuned, after)] {
            let name = ends::stored(tensors.infos(), name);
            tensors.read_rows(name, rows.clone(), out)?;
            tensors.release(name, rows.clone());
        }
        Ok(())
    }
}

/// Whether the head of `other` stands against the embedding of `tied`.
fn is_tied_head(tied: &dyn Tensors, other: &dyn Tensors) -> bool {
    let head = other.infos().get(ends::HEAD);
    let embedding = ends::tied(tied.infos()).and_then(|name| tied.infos().get(name));
    head.zip(embedding).is_some_and(|(head, embedding)| head.shape == embedding.shape)
}
