//! y[n, c, i, j] = the largest of a window of x: [n, c, h, w]; dy goes to the winner, the first of equals.

use super::numbers;
use crate::{
    Error, Result, Tensor,
    record::{Grad, arrays, record},
};
use burn::backend::{Dispatch, ops::ModuleOps};
use rankine_kernels::pool::MaxPool;
use std::sync::Arc;

/// The largest of every window; x: [n, c, h, w] → [n, c, i, j]. Padding counts as −∞.
pub fn max_pool2d(x: &Tensor, window: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Result<Tensor> {
    let (pool, shape) = check(x, window, stride, padding)?;
    let Some([x_array]) = arrays([x]) else {
        return plain(x, window, stride, padding);
    };
    let length = shape.iter().product();
    let (mut y, mut winners) = (vec![0.0; length], vec![0; length]);
    pool.forward(numbers(&x_array), &mut y, &mut winners);
    let inputs = x.elements();
    Ok(record([x], y, &shape, || Saved { pool, winners: winners.into(), inputs }))
}

/// The same from backend operations.
pub fn plain(x: &Tensor, window: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Result<Tensor> {
    check(x, window, stride, padding)?;
    let handle = Dispatch::max_pool2d(x.handle.clone(), window, stride, padding, [1, 1], false);
    Ok(Tensor::from_handle(handle))
}

fn check(
    x: &Tensor,
    window: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Result<(MaxPool, [usize; 4])> {
    let shape = x.shape();
    if let &[batch, channels, height, width] = &shape[..] {
        let pool = MaxPool { size: [height, width], window, stride, padding };
        if let Some([rows, columns]) = pool.output() {
            return Ok((pool, [batch, channels, rows, columns]));
        }
    }
    let expected = format!("x: [n, c, h, w] with room for windows of {window:?} on padding {padding:?}");
    Err(Error::shape("max_pool2d", expected, &[&shape]))
}

#[derive(Clone, Debug)]
struct Saved {
    pool: MaxPool,
    winners: Arc<[u32]>,
    inputs: usize,
}

impl Grad for Saved {
    fn gradients(&self, output: &[f32], _: &[bool]) -> Vec<Option<Vec<f32>>> {
        let mut dx = vec![0.0; self.inputs];
        self.pool.backward(&self.winners, output, &mut dx);
        vec![Some(dx)]
    }
}
