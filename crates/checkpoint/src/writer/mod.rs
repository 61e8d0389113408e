//! Writing that leaves nothing half-written: everything goes to a temporary folder beside the target, which takes
//! the target's name at the very end.

mod fault;
mod folder;
mod model;
mod tensors;
#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use folder::{Existing, OutputFolder, write_file_atomically};
pub use model::{ModelWriter, ShardPlan};
pub use tensors::TensorsWriter;
