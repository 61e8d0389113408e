//! Cells by AMX: `tdpbf16ps` adds the product of two tiles to a third.
//!
//!     c: [16, 16] f32  +=  a: [16, 32] bf16 · b: [16 lines of pairs] = [32, 16] bf16
//!
//! A cell is two by two tiles of sums; a step of 32 along k loads two tiles of a (rows of 64 bytes, `stride` apart) and two of b
//! (16 lines, 1 KiB each) for four products of 16 cycles each. Eight tiles in all, so none is spilt.
//!
//! Stable Rust 1.95 has inline assembly for this and no intrinsics. The compiler knows nothing of what tiles hold, so a
//! cell is one block of assembly from its first zero to its last store.

use super::pack::SIDE;
use super::{CellMut, Operands};
use std::arch::asm;
use std::marker::PhantomData;

/// Shapes of the eight tiles, as `ldtilecfg` takes them: all 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = Shapes {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The tiles of the calling thread, shaped; released when this goes, so that the system need not save them any longer.
pub(super) struct Tiles {
    /// They belong to one thread.
    here: PhantomData<*const ()>,
}

impl Tiles {
    /// Shapes the tiles of this thread. Made for [`Kernel::Amx`](super::Kernel) only, which exists where AMX was found.
    pub fn configured() -> Self {
        #[expect(unsafe_code, reason = "a processor instruction")]
        // SAFETY: AMX was found and permitted (`cpu.rs`); 64 bytes in the order of the manual.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly, preserves_flags));
        }
        Self { here: PhantomData }
    }

    /// # Safety
    /// The operands are those of whole steps; every number of the cell may be read and written.
    #[expect(
        unsafe_code,
        reason = "processor instructions, on a cell of a matrix that several threads write"
    )]
    pub unsafe fn multiply(&self, operands: Operands<'_>, cell: CellMut, accumulate: bool) {
        const HALF: usize = SIDE / 2;
        let Operands { left, stride, right } = operands;
        // SAFETY: the tiles are shaped (self). Each load takes 16 rows of 64 bytes: of a, by the caller's promise; of b, a whole
        // step of a panel; of c and to c, a quarter of the cell. Tiles and the registers named are all that is changed.
        unsafe {
            asm!(
                "test {accumulate:e}, {accumulate:e}",
                "jnz 2f",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "jmp 3f",
                "2:",
                "tileloadd tmm0, [{upper} + {c_stride}]",
                "tileloadd tmm1, [{upper} + {c_stride} + 64]",
                "tileloadd tmm2, [{lower} + {c_stride}]",
                "tileloadd tmm3, [{lower} + {c_stride} + 64]",
                "3:",
                "test {steps}, {steps}",
                "jz 5f",
                "4:",
                "tileloadd tmm4, [{a} + {a_stride}]",
                "tileloadd tmm6, [{b} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b_next} + {line}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a_next} + {a_stride}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, 64",
                "add {a_next}, 64",
                "add {b}, 1024",
                "add {b_next}, 1024",
                "dec {steps}",
                "jnz 4b",
                "5:",
                "tilestored [{upper} + {c_stride}], tmm0",
                "tilestored [{upper} + {c_stride} + 64], tmm1",
                "tilestored [{lower} + {c_stride}], tmm2",
                "tilestored [{lower} + {c_stride} + 64], tmm3",
                accumulate = in(reg) u32::from(accumulate),
                steps = inout(reg) right[0].len() / HALF => _,
                a = inout(reg) left.as_ptr() => _,
                a_next = inout(reg) left.as_ptr().wrapping_add(HALF * stride) => _,
                a_stride = in(reg) 2 * stride,
                b = inout(reg) right[0].as_ptr() => _,
                b_next = inout(reg) right[1].as_ptr() => _,
                line = in(reg) 64_usize,
                upper = in(reg) cell.start,
                lower = in(reg) cell.start.wrapping_add(HALF * cell.stride),
                c_stride = in(reg) 4 * cell.stride,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a processor instruction")]
        // SAFETY: AMX was found and permitted; no tile is in use between cells.
        unsafe {
            asm!("tilerelease", options(nostack, nomem, preserves_flags));
        }
    }
}
