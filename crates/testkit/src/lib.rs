//! For tests only: closeness, gradient checks, tiny models, fixtures.
//!
//! Everything here fails by panicking, with the numbers that were found in the message.

#![forbid(unsafe_code)]
#![expect(clippy::panic, reason = "a test library fails by panicking")]

pub mod browser;
mod closeness;
pub mod fixtures;
mod gradient;
pub mod tiny;

pub use closeness::{Closeness, assert_close, closeness};
pub use gradient::{GradientCheck, GradientReport, gradient_check, gradient_report};
