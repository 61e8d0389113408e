//! The transforms of F(2 × 2, 5 × 5) and F(4 × 4, 3 × 3) along one side of a tile, at the points 0, ±1, ±2, ∞.
//!
//! Products with the constant matrices B, A and G of `winograd.rs`, written out with the sums that their rows share.

use crate::vectorise::Vector;

/// Bᵀ·d.
#[inline(always)]
pub(super) fn bt<V: Vector>(d: [V; 6]) -> [V; 6] {
    let [two, four] = [V::splat(2.0), V::splat(4.0)];
    let [minus_four, minus_five] = [V::splat(-4.0), V::splat(-5.0)];
    let (even, odd) = (minus_four.mul_add(d[2], d[4]), minus_four.mul_add(d[1], d[3]));
    let (even2, odd2) = (d[4].sub(d[2]), two.mul(d[3].sub(d[1])));
    [
        four.mul_add(d[0], minus_five.mul_add(d[2], d[4])),
        even.add(odd),
        even.sub(odd),
        even2.add(odd2),
        even2.sub(odd2),
        four.mul_add(d[1], minus_five.mul_add(d[3], d[5])),
    ]
}

/// Aᵀ·m, zeros behind the first `side`.
#[inline(always)]
pub(super) fn a_transposed<V: Vector>(m: [V; 6], side: usize) -> [V; 4] {
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (sum2, difference2) = (m[3].add(m[4]), m[3].sub(m[4]));
    let first = m[0].add(sum).add(sum2);
    let second = V::splat(2.0).mul_add(difference2, difference);
    if side == 2 {
        [first, second.add(m[5]), V::splat(0.0), V::splat(0.0)]
    } else {
        let third = V::splat(4.0).mul_add(sum2, sum);
        [first, second, third, V::splat(8.0).mul_add(difference2, difference).add(m[5])]
    }
}

/// A·y, for y of `side` numbers and zeros.
#[inline(always)]
pub(super) fn a<V: Vector>(y: [V; 4], side: usize) -> [V; 6] {
    let [two, four] = [V::splat(2.0), V::splat(4.0)];
    if side == 2 {
        let twice = two.mul(y[1]);
        [y[0], y[0].add(y[1]), y[0].sub(y[1]), y[0].add(twice), y[0].sub(twice), y[1]]
    } else {
        let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
        let (even2, odd2) = (four.mul_add(y[2], y[0]), two.mul(four.mul_add(y[3], y[1])));
        [y[0], even.add(odd), even.sub(odd), even2.add(odd2), even2.sub(odd2), y[3]]
    }
}

/// G·g, for g of `kernel` numbers and zeros.
#[inline(always)]
pub(super) fn g_times<V: Vector>(g: [V; 5], kernel: usize) -> [V; 6] {
    let [two, four] = [V::splat(2.0), V::splat(4.0)];
    let (sixth, small) = (V::splat(-1.0 / 6.0), V::splat(1.0 / 24.0));
    let (even, odd) = (g[0].add(g[2]).add(g[4]), g[1].add(g[3]));
    let even2 = four.mul_add(four.mul_add(g[4], g[2]), g[0]);
    let odd2 = two.mul(four.mul_add(g[3], g[1]));
    let last = if kernel == 3 { g[2] } else { g[4] };
    [
        V::splat(0.25).mul(g[0]),
        sixth.mul(even.add(odd)),
        sixth.mul(even.sub(odd)),
        small.mul(even2.add(odd2)),
        small.mul(even2.sub(odd2)),
        last,
    ]
}

/// factor · x + addend.
#[inline(always)]
fn times<V: Vector>(factor: f32, x: V, addend: V) -> V {
    V::splat(factor).mul_add(x, addend)
}

/// Gᵀ·u, the first `kernel` numbers of it.
#[inline(always)]
pub(super) fn g_transposed<V: Vector>(u: [V; 6], kernel: usize) -> [V; 5] {
    let (sixth, small) = (V::splat(-1.0 / 6.0), V::splat(1.0 / 24.0));
    let (even, odd) = (sixth.mul(u[1].add(u[2])), sixth.mul(u[1].sub(u[2])));
    let (even2, odd2) = (small.mul(u[3].add(u[4])), small.mul(u[3].sub(u[4])));
    let first = times(0.25, u[0], even.add(even2));
    let (second, third) = (times(2.0, odd2, odd), times(4.0, even2, even));
    if kernel == 3 {
        [first, second, third.add(u[5]), V::splat(0.0), V::splat(0.0)]
    } else {
        [first, second, third, times(8.0, odd2, odd), times(16.0, even2, even).add(u[5])]
    }
}
