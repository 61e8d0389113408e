//! Making the matrices of a model smaller, one file for each way.
//!
//! Linear layers are taken one at a time, as many together as there are threads, and written as soon as they are made; all
//! other tensors are copied: embeddings, the head, norms, biases. What becomes a product of two factors is written as such,
//! a thin model ([`rankine_checkpoint::thin`]), or multiplied out again as a model of the old shape that others read.

mod draft;
mod low_rank;
mod magnitude;
mod monarch;
mod prune;
mod quantize;
mod site;
mod svd_activation;

pub use low_rank::{Extent, LowRank};
pub use magnitude::Magnitude;
pub use monarch::Monarch;
pub use prune::{Pattern, Prune, Score};
pub use quantize::{Levels, Quantize};
pub use site::Site;
pub use svd_activation::SvdActivation;

use crate::output::check_target;
use crate::progress::in_groups;
use crate::write::{Plan, Weights, WriteOptions, in_folder, shard_plan_of, summary, unchanged};
use crate::{Error, Inputs, Result, Stage, Subject, Wanted, Watch};
use draft::Draft;
use rankine_checkpoint::adapter::Targets;
use rankine_checkpoint::thin::is_thin;
use rankine_kernels::gemm::{Matrix, matmul};
use std::borrow::Cow;
use std::path::Path;

/// A way of making a matrix smaller; its fields are the settings.
pub trait Compress: Sync {
    /// Refuses settings outside their range.
    fn check(&self) -> Result<()>;

    /// What [`compress`](Self::compress) must know of the inputs of the matrix.
    fn wanted(&self) -> Wanted {
        Wanted::default()
    }

    /// What the matrix becomes; `None` where it would not be smaller.
    fn form(&self, site: &Site<'_>) -> Result<Option<Form>>;

    /// The matrix in this form; matrix: [rows, columns].
    fn compress(&self, site: &Site<'_>, matrix: &[f32], form: Form) -> Result<Compact>;
}

/// What a matrix becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A matrix of the same shape.
    Whole,
    /// Two factors of this rank.
    Factors(usize),
}

/// A matrix that was made smaller.
#[derive(Clone, Debug, PartialEq)]
pub enum Compact {
    /// Of the same shape; [rows, columns].
    Whole(Vec<f32>),
    /// left·right; left: [rows, r], right: [r, columns].
    Factors {
        /// The left factor.
        left: Vec<f32>,
        /// The right factor.
        right: Vec<f32>,
    },
}

/// What is done to a model.
pub struct Compression<'a> {
    /// How matrices are made smaller.
    pub method: &'a dyn Compress,
    /// Which of the linear layers.
    pub targets: Targets,
    /// Factors are multiplied out.
    pub dense: bool,
    /// What shows the inputs of matrices, for ways that look at them.
    pub inputs: Option<&'a dyn Inputs>,
}

/// What a compression did, or would do.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressionReport {
    /// The files.
    pub plan: Plan,
    /// Numbers of all weights before.
    pub parameters: u64,
    /// Bytes of all weights before.
    pub bytes: u64,
    /// The matrices that became smaller, in the order of the model.
    pub matrices: Vec<CompressedMatrix>,
    /// Matrices that were left alone, as they would not be smaller.
    pub left: Vec<String>,
    /// ‖W' − W‖ / ‖W‖ over all matrices that became smaller; `None` where nothing was made.
    pub relative: Option<f64>,
}

/// A matrix that became smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct CompressedMatrix {
    /// Its module.
    pub module: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Its rank, where factors were made.
    pub rank: Option<usize>,
    /// ‖W' − W‖ / ‖W‖, Frobenius norms, before rounding to the stored type; `None` where nothing was made, or W is zeros.
    pub relative: Option<f64>,
}

impl Compact {
    /// As one matrix; [rows, columns].
    fn whole(&self, [rows, columns]: [usize; 2]) -> Cow<'_, [f32]> {
        match self {
            Self::Whole(values) => values.into(),
            Self::Factors { left, right } => {
                let rank = left.len() / rows.max(1);
                let mut whole = vec![0.0; rows * columns];
                let (left, right) = (Matrix::new(left, rows, rank), Matrix::new(right, rank, columns));
                matmul(&mut whole, left, right, 1.0, false);
                whole.into()
            }
        }
    }
}

impl Compression<'_> {
    /// Compresses the model into the folder `target`. For a GGUF model the caller gives the tokenizer in
    /// [`WriteOptions::extra_files`].
    ///
    /// # Errors
    /// When a setting is out of its range, a target is not there, the model has thin layers already or none of its matrices
    /// would be smaller, inputs are looked at and nothing shows them, a matrix is not finite, `target` exists and may not be
    /// replaced (the model never is), writing fails, or `watch` breaks off; nothing is left behind then.
    pub fn run(
        &self,
        subject: Subject<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<CompressionReport> {
        let mut options = subject.complete(options);
        check_target(target, &options)?;
        let draft = self.draft(subject, watch)?;
        options.thin = draft.layers();
        let plan = shard_plan_of(&draft.infos(), &options)?;
        let files = subject.describe(&plan, &options);
        let moved = in_folder((&plan, files), target, &options, watch, |writer, shard, progress, watch| {
            let moved = draft.write(self, writer, watch)?;
            let source = subject.tensors();
            let others = shard.iter().filter(|(name, _)| draft.is_copied(name));
            let weights = Weights { source, copied: &|_| true, fill: &unchanged(source) };
            weights.write_blocks(writer, others, progress, watch)?;
            Ok(moved)
        })?;
        Ok(draft.report(summary(&plan), Some(&moved)))
    }

    /// What [`run`](Self::run) would write, without making it; singular values are found where ranks depend on them.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the output.
    pub fn plan(
        &self,
        subject: Subject<'_>,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<CompressionReport> {
        let draft = self.draft(subject, watch)?;
        let plan = shard_plan_of(&draft.infos(), options)?;
        Ok(draft.report(summary(&plan), None))
    }

    /// What becomes of every matrix.
    fn draft<'a>(&self, subject: Subject<'a>, watch: &mut Watch) -> Result<Draft<'a>> {
        self.method.check()?;
        if self.method.wanted().any() && self.inputs.is_none() {
            return Err(Error::NoCalibration);
        }
        subject.check()?;
        let source = subject.tensors();
        if is_thin(source) {
            return Err(Error::Thin { path: subject.path().to_owned() });
        }
        let modules = subject.targeted(&self.targets)?;
        let sites: Vec<Site> = modules.iter().filter_map(|module| Site::new(source, module)).collect();
        let mut draft = Draft::new(source, self.dense);
        let forms = in_groups(Stage::Decomposing, &sites, |site| self.method.form(site), watch)?;
        sites.iter().zip(forms).for_each(|(site, form)| draft.add(site, form));
        match draft.forms.is_empty() {
            true => Err(Error::NotSmaller { matrices: draft.left.len() }),
            false => Ok(draft),
        }
    }
}
