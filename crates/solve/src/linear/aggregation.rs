//! Aggregates of unknowns, and the interpolation between them and their unknowns.

use super::sparse::Sparse;

/// Not in an aggregate.
const ALONE: usize = usize::MAX;

/// P = (1 − ω·D⁻¹·A)·T; [n, aggregates]. Rows of unknowns whose row of A is empty are empty.
pub(super) fn prolongation(matrix: &Sparse, diagonal: &[f64], strength: f64) -> Sparse {
    let (aggregates, count) = aggregates(matrix, diagonal, strength);
    let largest = (0..matrix.rows()).filter(|&row| diagonal[row] > 0.0).fold(1.0, |largest: f64, row| {
        largest.max(matrix.row(row).map(|(_, value)| value.abs()).sum::<f64>() / diagonal[row])
    });
    let omega = 4.0 / (3.0 * largest);
    let mut prolongation = Sparse::new(count);
    let mut entries: Vec<(usize, f64)> = Vec::new();
    for row in 0..matrix.rows() {
        entries.clear();
        if aggregates[row] != ALONE {
            entries.push((aggregates[row], 1.0));
            let smoothed = matrix.row(row).filter(|entry| aggregates[entry.0] != ALONE);
            entries
                .extend(smoothed.map(|(column, value)| (aggregates[column], -omega * value / diagonal[row])));
            entries.sort_by_key(|entry| entry.0);
            for chunk in entries.chunk_by(|left, right| left.0 == right.0) {
                prolongation.push(chunk[0].0, chunk.iter().map(|entry| entry.1).sum());
            }
        }
        prolongation.end_row();
    }
    prolongation
}

/// The aggregate of every unknown, and how many there are: first whole neighbourhoods, then what is left joins a neighbour,
/// then what is left of what is left makes neighbourhoods of its own.
fn aggregates(matrix: &Sparse, diagonal: &[f64], strength: f64) -> (Vec<usize>, usize) {
    let joined = |row: usize| {
        let strong = move |&(column, value): &(usize, f64)| {
            column != row
                && diagonal[column] > 0.0
                && value.abs() > strength * (diagonal[row] * diagonal[column]).sqrt()
        };
        matrix.row(row).filter(strong)
    };
    let unknowns = || (0..matrix.rows()).filter(|&row| diagonal[row] > 0.0);
    let (mut aggregates, mut count) = (vec![ALONE; matrix.rows()], 0);
    for row in unknowns() {
        if aggregates[row] == ALONE && joined(row).all(|(column, _)| aggregates[column] == ALONE) {
            aggregates[row] = count;
            joined(row).for_each(|(column, _)| aggregates[column] = count);
            count += 1;
        }
    }
    let whole = aggregates.clone();
    for row in unknowns().filter(|&row| whole[row] == ALONE) {
        let strongest = joined(row).filter(|&(column, _)| whole[column] != ALONE);
        if let Some((column, _)) = strongest.max_by(|left, right| left.1.abs().total_cmp(&right.1.abs())) {
            aggregates[row] = whole[column];
        }
    }
    for row in unknowns() {
        if aggregates[row] == ALONE {
            aggregates[row] = count;
            for (column, _) in joined(row) {
                if aggregates[column] == ALONE {
                    aggregates[column] = count;
                }
            }
            count += 1;
        }
    }
    (aggregates, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{Obstacle, Operator};

    #[test]
    fn every_fluid_cell_is_in_an_aggregate_and_no_solid_one() {
        let grid = Obstacle::Ball { radius: 0.2 }.poisson(&[20, 17]).unwrap();
        let matrix = grid.matrix().unwrap();
        let diagonal = grid.diagonal().unwrap();
        let (aggregates, count) = aggregates(matrix.sparse(), &diagonal, 0.08);
        for (cell, &aggregate) in aggregates.iter().enumerate() {
            assert_eq!(aggregate != ALONE, grid.is_fluid(cell), "{cell}");
            assert!(aggregate == ALONE || aggregate < count);
        }
        assert!((2 * count..8 * count).contains(&aggregates.len()), "{count}");
    }

    #[test]
    fn an_interpolated_constant_stays_constant_away_from_walls() {
        let grid = Obstacle::Nothing.poisson(&[15, 15]).unwrap();
        let matrix = grid.matrix().unwrap();
        let prolongation = prolongation(matrix.sparse(), &grid.diagonal().unwrap(), 0.08);
        let mut fine = vec![0.0; 225];
        prolongation.apply(&vec![1.0; prolongation.width], &mut fine);
        assert!((fine[7 * 15 + 7] - 1.0).abs() < 1e-14);
    }
}
