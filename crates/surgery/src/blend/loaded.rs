//! The models of a recipe, opened, with their adapters in them.

use super::Ingredient;
use super::recipe::Reference;
use crate::merged::Merged;
use crate::{Error, Result, Subject, Watch};
use rankine_checkpoint::{Config, Tensors};
use std::path::{Path, PathBuf};

/// A model as it goes into the blend.
pub(super) struct Loaded<'a> {
    pub name: Reference,
    pub subject: Subject<'a>,
    /// Where an adapter is in it.
    merged: Option<Merged<'a>>,
    adapter: Option<PathBuf>,
    /// Of a language model or an encoder, with the adapter.
    pub config: Option<Config>,
}

impl<'a> Loaded<'a> {
    /// The model, whole; an initialisation that its adapter took out of it is recomputed.
    pub fn new(name: &Reference, ingredient: Ingredient<'a>, watch: &mut Watch) -> Result<Self> {
        let Ingredient { subject, adapter } = ingredient;
        subject.check()?;
        let mut config = match subject {
            Subject::Texts(model) => Some(model.config().clone()),
            _ => None,
        };
        let mut merged = adapter.map(|adapter| Merged::draft(subject.tensors(), adapter)).transpose()?;
        if let Some(merged) = &mut merged {
            match &mut config {
                Some(config) => *config = merged.configure(config)?,
                None => {
                    if let Some(name) = merged.added_biases().next() {
                        return Err(Error::NewBias { name: name.to_owned() });
                    }
                }
            }
            merged.prepare(watch)?;
        }
        let adapter = adapter.map(|adapter| adapter.folder().unwrap_or(&adapter.path).to_owned());
        Ok(Self { name: name.clone(), subject, merged, adapter, config })
    }

    /// All tensors.
    pub fn tensors(&self) -> &dyn Tensors {
        match &self.merged {
            Some(merged) => merged,
            None => self.subject.tensors(),
        }
    }

    /// Everything that is read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.subject.path()].into_iter().chain(self.adapter.as_deref())
    }
}
