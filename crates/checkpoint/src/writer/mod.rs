//! Writing that leaves nothing half-written: everything goes to a temporary folder or file beside the target, which takes
//! the target's name at the very end.

mod fault;
mod file;
mod folder;
mod model;
mod tensors;
#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use file::OutputFile;
pub use folder::{Existing, OutputFolder, write_file_atomically, write_file_with};
pub use model::{ModelWriter, ShardPlan};
pub(crate) use tensors::Plan;
pub use tensors::TensorsWriter;
