//! Sixteen f32 in plain Rust, for processors without a version of their own.

use super::double::PortableDouble;
use super::{LANES, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        for (x, other) in self.0.iter_mut().zip(other.0) {
            *x = f(*x, other);
        }
        self
    }
}

#[inline(always)]
fn each(mut bytes: [u8; LANES], f: impl Fn(usize, u8) -> u8) -> [u8; LANES] {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = f(at, *byte);
    }
    bytes
}

#[inline(always)]
fn numbers<T: Copy>(x: &[T; LANES], f: impl Fn(T) -> f32) -> Portable {
    let mut lanes = [0.0; LANES];
    for (lane, &x) in lanes.iter_mut().zip(x) {
        *lane = f(x);
    }
    Portable(lanes)
}

impl Vector for Portable {
    const SUMS: usize = 4;
    type Bytes = [u8; LANES];
    type Double = PortableDouble;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        Self(*x)
    }

    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        *x = self.0;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.mul(factor).add(addend)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.zip(self, |x, _| f32::from_bits(x.to_bits().wrapping_add(127) << 23))
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let mut out = otherwise;
        for (((out, x), limit), then) in out.0.iter_mut().zip(self.0).zip(limit.0).zip(then.0) {
            *out = if x < limit { then } else { *out };
        }
        out
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.0;
        for width in [8, 4, 2, 1] {
            let (low, high) = lanes.split_at_mut(width);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        }
        lanes[0]
    }

    #[inline(always)]
    fn bytes(x: &[u8; LANES]) -> [u8; LANES] {
        *x
    }

    #[inline(always)]
    fn field(bits: [u8; LANES], shift: u32, mask: u8) -> [u8; LANES] {
        each(bits, |_, byte| byte >> shift & mask)
    }

    #[inline(always)]
    fn join(low: [u8; LANES], high: [u8; LANES], shift: u32) -> [u8; LANES] {
        each(low, |at, low| low | high[at] << shift)
    }

    #[inline(always)]
    fn spread(bits: u16) -> [u8; LANES] {
        each([0; LANES], |at, _| (bits >> at & 1) as u8)
    }

    #[inline(always)]
    fn unsigned(bytes: [u8; LANES]) -> Self {
        numbers(&bytes, f32::from)
    }

    #[inline(always)]
    fn signed(bytes: [u8; LANES]) -> Self {
        numbers(&bytes, |byte| f32::from(byte as i8))
    }

    #[inline(always)]
    fn lookup(bytes: [u8; LANES], table: &[f32; LANES]) -> Self {
        numbers(&bytes, |byte| table[usize::from(byte)])
    }

    #[inline(always)]
    fn half(bits: u16) -> f32 {
        half::f16::from_bits(bits).to_f32()
    }

    #[inline(always)]
    fn halves(x: &[[u8; 2]; LANES]) -> Self {
        numbers(x, |pair| Self::half(u16::from_le_bytes(pair)))
    }

    #[inline(always)]
    fn upper_halves(x: &[[u8; 2]; LANES]) -> Self {
        numbers(x, |pair| f32::from_bits(u32::from(u16::from_le_bytes(pair)) << 16))
    }
}
