//! Tests of the solve wing.

#[cfg(test)]
mod transport;
