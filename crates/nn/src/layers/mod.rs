//! Layers: parameters and what they do to activations [t, d] or maps [n, c, h, w].

mod batch_norm;
mod conv;
mod conv_norm;
mod linear;
mod norm;
mod rotary;

pub use batch_norm::{BatchNorm2d, Seen, Statistics};
pub use conv::Conv2d;
pub use conv_norm::{ConvNorm, Following};
pub use linear::Linear;
pub(crate) use linear::function;
pub use norm::{LayerNorm, RmsNorm};
pub use rotary::Rotary;
