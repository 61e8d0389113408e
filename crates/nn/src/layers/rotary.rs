//! Angles of rotary positions.
//!
//!     angle(p, i) = p·f_i,   f_i = θ^(−2i/d) under the model's scaling        i < d/2
//!
//! The table grows with the longest text seen and is shared by all layers.

use crate::Result;
use rankine_checkpoint::config::{Rope, RopeScaling};
use rankine_tensor::ops::Rotation;
use std::sync::{Arc, Mutex, PoisonError};

/// A table of angles for one head size.
pub struct Rotary {
    size: usize,
    frequencies: Vec<f64>,
    table: Mutex<Table>,
}

#[derive(Clone, Default)]
struct Table {
    positions: usize,
    cos: Arc<[f32]>,
    sin: Arc<[f32]>,
}

impl Rotary {
    /// The frequencies of a model with heads of `size`.
    pub fn new(rope: &Rope, size: usize) -> Self {
        let frequencies = (0..size / 2)
            .map(|pair| {
                let base = rope.theta.powf(-2.0 * pair as f64 / size as f64);
                scaled(base, &rope.scaling)
            })
            .collect();
        Self { size, frequencies, table: Mutex::default() }
    }

    /// The rotation of a batch whose rows stand at `positions`.
    pub fn at(&self, positions: Arc<[u32]>) -> Result<Rotation> {
        let needed = positions.iter().max().map_or(0, |&last| last as usize + 1);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.positions < needed {
            *table = self.grown(needed.next_power_of_two());
        }
        let Table { cos, sin, .. } = table.clone();
        Ok(Rotation { size: self.size, cos, sin, positions })
    }

    fn grown(&self, positions: usize) -> Table {
        // transformers multiplies position and frequency in f32: the same rounding keeps long texts equal to it.
        let angles =
            || (0..positions).flat_map(|p| self.frequencies.iter().map(move |&f| p as f32 * f as f32));
        Table { positions, cos: angles().map(f32::cos).collect(), sin: angles().map(f32::sin).collect() }
    }
}

/// One frequency under the model's scaling.
fn scaled(frequency: f64, scaling: &RopeScaling) -> f64 {
    match scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Llama3 { factor, low, high, original } => {
            let original = *original as f64;
            let wavelength = std::f64::consts::TAU / frequency;
            let blend = (original / wavelength - low) / (high - low);
            let blend = blend.clamp(0.0, 1.0);
            (1.0 - blend) * frequency / factor + blend * frequency
        }
    }
}
