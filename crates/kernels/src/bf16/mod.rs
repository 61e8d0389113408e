//! c = a·b (+ c) of bf16 matrices with sums in f32, by the processor's own bf16 instructions.
//!
//!     c: [m, n], f32, or its transpose [n, m]    a: [m, k], rows of bf16    b: [k, n], packed (`pack.rs`)
//!
//! The product is made in cells of `SIDE` by `SIDE` numbers of c, by a kernel that knows whole cells and whole steps of `SIDE`
//! along k only: `amx.rs`, `avx512.rs`, and in tests a plain one. Where rows of a or a last step are not whole, a copy
//! with zeros behind them takes their place; b is packed with zeros; such a cell is made in a buffer, and what exists of it
//! is stored from there. A cell of a transposed c is made in a buffer too, and turned in registers on its way out.
//!
//! How a product is cut into cells, and what that costs in traffic: `product.rs`.
//!
//! The instructions take numbers below 2⁻¹²⁶ for 0 and round to nearest even.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod pack;
#[cfg(test)]
mod portable;
mod product;
#[cfg(test)]
pub(crate) mod tests;

use pack::{Line, SIDE};
pub(crate) use pack::{Packed, Panels, Rounded, Rows, round};
pub(crate) use product::{Layout, Target, alone, shared};

/// What makes cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(test)]
    Portable,
}

impl Kernel {
    /// The best of this processor, up to the limit; none where it has no bf16 products. Asked for once a product, by the
    /// thread that shares it.
    pub fn best() -> Option<Self> {
        #[cfg(test)]
        if tests::PORTABLE.get() {
            return Some(Self::Portable);
        }
        #[cfg(target_arch = "x86_64")]
        match crate::cpu::level() {
            crate::cpu::Level::Amx => return Some(Self::Amx),
            crate::cpu::Level::Avx512Bf16 => return Some(Self::Avx512),
            _ => {}
        }
        None
    }

    /// Makes the calling thread ready for cells.
    fn ready(self) -> Ready {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Ready::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Ready::Amx(amx::Tiles::configured()),
            #[cfg(test)]
            Self::Portable => Ready::Portable,
        }
    }
}

/// A kernel on a thread that is ready for it.
enum Ready {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Amx(amx::Tiles),
    #[cfg(test)]
    Portable,
}

/// What a cell is the product of: 32 rows of a, two panels of b.
#[derive(Clone, Copy)]
struct Operands<'a> {
    /// Rows of bf16 numbers, `stride` apart.
    left: &'a [[u8; 2]],
    stride: usize,
    /// Lines of two panels; [SIDE/2 · steps] each.
    right: [&'a [Line]; 2],
}

/// SIDE rows of SIDE numbers of c, `stride` apart.
#[derive(Clone, Copy)]
struct CellMut {
    start: *mut f32,
    stride: usize,
}

impl Ready {
    /// `cell = left · right`, plus the old cell when `accumulate`.
    #[expect(unsafe_code, reason = "cells of one matrix are written by several threads")]
    /// # Safety
    /// Every number of the cell may be written, and read when `accumulate`; nothing else uses it meanwhile.
    unsafe fn multiply(&self, operands: Operands<'_>, cell: CellMut, accumulate: bool) {
        let Operands { left, stride, right } = operands;
        let depth = 2 * right[0].len();
        assert!(right[1].len() == right[0].len() && depth.is_multiple_of(SIDE), "panels of whole steps");
        assert!(depth == 0 || (SIDE - 1) * stride + depth <= left.len(), "rows of whole steps");
        // SAFETY: the operands are as long as the kernels need (just checked); the rest is the caller's promise. The
        // instructions are those of a level that was found on this processor (`Kernel::best`).
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512::multiply(operands, cell, accumulate),
                #[cfg(target_arch = "x86_64")]
                Self::Amx(tiles) => tiles.multiply(operands, cell, accumulate),
                #[cfg(test)]
                Self::Portable => portable::multiply(operands, cell, accumulate),
            }
        }
    }
}
