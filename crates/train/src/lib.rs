//! The one training loop and its slots.
