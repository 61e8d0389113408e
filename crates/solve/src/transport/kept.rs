//! The large entries of a plan, and products with the matrix of Newton's system that has no others.
//!
//!     A·d = rest∘d + Σ_kept P_ij · (d_i + d_{n+j}) · (e_i + e_{n+j})        rest = sums − sums of what is kept, + λ·sums
//!
//! The diagonal is that of the whole plan, so the matrix is diagonally dominant and positive semidefinite, and the sum over
//! entries is free of the cancellation that diag(P·1)·x + P·y has where x ≈ −y. Memory: 12 bytes an entry that is kept, or 8 an
//! entry of the plan where that is less, O(n). Room for the plan is asked for once; what of it is not written takes no memory.

mod block;

use super::Transport;
use super::entropic::Potentials;
use block::{Block, add_product};
use rankine_kernels::{columns, gibbs};
use rayon::prelude::*;

/// Entries from which products are shared among threads.
const SHARED: usize = 64 * 1024;
/// Blocks of columns, at most.
const BLOCKS: usize = 16;
/// Entries that a threshold is estimated from.
const SAMPLE: usize = 64 * 1024;

/// Entries of the plan by columns.
#[derive(Clone, Debug)]
pub struct Kept {
    blocks: Vec<Block>,
    /// Of all blocks, one after the other; [n · m].
    room: Vec<f64>,
    /// 0 … n − 1, the rows of a column that is whole.
    every: Vec<u32>,
    /// Columns of a block; the last may have fewer.
    width: usize,
}

impl Kept {
    /// Nothing, of a problem with so many rows and columns.
    pub fn new(rows: usize, columns: usize) -> Self {
        let width = columns.div_ceil(BLOCKS);
        let blocks = vec![Block::default(); columns.div_ceil(width)];
        Self { blocks, room: vec![0.0; rows * columns], every: (0..rows as u32).collect(), width }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.count).sum()
    }

    /// Keeps the entries that are at least `threshold`: one pass without exponentials but those of what is kept.
    pub fn gather(&mut self, problem: &Transport, at: &Potentials, threshold: f64) {
        self.scan(problem, at, at.regularization * threshold.ln());
        self.exponentiate(at.regularization);
    }

    /// Keeps the `count` largest entries, and what is equal to the last of them.
    pub fn gather_largest(&mut self, problem: &Transport, at: &Potentials, count: usize) {
        let (rows, entries) = (at.source.len(), at.source.len() * at.target.len());
        let every = entries.div_ceil(SAMPLE);
        let exponent = |place: usize| {
            let (i, j) = (place % rows, place / rows);
            at.source[i] + at.target[j] - problem.column(j)[i]
        };
        let mut sample: Vec<f64> = (0..entries).step_by(every).map(exponent).collect();
        sample.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut place = count.div_ceil(every) * 5 / 4 + 8;
        loop {
            let limit = sample.get(place).copied().unwrap_or(f64::NEG_INFINITY);
            self.scan(problem, at, limit);
            if count <= self.len() || limit == f64::NEG_INFINITY {
                break;
            }
            place *= 2;
        }
        if count < self.len() {
            let values = self.gathered_values();
            let least = *values.select_nth_unstable_by(count.max(1) - 1, |a, b| b.total_cmp(a)).1;
            self.scan(problem, at, least);
        }
        self.exponentiate(at.regularization);
    }

    /// The numbers that a scan found, moved together: another scan has to follow, as a copy would be a second plan.
    fn gathered_values(&mut self) -> &mut [f64] {
        let (mut end, stride) = (0, self.stride());
        for (k, block) in self.blocks.iter().enumerate() {
            let filled = block.filled();
            self.room.copy_within(k * stride..k * stride + filled, end);
            end += filled;
        }
        &mut self.room[..end]
    }

    /// Keeps what has f + g − c of at least `limit`, and that number for its value.
    fn scan(&mut self, problem: &Transport, at: &Potentials, limit: f64) {
        let width = self.width;
        self.parts_mut().zip(at.target.par_chunks(width)).enumerate().with_max_len(1).for_each(
            |(k, ((block, room), target))| {
                let columns = (k * width..).zip(target);
                let columns = columns.map(|(j, &potential)| (problem.column(j), potential));
                block.take(columns, &at.source, limit, room);
            },
        );
    }

    /// Makes entries of the plan of what was found.
    fn exponentiate(&mut self, regularization: f64) {
        self.parts_mut().with_max_len(1).for_each(|(block, room)| {
            let values = &mut room[..block.filled()];
            values.iter_mut().for_each(|value| *value /= regularization);
            gibbs::exp(values);
        });
    }

    /// Subtracts the row and column sums of what is kept; sums: [n + m].
    pub fn subtract_sums(&self, sums: &mut [f64]) {
        let (sums, column_sums) = sums.split_at_mut(self.every.len());
        for ((block, room), column_sums) in self.parts().zip(column_sums.chunks_mut(self.width)) {
            for (column, column_sum) in block.columns(room, &self.every).zip(column_sums) {
                for (&row, value) in column.0.iter().zip(column.1) {
                    sums[row as usize] -= value;
                    *column_sum -= value;
                }
            }
        }
    }

    /// Every entry with its row and its column, which is counted from the number of rows on.
    pub fn edges(&self) -> Vec<(f64, usize, usize)> {
        let columns = self.parts().flat_map(|(block, room)| block.columns(room, &self.every));
        let edges = columns.zip(self.every.len()..).flat_map(|((places, values), column)| {
            places.iter().zip(values).map(move |(&row, &value)| (value, row as usize, column))
        });
        edges.collect()
    }

    /// out ← A·d; rest, d, out: [n + m].
    pub fn apply(&mut self, rest: &[f64], d: &[f64], out: &mut [f64]) {
        let rows = self.every.len();
        out.iter_mut().zip(rest.iter().zip(d)).for_each(|(out, (rest, d))| *out = rest * d);
        let shared = SHARED <= self.len();
        let ((d, others), (out, columns)) = (d.split_at(rows), out.split_at_mut(rows));
        let (width, stride, every) = (self.width, self.stride(), &self.every);
        if !shared {
            let parts = others.chunks(width).zip(columns.chunks_mut(width));
            for ((block, room), (others, columns)) in self.parts().zip(parts) {
                add_product(block.columns(room, every), (d, others), (out, columns));
            }
            return;
        }
        let parts = others.par_chunks(width).zip(columns.par_chunks_mut(width));
        let blocks = self.blocks.par_iter_mut().zip(self.room.par_chunks(stride));
        blocks.zip(parts).with_max_len(1).for_each(|((block, room), (others, columns))| {
            let mut product = std::mem::take(&mut block.product);
            product.clear();
            product.resize(rows, 0.0);
            add_product(block.columns(room, every), (d, others), (&mut product, columns));
            block.product = product;
        });
        self.blocks.iter().for_each(|block| columns::add_scaled(out, 1.0, &block.product));
    }

    /// Numbers in the room of a block.
    fn stride(&self) -> usize {
        self.every.len() * self.width
    }

    /// The blocks with their room.
    fn parts(&self) -> impl Iterator<Item = (&Block, &[f64])> {
        self.blocks.iter().zip(self.room.chunks(self.stride()))
    }

    /// The same, to write.
    fn parts_mut(&mut self) -> impl IndexedParallelIterator<Item = (&mut Block, &mut [f64])> {
        let stride = self.stride();
        self.blocks.par_iter_mut().zip(self.room.par_chunks_mut(stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::values_of;
    use faer::Mat;

    const ROWS: usize = 6;
    const COLUMNS: usize = 19;

    fn measured() -> (Transport, Potentials) {
        let cost = Mat::from_fn(ROWS, COLUMNS, |i, j| ((i * 7 + j * 5) % 11) as f64 / 10.0);
        let (source, target) = (vec![1.0; ROWS], vec![ROWS as f64 / COLUMNS as f64; COLUMNS]);
        let problem = Transport::new(cost, source, target, 0.1).unwrap();
        let mut at = Potentials::new(&problem, None).unwrap();
        at.scale_columns(&problem);
        (problem, at)
    }

    /// The matrix with what is kept, its rest on the diagonal.
    fn matrix(kept: &mut Kept, at: &Potentials) -> Mat<f64> {
        let size = ROWS + COLUMNS;
        let mut rest: Vec<f64> = at.rows.iter().chain(&at.columns).copied().collect();
        kept.subtract_sums(&mut rest);
        assert!(rest.iter().all(|&rest| -1e-15 < rest));
        let mut matrix = Mat::zeros(size, size);
        for j in 0..size {
            let mut unit = vec![0.0; size];
            unit[j] = 1.0;
            kept.apply(&rest, &unit, matrix.col_as_slice_mut(j));
        }
        matrix
    }

    #[test]
    fn the_matrix_is_that_of_newton_without_the_small_entries() {
        let (problem, at) = measured();
        let mut plan = Mat::zeros(ROWS, COLUMNS);
        at.fill(&problem, &mut plan);
        let mut kept = Kept::new(ROWS, COLUMNS);
        for threshold in [0.0, 1e-3, 1e-2, 2.0] {
            kept.gather(&problem, &at, threshold);
            let found = matrix(&mut kept, &at);
            for j in 0..COLUMNS {
                assert!((found[(ROWS + j, ROWS + j)] - at.columns[j]).abs() < 1e-14);
                for i in 0..ROWS {
                    assert!((found[(i, i)] - at.rows[i]).abs() < 1e-14);
                    let expected = if threshold <= plan[(i, j)] { plan[(i, j)] } else { 0.0 };
                    assert!((found[(i, ROWS + j)] - expected).abs() < 1e-15);
                    assert_eq!(found[(i, ROWS + j)], found[(ROWS + j, i)]);
                }
            }
        }
        assert_eq!(kept.len(), 0);
    }

    #[test]
    fn the_largest_entries_are_kept() {
        let (problem, at) = measured();
        let mut plan = Mat::zeros(ROWS, COLUMNS);
        at.fill(&problem, &mut plan);
        let mut values: Vec<f64> = (0..COLUMNS).flat_map(|j| plan.col_as_slice(j).to_vec()).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let mut kept = Kept::new(ROWS, COLUMNS);
        for count in [1, 12, 40, ROWS * COLUMNS] {
            kept.gather_largest(&problem, &at, count);
            let least = values[count - 1] * (1.0 - 1e-12);
            let equal = values.iter().filter(|&&value| least <= value).count();
            assert!(count <= kept.len() && kept.len() <= equal, "{count}: {}", kept.len());
        }
    }

    fn large() -> (Transport, Potentials) {
        let cost = Mat::from_fn(300, 310, |i, j| ((i * 31 + j * 17) % 97) as f64 / 97.0);
        let problem = Transport::new(cost, vec![1.0; 300], vec![300.0 / 310.0; 310], 1.0).unwrap();
        let mut at = Potentials::new(&problem, None).unwrap();
        at.scale_columns(&problem);
        (problem, at)
    }

    #[test]
    fn no_more_is_held_than_the_plan() {
        let (problem, at) = large();
        let mut plan = Mat::zeros(300, 310);
        at.fill(&problem, &mut plan);
        let mut kept = Kept::new(300, 310);
        // More than two thirds take less memory with a place for each.
        let check = |kept: &Kept| {
            for (block, room) in kept.parts() {
                assert_eq!(block.whole, values_of(room.len()) < block.count);
            }
        };
        for threshold in [0.0, 2.2e-3, 2.8e-3, 3.5e-3, 5e-3] {
            kept.gather(&problem, &at, threshold);
            let entries = (0..310).flat_map(|j| plan.col_as_slice(j));
            assert_eq!(kept.len(), entries.filter(|&&entry| threshold <= entry).count());
            check(&kept);
        }
        for count in [100, 50_000, 80_000, 93_000] {
            kept.gather_largest(&problem, &at, count);
            assert!(count <= kept.len());
            check(&kept);
        }
    }

    #[test]
    fn shared_products_are_the_same() {
        let (problem, at) = large();
        let mut kept = Kept::new(300, 310);
        kept.gather(&problem, &at, 0.0);
        assert!(SHARED <= kept.len());
        let (d, rest): (Vec<f64>, _) = ((0..610).map(|i| (i % 13) as f64).collect(), vec![0.0; 610]);
        let mut out = vec![0.0; 610];
        kept.apply(&rest, &d, &mut out);
        let mut plan = Mat::zeros(300, 310);
        at.fill(&problem, &mut plan);
        for i in 0..300 {
            let expected: f64 = (0..310).map(|j| plan[(i, j)] * (d[i] + d[300 + j])).sum();
            assert!((out[i] - expected).abs() < 1e-12 * expected);
        }
        for j in 0..310 {
            let expected: f64 = (0..300).map(|i| plan[(i, j)] * (d[i] + d[300 + j])).sum();
            assert!((out[300 + j] - expected).abs() < 1e-12 * expected);
        }
    }
}
