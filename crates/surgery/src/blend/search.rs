//! Looking for the tensors that a recipe asks for: names and shapes, and no numbers.

use super::layers::{self, Numbered};
use super::loaded::Loaded;
use super::piece::Part;
use super::recipe::BlendRecipe;
use super::wants::Want;
use crate::subject::unlike;
use crate::write::is_weight;
use crate::{Error, Result};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::Misshapen;
use rankine_checkpoint::{Difference, Dtype, TensorInfo, ends, nearest};
use std::path::Path;

/// A tensor of the result with what was found for it.
pub(super) struct Found<'m> {
    pub want: Want<'m>,
    /// With the number of its source in the slice.
    pub parts: Vec<(usize, Part<'m>)>,
    pub info: TensorInfo,
}

/// Looks for the tensors.
pub(super) struct Search<'m> {
    recipe: &'m BlendRecipe,
    models: &'m [Loaded<'m>],
    /// Of each model what it does not have alike.
    lacks: IndexMap<usize, Difference>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl<'m> Search<'m> {
    pub fn new(recipe: &'m BlendRecipe, models: &'m [Loaded<'m>]) -> Self {
        Self { recipe, models, lacks: IndexMap::new(), warnings: Vec::new() }
    }

    /// What there is for a tensor; `None` where something is amiss, which is kept.
    pub fn find(&mut self, want: Want<'m>) -> Option<Found<'m>> {
        let mut parts = Vec::with_capacity(want.sources.len());
        for (place, (source, name)) in want.slice.sources.iter().zip(&want.sources).enumerate() {
            let tensors = self.models.get(source.model)?.tensors();
            let infos = tensors.infos();
            // A tied head is the embedding.
            let stored = ends::stored(infos, name);
            match infos.get_key_value(stored) {
                Some((name, info)) => parts.push((place, Part { tensors, name, info, model: source.model })),
                None => self.lacks.entry(source.model).or_default().missing.push((name.clone(), None)),
            }
        }
        if parts.len() != want.sources.len() {
            return None;
        }
        let origin = want.slice.base.unwrap_or(0);
        let first = parts.get(origin)?.1.info;
        if !is_weight(first.dtype) {
            let info = first.clone();
            parts = vec![parts.swap_remove(origin)];
            return Some(Found { want, parts, info });
        }
        let shape = self.common_shape(&want, &mut parts, first)?;
        let dtype = common_dtype(first.dtype, &parts);
        let bytes = dtype.bytes(shape.iter().product()) as u64;
        Some(Found { want, parts, info: TensorInfo { shape, dtype, bytes } })
    }

    /// The shape that all parts have, or are cut to; parts that are left out are taken away.
    fn common_shape(
        &mut self,
        want: &Want<'m>,
        parts: &mut Vec<(usize, Part<'m>)>,
        first: &TensorInfo,
    ) -> Option<Vec<usize>> {
        let alike = |part: &Part| part.info.shape == first.shape;
        if parts.iter().all(|(_, part)| alike(part)) {
            return Some(first.shape.clone());
        }
        let name = &want.name;
        if layers::is_table(name) && parts.iter().all(|(_, part)| part.info.shape.len() == 2) {
            let least = |axis: usize| parts.iter().filter_map(|(_, part)| part.info.shape.get(axis)).min();
            let shape: Vec<usize> = [0, 1].into_iter().filter_map(least).copied().collect();
            self.warnings
                .push(format!("`{name}` is cut to {shape:?}, the rows and columns that all models have"));
            return Some(shape);
        }
        for (_, part) in parts.iter().filter(|(_, part)| !alike(part)) {
            let (expected, found) = (first.shape.clone(), part.info.shape.clone());
            if self.recipe.card.skips_misshapen {
                let model =
                    self.models.get(part.model).map(|model| model.name.to_string()).unwrap_or_default();
                self.warnings.push(format!(
                    "`{name}` of `{model}` is left out: it is {found:?}, that of the base {expected:?}"
                ));
            } else {
                let misshapen = Misshapen { key: name.clone(), expected, found };
                self.lacks.entry(part.model).or_default().misshapen.push(misshapen);
            }
        }
        parts.retain(|(_, part)| alike(part));
        self.recipe.card.skips_misshapen.then(|| first.shape.clone())
    }

    /// An error of the first model that lacks something.
    pub fn check(&mut self) -> Result<()> {
        let Some((model, mut difference)) = self.lacks.shift_remove_index(0) else { return Ok(()) };
        if let Some(loaded) = self.models.get(model) {
            let names = loaded.tensors().infos();
            for (name, near) in difference.missing.iter_mut().take(Difference::SHOWN) {
                *near = nearest(name, names.keys().map(String::as_str), 1).pop();
            }
        }
        let first = if model == 0 { self.recipe.models.len().min(2) - 1 } else { 0 };
        Err(self.unlike(first, model, difference))
    }

    /// An error of two models that should have the same tensors.
    fn unlike(&self, first: usize, second: usize, difference: Difference) -> Error {
        let place = |model: usize| self.models.get(model).map_or(Path::new(""), |model| model.subject.path());
        unlike([place(first), place(second)], difference)
    }

    /// Tells of tensors that only others than the first model have; blocks of which it has fewer are an error.
    pub fn warn_of_rest(&mut self, infos: &IndexMap<String, TensorInfo>) -> Result<()> {
        if self.recipe.stacked {
            return Ok(());
        }
        let blocks = layers::count(infos);
        let mut used: Vec<usize> =
            self.recipe.slices.iter().flat_map(|slice| &slice.sources).map(|source| source.model).collect();
        used.sort_unstable();
        used.dedup();
        for (number, model) in used.into_iter().filter_map(|number| Some((number, self.models.get(number)?)))
        {
            let mut rest = model.tensors().infos().keys().filter(|name| !infos.contains_key(*name));
            let is_above =
                |name: &&String| Numbered::of(name).is_some_and(|numbered| blocks <= numbered.block);
            let added: Vec<String> = rest.clone().filter(is_above).cloned().collect();
            if !added.is_empty() {
                return Err(self.unlike(0, number, Difference { added, ..Difference::default() }));
            }
            if let Some(first) = rest.next() {
                let (count, name) = (1 + rest.count(), &model.name);
                self.warnings
                    .push(format!("{count} tensors of `{name}` have no place, `{first}` among them"));
            }
        }
        Ok(())
    }
}

/// The type of all parts, whose first has this one; they may also be of types that are written in the same.
fn common_dtype(first: Dtype, parts: &[(usize, Part<'_>)]) -> Dtype {
    let are = |is: &dyn Fn(Dtype) -> bool| parts.iter().all(|(_, part)| is(part.info.dtype));
    match first.written() {
        _ if are(&|dtype| dtype == first) => first,
        written if are(&|dtype| dtype.written() == written) => written,
        _ => Dtype::F32,
    }
}
