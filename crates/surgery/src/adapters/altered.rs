//! The change of a base by an adapter that stands on another one, its altered base.
//!
//!     Δ = R + s·b·a − W        R: the altered base, W: the base; with DoRA R + s·b·a is scaled as always
//!
//! What is altered may be anything. Where a product was taken out, as by PiSSA, Δ is of low rank but for the rounding of R and of
//! the sum, and is kept exactly: singular values up to u·(longest row + longest column of R + s·b·a) are rounding, with u the unit
//! roundoff of the type of R and some of f32. Rounding to four bits makes it of full rank, and it is cut. Every matrix counts that
//! is another one in R, adapted or not; where it is only W rounded to the type of R, it is the same, unless it is adapted. What else
//! differs has no place in a LoRA and is an error. A base that the adapter brings along stands in the place of W: whoever loads
//! the result loads it too. Weights are read one at a time a thread.

use super::assemble::Part;
use super::change::{Change, Piece, check};
use super::convert::{Conversion, mirror, output_bias};
use super::cut::{Cut, layer, subtract};
use super::keep::Keep;
use crate::merged::{Beginning, BeginningFault, Merged, round, row_blocks};
use crate::progress::in_groups;
use crate::{Error, Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{LayerKind, LowRank, Origin, modules_of};
use rankine_checkpoint::{Adapter, Dtype, Pair, TensorInfo, Tensors, ends};
use rankine_kernels::reduce;

/// A matrix that is changed.
struct Place<'a> {
    kind: LayerKind,
    /// The weight is stored as [inputs, outputs].
    transposed: bool,
    /// The adapter's factors, where it adapts it.
    low_rank: Option<&'a LowRank>,
    /// What stands in the place of the base's, which the adapter brings along.
    brought: Option<&'a [f32]>,
}

/// As [`convert`](crate::convert), of an adapter that fits `base` and stands on `altered`.
pub(super) fn convert(
    base: &dyn Tensors,
    altered: &dyn Tensors,
    adapter: &Adapter,
    keep: Keep,
    watch: &mut Watch,
) -> Result<Conversion> {
    let unlike = |difference| BeginningFault::Unlike { difference: Box::new(difference) };
    let pair = Pair::of(base, altered).map_err(unlike)?;
    let merged = Merged::begun(base, adapter, Beginning::Residual(altered), watch)?;
    let places: Vec<(String, Place)> = places(pair, adapter, watch)?.into_iter().collect();
    let cut = Cut::of(base, adapter, keep);
    let mut progress = cut.progress(places.len());
    let work = |(path, place): &(String, Place)| {
        let (change, rounding) = place.change(path, base, (&merged, altered))?;
        match keep {
            // What was taken out and what came to it.
            Keep::Exact => {
                change.above(path, rounding, 2 * place.low_rank.map_or(0, |low_rank| low_rank.rank))
            }
            Keep::Rank(_) | Keep::Energy(_) => change.compress(path, keep),
        }
    };
    let pieces = progress.in_groups(&places, work, watch)?;
    let parts = places.into_iter().zip(pieces).map(|((path, place), piece)| place.part(path, piece));
    let mut conversion = cut.assemble(parts.collect(), &mut progress, watch)?;
    mirror(base, adapter, &mut conversion.adapter);
    Ok(conversion)
}

/// Everything that is changed: what is adapted, then what is another one in the altered base.
fn places<'a>(
    pair: Pair<'_>,
    adapter: &'a Adapter,
    watch: &mut Watch,
) -> Result<IndexMap<String, Place<'a>>> {
    let base = pair.base();
    let tied = ends::tied(base.infos());
    let given = |path: &str| brought(adapter, tied, &format!("{path}.weight"));
    let place = |path: &str, kind: LayerKind, low_rank: Option<&'a LowRank>| {
        let transposed = kind == LayerKind::Embedding || adapter.config.is_transposed(path);
        Place { kind, transposed, low_rank, brought: given(path) }
    };
    let mut places = IndexMap::new();
    for (path, low_rank) in &adapter.low_rank {
        check(path, low_rank)?;
        places.insert(path.clone(), place(path, low_rank.kind, Some(low_rank)));
    }
    let modules = modules_of(base);
    for name in others(pair, adapter, watch)? {
        // What a tied embedding is, the head is too.
        let head = (tied == Some(name)).then_some(ends::HEAD);
        for name in [Some(name), head].into_iter().flatten() {
            let path = name.strip_suffix(".weight").unwrap_or(name);
            let is_given = adapter.replaced.contains_key(name) || given(path).is_some();
            if is_given || places.contains_key(path) {
                continue;
            }
            let module = modules.iter().find(|module| module.path == path);
            let kind = module.and_then(|module| layer(base, module));
            let kind = kind.ok_or_else(|| BeginningFault::Elsewhere { name: name.to_owned() })?;
            places.insert(path.to_owned(), place(path, kind, None));
        }
    }
    match adapter.new_rows.keys().find(|path| places.contains_key(*path)) {
        Some(path) => Err(Error::RowsOnResidual { module: path.clone() }),
        None => Ok(places),
    }
}

/// Tensors that are others in the altered base, the adapted ones aside.
fn others<'p>(pair: Pair<'p>, adapter: &Adapter, watch: &mut Watch) -> Result<Vec<&'p str>> {
    let tied = ends::tied(pair.base().infos());
    let is_adapted = |name: &str| {
        let path = name.strip_suffix(".weight");
        tied != Some(name) && path.is_some_and(|path| adapter.low_rank.contains_key(path))
    };
    let looked_at = |(name, _): &(&str, &TensorInfo)| {
        pair.unread(name).is_none() && !is_adapted(name) && !adapter.replaced.contains_key(*name)
    };
    let tensors: Vec<(&str, &TensorInfo)> = pair.tensors().filter(looked_at).collect();
    let differ = in_groups(Stage::Comparing, &tensors, |(name, info)| differs(pair, name, info), watch)?;
    let names = tensors.into_iter().zip(differ).filter(|(_, differs)| *differs);
    Ok(names.map(|((name, _), _)| name).collect())
}

/// Whether the altered base has other numbers than the base rounded to its type.
fn differs(pair: Pair<'_>, name: &str, info: &TensorInfo) -> Result<bool> {
    let altered = pair.tuned().infos();
    let dtype = altered.get(ends::stored(altered, name)).map_or(info.dtype, |info| info.dtype);
    let (width, mut before, mut after) = (info.row_elements(), Vec::new(), Vec::new());
    for rows in row_blocks(info.rows(), width) {
        before.resize(rows.len() * width, 0.0);
        after.resize(rows.len() * width, 0.0);
        pair.read_rows(name, rows, [&mut before, &mut after])?;
        round(dtype, &mut before);
        if before != after {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Relative error of a number stored so, and of the few sums in f32 that lead to it and from it.
fn unit_roundoff(dtype: Dtype) -> f64 {
    let sums = 4.0 * 2f64.powi(-24);
    sums + match dtype {
        Dtype::F16 => 2f64.powi(-11),
        Dtype::Bf16 => 2f64.powi(-8),
        _ => 2f64.powi(-24),
    }
}

/// The length of the longest row and of the longest column together: random numbers of that size, with any signs, have a
/// spectral norm near it.
fn lengths(values: &[f32], columns: usize) -> f64 {
    let (mut longest, mut squares) = (0.0f64, vec![0.0; columns]);
    for row in values.chunks(columns.max(1)) {
        longest = longest.max(reduce::sum_of_squares(row));
        squares.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x).powi(2));
    }
    longest.sqrt() + squares.into_iter().fold(0.0, f64::max).sqrt()
}

/// The base that the adapter brings along for the tensor `name`; embedding and head of a tied model share the one that is
/// loaded last, the head's.
fn brought<'a>(adapter: &'a Adapter, tied: Option<&str>, name: &str) -> Option<&'a [f32]> {
    let both = tied.filter(|embedding| name == *embedding || name == ends::HEAD);
    let names = [both.map(|_| ends::HEAD), both, Some(name)];
    let given = |name: &str| adapter.replaced.get(name).filter(|given| given.origin == Origin::Base);
    names.into_iter().flatten().find_map(given).map(|given| given.values.as_slice())
}

impl Place<'_> {
    /// The change, and what rounding adds to its singular values.
    fn change(
        &self,
        path: &str,
        base: &dyn Tensors,
        (merged, altered): (&Merged, &dyn Tensors),
    ) -> Result<(Change, f64)> {
        let name = format!("{path}.weight");
        let after = ends::stored(merged.infos(), &name);
        let [rows, columns] =
            merged.infos().get(after).map_or([0, 0], |info| [info.rows(), info.row_elements()]);
        let mut values = vec![0.0; rows * columns];
        merged.read_into(after, &mut values)?;
        merged.release(after, 0..rows);
        let infos = altered.infos();
        let dtype = infos.get(ends::stored(infos, &name)).map_or(Dtype::F32, |info| info.dtype);
        let rounding = unit_roundoff(dtype) * lengths(&values, columns);
        match self.brought {
            Some(brought) if brought.len() == values.len() => reduce::axpy(-1.0, brought, &mut values),
            Some(_) => return Err(Error::Factors { module: path.to_owned() }),
            None => subtract(base, ends::stored(base.infos(), &name), columns, &mut values)?,
        }
        Ok((Change::of_stored(values, [rows, columns], self.transposed), rounding))
    }

    fn part(&self, path: String, piece: Piece) -> Part {
        Part { path, kind: self.kind, piece, output_bias: self.low_rank.and_then(output_bias) }
    }
}
