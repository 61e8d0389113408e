//! A model with its units in another order: the same function of its inputs, from other numbers in other places.

use super::permutations::Permutations;
use super::spec::{Layout, PermutationSpec};
use indexmap::IndexMap;
use rankine_checkpoint::thin::Product;
use rankine_checkpoint::{Dtype, Result, TensorInfo, Tensors};
use std::borrow::Cow;
use std::ops::Range;

/// A model seen through a permutation of its units; numbers are moved, none is changed.
pub struct Permuted<'a> {
    source: &'a dyn Tensors,
    moves: IndexMap<String, Vec<Move>>,
}

/// An axis, and which number along it comes to every place.
pub(super) struct Move {
    axis: usize,
    places: Vec<usize>,
}

impl<'a> Permuted<'a> {
    /// `source`, of which `spec` is the specification, with the units of every group in the order of `permutations`.
    pub fn new(source: &'a dyn Tensors, spec: &PermutationSpec, permutations: &Permutations) -> Self {
        let moved = |(name, axes): (&str, &[(usize, Layout)])| {
            let moves = moves(axes, None, spec, permutations);
            (!moves.is_empty()).then(|| (name.to_owned(), moves))
        };
        Self { source, moves: spec.tensors().filter_map(moved).collect() }
    }

    /// Whether something of the tensor `name` is moved.
    pub fn is_changed(&self, name: &str) -> bool {
        self.moves.contains_key(name)
    }

    /// The bytes of a tensor with numbers of one width.
    fn bytes(&self, name: &str, bytes: &[u8], moves: &[Move]) -> Vec<u8> {
        let Some(info) = self.source.infos().get(name) else { return Vec::new() };
        let width = bytes.len().checked_div(info.elements()).unwrap_or(0);
        let row = info.row_elements() * width;
        let mut moved = bytes.to_vec();
        if let Some(Move { places, .. }) = rows_of(moves)
            && row != 0
        {
            for (target, &place) in moved.chunks_exact_mut(row).zip(places) {
                target.copy_from_slice(&bytes[place * row..(place + 1) * row]);
            }
        }
        move_inside(&mut moved, &info.shape, width, moves);
        moved
    }
}

/// The moves along the axes of a tensor that are not in place; those of the group `without` are left out.
pub(super) fn moves(
    axes: &[(usize, Layout)],
    without: Option<usize>,
    spec: &PermutationSpec,
    permutations: &Permutations,
) -> Vec<Move> {
    let moved = |(axis, layout): &(usize, Layout)| {
        let places = permutations.places(layout, &spec.groups()[layout.group]);
        let stays =
            without == Some(layout.group) || places.iter().enumerate().all(|(at, place)| at == *place);
        (!stays).then_some(Move { axis: *axis, places })
    };
    axes.iter().filter_map(moved).collect()
}

/// Some rows of a tensor after its moves.
pub(super) fn read_moved(
    source: &dyn Tensors,
    name: &str,
    moves: &[Move],
    rows: Range<usize>,
    out: &mut [f32],
) -> Result<()> {
    let Some(info) = source.infos().get(name) else { return source.read_rows(name, rows, out) };
    info.check_rows(name, &rows, out.len())?;
    match rows_of(moves) {
        Some(Move { places, .. }) if !out.is_empty() => {
            for (target, &place) in out.chunks_exact_mut(info.row_elements()).zip(&places[rows]) {
                source.read_rows(name, place..place + 1, target)?;
            }
        }
        _ => source.read_rows(name, rows, out)?,
    }
    move_inside(out, &info.shape, 1, moves);
    Ok(())
}

/// The move of the rows, where there is one.
fn rows_of(moves: &[Move]) -> Option<&Move> {
    moves.iter().find(|moved| moved.axis == 0)
}

/// Moves along all axes but the first; numbers have `width` entries of `values`, which are whole rows.
fn move_inside<T: Copy>(values: &mut [T], shape: &[usize], width: usize, moves: &[Move]) {
    for Move { axis, places } in moves.iter().filter(|moved| 0 < moved.axis) {
        let inner = shape[axis + 1..].iter().product::<usize>() * width;
        let side = shape[*axis] * inner;
        if side == 0 {
            return;
        }
        let mut before = Vec::with_capacity(side);
        for block in values.chunks_exact_mut(side) {
            before.clear();
            before.extend_from_slice(block);
            for (target, &place) in block.chunks_exact_mut(inner).zip(places) {
                target.copy_from_slice(&before[place * inner..(place + 1) * inner]);
            }
        }
    }
}

impl Tensors for Permuted<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        self.source.infos()
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        match (self.moves.get(name), self.source.infos().get(name)) {
            (Some(moves), Some(info)) => read_moved(self.source, name, moves, 0..info.rows(), out),
            _ => self.source.read_into(name, out),
        }
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        let raw = self.source.raw(name)?;
        Ok(match self.moves.get(name) {
            Some(moves) => self.bytes(name, &raw, moves).into(),
            None => raw,
        })
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        let encoded = self.source.encoded(name)?;
        let Some(moves) = self.moves.get(name) else { return Ok(encoded) };
        Ok(match encoded {
            Some((dtype @ (Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16), bytes)) => {
                Some((dtype, self.bytes(name, &bytes, moves).into()))
            }
            // Blocks hold several numbers, and cannot be taken apart.
            _ => None,
        })
    }

    fn product(&self, name: &str) -> Option<&Product> {
        if self.is_changed(name) { None } else { self.source.product(name) }
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        match self.moves.get(name) {
            Some(moves) => read_moved(self.source, name, moves, rows, out),
            None => self.source.read_rows(name, rows, out),
        }
    }

    /// As many rows as were read are given back; of moved ones others, until all have been.
    fn release(&self, name: &str, rows: Range<usize>) {
        self.source.release(name, rows);
    }
}
