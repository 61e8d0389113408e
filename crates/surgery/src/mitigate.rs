//! Intruders made smaller: what a fine-tune forgot comes back, at little cost of what it learnt.
//!
//!     W' = W + (λ − 1)·Σ_j s_j·u_j·v_jᵀ        over the intruders j of W: j ≤ k, max_i |⟨u_j, u₀_i⟩| < ε
//!
//! λ = 1 changes nothing and λ = 0 takes the intruders away. W is a tuned matrix, U₀ are the left singular vectors of the base's,
//! as the files hold both; a convolution counts as the matrix [out, in·height·width]. Heads and embeddings stay, and so do whole
//! numbers and weights of types whose numbers are not read. The paper scales the first intruder of every matrix; as in peft all
//! among the first k are.
//!
//! Triples are found before anything is written, and only those of intruders are kept: some rows and columns a matrix. Weights
//! are then written as those of a merge, a block of rows at a time.
//! Paper: [intruder] §5.

use crate::adapters::Product;
use crate::merged::Squares;
use crate::output::check_target;
use crate::progress::in_groups;
use crate::write::{Plan, Weights, WriteOptions, is_weight, shard_plan, summary};
use crate::{Error, Result, Stage, Subject, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::{Pair, Tensors};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_kernels::reduce;
use rankine_linalg::{Svd, alignment};
use std::ops::Range;
use std::path::Path;

/// What an intruder is, and how much of it stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mitigation {
    /// ε: the cosine with all of the base's vectors below which a vector is an intruder; above 0, at most 1.
    pub epsilon: f64,
    /// k: how many leading triples of a matrix are looked at.
    pub top: usize,
    /// λ: what the singular values of intruders are multiplied by; 0 or more.
    pub factor: f64,
}

/// peft's defaults.
impl Default for Mitigation {
    fn default() -> Self {
        Self { epsilon: 0.5, top: 10, factor: 0.75 }
    }
}

/// A matrix whose intruders were scaled.
#[derive(Clone, Debug, PartialEq)]
pub struct Mitigated {
    /// Its module.
    pub module: String,
    /// Which triples they are, counted from 0.
    pub intruders: Vec<usize>,
    /// ‖W' − W‖ / ‖W‖.
    pub relative: f64,
}

/// What was scaled, and what was written, or would be.
#[derive(Clone, Debug, PartialEq)]
pub struct MitigationReport {
    /// The files.
    pub plan: Plan,
    /// The matrices that had intruders, in the order of the model.
    pub matrices: Vec<Mitigated>,
}

/// W' − W, and what it is.
pub(crate) struct Correction {
    /// W' − W, as the files hold the matrix.
    pub product: Product,
    pub intruders: Vec<usize>,
    /// ‖W' − W‖ / ‖W‖.
    pub relative: f64,
}

impl Correction {
    /// What it does to `module`.
    pub fn of(self, module: &str) -> Mitigated {
        Mitigated { module: module.to_owned(), intruders: self.intruders, relative: self.relative }
    }
}

impl Mitigation {
    /// Writes `tuned` with its intruders scaled to the folder `target`. For a GGUF model the caller gives the tokenizer in
    /// [`WriteOptions::extra_files`].
    ///
    /// # Errors
    /// When a setting is out of its range, the two models do not have the same tensors, a matrix is not finite, `target` exists
    /// and may not be replaced (the models never are), writing fails, or `watch` breaks off; nothing is left behind then.
    pub fn run(
        &self,
        base: Subject<'_>,
        tuned: Subject<'_>,
        target: &Path,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<MitigationReport> {
        self.check()?;
        tuned.check()?;
        let pair = base.pair(tuned)?;
        let mut options = tuned.complete(options);
        options.inputs.push(base.path().to_owned());
        check_target(target, &options)?;
        let source = tuned.tensors();
        shard_plan(source, &options)?;
        let corrections = self.corrections(pair, tuned, watch)?;
        let fill = |name: &str, rows: Range<usize>, out: &mut [f32]| {
            source.read_rows(name, rows.clone(), out)?;
            if let Some(Correction { product, .. }) = corrections.get(name) {
                let &Product { ref b, ref a, rank, inputs, .. } = product;
                let left = Matrix::new(&b[rows.start * rank..rows.end * rank], rows.len(), rank);
                matmul(out, left, Matrix::new(a, rank, inputs), 1.0, true);
            }
            Ok(Squares::default())
        };
        let weights = Weights { source, copied: &|name| !corrections.contains_key(name), fill: &fill };
        let plan = weights.write(&|plan| tuned.describe(plan, &options), target, &options, watch)?.plan;
        Ok(MitigationReport { plan, matrices: told(corrections) })
    }

    /// What [`run`](Self::run) would write, without making it: intruders are found all the same.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the output.
    pub fn plan(
        &self,
        base: Subject<'_>,
        tuned: Subject<'_>,
        options: &WriteOptions,
        watch: &mut Watch,
    ) -> Result<MitigationReport> {
        self.check()?;
        tuned.check()?;
        let pair = base.pair(tuned)?;
        let plan = summary(&shard_plan(tuned.tensors(), options)?);
        Ok(MitigationReport { plan, matrices: told(self.corrections(pair, tuned, watch)?) })
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn check(&self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match *self {
            Self { epsilon, .. } if !(0.0 < epsilon && epsilon <= 1.0) => {
                setting("epsilon", "above 0 and at most 1", epsilon.to_string())
            }
            Self { top: 0, .. } => setting("top", "1 or more", "0".to_owned()),
            Self { factor, .. } if !(0.0 <= factor && factor.is_finite()) => {
                setting("mitigate", "0 or more", factor.to_string())
            }
            _ => Ok(()),
        }
    }

    /// By the name of the tensor.
    fn corrections(
        &self,
        pair: Pair<'_>,
        tuned: Subject<'_>,
        watch: &mut Watch,
    ) -> Result<IndexMap<String, Correction>> {
        let mut names: Vec<String> =
            tuned.maps().iter().map(|module| format!("{}.weight", module.path)).collect();
        let infos = tuned.tensors().infos();
        let is_read = |name: &str| infos.get(name).is_none_or(|info| is_weight(info.dtype));
        names.retain(|name| pair.unread(name).is_none() && is_read(name));
        let of_tensor = |name: &String| self.of_tensor([pair.base(), pair.tuned()], name);
        let corrections = in_groups(Stage::Decomposing, &names, of_tensor, watch)?;
        let found = names.into_iter().zip(corrections);
        Ok(found.filter_map(|(name, correction)| Some((name, correction?))).collect())
    }

    /// `None` where there are no intruders, or no matrix.
    pub(crate) fn of_tensor(
        &self,
        [base, tuned]: [&dyn Tensors; 2],
        name: &str,
    ) -> Result<Option<Correction>> {
        let found = tuned.infos().get(name).filter(|info| 2 <= info.shape.len());
        let Some([rows, columns]) = found.map(|info| [info.rows(), info.row_elements()]) else {
            return Ok(None);
        };
        let read = |tensors: &dyn Tensors| -> Result<Vec<f32>> {
            let mut values = vec![0.0; rows * columns];
            tensors.read_into(name, &mut values)?;
            tensors.release(name, 0..rows);
            Ok(values)
        };
        let (before, after) = (read(base)?, read(tuned)?);
        if before == after {
            return Ok(None);
        }
        let (leading, alignment) = alignment(&before, &after, rows, columns, self.top)
            .map_err(|source| Error::Decomposition { name: name.to_owned(), source })?;
        let intruders = alignment.intruders(self.epsilon, self.top);
        if intruders.is_empty() {
            return Ok(None);
        }
        let product = self.product(&leading, &intruders);
        let relative = (product.squares() / reduce::sum_of_squares(&after)).sqrt();
        Ok(Some(Correction { product, intruders, relative }))
    }

    /// (λ − 1)·Σ s·u·vᵀ.
    fn product(&self, leading: &Svd, intruders: &[usize]) -> Product {
        let &Svd { ref u, ref s, ref vt, rows, columns, rank } = leading;
        let scales: Vec<f32> = s.iter().map(|&s| ((self.factor - 1.0) * f64::from(s)) as f32).collect();
        let b = (0..rows).flat_map(|row| intruders.iter().map(move |&j| (row, j)));
        let b = b.map(|(row, j)| u[row * rank + j] * scales[j]).collect();
        let a = intruders.iter().flat_map(|&j| &vt[j * columns..(j + 1) * columns]).copied().collect();
        Product { b, a, rank: intruders.len(), outputs: rows, inputs: columns }
    }
}

/// What corrections do, by the modules of their matrices.
fn told(corrections: IndexMap<String, Correction>) -> Vec<Mitigated> {
    let matrix =
        |(name, found): (String, Correction)| found.of(name.strip_suffix(".weight").unwrap_or(&name));
    corrections.into_iter().map(matrix).collect()
}
