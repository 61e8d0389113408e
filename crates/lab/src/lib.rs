//! One file per paper: the experiment that shows its claim.
//!
//! An [`Experiment`] runs on real data, measures, and ends in a [`Claim`]: a sentence, whether it holds, and the page
//! with the numbers and plots behind it. `rankine reproduce PAPER` runs one. A claim that does not hold is a result, not
//! an error.

#![forbid(unsafe_code)]

mod bang;
mod damage;
mod dcdm;
mod diffora;
mod drawn;
mod encoder;
mod eora;
mod error;
mod eva;
mod findings;
mod flora;
mod gap;
mod generalization_dynamics;
mod images;
mod interaction_basis;
mod intruder_dimensions;
mod kronecker_sbl;
mod language;
mod linear_mode_connectivity;
mod loldu;
mod materials;
mod matrix_sensing;
mod pela;
mod pissa;
mod planted;
mod random_features;
mod robust_completion;
mod robust_weight_signatures;
mod salt;
mod self_distillation;
mod sinkhorn_newton_sparse;
mod sketched_regression;
mod sorsa;
mod sparsity_constrained;
mod subgradient_recovery;
mod svfit;
mod transfer;
mod volume_sampling;
mod weights;

pub use bang::BangExperiment;
pub use dcdm::DcdmExperiment;
pub use diffora::DifforaExperiment;
pub use eora::EoraExperiment;
pub use error::{Error, Result};
pub use eva::EvaExperiment;
pub use flora::FloraExperiment;
pub use generalization_dynamics::GeneralizationDynamicsExperiment;
pub use images::Images;
pub use interaction_basis::InteractionBasisExperiment;
pub use intruder_dimensions::IntruderDimensionsExperiment;
pub use kronecker_sbl::KroneckerSblExperiment;
pub use linear_mode_connectivity::LinearModeConnectivityExperiment;
pub use loldu::LolduExperiment;
pub use materials::{Encoder, Language, Materials};
pub use matrix_sensing::MatrixSensingExperiment;
pub use pela::PelaExperiment;
pub use pissa::PissaExperiment;
pub use random_features::RandomFeaturesExperiment;
pub use robust_completion::RobustCompletionExperiment;
pub use robust_weight_signatures::RobustWeightSignaturesExperiment;
pub use salt::SaltExperiment;
pub use self_distillation::SelfDistillationExperiment;
pub use sinkhorn_newton_sparse::SinkhornNewtonSparseExperiment;
pub use sketched_regression::SketchedRegressionExperiment;
pub use sorsa::SorsaExperiment;
pub use sparsity_constrained::SparsityConstrainedExperiment;
pub use subgradient_recovery::SubgradientRecoveryExperiment;
pub use svfit::SvfitExperiment;
pub use volume_sampling::VolumeSamplingExperiment;

use rankine_report::Page;

/// How much is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Enough to see the claim: well under a minute, a language model apart.
    #[default]
    Quick,
    /// Every setting of the experiment, several seeds: minutes.
    Full,
}

/// What an experiment found.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The paper's claim, in one sentence.
    pub statement: String,
    /// Whether these measurements agree with it.
    pub holds: bool,
    /// Tables and plots.
    pub page: Page,
    /// The same numbers for programs.
    pub numbers: serde_json::Value,
}

/// Shows the claim of one paper.
pub trait Experiment: Sync {
    /// Key of the paper in `papers.toml`; the word after `rankine reproduce`.
    fn paper(&self) -> &'static str;

    /// Runs it; `watch` is told in a few words what is being done.
    ///
    /// # Errors
    /// [`Error::Missing`] where the materials lack something; whatever reading or training can fail with.
    fn run(&self, scale: Scale, materials: &Materials<'_>, watch: &mut dyn FnMut(&str)) -> Result<Claim>;

    /// Whether it has a use for [`Materials::ratings`].
    fn reads_ratings(&self) -> bool {
        false
    }
}

macro_rules! experiments {
    ($($module:ident :: $Experiment:ident,)*) => {
        /// Every experiment, in the order of the papers.
        pub fn experiments() -> Vec<Box<dyn Experiment>> {
            vec![$(Box::new($module::$Experiment::default()),)*]
        }
    };
}

experiments! {
    svfit::SvfitExperiment,
    sorsa::SorsaExperiment,
    pissa::PissaExperiment,
    linear_mode_connectivity::LinearModeConnectivityExperiment,
    intruder_dimensions::IntruderDimensionsExperiment,
    salt::SaltExperiment,
    eva::EvaExperiment,
    sinkhorn_newton_sparse::SinkhornNewtonSparseExperiment,
    volume_sampling::VolumeSamplingExperiment,
    subgradient_recovery::SubgradientRecoveryExperiment,
    sketched_regression::SketchedRegressionExperiment,
    loldu::LolduExperiment,
    interaction_basis::InteractionBasisExperiment,
    self_distillation::SelfDistillationExperiment,
    matrix_sensing::MatrixSensingExperiment,
    robust_weight_signatures::RobustWeightSignaturesExperiment,
    generalization_dynamics::GeneralizationDynamicsExperiment,
    robust_completion::RobustCompletionExperiment,
    random_features::RandomFeaturesExperiment,
    sparsity_constrained::SparsityConstrainedExperiment,
    flora::FloraExperiment,
    kronecker_sbl::KroneckerSblExperiment,
    dcdm::DcdmExperiment,
    eora::EoraExperiment,
    diffora::DifforaExperiment,
    bang::BangExperiment,
    pela::PelaExperiment,
}

/// The experiment of a paper.
///
/// # Errors
/// [`Error::Unknown`] when no experiment has that key.
pub fn experiment(paper: &str) -> Result<Box<dyn Experiment>> {
    let known = || experiments().iter().map(|experiment| experiment.paper()).collect();
    let found = experiments().into_iter().find(|experiment| experiment.paper() == paper);
    found.ok_or_else(|| Error::Unknown { name: paper.to_owned(), known: known() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_is_found_by_its_paper() {
        for entry in experiments() {
            assert_eq!(experiment(entry.paper()).unwrap().paper(), entry.paper());
        }
        let error = experiment("piza").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "no experiment is called `piza`");
        let known: Vec<_> = experiments().iter().map(|entry| entry.paper()).collect();
        assert_eq!(error.hint().unwrap(), format!("there are: {}", known.join(", ")));
    }
}
