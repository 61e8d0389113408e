//! Cells by AVX512-BF16: `vdpbf16ps` adds sixteen products of pairs to sixteen sums.
//!
//!     sum[i][j] += a[i, 2q]·b[2q, j] + a[i, 2q + 1]·b[2q + 1, j]
//!
//! `GROUP` rows meet two panels at a time, with 2·GROUP registers of sums: enough of them to hide the instruction's latency of up
//! to 6 cycles. A pair along k costs two lines of b and GROUP broadcast pairs of a for 2·GROUP instructions. The lines
//! of b are read once for each group: by 32/GROUP of them, from the second cache at worst.

use super::pack::{Line, SIDE};
use super::{CellMut, Operands};
use std::arch::x86_64::*;
use std::mem::transmute;

/// Rows that are multiplied abreast.
const GROUP: usize = 8;

/// Columns in a register.
const LANES: usize = 16;

/// # Safety
/// The processor has AVX512-BF16; the operands are those of whole steps; every number of the cell may be read and written.
#[expect(unsafe_code, reason = "processor instructions, on a cell of a matrix that several threads write")]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn multiply(operands: Operands<'_>, cell: CellMut, accumulate: bool) {
    for first in (0..SIDE).step_by(GROUP) {
        let at =
            |row: usize, panel: usize| cell.start.wrapping_add((first + row) * cell.stride + panel * LANES);
        let mut sums = [[_mm512_setzero_ps(); 2]; GROUP];
        if accumulate {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (panel, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: sixteen numbers of the cell.
                    *sum = unsafe { _mm512_loadu_ps(at(row, panel)) };
                }
            }
        }
        // SAFETY: each of the rows has as many pairs as the panels have lines, by the caller's promise.
        unsafe { add(&mut sums, &operands, first) };
        for (row, sums) in sums.into_iter().enumerate() {
            for (panel, sum) in sums.into_iter().enumerate() {
                // SAFETY: sixteen numbers of the cell.
                unsafe { _mm512_storeu_ps(at(row, panel), sum) };
            }
        }
    }
}

/// Adds the products of GROUP rows, from `first` on.
///
/// # Safety
/// As of [`multiply`].
#[expect(unsafe_code, reason = "processor instructions")]
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
unsafe fn add(sums: &mut [[__m512; 2]; GROUP], operands: &Operands<'_>, first: usize) {
    let rows = operands.left.as_ptr().wrapping_add(first * operands.stride);
    let [left, right] = operands.right;
    for (pair, lines) in left.iter().zip(right).enumerate() {
        let lines = [load(lines.0), load(lines.1)];
        for (row, sums) in sums.iter_mut().enumerate() {
            let numbers = rows.wrapping_add(row * operands.stride + 2 * pair);
            // SAFETY: two numbers of a row; the address need not be aligned.
            let numbers = unsafe { _mm512_set1_epi32(numbers.cast::<i32>().read_unaligned()) };
            for (sum, line) in sums.iter_mut().zip(lines) {
                // SAFETY: 32 bf16 numbers are 512 bits like sixteen words.
                *sum = unsafe { _mm512_dpbf16_ps(*sum, transmute::<__m512i, __m512bh>(numbers), line) };
            }
        }
    }
}

#[expect(unsafe_code, reason = "processor instructions")]
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn load(line: &Line) -> __m512bh {
    // SAFETY: a line is 64 bytes, and aligned; 32 bf16 numbers are 512 bits like sixteen words.
    unsafe { transmute::<__m512i, __m512bh>(_mm512_load_si512(std::ptr::from_ref(line).cast())) }
}
