//! The rows that a convolution multiplies its taps with:
//!
//!     y[n, :, i, j] = w·p,   p[(c, a, b)] = x[n, c, i·s + a − q, j·t + b − q′]        w: [k, c·r·s]  x: [n, c, h, w]
//!
//! with the strides s, t and the paddings q, q′; beyond the edges x is 0. Nothing is unfolded before it is asked for: a map
//! under a kernel of 3 × 3 becomes nine times as large.

use crate::Result;
use rankine_tensor::{Tensor, ops::Convolution};

/// Maps, and how a kernel moves over all their channels.
#[derive(Clone, Debug)]
pub struct Patches {
    maps: Tensor,
    /// n, c, h, w.
    sides: [usize; 4],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Patches {
    /// What taps [k, c, r, s] are multiplied with in maps [n, c, h, w]; `None` where these are no such shapes, or the kernel
    /// is larger than the padded maps.
    pub fn new(maps: &Tensor, taps: &[usize], layout: &Convolution) -> Option<Self> {
        let (&[_, _, rows, columns], &[batch, channels, height, width]) = (taps, maps.shape().as_slice())
        else {
            return None;
        };
        let (kernel, padding) = ([rows, columns], layout.padding);
        let fits = |axis: usize, size: usize| 0 < kernel[axis] && kernel[axis] <= size + 2 * padding[axis];
        let sides = [batch, channels, height, width];
        let found = Self { maps: maps.clone(), sides, kernel, stride: layout.stride, padding };
        (fits(0, height) && fits(1, width)).then_some(found)
    }

    /// Numbers of a row: c·r·s.
    pub fn columns(&self) -> usize {
        self.sides[1] * self.kernel[0] * self.kernel[1]
    }

    /// The same off the tape.
    pub fn detach(&self) -> Self {
        Self { maps: self.maps.detach(), ..self.clone() }
    }

    /// Whether the rows are those of `other`.
    pub fn is_equal(&self, other: &Self) -> bool {
        let how = |patches: &Self| (patches.sides, patches.kernel, patches.stride, patches.padding);
        how(self) == how(other) && self.maps.is_equal(&other.maps)
    }

    /// The rows, one for every place of the kernel; [n·i·j, c·r·s].
    pub fn rows(&self) -> Result<Tensor> {
        let [batch, channels, height, width] = self.sides;
        let places = [self.places(0), self.places(1)];
        let count = batch * places[0] * places[1];
        let mut rows = Vec::with_capacity(count * self.columns());
        self.maps.read(|maps| {
            for image in maps.chunks_exact((channels * height * width).max(1)) {
                for place in 0..places[0] * places[1] {
                    let corner = [place / places[1], place % places[1]];
                    image
                        .chunks_exact(height * width)
                        .for_each(|plane| self.unfold(plane, corner, &mut rows));
                }
            }
        });
        Ok(Tensor::new(rows, &[count, self.columns()])?)
    }

    /// How many places the kernel has along an axis.
    fn places(&self, axis: usize) -> usize {
        (self.sides[2 + axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis].max(1) + 1
    }

    /// Adds what lies under the kernel in a plane.
    fn unfold(&self, plane: &[f32], [i, j]: [usize; 2], out: &mut Vec<f32>) {
        let width = self.sides[3];
        for a in 0..self.kernel[0] {
            let row = self.inside(0, i, a).map(|y| &plane[y * width..][..width]);
            let under = |b: usize| row.zip(self.inside(1, j, b)).map_or(0.0, |(row, x)| row[x]);
            out.extend((0..self.kernel[1]).map(under));
        }
    }

    /// Where a tap is along an axis; `None` beyond the edges.
    fn inside(&self, axis: usize, place: usize, tap: usize) -> Option<usize> {
        let at = (place * self.stride[axis] + tap).checked_sub(self.padding[axis])?;
        (at < self.sides[2 + axis]).then_some(at)
    }
}
