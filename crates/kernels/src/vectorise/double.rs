//! Eight f64 abreast: in plain Rust, in two registers of AVX2, in one of AVX-512. The types are used where those of
//! `x86.rs` are, by the same argument; [`Vector::Double`](super::Vector::Double) leads to them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Numbers in a vector.
pub(crate) const LANES: usize = 8;

/// Eight f64.
pub(crate) trait Double: Copy {
    fn splat(x: f64) -> Self;
    fn load(x: &[f64; LANES]) -> Self;
    fn store(self, x: &mut [f64; LANES]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// self · factor + addend, rounded once where the processor can.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger of two; `other` where one is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller of two; `other` where one is NaN.
    fn min(self, other: Self) -> Self;
    /// 2ⁿ for n = self − 1.5 · 2⁵², a whole number from −1022 to 1023.
    fn power_of_two(self) -> Self;
    /// `then` where self < limit, `otherwise` elsewhere (and where self is NaN).
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self;

    /// The sum of the lanes.
    #[inline(always)]
    fn sum(self) -> f64 {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct PortableDouble([f64; LANES]);

impl PortableDouble {
    #[inline(always)]
    fn zip(mut self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        for (x, other) in self.0.iter_mut().zip(other.0) {
            *x = f(*x, other);
        }
        self
    }
}

impl Double for PortableDouble {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    fn load(x: &[f64; LANES]) -> Self {
        Self(*x)
    }

    #[inline(always)]
    fn store(self, x: &mut [f64; LANES]) {
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
        self.zip(self, |x, _| f64::from_bits(x.to_bits().wrapping_add(1023) << 52))
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let mut out = otherwise;
        for (((out, x), limit), then) in out.0.iter_mut().zip(self.0).zip(limit.0).zip(then.0) {
            *out = if x < limit { then } else { *out };
        }
        out
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512Double(__m512d);

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "processor instructions")]
// SAFETY (all blocks): see the module doc; pointers come from references to as many numbers as are read or written.
impl Double for Avx512Double {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        unsafe { Self(_mm512_set1_pd(x)) }
    }

    #[inline(always)]
    fn load(x: &[f64; LANES]) -> Self {
        unsafe { Self(_mm512_loadu_pd(x.as_ptr())) }
    }

    #[inline(always)]
    fn store(self, x: &mut [f64; LANES]) {
        unsafe { _mm512_storeu_pd(x.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_pd(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        unsafe { Self(_mm512_min_pd(self.0, other.0)) }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        unsafe {
            let exponent = _mm512_add_epi64(_mm512_castpd_si512(self.0), _mm512_set1_epi64(1023));
            Self(_mm512_castsi512_pd(_mm512_slli_epi64::<52>(exponent)))
        }
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        unsafe {
            let below = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, limit.0);
            Self(_mm512_mask_blend_pd(below, otherwise.0, then.0))
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2Double([__m256d; 2]);

#[cfg(target_arch = "x86_64")]
impl Avx2Double {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(__m256d, __m256d) -> __m256d) -> Self {
        Self([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "processor instructions")]
// SAFETY (all blocks): see the module doc; pointers come from references to as many numbers as are read or written.
impl Double for Avx2Double {
    #[inline(always)]
    fn splat(x: f64) -> Self {
        unsafe { Self([_mm256_set1_pd(x); 2]) }
    }

    #[inline(always)]
    fn load(x: &[f64; LANES]) -> Self {
        unsafe { Self([_mm256_loadu_pd(x.as_ptr()), _mm256_loadu_pd(x[LANES / 2..].as_ptr())]) }
    }

    #[inline(always)]
    fn store(self, x: &mut [f64; LANES]) {
        unsafe {
            _mm256_storeu_pd(x.as_mut_ptr(), self.0[0]);
            _mm256_storeu_pd(x[LANES / 2..].as_mut_ptr(), self.0[1]);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_add_pd(a, b) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_sub_pd(a, b) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_mul_pd(a, b) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe {
            Self([
                _mm256_fmadd_pd(self.0[0], factor.0[0], addend.0[0]),
                _mm256_fmadd_pd(self.0[1], factor.0[1], addend.0[1]),
            ])
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_max_pd(a, b) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { _mm256_min_pd(a, b) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.zip(self, |x, _| unsafe {
            let exponent = _mm256_add_epi64(_mm256_castpd_si256(x), _mm256_set1_epi64x(1023));
            _mm256_castsi256_pd(_mm256_slli_epi64::<52>(exponent))
        })
    }

    #[inline(always)]
    fn select_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let below = self.zip(limit, |x, limit| unsafe { _mm256_cmp_pd::<_CMP_LT_OQ>(x, limit) });
        unsafe {
            Self([
                _mm256_blendv_pd(otherwise.0[0], then.0[0], below.0[0]),
                _mm256_blendv_pd(otherwise.0[1], then.0[1], below.0[1]),
            ])
        }
    }
}

/// Fewer than eight numbers, `filler` behind them.
#[inline(always)]
pub(crate) fn load_part<D: Double>(x: &[f64], filler: f64) -> D {
    let mut lanes = [filler; LANES];
    lanes[..x.len()].copy_from_slice(x);
    D::load(&lanes)
}

/// The first lanes of a vector, as many as `x` holds.
#[inline(always)]
pub(crate) fn store_part<D: Double>(vector: D, x: &mut [f64]) {
    let mut lanes = [0.0; LANES];
    vector.store(&mut lanes);
    x.copy_from_slice(&lanes[..x.len()]);
}
