//! Layers: parameters and what they do to activations [t, d].

mod linear;
mod norm;
mod rotary;

pub use linear::Linear;
pub use norm::RmsNorm;
pub use rotary::Rotary;
