//! Max pooling of maps.
//!
//!     y[m, i, j] = max over (a, b) of x[m, i·stride + a − padding, j·stride + b − padding]      a < height, b < width of the window
//!
//! x: [maps, h, w]. Outside of x nothing stands; windows that lie outside of it by a part are those of their inside. The
//! index of the winner in its map is kept, the first of equals, and the backward pass adds dy there. A NaN wins over everything. Tasks are
//! groups of maps. Windows of 2 × 2 side by side have a loop of their own, which the vectoriser takes.

use crate::tasks;

/// The sizes of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Height and width of a map.
    pub size: [usize; 2],
    /// Height and width of a window.
    pub window: [usize; 2],
    /// Steps of the window.
    pub stride: [usize; 2],
    /// Rows and columns around a map; at most half of the window, so that no window is empty.
    pub padding: [usize; 2],
}

impl MaxPool {
    /// Height and width of y; `None` when the sizes allow no output.
    pub fn output(&self) -> Option<[usize; 2]> {
        let mut output = [0; 2];
        for (axis, output) in output.iter_mut().enumerate() {
            let (window, stride, padding) = (self.window[axis], self.stride[axis], self.padding[axis]);
            if window == 0 || stride == 0 || 2 * padding > window || self.size[axis] == 0 {
                return None;
            }
            *output = (self.size[axis] + 2 * padding).checked_sub(window)? / stride + 1;
        }
        Some(output)
    }

    /// The largest of every window and its index in the map; x: [maps, h, w], y and winners: [maps, output].
    ///
    /// # Panics
    /// When the sizes allow no output, or a slice has a wrong length.
    pub fn forward(&self, x: &[f32], y: &mut [f32], winners: &mut [u32]) {
        let [area, pixels] = self.check(x.len(), y.len(), winners.len());
        let maps = tasks::rows_per_task(area);
        let tasks =
            x.chunks(maps * area).zip(y.chunks_mut(maps * pixels)).zip(winners.chunks_mut(maps * pixels));
        tasks::run(tasks.collect(), |((x, y), winners)| {
            let maps = x.chunks(area).zip(y.chunks_mut(pixels)).zip(winners.chunks_mut(pixels));
            maps.for_each(|((x, y), winners)| self.map(x, y, winners));
        });
    }

    /// dx from dy: every dy goes to its winner; overwrites dx.
    ///
    /// # Panics
    /// When the sizes allow no output, or a slice has a wrong length.
    pub fn backward(&self, winners: &[u32], dy: &[f32], dx: &mut [f32]) {
        let [area, pixels] = self.check(dx.len(), dy.len(), winners.len());
        let maps = tasks::rows_per_task(area);
        let tasks =
            dx.chunks_mut(maps * area).zip(dy.chunks(maps * pixels)).zip(winners.chunks(maps * pixels));
        tasks::run(tasks.collect(), |((dx, dy), winners)| {
            dx.fill(0.0);
            let maps = dx.chunks_mut(area).zip(dy.chunks(pixels)).zip(winners.chunks(pixels));
            for ((dx, dy), winners) in maps {
                dy.iter().zip(winners).for_each(|(dy, &winner)| dx[winner as usize] += dy);
            }
        });
    }

    #[expect(clippy::expect_used, reason = "the documented panic of the two public functions")]
    fn check(&self, x: usize, y: usize, winners: usize) -> [usize; 2] {
        let output: usize = self.output().expect("sizes of a pooling that fit each other").iter().product();
        let area: usize = self.size.iter().product();
        assert!(u32::try_from(area).is_ok(), "a map that 32 bits can count");
        assert!(x.is_multiple_of(area) && x / area * output == y, "maps and pooled maps differ in number");
        assert_eq!(y, winners, "one winner a window");
        [area, output]
    }

    fn map(&self, x: &[f32], y: &mut [f32], winners: &mut [u32]) {
        let (columns, [height, width]) = (self.size[1], self.window);
        let across = self.output().map_or(1, |output| output[1]);
        let lines = y.chunks_exact_mut(across).zip(winners.chunks_exact_mut(across));
        for (i, (y, winners)) in lines.enumerate() {
            if (self.window, self.stride, self.padding) == ([2, 2], [2, 2], [0, 0]) {
                let first = 2 * i * columns;
                pairs(&x[first..][..columns], &x[first + columns..][..columns], first as u32, y, winners);
                continue;
            }
            let rows = inside(i * self.stride[0], height, self.padding[0], self.size[0]);
            for (j, (y, winner)) in y.iter_mut().zip(winners).enumerate() {
                let span = inside(j * self.stride[1], width, self.padding[1], columns);
                *winner = (rows.start * columns + span.start) as u32;
                *y = x[*winner as usize];
                for row in rows.clone() {
                    let seen = row * columns + span.start..row * columns + span.end;
                    for (at, &x) in seen.clone().zip(&x[seen]) {
                        if x > *y || x.is_nan() {
                            (*y, *winner) = (x, at as u32);
                        }
                    }
                }
            }
        }
    }
}

/// The part of a window inside a map of `size`, the window's start counted from the padding's.
fn inside(start: usize, window: usize, padding: usize, size: usize) -> std::ops::Range<usize> {
    start.saturating_sub(padding)..(start + window - padding).min(size)
}

vectorised! {
    /// Windows of 2 × 2 on two rows of a map, of which the upper one starts at `first`.
    fn pairs<V>(upper: &[f32], lower: &[f32], first: u32, y: &mut [f32], winners: &mut [u32]) {
        let columns = upper.len() as u32;
        let rows = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        for (j, ((&[a, b], &[c, d]), (y, winner))) in (0..).zip(rows.zip(y.iter_mut().zip(winners))) {
            let (mut best, mut at) = (a, 0);
            for (x, offset) in [(b, 1), (c, columns), (d, columns + 1)] {
                let larger = x > best || x.is_nan();
                at = if larger { offset } else { at };
                best = if larger { x } else { best };
            }
            *y = best;
            *winner = first + 2 * j + at;
        }
    }
}
