//! A few columns of what is kept: a list of entries with their rows, or a place for every entry.

/// What is known of the entries of a few columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Where each column ends.
    ends: Vec<usize>,
    /// Whether every entry has its place, as that takes less memory than the rows of what is kept; 0 is in those of the others.
    pub whole: bool,
    /// How many are kept.
    pub count: usize,
    /// The block's share of a product; [n].
    pub product: Vec<f64>,
}

/// A list of entries in the room of a block: values in two thirds of it, their rows in the rest, so that as many fit as take
/// no more memory than all entries without rows.
struct List<'a> {
    rows: &'a mut [u32],
    values: &'a mut [f64],
    count: usize,
}

/// Numbers in the room of a block that are a list's values.
pub(super) const fn values_of(room: usize) -> usize {
    2 * room / 3
}

impl Block {
    /// Takes of columns (cost, potential) what reaches the limit.
    pub fn take<'a>(
        &mut self,
        columns: impl Iterator<Item = (&'a [f64], f64)> + Clone,
        source: &[f64],
        limit: f64,
        room: &mut [f64],
    ) {
        let mut list = List::new(room);
        self.whole = false;
        self.ends.clear();
        for (cost, target) in columns.clone() {
            if !list.scan(cost, source, target, limit) {
                return self.take_whole(columns, source, limit, room);
            }
            self.ends.push(list.count);
        }
        self.count = list.count;
    }

    /// The same with a place for every entry; −∞ is in those of the others.
    fn take_whole<'a>(
        &mut self,
        columns: impl Iterator<Item = (&'a [f64], f64)>,
        source: &[f64],
        limit: f64,
        room: &mut [f64],
    ) {
        self.whole = true;
        self.ends.clear();
        self.count = 0;
        for ((cost, target), out) in columns.zip(room.chunks_mut(source.len())) {
            for (out, (cost, source)) in out.iter_mut().zip(cost.iter().zip(source)) {
                let found = source + target - cost;
                self.count += usize::from(limit <= found);
                *out = if limit <= found { found } else { f64::NEG_INFINITY };
            }
            self.ends.push(self.filled() + source.len());
        }
    }

    /// Values in the block's room.
    pub fn filled(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Rows and values of every column.
    pub fn columns<'a>(
        &'a self,
        room: &'a [f64],
        every: &'a [u32],
    ) -> impl Iterator<Item = (&'a [u32], &'a [f64])> {
        let rows: &[u32] = bytemuck::cast_slice(&room[values_of(room.len())..]);
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(move |(begin, &end)| {
            let rows = if self.whole { every } else { &rows[begin..end] };
            (rows, &room[begin..end])
        })
    }
}

impl<'a> List<'a> {
    /// An empty one.
    fn new(room: &'a mut [f64]) -> Self {
        let (values, rows) = room.split_at_mut(values_of(room.len()));
        Self { rows: bytemuck::cast_slice_mut(rows), values, count: 0 }
    }

    /// Appends of a column where f + g − c reaches the limit: the row and that number. False where there is no room for all.
    fn scan(&mut self, cost: &[f64], source: &[f64], target: f64, limit: f64) -> bool {
        const LANES: usize = 8;
        let far = |cost: &f64, source: &f64| source + target - cost;
        for (at, (costs, sources)) in cost.chunks(LANES).zip(source.chunks(LANES)).enumerate() {
            if !costs.iter().zip(sources).fold(false, |any, (c, f)| any | (limit <= far(c, f))) {
                continue;
            }
            for (row, (c, f)) in (at * LANES..).zip(costs.iter().zip(sources)) {
                if limit <= far(c, f) {
                    let Some(value) = self.values.get_mut(self.count) else { return false };
                    *value = far(c, f);
                    self.rows[self.count] = row as u32;
                    self.count += 1;
                }
            }
        }
        true
    }
}

/// Adds the product of columns with (d of rows, d of columns) to that of (rows, columns).
pub(super) fn add_product<'a>(
    entries: impl Iterator<Item = (&'a [u32], &'a [f64])>,
    (d, others): (&[f64], &[f64]),
    (out, columns): (&mut [f64], &mut [f64]),
) {
    for (((rows, values), other), column) in entries.zip(others).zip(columns) {
        let mut sum = 0.0;
        for (&row, value) in rows.iter().zip(values) {
            let flow = value * (d[row as usize] + other);
            out[row as usize] += flow;
            sum += flow;
        }
        *column += sum;
    }
}
