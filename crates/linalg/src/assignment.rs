//! The best pairing of rows and columns: the linear sum assignment.
//!
//!     p = argmax Σ_i C[i, p_i]   or argmin        C: [n, n]  p: a permutation
//!
//! Shortest augmenting paths, row by row, on costs reduced by the duals u and v:
//!
//!     c_ij − u_i − v_j ≥ 0,   = 0 where p_i = j        Σ u + Σ v = Σ c_{i p_i} proves the end optimal
//!
//! O(n³) at worst, near n² where rows know what they want: rows whose cheapest column is free take it first. Of equal columns
//! the first is taken, so that the result is a function of the numbers alone.
//! Source: Jonker and Volgenant 1987; the form of Crouse 2016, as in scipy.

use crate::{Error, Result};

/// What an assignment is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The sum is least: numbers are costs.
    Least,
    /// The sum is largest: numbers are scores.
    Most,
}

/// A row without a column, or a column without a row.
const FREE: usize = usize::MAX;

/// The column of every row, so that the sum is least or largest; values: row-major [size, size].
///
/// # Errors
/// When the slice does not fit the size, or an entry is not finite.
pub fn assignment(values: &[f64], size: usize, aim: Aim) -> Result<Vec<usize>> {
    if size.checked_mul(size) != Some(values.len()) {
        return Err(Error::Length { rows: size, columns: size, found: values.len() });
    }
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::NotFinite { row: at / size, column: at % size, value: values[at] as f32 });
    }
    Ok(Search::solved(values, size, aim).column_of)
}

/// A pairing that grows, and the duals that prove it.
struct Search<'a> {
    values: &'a [f64],
    size: usize,
    /// Scores are negative costs.
    sign: f64,
    /// u and v.
    rows: Vec<f64>,
    columns: Vec<f64>,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
}

impl<'a> Search<'a> {
    fn solved(values: &'a [f64], size: usize, aim: Aim) -> Self {
        let sign = match aim {
            Aim::Least => 1.0,
            Aim::Most => -1.0,
        };
        let (rows, columns) = (vec![0.0; size], vec![0.0; size]);
        let (column_of, row_of) = (vec![FREE; size], vec![FREE; size]);
        let mut search = Self { values, size, sign, rows, columns, column_of, row_of };
        for row in 0..size {
            search.take_cheapest(row);
        }
        for row in 0..size {
            if search.column_of[row] == FREE {
                search.augment(row);
            }
        }
        search
    }

    fn cost(&self, row: usize, column: usize) -> f64 {
        self.sign * self.values[row * self.size + column]
    }

    /// u_i = min_j c_ij, and a free column of that cost where there is one.
    fn take_cheapest(&mut self, row: usize) {
        let least = (0..self.size).map(|column| self.cost(row, column)).fold(f64::INFINITY, f64::min);
        self.rows[row] = least;
        let is_good = |&column: &usize| self.row_of[column] == FREE && self.cost(row, column) == least;
        if let Some(column) = (0..self.size).find(is_good) {
            (self.column_of[row], self.row_of[column]) = (column, row);
        }
    }

    /// Finds the cheapest way from a free row to a free column, and pairs along it anew.
    fn augment(&mut self, start: usize) {
        let mut distance = vec![f64::INFINITY; self.size];
        let mut before = vec![start; self.size];
        let mut open: Vec<usize> = (0..self.size).collect();
        let mut closed = Vec::new();
        let (mut row, mut reached) = (start, 0.0);
        let end = loop {
            let (mut at, mut least) = (0, f64::INFINITY);
            for (place, &column) in open.iter().enumerate() {
                let through = reached + (self.cost(row, column) - self.rows[row] - self.columns[column]);
                if through < distance[column] {
                    (distance[column], before[column]) = (through, row);
                }
                let free = |column: usize| self.row_of[column] == FREE;
                let ends = distance[column] == least && free(column) && !free(open[at]);
                if distance[column] < least || ends {
                    (at, least) = (place, distance[column]);
                }
            }
            reached = least;
            let column = open.remove(at);
            if self.row_of[column] == FREE {
                break column;
            }
            closed.push(column);
            row = self.row_of[column];
        };
        self.rows[start] += reached;
        for column in closed {
            let slack = reached - distance[column];
            self.rows[self.row_of[column]] += slack;
            self.columns[column] -= slack;
        }
        let mut column = end;
        loop {
            let row = before[column];
            self.row_of[column] = row;
            let left = std::mem::replace(&mut self.column_of[row], column);
            if row == start {
                break;
            }
            column = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    fn sum(values: &[f64], size: usize, order: &[usize]) -> f64 {
        order.iter().enumerate().map(|(row, &column)| values[row * size + column]).sum()
    }

    /// The sums of all permutations that begin with `begun`, the least and the largest.
    fn extremes(values: &[f64], size: usize, begun: &mut Vec<usize>) -> [f64; 2] {
        if begun.len() == size {
            return [sum(values, size, begun); 2];
        }
        let mut found = [f64::INFINITY, f64::NEG_INFINITY];
        for column in 0..size {
            if !begun.contains(&column) {
                begun.push(column);
                let [least, most] = extremes(values, size, begun);
                begun.pop();
                found = [found[0].min(least), found[1].max(most)];
            }
        }
        found
    }

    fn is_permutation(order: &[usize]) -> bool {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..order.len())
    }

    #[test]
    fn small_ones_are_those_of_all_permutations() {
        let rng = Rng::new(5);
        for size in 0..=7 {
            for draw in 0..20 {
                let mut rng = rng.fork_index("size", size).fork_index("draw", draw);
                // Every second one has few values, and so many ties.
                let mut value = || if draw % 2 == 0 { rng.normal_f64() } else { rng.below(3) as f64 };
                let values: Vec<f64> = (0..size * size).map(|_| value()).collect();
                let [least, most] = extremes(&values, size, &mut Vec::new());
                for (aim, expected) in [(Aim::Least, least), (Aim::Most, most)] {
                    let order = assignment(&values, size, aim).unwrap();
                    assert!(is_permutation(&order), "{order:?}");
                    assert!((sum(&values, size, &order) - expected).abs() < 1e-12, "{size}, {draw}, {aim:?}");
                }
            }
        }
    }

    #[test]
    fn the_duals_prove_large_ones_optimal() {
        for (size, aim) in [(64, Aim::Least), (150, Aim::Most)] {
            let mut rng = Rng::new(6).fork_index("size", size);
            let values: Vec<f64> = (0..size * size).map(|_| rng.normal_f64()).collect();
            let search = Search::solved(&values, size, aim);
            let duals = search.rows.iter().chain(&search.columns).sum::<f64>();
            assert!((search.sign * sum(&values, size, &search.column_of) - duals).abs() < 1e-9);
            for row in 0..size {
                for column in 0..size {
                    let reduced = search.cost(row, column) - search.rows[row] - search.columns[column];
                    assert!(-1e-12 < reduced, "{row}, {column}: {reduced}");
                }
            }
        }
    }

    #[test]
    fn a_hidden_permutation_is_found_and_equals_stay_in_place() {
        let (size, mut rng) = (50, Rng::new(7));
        let mut order: Vec<usize> = (0..size).collect();
        rng.shuffle(&mut order);
        let mut values: Vec<f64> = (0..size * size).map(|_| rng.uniform_f64()).collect();
        order.iter().enumerate().for_each(|(row, &column)| values[row * size + column] += 1.0);
        assert_eq!(assignment(&values, size, Aim::Most).unwrap(), order);
        assert_eq!(assignment(&[0.0; 16], 4, Aim::Most).unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_no_square_of_numbers_is_refused() {
        assert!(assignment(&[1.0; 5], 2, Aim::Least).is_err());
        assert!(matches!(
            assignment(&[1.0, 2.0, f64::NAN, 0.0], 2, Aim::Most),
            Err(Error::NotFinite { row: 1, column: 0, .. })
        ));
    }
}
