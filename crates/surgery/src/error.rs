//! What keeps a model from being merged or written, and how to mend it.

mod hint;

use rankine_checkpoint::adapter::{Initialisation, Misshapen};
use rankine_checkpoint::{Difference, Dtype, config::Architecture};
use std::path::PathBuf;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written, or the adapter does not fit its base.
    #[error(transparent)]
    Checkpoint(#[from] rankine_checkpoint::Error),
    /// The output that is to be replaced is read, or holds what is read.
    #[error("`{}` would be replaced, but `{}` is read from it", output.display(), input.display())]
    OutputIsInput {
        /// The output.
        output: PathBuf,
        /// What is read: base or adapter.
        input: PathBuf,
    },
    /// The output would lie among what is read.
    #[error("`{}` lies inside `{}`, which is read", output.display(), input.display())]
    OutputInInput {
        /// The output.
        output: PathBuf,
        /// The folder that is read.
        input: PathBuf,
    },
    /// The output that is to be replaced is nothing that this program writes.
    #[error("`{}` holds no model, adapter or run, so it is not replaced", output.display())]
    OutputIsForeign {
        /// The output.
        output: PathBuf,
    },
    /// The base is not the model that its configuration describes.
    #[error("`{}`: the tensors are not those of the configuration{}", path.display(), lines(missing, misshapen))]
    Base {
        /// The folder or GGUF file.
        path: PathBuf,
        /// Tensors that are called for and not there.
        missing: Vec<String>,
        /// Tensors of another shape.
        misshapen: Vec<Misshapen>,
    },
    /// Two models that should have the same tensors.
    #[error("`{}` and `{}` do not have the same tensors{difference}", first.display(), second.display())]
    Unlike {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// What they do not have alike.
        difference: Box<Difference>,
    },
    /// The caller wanted no more.
    #[error("interrupted")]
    Interrupted,
    /// Work broke off of which something is kept ([`WriteOptions::resume`](crate::WriteOptions::resume)).
    #[error("{source}")]
    Unfinished {
        /// Where the finished files are.
        folder: PathBuf,
        /// How many they are.
        files: usize,
        /// Why it broke off.
        source: Box<Error>,
    },
    /// Work that is to be gone on with was begun otherwise.
    #[error("what is finished in `{}` does not go with this{}", folder.display(), differences(changes))]
    BegunOtherwise {
        /// Where the finished files are.
        folder: PathBuf,
        /// What is not as it was.
        changes: Vec<crate::Changed>,
    },
    /// Another process writes the same output.
    #[error("another process is writing to `{}`", folder.display())]
    Busy {
        /// The folder under way.
        folder: PathBuf,
    },
    /// Something else is where an output is to be constructed.
    #[error("`{}` is in the way, and is nothing that this program left", folder.display())]
    PartialIsForeign {
        /// The folder.
        folder: PathBuf,
    },
    /// The part that an initialisation took out of a weight could not be found again.
    #[error("`{name}`: {source}")]
    Decomposition {
        /// The weight.
        name: String,
        /// Why.
        source: rankine_linalg::Error,
    },
    /// The adapter was trained on an altered base that cannot be made again from the original one.
    #[error(
        "`{module}` was trained on a base altered by {}, which cannot be recomputed",
        initialisation_name(*initialisation)
    )]
    AlteredBase {
        /// The first such module.
        module: String,
        /// How the base was altered.
        initialisation: Initialisation,
    },
    /// Directions that an initialisation took out cannot be told from others.
    #[error("which directions the initialisation took out of `{name}` cannot be found again: {reason}")]
    Ambiguous {
        /// The weight.
        name: String,
        /// What makes them alike.
        reason: String,
    },
    /// What is said of how the training of an adapter began cannot be.
    #[error(transparent)]
    Beginning(Box<crate::BeginningFault>),
    /// Factors that do not have the numbers their shape declares.
    #[error("the change of `{module}` does not have the numbers that its shape declares")]
    Factors {
        /// The adapted module.
        module: String,
    },
    /// A bias to add to is no vector of the module's outputs.
    #[error("the bias `{name}` has shape {found:?}, not [{expected}]")]
    BiasShape {
        /// The bias.
        name: String,
        /// The outputs of its module.
        expected: usize,
        /// Its shape.
        found: Vec<usize>,
    },
    /// The adapter gives a bias to a module that has none in this architecture.
    #[error("the adapter adds the bias `{name}`, for which models of type {architecture:?} have no place")]
    NoPlaceForBias {
        /// The bias.
        name: String,
        /// The architecture.
        architecture: Architecture,
    },
    /// The adapter gives a bias to a module of an image classifier that has none.
    #[error("the adapter adds the bias `{name}`, which the network does not have")]
    NewBias {
        /// The bias.
        name: String,
    },
    /// A setting outside its range.
    #[error("`{name}` should be {expected}; found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A change that no factors hold exactly.
    #[error("the change of `{module}` is of full rank: it has no exact factors")]
    FullRank {
        /// The module.
        module: String,
    },
    /// New rows of a weight that an initialisation altered.
    #[error(
        "`{module}` has new rows and was altered by its initialisation; the two cannot be told apart in a LoRA"
    )]
    RowsOnResidual {
        /// The module.
        module: String,
    },
    /// A change that depends on the numbers of the base, which was not given.
    #[error("the changes of `{}` depend on the weights of its base", adapter.display())]
    NeedsBase {
        /// The adapter's file.
        adapter: PathBuf,
    },
    /// Something in an adapter that is no product and cannot be added to another's.
    #[error("`{}`: `{name}` is no change that can be combined with others", adapter.display())]
    NotProduct {
        /// The adapter's file.
        adapter: PathBuf,
        /// The tensor or setting.
        name: String,
    },
    /// Adapters that were made for different models.
    #[error("the changes of `{module}` are {expected:?} in one adapter and {found:?} in another")]
    OtherShape {
        /// The module.
        module: String,
        /// Outputs and inputs, or the shape of a whole tensor, in the first.
        expected: Vec<usize>,
        /// The same in a later one.
        found: Vec<usize>,
    },
    /// Something that an adapter in GGUF cannot have.
    #[error("`{name}`: {obstacle}")]
    NotInGguf {
        /// The module, tensor or setting.
        name: String,
        /// Why.
        obstacle: crate::Obstacle,
    },
    /// A module that an adapter of another kind changes and that this kind is not converted for.
    #[error(
        "`{module}` is {what}; only linear layers are converted, and convolutions of IA3, LOHA, LOKR and, if 1 × 1, OFT"
    )]
    NotLinear {
        /// The module.
        module: String,
        /// What it is.
        what: &'static str,
    },
    /// A random matrix that all modules of an adapter share is not in its file.
    #[error("`{}`: the random matrix `{name}`, which all modules share, is not in the file", adapter.display())]
    NoProjection {
        /// The adapter's file.
        adapter: PathBuf,
        /// The matrix.
        name: &'static str,
    },
    /// A place that is none of its tensor's.
    #[error("`{name}` of `{module}` holds the place {found}; places are whole numbers from 0 to {limit} - 1")]
    Index {
        /// The module.
        module: String,
        /// The tensor with the places.
        name: &'static str,
        /// The place.
        found: f32,
        /// How many places there are.
        limit: usize,
    },
    /// A change that comes to infinities or NaNs.
    #[error("the change of `{module}` comes to numbers that are not finite")]
    NotFinite {
        /// The module.
        module: String,
    },
    /// A model whose weights are factors already.
    #[error("`{}`: its layers are thin already", path.display())]
    Thin {
        /// The folder.
        path: PathBuf,
    },
    /// A model that is to have whole weights, and has them.
    #[error("`{}` has no thin layers, and there is no adapter to merge", path.display())]
    NotThin {
        /// The folder or file.
        path: PathBuf,
    },
    /// A model of convolutions, where linear layers are wanted.
    #[error("`{}` has no linear layers but its head; its {convolutions} convolutions are not taken here", path.display())]
    NoLinear {
        /// The folder or file.
        path: PathBuf,
        /// How many there are.
        convolutions: usize,
    },
    /// A compression that leaves everything as it is.
    #[error("none of {matrices} matrices would become smaller")]
    NotSmaller {
        /// How many matrices were looked at.
        matrices: usize,
    },
    /// Two models without a difference to make up for.
    #[error("`{}` and `{}` are alike in all of {matrices} matrices", first.display(), second.display())]
    Alike {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// How many matrices were looked at.
        matrices: usize,
    },
    /// A way that looks at the inputs of matrices, without anything that shows them.
    #[error("what a matrix becomes depends on its inputs here, and there are no data to see them with")]
    NoCalibration,
    /// A matrix that the calibration data do not reach.
    #[error("`{module}` sees nothing of the calibration data")]
    Unseen {
        /// The module.
        module: String,
    },
    /// The model could not be run on the calibration data.
    #[error("the model does not run on the calibration data: {source}")]
    Inputs {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two models between which there is nothing to extract.
    #[error("`{}` has no change of `{}` that a LoRA would hold", tuned.display(), base.display())]
    Unchanged {
        /// The model as it was.
        base: PathBuf,
        /// What was made of it.
        tuned: PathBuf,
    },
    /// A tensor that does not go with the others as in a model that is known.
    #[error("`{}`: how `{name}` goes with the tensors before it cannot be told", path.display())]
    Structure {
        /// The model.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// Two models with the same tensors that are cut into other units.
    #[error("`{}` and `{}` have the same tensors, and other heads in them", first.display(), second.display())]
    OtherUnits {
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A model without units that may change places.
    #[error("`{}` has no units of the kinds that were asked for", path.display())]
    NoUnits {
        /// The model.
        path: PathBuf,
    },
    /// A recipe that cannot be carried out.
    #[error("`{}`: {fault}", path.display())]
    Recipe {
        /// Its file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: Box<crate::RecipeFault>,
    },
    /// A tensor that models of llama.cpp do not have.
    #[error("`{name}` has no place in a GGUF file")]
    NoPlaceInGguf {
        /// The tensor.
        name: String,
    },
    /// A model that should be a GGUF file.
    #[error("`{}` is no GGUF file", path.display())]
    NotGguf {
        /// The folder.
        path: PathBuf,
    },
    /// Numbers that a block format cannot hold.
    #[error("`{name}` has numbers that {format} does not hold: infinite ones, or too large")]
    Unencodable {
        /// The tensor.
        name: String,
        /// The format.
        format: &'static str,
    },
    /// Weights are not written in this type.
    #[error("weights cannot be written as {dtype:?}")]
    Dtype {
        /// The type asked for.
        dtype: Dtype,
    },
}

/// How many differences are named.
const NAMED: usize = 5;

/// A line for each of the first few.
fn differences(changes: &[crate::Changed]) -> String {
    let mut lines: String = changes.iter().take(NAMED).map(|change| format!("\n  {change}")).collect();
    if NAMED < changes.len() {
        lines += &format!("\n  and {} more", changes.len() - NAMED);
    }
    lines
}

/// A line for every tensor.
fn lines(missing: &[String], misshapen: &[Misshapen]) -> String {
    let missing = missing.iter().map(|name| format!("\n  missing: `{name}`"));
    let misshapen = misshapen.iter().map(|Misshapen { key, expected, found }| {
        format!("\n  misshapen: `{key}` is {found:?}, not {expected:?}")
    });
    missing.chain(misshapen).collect()
}

/// The value of `init_lora_weights`.
fn initialisation_name(initialisation: Initialisation) -> String {
    match initialisation {
        Initialisation::PissaIterations(count) => format!("`pissa_niter_{count}`"),
        Initialisation::Corda => "`corda`".to_owned(),
        Initialisation::LoraGa => "`lora_ga`".to_owned(),
        Initialisation::Loftq => "`loftq`".to_owned(),
        other => format!("`{other:?}`"),
    }
}

impl From<crate::BeginningFault> for Error {
    fn from(fault: crate::BeginningFault) -> Self {
        Self::Beginning(Box::new(fault))
    }
}
