//! Winograd's short convolutions F(m × m, k × k) on tiles of 6 × 6: (m, k) is (2, 5) or (4, 3).
//!
//!     y = Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A,   summed over channels        d: 6 × 6 of x  g: k × k taps  y: m × m
//!     dg = Gᵀ[Σ (A dy Aᵀ) ∘ (Bᵀ d B)]G,   summed over tiles
//!
//! with the points 0, ±1, ±2, ∞. The sums over channels (or tiles) are 36 small matrix products: 36/m² multiply-adds an
//! output and channel, where the definition takes k² (9 for 25, or 2.25 for 9). The price is rounding: a digit more than
//! the definition's, a few 1e-6 of the largest output.
//!
//! A block of tiles is transformed at a time, such that it stays in the second cache; products are made for sixteen
//! outputs of it, and transformed back before the next sixteen.

use super::direct::products;
use super::local::Plane;
use super::points::{a, a_transposed, bt, g_times, g_transposed};
use super::{LANES, abreast, each_rows, split};
use crate::vectorise::Vector;

/// Numbers of a transformed tile.
pub(super) const POINTS: usize = 36;

/// Transformed numbers of a block of tiles: 256 KiB.
const BLOCK: usize = 64 * 1024;

/// The outputs of one image in tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// m.
    pub side: usize,
    /// Outputs: rows and columns.
    pub size: [usize; 2],
}

impl Tiles {
    /// m for a k × k kernel, where there is one.
    pub fn side(kernel: [usize; 2]) -> Option<usize> {
        match kernel {
            [5, 5] => Some(2),
            [3, 3] => Some(4),
            _ => None,
        }
    }

    /// Rows and columns of tiles.
    pub fn grid(&self) -> [usize; 2] {
        self.size.map(|size| size.div_ceil(self.side))
    }

    fn count(&self) -> usize {
        self.grid().iter().product()
    }

    /// Tiles in a block of `channels` channels.
    fn block(&self, channels: usize) -> usize {
        let most = (BLOCK / (POINTS * channels)).max(8);
        let count = self.count();
        count.div_ceil(count.div_ceil(most).max(1))
    }

    /// Room for the transformed tiles of a block, and for their products with sixteen outputs.
    pub fn room(&self, channels: usize) -> [usize; 2] {
        let tiles = self.block(channels);
        [POINTS * tiles * channels, POINTS * tiles * LANES]
    }

    /// The first output of a tile.
    #[inline(always)]
    fn corner(&self, tile: usize) -> [usize; 2] {
        let across = self.size[1].div_ceil(self.side);
        [tile / across * self.side, tile % across * self.side]
    }

    /// First tile and length of every block.
    fn blocks(&self, channels: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        split(self.count(), self.block(channels).max(1))
    }
}

/// out: [pixels, width] from a plane whose tiles start at its first row and column; lifted: [width / 16][36][depth][16].
pub(super) fn forward(
    plane: &Plane,
    numbers: &[f32],
    tiles: Tiles,
    lifted: &[f32],
    (v, m): (&mut [f32], &mut [f32]),
    (out, width): (&mut [f32], usize),
) {
    let depth = plane.depth;
    for (first, count) in tiles.blocks(depth) {
        let (v, m) = (&mut v[..POINTS * count * depth], &mut m[..POINTS * count * LANES]);
        transform(numbers, *plane, tiles, first, v);
        for (block, lifted) in lifted.chunks_exact(POINTS * depth * LANES).enumerate() {
            multiply(v, lifted, m, depth);
            transform_back(m, tiles, first, &mut out[block * LANES..], width);
        }
    }
}

/// Adds to sums: [width / 16][36][depth][16]; dy is a plane whose pixels are `tiles.size` outputs, zeros behind them.
pub(super) fn gradient(
    plane: &Plane,
    numbers: &[f32],
    tiles: Tiles,
    (dy_plane, dy): (&Plane, &[f32]),
    (v, m): (&mut [f32], &mut [f32]),
    sums: &mut [f32],
) {
    let depth = plane.depth;
    for (first, count) in tiles.blocks(depth) {
        let (v, m) = (&mut v[..POINTS * count * depth], &mut m[..POINTS * count * LANES]);
        transform(numbers, *plane, tiles, first, v);
        for (block, sums) in sums.chunks_exact_mut(POINTS * depth * LANES).enumerate() {
            spread(&dy[block * LANES..], *dy_plane, tiles, first, m);
            collect(v, m, sums, depth);
        }
    }
}

vectorised! {
    /// v[point, tile, channel] = (Bᵀ d B)[point] of the tiles from `first` on.
    fn transform<V>(numbers: &[f32], plane: Plane, tiles: Tiles, first: usize, v: &mut [f32]) {
        let (depth, line) = (plane.depth, plane.columns * plane.depth);
        let count = v.len() / (POINTS * depth);
        for tile in 0..count {
            let [top, left] = tiles.corner(first + tile);
            for channel in (0..depth).step_by(LANES) {
                let d = &numbers[top * line + left * depth + channel..];
                let mut half = [[V::splat(0.0); 6]; 6];
                for (j, half) in half.iter_mut().enumerate() {
                    *half = bt(six::<V>(d, j * depth, line));
                }
                for i in 0..6 {
                    let h = &half;
                    let row = bt([h[0][i], h[1][i], h[2][i], h[3][i], h[4][i], h[5][i]]);
                    for (j, value) in row.into_iter().enumerate() {
                        put(value, v, ((i * 6 + j) * count + tile) * depth + channel);
                    }
                }
            }
        }
    }

    /// m[point, tile, 16] = v[point, tile, :] · lifted[point, :, 16].
    fn multiply<V>(v: &[f32], lifted: &[f32], m: &mut [f32], depth: usize) {
        let count = m.len() / (POINTS * LANES);
        let points = v.chunks_exact(count * depth).zip(lifted.chunks_exact(depth * LANES));
        for ((v, lifted), m) in points.zip(m.chunks_exact_mut(count * LANES)) {
            let (lifted, m) = (lifted.as_chunks().0, m.as_chunks_mut().0);
            for (tile, rows) in split(count, abreast::<V>()) {
                each_rows!(rows, multiply_rows::<V>(&v[tile * depth..], lifted, &mut m[tile..]));
            }
        }
    }

    /// out[pixel, 16] of every tile from its 36 products.
    fn transform_back<V>(m: &[f32], tiles: Tiles, first: usize, out: &mut [f32], width: usize) {
        let count = m.len() / (POINTS * LANES);
        let [rows, columns] = tiles.size;
        for tile in 0..count {
            let [top, left] = tiles.corner(first + tile);
            let mut half = [[V::splat(0.0); 6]; 4];
            for j in 0..6 {
                let products = six::<V>(m, (j * count + tile) * LANES, 6 * count * LANES);
                let y = a_transposed(products, tiles.side);
                for (half, y) in half.iter_mut().zip(y) {
                    half[j] = y;
                }
            }
            for (i, half) in half.into_iter().enumerate().take(tiles.side.min(rows - top)) {
                let y = a_transposed(half, tiles.side);
                for (j, y) in y.into_iter().enumerate().take(tiles.side.min(columns - left)) {
                    put(y, out, ((top + i) * columns + left + j) * width);
                }
            }
        }
    }

    /// m[point, tile, 16] = (A dy Aᵀ)[point].
    fn spread<V>(dy: &[f32], plane: Plane, tiles: Tiles, first: usize, m: &mut [f32]) {
        let count = m.len() / (POINTS * LANES);
        for tile in 0..count {
            let [top, left] = tiles.corner(first + tile);
            let mut half = [[V::splat(0.0); 4]; 6];
            for j in 0..tiles.side {
                let mut y = [V::splat(0.0); 4];
                for (i, y) in y.iter_mut().enumerate().take(tiles.side) {
                    *y = at(dy, plane.start(top + i, left + j));
                }
                for (half, value) in half.iter_mut().zip(a(y, tiles.side)) {
                    half[j] = value;
                }
            }
            for (i, half) in half.into_iter().enumerate() {
                for (j, value) in a(half, tiles.side).into_iter().enumerate() {
                    put(value, m, ((i * 6 + j) * count + tile) * LANES);
                }
            }
        }
    }

    /// sums[point, :, 16] += v[point]ᵀ · m[point].
    fn collect<V>(v: &[f32], m: &[f32], sums: &mut [f32], depth: usize) {
        let count = m.len() / (POINTS * LANES);
        let points = v.chunks_exact(count * depth).zip(m.chunks_exact(count * LANES));
        for ((v, m), sums) in points.zip(sums.chunks_exact_mut(depth * LANES)) {
            let (m, sums) = (m.as_chunks().0, sums.as_chunks_mut().0);
            for (channel, rows) in split(depth, abreast::<V>()) {
                each_rows!(rows, collect_rows::<V>(&v[channel..], depth, m, &mut sums[channel..]));
            }
        }
    }

    /// lifted[point, channel, 16] = G g Gᵀ; taps: [k, k, channel, 16].
    pub(super) fn lift<V>(taps: &[f32], lifted: &mut [f32], kernel: usize) {
        let depth = taps.len() / (kernel * kernel * LANES);
        for channel in 0..depth {
            let mut half = [[V::splat(0.0); 5]; 6];
            for j in 0..kernel {
                let mut g = [V::splat(0.0); 5];
                for (i, g) in g.iter_mut().enumerate().take(kernel) {
                    *g = at(taps, ((i * kernel + j) * depth + channel) * LANES);
                }
                for (half, value) in half.iter_mut().zip(g_times(g, kernel)) {
                    half[j] = value;
                }
            }
            for (i, half) in half.into_iter().enumerate() {
                for (j, value) in g_times(half, kernel).into_iter().enumerate() {
                    put(value, lifted, ((i * 6 + j) * depth + channel) * LANES);
                }
            }
        }
    }

    /// taps = Gᵀ · sums · G, with the shapes of [`lift`].
    pub(super) fn lower<V>(sums: &[f32], taps: &mut [f32], kernel: usize) {
        let depth = taps.len() / (kernel * kernel * LANES);
        for channel in 0..depth {
            let mut half = [[V::splat(0.0); 6]; 5];
            for j in 0..6 {
                let products = six::<V>(sums, (j * depth + channel) * LANES, 6 * depth * LANES);
                let g = g_transposed(products, kernel);
                for (half, value) in half.iter_mut().zip(g) {
                    half[j] = value;
                }
            }
            for (i, half) in half.into_iter().enumerate().take(kernel) {
                for (j, value) in g_transposed(half, kernel).into_iter().enumerate().take(kernel) {
                    put(value, taps, ((i * kernel + j) * depth + channel) * LANES);
                }
            }
        }
    }
}

#[inline(always)]
fn at<V: Vector>(x: &[f32], start: usize) -> V {
    match x[start..].first_chunk() {
        Some(x) => V::load(x),
        None => V::splat(0.0),
    }
}

/// Six vectors, `step` numbers apart.
#[inline(always)]
fn six<V: Vector>(x: &[f32], start: usize, step: usize) -> [V; 6] {
    let mut found = [V::splat(0.0); 6];
    for (i, found) in found.iter_mut().enumerate() {
        *found = at(x, start + i * step);
    }
    found
}

#[inline(always)]
fn put<V: Vector>(value: V, x: &mut [f32], start: usize) {
    if let Some(x) = x[start..].first_chunk_mut() {
        value.store(x);
    }
}

/// N tiles of one point.
#[inline(always)]
fn multiply_rows<V: Vector, const N: usize>(v: &[f32], lifted: &[[f32; LANES]], m: &mut [[f32; LANES]]) {
    let depth = lifted.len();
    let mut sums = [V::splat(0.0); N];
    let mut rows = [v; N];
    for (at, row) in rows.iter_mut().enumerate() {
        *row = &v[at * depth..][..depth];
    }
    products(&mut sums, rows, lifted);
    for (sum, m) in sums.into_iter().zip(m) {
        sum.store(m);
    }
}

/// N channels of one point.
#[inline(always)]
fn collect_rows<V: Vector, const N: usize>(
    v: &[f32],
    depth: usize,
    m: &[[f32; LANES]],
    kept: &mut [[f32; LANES]],
) {
    let mut sums = [V::splat(0.0); N];
    for (sum, kept) in sums.iter_mut().zip(kept.iter()) {
        *sum = V::load(kept);
    }
    for (tile, m) in m.iter().enumerate() {
        if let Some(v) = v[tile * depth..].first_chunk::<N>() {
            let m = V::load(m);
            for (sum, v) in sums.iter_mut().zip(v) {
                *sum = V::splat(*v).mul_add(m, *sum);
            }
        }
    }
    for (sum, kept) in sums.into_iter().zip(kept) {
        sum.store(kept);
    }
}
