//! Adapters to adapters: any change that is read becomes a plain LoRA, those of peft's other kinds too, and several become
//! one.
//!
//! Both go module by module, as many at a time as there are threads: the change of a weight as a product of factors,
//! exactly where it is one; a decomposition of that product; the leading part of it, balanced; how far that is from the
//! change. The base's numbers are read only where the change depends on them.

mod altered;
mod apart;
mod assemble;
mod change;
mod combine;
mod convert;
mod cut;
mod export;
mod keep;
mod kinds;
mod mitigate;
mod obstacle;
mod output;
mod product;
mod sparse;
mod whole;

pub use apart::{Apart, factors_apart};
pub(crate) use assemble::{Part, assemble};
pub(crate) use change::{Piece, check as check_factors};
pub use combine::{Combination, Share, combine};
pub use convert::{Conversion, Recompressed, convert, convert_from};
pub use export::{ExportedModule, GgufExport, GgufOutput, export, plan_export};
pub use keep::Keep;
pub use kinds::{Misfit, OtherKind};
pub use mitigate::KeptRank;
pub use obstacle::Obstacle;
pub use output::AdapterOutput;
pub(crate) use product::{Product, transposed};
