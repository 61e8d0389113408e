//! Every tensor of a model, measured: its numbers, its spectrum, what stands out of noise, the tail.
//!
//! Tensors are read one at a time, as many together as there are threads, measured and let go; the largest first, so that no
//! thread waits long for another. Of a matrix in memory there are its numbers, and for the leading spectrum twice as many.

mod among;
mod compute;
mod finding;
mod headers;
mod map;
mod numbers;
mod pattern;
mod place;
mod power_law;
mod spectrum;
mod strides;
mod summary;
mod types;

pub use compute::Compute;
pub use finding::{Finding, USUAL_ALPHA};
pub use map::{LayerMap, Notable};
pub use numbers::Numbers;
pub use power_law::Tail;
pub use rankine_checkpoint::{Layer, Part};
pub use spectrum::{Bulk, SHARES, Spectrum};
pub use summary::{Group, Storage};

use crate::{Error, Result, Watch, progress::on_all_threads};
use headers::{architecture, described};
use indexmap::IndexMap;
use pattern::{fits_none, is_like};
use rankine_checkpoint::{Dtype, Opened, Tensors};
use rankine_random::Rng;
use serde::Serialize;
use spectrum::Extent;
use std::cmp::Reverse;
use types::is_whole;

/// Which singular values are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spectra {
    /// All of a matrix whose smaller side is at most [`Spectra::SIDE`], the leading [`Spectra::RANK`] of others.
    #[default]
    BySize,
    /// All, however long it takes.
    Exact,
    /// The leading ones of every matrix; all where that is no more work.
    Leading(usize),
}

impl Spectra {
    /// Ours: a Gram matrix of this side and its eigenvalues take about one second of one core.
    pub const SIDE: usize = 2048;
    /// Ours: enough for the outliers of most matrices.
    pub const RANK: usize = 64;
}

/// What is looked at, and how closely; `Default` is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Which singular values are found.
    pub spectra: Spectra,
    /// Names of tensors with `*` and `?` for what may stand there; a tensor is looked at where one fits it. Empty means all.
    pub patterns: Vec<String>,
    /// Seed of the random projections.
    pub seed: u64,
}

/// What was found in a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelReport {
    /// The family, where a configuration tells.
    pub architecture: Option<String>,
    /// Numbers of the tensors that were looked at.
    pub parameters: u64,
    /// Their stored size.
    pub bytes: u64,
    /// Work and memory of what it reads, of the whole model.
    pub compute: Compute,
    /// By the type of the stored numbers.
    pub storage: IndexMap<String, Storage>,
    /// By what tensors do.
    pub kinds: IndexMap<Part, Group>,
    /// By layer, in the order of the model.
    pub layers: IndexMap<Layer, Group>,
    /// What is worth saying, what may be wrong first; nothing where headers alone were read.
    pub findings: Vec<Finding>,
    /// The tensors by name, numbers in names as numbers: the same however they are spread over files.
    pub tensors: Vec<TensorReport>,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// Its axes, outermost first.
    pub shape: Vec<usize>,
    /// The type of its stored numbers.
    pub dtype: String,
    /// Stored size.
    pub bytes: u64,
    /// How many numbers.
    pub parameters: u64,
    /// What it does.
    pub kind: Part,
    /// Where it stands.
    pub layer: Option<Layer>,
    /// What tells it from the others of its layer: its kind, or else the rest of its name.
    pub slot: String,
    /// What its numbers are like; `None` where headers alone were read, or the type is one whose numbers are not.
    pub numbers: Option<Numbers>,
    /// Of a matrix or convolution of finite floats, taken as [out, rest], with two rows and columns at least and a norm that
    /// a float of 32 bits can hold.
    pub spectrum: Option<Spectrum>,
}

impl Inspection {
    /// What headers tell, without reading a number.
    ///
    /// # Errors
    /// When a pattern fits no tensor.
    pub fn headers(&self, model: &Opened) -> Result<ModelReport> {
        let all = described(model);
        let compute = Compute::of(model, &all);
        let fits =
            |tensor: &TensorReport, pattern: &String| is_like(tensor.name.as_bytes(), pattern.as_bytes());
        if let Some(pattern) =
            self.patterns.iter().find(|pattern| !all.iter().any(|tensor| fits(tensor, pattern)))
        {
            return Err(fits_none(pattern, all.iter().map(|tensor| tensor.name.as_str())));
        }
        let chosen = |tensor: &TensorReport| {
            self.patterns.is_empty() || self.patterns.iter().any(|pattern| fits(tensor, pattern))
        };
        Ok(ModelReport::of(architecture(model), compute, all.into_iter().filter(chosen).collect()))
    }

    /// Reads and measures every tensor.
    ///
    /// # Errors
    /// When a setting is out of its range, a pattern fits no tensor, a tensor cannot be read or decomposed, or `watch` breaks off.
    pub fn run(&self, model: &Opened, watch: &mut Watch) -> Result<ModelReport> {
        if self.spectra == Spectra::Leading(0) {
            return Err(Error::Setting { name: "rank", expected: "1 or more", found: "0".to_owned() });
        }
        let ModelReport { architecture, compute, mut tensors, .. } = self.headers(model)?;
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|&at| Reverse(tensors[at].parameters));
        let source = model.tensors();
        let measured = on_all_threads(&order, |&at| self.measure(source, &tensors[at]), watch)?;
        for (at, (numbers, spectrum)) in order.into_iter().zip(measured) {
            tensors[at].numbers = numbers;
            tensors[at].spectrum = spectrum;
        }
        let findings = finding::findings(&tensors);
        Ok(ModelReport { findings, ..ModelReport::of(architecture, compute, tensors) })
    }

    fn measure(
        &self,
        source: &dyn Tensors,
        tensor: &TensorReport,
    ) -> Result<(Option<Numbers>, Option<Spectrum>)> {
        let name = &tensor.name;
        let info = source.infos().get(name).filter(|info| !matches!(info.dtype, Dtype::Unread(_)));
        let Some(info) = info else { return Ok((None, None)) };
        let mut values = vec![0.0; info.elements()];
        source.read_into(name, &mut values)?;
        source.release(name, 0..info.rows());
        let [rows, columns] = [info.rows(), info.row_elements()];
        let numbers = Numbers::of(&values, columns);
        let short = rows.min(columns);
        let is_matrix = 2 <= info.shape.len() && 2 <= short && !is_whole(&tensor.dtype);
        if !is_matrix || 0 < numbers.not_finite || numbers.is_vast() {
            return Ok((Some(numbers), None));
        }
        let extent = match self.spectra {
            Spectra::Exact => Extent::All,
            Spectra::Leading(rank) => Extent::Leading(rank),
            Spectra::BySize if short <= Spectra::SIDE => Extent::All,
            Spectra::BySize => Extent::Leading(Spectra::RANK),
        };
        let mut rng = Rng::new(self.seed).fork("inspect").fork(name);
        let spectrum = Spectrum::of(&values, [rows, columns], numbers.norm.powi(2), extent, &mut rng);
        let failed = |source| Error::Decomposition { name: name.clone(), source };
        Ok((Some(numbers), Some(spectrum.map_err(failed)?)))
    }
}

impl ModelReport {
    /// Of tensors of which nothing is said yet.
    fn of(architecture: Option<String>, compute: Compute, tensors: Vec<TensorReport>) -> Self {
        Self {
            architecture,
            parameters: tensors.iter().map(|tensor| tensor.parameters).sum(),
            bytes: tensors.iter().map(|tensor| tensor.bytes).sum(),
            compute,
            storage: summary::by_storage(&tensors),
            kinds: summary::by_kind(&tensors),
            layers: summary::by_layer(&tensors),
            findings: Vec::new(),
            tensors,
        }
    }
}
