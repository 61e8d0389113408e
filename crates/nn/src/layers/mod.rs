//! Layers: parameters and what they do to activations [t, d] or maps [n, c, h, w].

mod conv;
mod linear;
mod norm;
mod rotary;

pub use conv::Conv2d;
pub use linear::Linear;
pub use norm::RmsNorm;
pub use rotary::Rotary;
