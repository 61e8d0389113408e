//! The gated unit of the llama family.
//!
//!     y = silu(g) · u,  silu(g) = g · σ(g),  σ(g) = 1 / (1 + e^−g)
//!     dg = dy · u · σ(g) · (1 + g · (1 − σ(g)))      du = dy · silu(g)
//!
//! All slices have one length. σ is recomputed in the backward pass rather than kept: it costs less than reading it.

use crate::exponential::exp;
use crate::tasks::{self, CHUNK};
use crate::vectorise::{LANES, Vector, load, store};

/// `y = silu(gate) · up`, number by number.
///
/// # Panics
/// When the lengths differ.
pub fn swiglu(gate: &[f32], up: &[f32], y: &mut [f32]) {
    assert!(gate.len() == up.len() && gate.len() == y.len(), "gate, up and output differ in length");
    let tasks = gate.chunks(CHUNK).zip(up.chunks(CHUNK)).zip(y.chunks_mut(CHUNK)).collect();
    tasks::run(tasks, |((gate, up), y)| forward(gate, up, y));
}

/// Gradients of [`swiglu`]; overwrites `dgate` and `dup`.
///
/// # Panics
/// When the lengths differ.
pub fn swiglu_backward(gate: &[f32], up: &[f32], dy: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
    assert!(gate.len() == up.len() && gate.len() == dy.len(), "gate, up and gradient differ in length");
    assert!(
        gate.len() == dgate.len() && gate.len() == dup.len(),
        "gradients of gate and up differ in length"
    );
    let inputs = gate.chunks(CHUNK).zip(up.chunks(CHUNK)).zip(dy.chunks(CHUNK));
    let tasks = inputs.zip(dgate.chunks_mut(CHUNK)).zip(dup.chunks_mut(CHUNK)).collect();
    tasks::run(tasks, |((((gate, up), dy), dgate), dup)| backward(gate, up, dy, dgate, dup));
}

/// σ(x), from e^−|x| so that nothing overflows.
#[inline(always)]
pub(crate) fn sigmoid<V: Vector>(x: V) -> V {
    let (zero, one) = (V::splat(0.0), V::splat(1.0));
    let e = exp(x.min(zero.sub(x)));
    x.select_below(zero, e, one).div(one.add(e))
}

vectorised! {
    fn forward<V>(gate: &[f32], up: &[f32], y: &mut [f32]) {
        let chunks = gate.chunks(LANES).zip(up.chunks(LANES)).zip(y.chunks_mut(LANES));
        for ((gate, up), y) in chunks {
            let (gate, up) = (load::<V>(gate), load::<V>(up));
            store(gate.mul(sigmoid(gate)).mul(up), y);
        }
    }

    fn backward<V>(gate: &[f32], up: &[f32], dy: &[f32], dgate: &mut [f32], dup: &mut [f32]) {
        let inputs = gate.chunks(LANES).zip(up.chunks(LANES)).zip(dy.chunks(LANES));
        let outputs = dgate.chunks_mut(LANES).zip(dup.chunks_mut(LANES));
        for (((gate, up), dy), (dgate, dup)) in inputs.zip(outputs) {
            let (gate, up, dy) = (load::<V>(gate), load::<V>(up), load::<V>(dy));
            let (one, sigma) = (V::splat(1.0), sigmoid(gate));
            let scaled = dy.mul(sigma);
            store(scaled.mul(gate), dup);
            store(scaled.mul(up).mul(one.sub(sigma).mul_add(gate, one)), dgate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::at_every_level;

    #[test]
    fn every_level_agrees_with_f64() {
        let gate: Vec<f32> = (0..83).map(|at| at as f32 * 0.5 - 20.0).collect();
        at_every_level(|| {
            let (mut y, mut dgate, mut dup) = (vec![0.0; 83], vec![0.0; 83], vec![0.0; 83]);
            swiglu(&gate, &gate, &mut y);
            swiglu_backward(&gate, &gate, &gate, &mut dgate, &mut dup);
            for (at, &g) in gate.iter().enumerate() {
                let g = f64::from(g);
                let sigma = 1.0 / (1.0 + (-g).exp());
                for (found, exact) in [(y[at], g * g * sigma), (dup[at], g * g * sigma)] {
                    assert!((f64::from(found) - exact).abs() <= 1e-6 * exact.abs() + 1e-9, "{found} {exact}");
                }
                let exact = g * g * sigma * (1.0 + g * (1.0 - sigma));
                assert!(
                    (f64::from(dgate[at]) - exact).abs() <= 1e-5 * exact.abs() + 1e-6,
                    "{} {exact}",
                    dgate[at]
                );
            }
        });
    }
}
