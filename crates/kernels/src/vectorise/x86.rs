//! Sixteen f32 in one AVX-512 register, or in two of AVX2.
//!
//! The types are made and used inside functions compiled with their features (`vectorised!`), which run after
//! [`level`](crate::cpu::level) has found these on the processor: that is the safety argument of every block here.

use super::double::{Avx2Double, Avx512Double};
use super::{LANES, Vector};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

#[expect(unsafe_code, reason = "processor instructions")]
// SAFETY (all blocks): see the module doc; pointers come from references to as many numbers as are read, or from slices of
// a checked length.
impl Vector for Avx512 {
    const SUMS: usize = 16;
    type Bytes = __m128i;
    type Double = Avx512Double;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        unsafe { Self(_mm512_loadu_ps(x.as_ptr())) }
    }

    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        unsafe { _mm512_storeu_ps(x.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_set1_epi32(127));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        unsafe {
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, limit.0);
            Self(_mm512_mask_blend_ps(below, otherwise.0, then.0))
        }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe {
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
            sum_half(_mm256_add_ps(_mm512_castps512_ps256(self.0), upper))
        }
    }

    #[inline(always)]
    fn bytes(x: &[u8; LANES]) -> __m128i {
        unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
    }

    #[inline(always)]
    fn field(bits: __m128i, shift: u32, mask: u8) -> __m128i {
        field(bits, shift, mask)
    }

    #[inline(always)]
    fn join(low: __m128i, high: __m128i, shift: u32) -> __m128i {
        join(low, high, shift)
    }

    #[inline(always)]
    fn spread(bits: u16) -> __m128i {
        spread(bits)
    }

    #[inline(always)]
    fn half(bits: u16) -> f32 {
        half(bits)
    }

    #[inline(always)]
    fn unsigned(bytes: __m128i) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))) }
    }

    #[inline(always)]
    fn signed(bytes: __m128i) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))) }
    }

    #[inline(always)]
    fn lookup(bytes: __m128i, table: &[f32; LANES]) -> Self {
        unsafe { Self(_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(bytes), _mm512_loadu_ps(table.as_ptr()))) }
    }

    #[inline(always)]
    fn halves(x: &[[u8; 2]; LANES]) -> Self {
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn upper_halves(x: &[[u8; 2]; LANES]) -> Self {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(x.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    fn turn(x: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
        let fits = |length: usize, stride: usize| (LANES - 1) * stride + LANES <= length;
        assert!(fits(x.len(), stride) && fits(out.len(), out_stride), "a block of sixteen by sixteen");
        let four = |row: usize, column: usize| unsafe { _mm_loadu_ps(x.as_ptr().add(row * stride + column)) };
        for column in (0..LANES).step_by(4) {
            // Lane l of rows[k] comes from row 4l + k: turned within the lanes, it stands in the order of the rows.
            let mut rows = [unsafe { _mm512_setzero_ps() }; 4];
            for (k, gathered) in rows.iter_mut().enumerate() {
                *gathered = unsafe {
                    let lane = _mm512_castps128_ps512(four(k, column));
                    let lane = _mm512_insertf32x4::<1>(lane, four(k + 4, column));
                    let lane = _mm512_insertf32x4::<2>(lane, four(k + 8, column));
                    _mm512_insertf32x4::<3>(lane, four(k + 12, column))
                };
            }
            for (column, turned) in (column..).zip(turn_lanes(rows)) {
                unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(column * out_stride), turned) };
            }
        }
    }
}

/// Transposes four times four numbers in each of four lanes.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn turn_lanes([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    unsafe {
        let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
        let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
        let (later_ab, later_cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
        let (later_ab, later_cd) = (_mm512_castps_pd(later_ab), _mm512_castps_pd(later_cd));
        [
            _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)),
            _mm512_castpd_ps(_mm512_unpacklo_pd(later_ab, later_cd)),
            _mm512_castpd_ps(_mm512_unpackhi_pd(later_ab, later_cd)),
        ]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Avx2([__m256; 2]);

impl Avx2 {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }
}

#[expect(unsafe_code, reason = "processor instructions")]
// SAFETY (all blocks): see the module doc; the only pointers come from references to as many numbers as are read.
impl Vector for Avx2 {
    const SUMS: usize = 4;
    type Bytes = __m128i;
    type Double = Avx2Double;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        unsafe { Self([_mm256_set1_ps(x); 2]) }
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        unsafe { Self([_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x[LANES / 2..].as_ptr())]) }
    }

    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        unsafe {
            _mm256_storeu_ps(x.as_mut_ptr(), self.0[0]);
            _mm256_storeu_ps(x[LANES / 2..].as_mut_ptr(), self.0[1]);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_add_ps(a, b) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_sub_ps(a, b) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_mul_ps(a, b) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_div_ps(a, b) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe {
            Self([
                _mm256_fmadd_ps(self.0[0], factor.0[0], addend.0[0]),
                _mm256_fmadd_ps(self.0[1], factor.0[1], addend.0[1]),
            ])
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_max_ps(a, b) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_min_ps(a, b) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self([power_of_two_half(self.0[0]), power_of_two_half(self.0[1])])
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let below = self.zip(limit, |a, b| unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) });
        let pick = |half: usize| unsafe { _mm256_blendv_ps(otherwise.0[half], then.0[half], below.0[half]) };
        Self([pick(0), pick(1)])
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { sum_half(_mm256_add_ps(self.0[0], self.0[1])) }
    }

    #[inline(always)]
    fn bytes(x: &[u8; LANES]) -> __m128i {
        unsafe { _mm_loadu_si128(x.as_ptr().cast()) }
    }

    #[inline(always)]
    fn field(bits: __m128i, shift: u32, mask: u8) -> __m128i {
        field(bits, shift, mask)
    }

    #[inline(always)]
    fn join(low: __m128i, high: __m128i, shift: u32) -> __m128i {
        join(low, high, shift)
    }

    #[inline(always)]
    fn spread(bits: u16) -> __m128i {
        spread(bits)
    }

    #[inline(always)]
    fn half(bits: u16) -> f32 {
        half(bits)
    }

    #[inline(always)]
    fn unsigned(bytes: __m128i) -> Self {
        unsafe {
            let upper = _mm_unpackhi_epi64(bytes, bytes);
            Self([
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(upper)),
            ])
        }
    }

    #[inline(always)]
    fn signed(bytes: __m128i) -> Self {
        unsafe {
            let upper = _mm_unpackhi_epi64(bytes, bytes);
            Self([
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(upper)),
            ])
        }
    }

    #[inline(always)]
    fn lookup(bytes: __m128i, table: &[f32; LANES]) -> Self {
        unsafe {
            let upper = _mm_unpackhi_epi64(bytes, bytes);
            let [low, high] = [_mm256_loadu_ps(table.as_ptr()), _mm256_loadu_ps(table[LANES / 2..].as_ptr())];
            Self([lookup_half(bytes, low, high), lookup_half(upper, low, high)])
        }
    }

    #[inline(always)]
    fn halves(x: &[[u8; 2]; LANES]) -> Self {
        let eight = |at: usize| unsafe { _mm256_cvtph_ps(_mm_loadu_si128(x[at..].as_ptr().cast())) };
        Self([eight(0), eight(LANES / 2)])
    }

    #[inline(always)]
    fn upper_halves(x: &[[u8; 2]; LANES]) -> Self {
        let eight = |at: usize| unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(x[at..].as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        };
        Self([eight(0), eight(LANES / 2)])
    }
}

/// Entries of a table of sixteen, by the first eight bytes.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn lookup_half(bytes: __m128i, low: __m256, high: __m256) -> __m256 {
    unsafe {
        let places = _mm256_cvtepu8_epi32(bytes);
        // A permutation looks at three bits of a place; the fourth, moved to the sign, chooses between the halves.
        let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(places));
        let low = _mm256_permutevar8x32_ps(low, places);
        _mm256_blendv_ps(low, _mm256_permutevar8x32_ps(high, places), upper)
    }
}

/// 2ⁿ in eight lanes.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn power_of_two_half(x: __m256) -> __m256 {
    unsafe {
        let exponent = _mm256_add_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
    }
}

/// The sum of eight lanes, by halves.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn sum_half(x: __m256) -> f32 {
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// `bits >> shift & mask` of every byte. The mask drops what comes over from the neighbour.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn field(bits: __m128i, shift: u32, mask: u8) -> __m128i {
    unsafe {
        let shifted = _mm_srl_epi16(bits, _mm_cvtsi32_si128(shift as i32));
        _mm_and_si128(shifted, _mm_set1_epi8(mask as i8))
    }
}

/// `low | high << shift` of every byte.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn join(low: __m128i, high: __m128i, shift: u32) -> __m128i {
    unsafe { _mm_or_si128(low, _mm_sll_epi16(high, _mm_cvtsi32_si128(shift as i32))) }
}

/// Bit i in byte i, as 0 or 1.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn spread(bits: u16) -> __m128i {
    unsafe {
        let place = _mm_set_epi64x(0x0101_0101_0101_0101, 0);
        let own = _mm_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        let bytes = _mm_shuffle_epi8(_mm_set1_epi16(bits as i16), place);
        let found = _mm_cmpeq_epi8(_mm_and_si128(bytes, own), own);
        _mm_and_si128(found, _mm_set1_epi8(1))
    }
}

/// An IEEE half.
#[expect(unsafe_code, reason = "processor instructions")]
#[inline(always)]
// SAFETY (the block): see the module doc.
fn half(bits: u16) -> f32 {
    unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits)))) }
}
