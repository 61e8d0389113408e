//! A tensor as a view into its storage.
//!
//!     number (i, j, …) = storage[offset + i·strides[0] + j·strides[1] + …]
//!
//! Most tensors are row-major and lie in the file as they are; transposed and cut ones are gathered.

use super::objects::Strided;
use crate::convert::width;
use crate::{Dtype, TensorInfo};
use std::borrow::Cow;
use std::ops::Range;

/// A tensor of a file; all of its numbers are known to lie there.
#[derive(Debug)]
pub(crate) struct View {
    pub(super) info: TensorInfo,
    /// Byte of its first number in the file.
    start: usize,
    /// Bytes from one entry of an axis to the next.
    strides: Vec<usize>,
}

impl View {
    /// A verified tensor whose storage begins at byte `storage` of the file.
    pub(super) fn new(tensor: &Strided, dtype: Dtype, storage: usize) -> Self {
        let width = width(dtype).unwrap_or(1);
        let Strided { offset, shape, strides, .. } = tensor;
        let mut info = TensorInfo { shape: shape.clone(), dtype, bytes: 0 };
        info.bytes = (info.elements() * width) as u64;
        // What has no number has no place either.
        let start = if info.bytes == 0 { storage } else { storage + offset * width };
        let strides = strides.iter().map(|stride| stride.saturating_mul(width)).collect();
        Self { info, start, strides }
    }

    /// Where it lies when it is row-major.
    pub(super) fn range(&self) -> Option<Range<usize>> {
        let bytes = self.info.bytes as usize;
        let mut step = width(self.info.dtype).unwrap_or(1);
        let mut axes = self.info.shape.iter().zip(&self.strides).rev();
        let row_major = bytes == 0
            || axes.all(|(&side, &stride)| {
                let fits = side == 1 || stride == step;
                step *= side;
                fits
            });
        row_major.then_some(self.start..self.start + bytes)
    }

    /// The bytes of `rows`, row-major; they are known to exist.
    pub(super) fn bytes<'a>(&self, file: &'a [u8], rows: &Range<usize>) -> Cow<'a, [u8]> {
        if let Some(range) = self.range() {
            let part = crate::safetensors::part(range.len(), self.info.rows(), rows);
            return Cow::Borrowed(&file[range.start + part.start..range.start + part.end]);
        }
        let bytes = rows.len() * self.info.row_elements() * width(self.info.dtype).unwrap_or(1);
        let mut gathered = Vec::with_capacity(bytes);
        // A view without axes is row-major, so there is a first one here, and no axis is empty.
        if let ([_, sides @ ..], [stride, strides @ ..]) = (&self.info.shape[..], &self.strides[..]) {
            for row in rows.clone() {
                self.gather(file, self.start + row * stride, (sides, strides), &mut gathered);
            }
        }
        Cow::Owned(gathered)
    }

    fn gather(&self, file: &[u8], at: usize, axes: (&[usize], &[usize]), out: &mut Vec<u8>) {
        match axes {
            ([side, sides @ ..], [stride, strides @ ..]) => {
                (0..*side).for_each(|index| self.gather(file, at + index * stride, (sides, strides), out));
            }
            _ => out.extend_from_slice(&file[at..at + width(self.info.dtype).unwrap_or(1)]),
        }
    }
}
