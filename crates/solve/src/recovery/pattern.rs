//! Places in a matrix, row after row or column after column, each with an item.

use crate::check::fits;
use crate::{Error, Result};
use rayon::prelude::*;

/// What stands in every line (row or column) of a matrix: the other side of each place, ascending, and its item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines<T> {
    /// Where each line starts; [lines + 1].
    starts: Vec<usize>,
    /// Column in a row, row in a column; [items].
    others: Vec<u32>,
    /// [items].
    items: Vec<T>,
}

impl<T: Copy + Default> Lines<T> {
    /// The rows and the columns, from places (row, column, item) in any order. A size that is 0 or beyond 32 bits and a place
    /// that is not within the sizes are errors.
    pub fn both(
        rows: usize,
        columns: usize,
        places: impl Iterator<Item = (usize, usize, T)> + Clone,
    ) -> Result<[Self; 2]> {
        fits("rows", rows, 1, u32::MAX as usize)?;
        fits("columns", columns, 1, u32::MAX as usize)?;
        for (row, column, _) in places.clone() {
            for (found, limit, what) in [(row, rows, "row"), (column, columns, "column")] {
                if limit <= found {
                    return Err(Error::Outside { what, found, limit });
                }
            }
        }
        // Each sort keeps the order of the one before.
        let columns_first = Self::sorted(columns, places.map(|(row, column, item)| (column, row, item)));
        let by_row = Self::sorted(rows, columns_first.flipped());
        let by_column = Self::sorted(columns, by_row.flipped());
        Ok([by_row, by_column])
    }

    /// By counting; places are (line, other side, item).
    fn sorted(lines: usize, places: impl Iterator<Item = (usize, usize, T)> + Clone) -> Self {
        let mut starts = vec![0; lines + 1];
        places.clone().for_each(|(line, ..)| starts[line + 1] += 1);
        (0..lines).for_each(|line| starts[line + 1] += starts[line]);
        let (mut next, count) = (starts.clone(), starts[lines]);
        let (mut others, mut items) = (vec![0; count], vec![T::default(); count]);
        for (line, other, item) in places {
            others[next[line]] = other as u32;
            items[next[line]] = item;
            next[line] += 1;
        }
        Self { starts, others, items }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// All items, line after line.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// One line: the other side of every place, and the items.
    pub fn line(&self, index: usize) -> (&[u32], &[T]) {
        let range = self.starts[index]..self.starts[index + 1];
        (&self.others[range.clone()], &self.items[range])
    }

    /// Every place as (line, other side, item).
    pub fn places(&self) -> impl Iterator<Item = (usize, usize, T)> + Clone {
        (0..self.len()).flat_map(move |line| {
            let (others, items) = self.line(line);
            others.iter().zip(items).map(move |(&other, &item)| (line, other as usize, item))
        })
    }

    /// Every place as (other side, line, item).
    fn flipped(&self) -> impl Iterator<Item = (usize, usize, T)> + Clone {
        self.places().map(|(line, other, item)| (other, line, item))
    }

    /// The same places with items that `item` makes of (line, other side, item).
    pub fn map(&self, item: &(dyn Fn(usize, usize, T) -> T + Sync)) -> Self
    where
        T: Send + Sync,
    {
        let mut items = self.items.clone();
        let mut lines = Vec::with_capacity(self.len());
        let mut rest = items.as_mut_slice();
        for line in 0..self.len() {
            let (own, after) = rest.split_at_mut(self.starts[line + 1] - self.starts[line]);
            lines.push(own);
            rest = after;
        }
        lines.into_par_iter().enumerate().for_each(|(line, own)| {
            let others = self.line(line).0;
            own.iter_mut().zip(others).for_each(|(own, &other)| *own = item(line, other as usize, *own));
        });
        Self { items, starts: self.starts.clone(), others: self.others.clone() }
    }
}
