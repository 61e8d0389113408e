//! Rotary positions: pairs (i, i + d/2) of every head turned by an angle that grows with the position.
//!
//!     y_i = x_i·cos − x_{i+d/2}·sin,   y_{i+d/2} = x_{i+d/2}·cos + x_i·sin        x, y: [t, h·d]
//!
//! The backward pass is the opposite rotation.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use rankine_kernels::rope;
use std::sync::Arc;

/// Angles of a model, and the positions of a batch.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Size of a head, even.
    pub size: usize,
    /// cos of every angle; [positions, d/2].
    pub cos: Arc<[f32]>,
    /// sin of every angle; [positions, d/2].
    pub sin: Arc<[f32]>,
    /// Position of every row of the batch; [t].
    pub positions: Arc<[u32]>,
}

/// Rotates every head of every row by its position; x: [t, h·d] → [t, h·d].
pub fn rotate(x: &Tensor, rotation: &Rotation) -> Result<Tensor> {
    let shape = rotation.check(x)?;
    let Some([array]) = arrays([x]) else {
        return plain(x, rotation);
    };
    let mut y = numbers(&array).to_vec();
    rotation.turn(&mut y, false);
    Ok(record([x], y, &shape, || Saved(rotation.clone())))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, rotation: &Rotation) -> Result<Tensor> {
    let [t, width] = rotation.check(x)?;
    let (half, heads) = (rotation.size / 2, width / rotation.size);
    let table = |angles: &[f32]| {
        let rows = rotation.positions.iter().flat_map(|&p| &angles[p as usize * half..][..half]).copied();
        Tensor::constant(rows.collect(), &[t, 1, half])
    };
    let (cos, sin) = (table(&rotation.cos), table(&rotation.sin));
    let x = x.reshape(&[t, heads, 2 * half])?;
    let (low, high) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
    let turned_low = low.mul(&cos)?.sub(&high.mul(&sin)?)?;
    let turned_high = high.mul(&cos)?.add(&low.mul(&sin)?)?;
    Tensor::concat(&[turned_low, turned_high], 2)?.reshape(&[t, width])
}

impl Rotation {
    fn check(&self, x: &Tensor) -> Result<[usize; 2]> {
        let shape = x.matrix("rotate")?;
        let half = self.size / 2;
        let inside =
            self.positions.iter().all(|&p| (p as usize + 1) * half <= self.cos.len().min(self.sin.len()));
        if self.size == 0 || shape[1] % self.size != 0 || self.positions.len() != shape[0] || !inside {
            let expected = format!(
                "x: [{}, h·{}] and a table that reaches its positions",
                self.positions.len(),
                self.size
            );
            return Err(Error::shape("rotate", expected, &[&shape]));
        }
        Ok(shape)
    }

    fn turn(&self, x: &mut [f32], inverse: bool) {
        rope::rotate(x, &self.positions, self.size, &self.cos, &self.sin, inverse);
    }
}

#[derive(Clone, Debug)]
struct Saved(Rotation);

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let mut dx = output.to_vec();
        self.0.turn(&mut dx, true);
        vec![Some(dx)]
    }
}
