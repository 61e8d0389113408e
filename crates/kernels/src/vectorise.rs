//! Sixteen f32 abreast, and one body compiled for AVX-512, for AVX2 and for the baseline, chosen when it runs.
//!
//! Elementwise loops are left to LLVM's loop vectoriser, which is reliable on them. Loops that keep sums in
//! registers, or take exponentials on the way to a sum, are written over [`Vector`]: as arrays they were vectorised
//! or not depending on what stood around them, at a factor of four in speed.

pub(crate) mod double;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Numbers in a vector.
pub(crate) const LANES: usize = 16;

/// Sixteen f32. The processor-specific ones are named by `vectorised!` only, where their instructions are known to exist.
pub(crate) trait Vector: Copy {
    /// How many sums to keep in registers; a multiple of 4.
    const SUMS: usize;

    /// Sixteen bytes, on the way from a storage type.
    type Bytes: Copy;
    /// Eight f64.
    type Double: double::Double;

    fn splat(x: f32) -> Self;
    fn load(x: &[f32; LANES]) -> Self;
    fn store(self, x: &mut [f32; LANES]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    /// self · factor + addend, rounded once where the processor can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger of two; `other` where one is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller of two; `other` where one is NaN.
    fn min(self, other: Self) -> Self;
    /// 2ⁿ for n = self − 1.5 · 2²³, a whole number from −126 to 128 (which gives ∞).
    fn power_of_two(self) -> Self;
    /// `then` where self < limit, `otherwise` elsewhere (and where self is NaN).
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self;
    /// The sum of the lanes.
    fn sum(self) -> f32;

    fn bytes(x: &[u8; LANES]) -> Self::Bytes;
    /// `bits >> shift & mask` of every byte; shift ≤ 7.
    fn field(bits: Self::Bytes, shift: u32, mask: u8) -> Self::Bytes;
    /// `low | high << shift` of every byte, which must not overflow; shift ≤ 7.
    fn join(low: Self::Bytes, high: Self::Bytes, shift: u32) -> Self::Bytes;
    /// Bit i in byte i, as 0 or 1.
    fn spread(bits: u16) -> Self::Bytes;
    /// Bytes from 0 to 255 as numbers.
    fn unsigned(bytes: Self::Bytes) -> Self;
    /// Bytes from −128 to 127 as numbers.
    fn signed(bytes: Self::Bytes) -> Self;
    /// Entries of a table, by bytes from 0 to 15.
    fn lookup(bytes: Self::Bytes, table: &[f32; LANES]) -> Self;
    /// An IEEE half.
    fn half(bits: u16) -> f32;
    /// Sixteen IEEE halves, little-endian.
    fn halves(x: &[[u8; 2]; LANES]) -> Self;
    /// Sixteen upper halves of f32, little-endian.
    fn upper_halves(x: &[[u8; 2]; LANES]) -> Self;

    /// Transposes the sixteen times sixteen numbers that x starts with, into those that `out` starts with; rows of either
    /// are a stride apart.
    #[inline(always)]
    fn turn(x: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
        let mut block = [[0.0; LANES]; LANES];
        for (row, block) in block.iter_mut().enumerate() {
            block.copy_from_slice(&x[row * stride..][..LANES]);
        }
        for column in 0..LANES {
            for (out, block) in out[column * out_stride..][..LANES].iter_mut().zip(&block) {
                *out = block[column];
            }
        }
    }
}

/// Defines functions whose bodies are compiled once per instruction set, with the type `V: Vector` in scope. What
/// they call must be `#[inline(always)]`: a function of its own is compiled for the baseline. That excludes
/// `array::map` and `from_fn` around vectors.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $visible:vis fn $name:ident<$vector:ident>($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $visible fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            fn generic<$vector: $crate::vectorise::Vector>($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::{Level, level};
                use $crate::vectorise::{Avx2, Avx512};

                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,f16c")]
                fn avx512($($argument: $type),*) $(-> $output)? { generic::<Avx512>($($argument),*) }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2($($argument: $type),*) $(-> $output)? { generic::<Avx2>($($argument),*) }

                #[expect(unsafe_code, reason = "calling functions compiled for more than the baseline")]
                match level() {
                    // SAFETY: the features of this level, and of those above it, were found on this processor.
                    Level::Amx | Level::Avx512Bf16 | Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: the features of this level were found on this processor.
                    Level::Avx2 => return unsafe { avx2($($argument),*) },
                    Level::Baseline => {}
                }
            }
            generic::<$crate::vectorise::Portable>($($argument),*)
        }
    )*};
}

/// Fewer than sixteen numbers, `filler` behind them.
#[inline(always)]
pub(crate) fn load_part<V: Vector>(x: &[f32], filler: f32) -> V {
    let mut lanes = [filler; LANES];
    lanes[..x.len()].copy_from_slice(x);
    V::load(&lanes)
}

/// The first lanes of a vector, as many as `x` holds.
#[inline(always)]
pub(crate) fn store_part<V: Vector>(vector: V, x: &mut [f32]) {
    let mut lanes = [0.0; LANES];
    vector.store(&mut lanes);
    x.copy_from_slice(&lanes[..x.len()]);
}

/// Sixteen numbers or fewer, zeros behind them.
#[inline(always)]
pub(crate) fn load<V: Vector>(x: &[f32]) -> V {
    match x.first_chunk() {
        Some(x) => V::load(x),
        None => load_part(x, 0.0),
    }
}

/// As many lanes as `x` holds, sixteen or fewer.
#[inline(always)]
pub(crate) fn store<V: Vector>(vector: V, x: &mut [f32]) {
    match x.first_chunk_mut() {
        Some(x) => vector.store(x),
        None => store_part(vector, x),
    }
}

/// The dot product of two slices of one length.
#[inline(always)]
pub(crate) fn dot<V: Vector>(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let (a_pairs, a_last) = a_chunks.as_chunks::<2>();
    let (b_pairs, b_last) = b_chunks.as_chunks::<2>();
    let mut sums = [V::splat(0.0); 2];
    for (a, b) in a_pairs.iter().zip(b_pairs) {
        sums[0] = V::load(&a[0]).mul_add(V::load(&b[0]), sums[0]);
        sums[1] = V::load(&a[1]).mul_add(V::load(&b[1]), sums[1]);
    }
    for (a, b) in a_last.iter().zip(b_last) {
        sums[0] = V::load(a).mul_add(V::load(b), sums[0]);
    }
    if !a_rest.is_empty() {
        sums[1] = load_part::<V>(a_rest, 0.0).mul_add(load_part(b_rest, 0.0), sums[1]);
    }
    sums[0].add(sums[1]).sum()
}
