//! A cell from its definition, one pair at a time: what the processors' instructions are measured against, and what lets
//! packing, tiles and edges be tested on every machine.

use super::pack::SIDE;
use super::{CellMut, Operands};

#[expect(unsafe_code, reason = "the signature of the kernels")]
/// # Safety
/// Every number of the cell may be read and written.
pub(super) unsafe fn multiply(operands: Operands<'_>, cell: CellMut, accumulate: bool) {
    let wide = |[low, high]: [u8; 2]| f32::from_bits(u32::from_le_bytes([0, 0, low, high]));
    for (row, column) in (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (row, column))) {
        // SAFETY: the caller's promise.
        let c = unsafe { &mut *cell.start.add(row * cell.stride + column) };
        let mut sum = if accumulate { *c } else { 0.0 };
        for (pair, line) in operands.right[column / 16].iter().enumerate() {
            let at = row * operands.stride + 2 * pair;
            let [low, high] = [operands.left[at], operands.left[at + 1]].map(wide);
            let word = line.0[column % 16].to_le_bytes();
            sum += low * wide([word[0], word[1]]) + high * wide([word[2], word[3]]);
        }
        *c = sum;
    }
}
