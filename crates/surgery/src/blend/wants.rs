//! Which tensors the result has, and from which tensors of its sources each comes.

use super::layers::{self, Numbered};
use super::loaded::Loaded;
use super::recipe::{BlendRecipe, Slice, Source, Wrong};
use crate::Result;
use rankine_checkpoint::ends;

/// A tensor of the result.
pub(super) struct Want<'r> {
    pub name: String,
    pub slice: &'r Slice,
    /// Its name in every source of the slice.
    pub sources: Vec<String>,
    /// From 0 to 1, over the blocks of the slice.
    pub depth: f64,
}

/// All tensors of the result, in order.
pub(super) fn all<'r>(recipe: &'r BlendRecipe, models: &[Loaded<'_>]) -> Result<Vec<Want<'r>>> {
    if recipe.stacked { stack(recipe, models) } else { Ok(whole(recipe, models)) }
}

/// Those of the first model. A head that only others have comes last.
fn whole<'r>(recipe: &'r BlendRecipe, models: &[Loaded<'_>]) -> Vec<Want<'r>> {
    let (Some(slice), Some(first)) = (recipe.slices.first(), models.first()) else { return Vec::new() };
    let infos = first.tensors().infos();
    let blocks = layers::count(infos);
    let headed = slice.sources.iter().filter_map(|source| models.get(source.model));
    let has_head = headed.map(|model| model.tensors().infos()).any(|infos| infos.contains_key(ends::HEAD));
    let head = Some(ends::HEAD).filter(|head| has_head && !infos.contains_key(*head));
    let want = |name: &str| Want {
        name: name.to_owned(),
        slice,
        sources: vec![name.to_owned(); slice.sources.len()],
        depth: Numbered::of(name).map_or(0.0, |numbered| depth(numbered.block, blocks)),
    };
    infos.keys().map(String::as_str).chain(head).map(want).collect()
}

/// Layers one upon the other; below them what the first slice has there, above what the last has.
fn stack<'r>(recipe: &'r BlendRecipe, models: &[Loaded<'_>]) -> Result<Vec<Want<'r>>> {
    let (mut before, mut blocks, mut after) = (Vec::new(), Vec::new(), Vec::new());
    let mut height = 0;
    let last = recipe.slices.len().saturating_sub(1);
    for (place, slice) in recipe.slices.iter().enumerate() {
        let Some(first) = slice.sources.first() else { continue };
        check_heights(recipe, slice, models)?;
        let Some(model) = models.get(first.model) else { continue };
        for name in model.tensors().infos().keys() {
            let same = |depth| Want {
                name: name.clone(),
                slice,
                sources: vec![name.clone(); slice.sources.len()],
                depth,
            };
            match Numbered::of(name) {
                None if layers::is_before(name) && place == 0 => before.push(same(0.0)),
                None if !layers::is_before(name) && place == last => after.push(same(0.0)),
                None => {}
                Some(numbered) if first.layers.contains(&numbered.block) => {
                    let offset = numbered.block - first.layers.start;
                    let in_source = |source: &Source| numbered.at(source.layers.start + offset);
                    blocks.push((
                        height + offset,
                        Want {
                            name: numbered.at(height + offset),
                            slice,
                            sources: slice.sources.iter().map(in_source).collect(),
                            depth: depth(offset, first.layers.len()),
                        },
                    ));
                }
                Some(_) => {}
            }
        }
        height += first.layers.len();
    }
    // Files may be in another order.
    blocks.sort_by_key(|(block, _)| *block);
    Ok(before.into_iter().chain(blocks.into_iter().map(|(_, want)| want)).chain(after).collect())
}

/// Whether all sources have the layers that are asked for.
fn check_heights(recipe: &BlendRecipe, slice: &Slice, models: &[Loaded<'_>]) -> Result<()> {
    for source in &slice.sources {
        let Some(model) = models.get(source.model) else { continue };
        let layers = layers::count(model.tensors().infos());
        if layers < source.layers.end {
            let (model, found) = (model.name.to_string(), source.layers.end - 1);
            return Err(recipe.fault_at(Wrong::Layers { model, layers, found }, &source.end));
        }
    }
    Ok(())
}

/// How far up a block is.
fn depth(block: usize, blocks: usize) -> f64 {
    match blocks {
        0 | 1 => 1.0,
        _ => block as f64 / (blocks - 1) as f64,
    }
}
