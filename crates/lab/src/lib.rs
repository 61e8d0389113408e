//! One file per paper: the experiment that shows its claim.
//!
//! An [`Experiment`] runs on real data, measures, and ends in a [`Claim`]: a sentence, whether it holds, and the page
//! with the numbers and plots behind it. `rankine reproduce PAPER` runs one. A claim that does not hold is a result, not
//! an error.

#![forbid(unsafe_code)]

mod diffora;
mod encoder;
mod error;
mod eva;
mod findings;
mod flora;
mod images;
mod loldu;
mod materials;
mod pela;
mod pissa;
mod salt;
mod sorsa;
mod svfit;
mod transfer;

pub use diffora::DifforaExperiment;
pub use error::{Error, Result};
pub use eva::EvaExperiment;
pub use flora::FloraExperiment;
pub use images::Images;
pub use loldu::LolduExperiment;
pub use materials::{Encoder, Language, Materials};
pub use pela::PelaExperiment;
pub use pissa::PissaExperiment;
pub use salt::SaltExperiment;
pub use sorsa::SorsaExperiment;
pub use svfit::SvfitExperiment;

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
    salt::SaltExperiment,
    eva::EvaExperiment,
    loldu::LolduExperiment,
    flora::FloraExperiment,
    diffora::DifforaExperiment,
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
        let known = "there are: svfit, sorsa, pissa, salt, eva, loldu, flora, diffora, pela";
        assert_eq!(error.hint().unwrap(), known);
    }
}
