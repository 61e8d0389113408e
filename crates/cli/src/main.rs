//! The program `rankine`: one file per command.
fn main() {}
