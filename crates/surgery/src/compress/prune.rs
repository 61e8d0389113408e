//! Pruning row by row: of the weights of every output those with the lowest scores become zero.
//!
//!     magnitude  score_ij = |w_ij|                                       w: [out, in]
//!     Wanda      score_ij = |w_ij| · ‖x_j‖        x_j: input j over the calibration data, a root mean square
//!
//! Rows are pruned to a share of their weights, or every group of M neighbours along the input to N of them, which hardware
//! with sparse products calls for as 2:4. The shape stays, so that every program reads the result. Of equal scores the first
//! go.
//! Paper: Sun et al. 2023, "A Simple and Effective Pruning Approach for Large Language Models", §3. Departure: inputs are those
//! of the whole model, not of one whose first blocks are pruned already.

use super::{Compact, Compress, Form, Site};
use crate::{Error, Result, Wanted};

/// Zeros in the place of the weights with the lowest scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prune {
    /// Which of them are kept.
    pub pattern: Pattern,
    /// By what they are chosen.
    pub score: Score,
}

/// How zeros lie in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// This share of every row is zero; above 0 and below 1.
    Rows(f64),
    /// Of every `of` weights in a row `keep` stay; matrices whose rows are no multiple of `of` are left alone.
    Groups {
        /// N of N:M.
        keep: usize,
        /// M.
        of: usize,
    },
}

/// What a weight is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// Its magnitude.
    Magnitude,
    /// Its magnitude times the length of its input.
    Wanda,
}

impl Pattern {
    /// Two of every four.
    pub const TWO_OF_FOUR: Self = Self::Groups { keep: 2, of: 4 };

    /// Weights that are looked at together, and how many of them become zero, in rows of so many.
    fn groups(self, inputs: usize) -> (usize, usize) {
        match self {
            Self::Rows(sparsity) => (inputs, (sparsity * inputs as f64).round() as usize),
            Self::Groups { keep, of } => (of, of - keep),
        }
    }
}

impl Compress for Prune {
    fn check(&self) -> Result<()> {
        let (name, expected, found) = match self.pattern {
            Pattern::Rows(sparsity) if !(0.0 < sparsity && sparsity < 1.0) => {
                ("sparsity", "above 0 and below 1", sparsity.to_string())
            }
            Pattern::Groups { keep, of } if keep == 0 || of <= keep => {
                ("pattern", "N:M, N from 1 to below M", format!("{keep}:{of}"))
            }
            _ => return Ok(()),
        };
        Err(Error::Setting { name, expected, found })
    }

    fn wanted(&self) -> Wanted {
        Wanted { squares: self.score == Score::Wanda, ..Wanted::default() }
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        let [_, inputs] = site.sizes();
        let (group, zeros) = self.pattern.groups(inputs);
        Ok((0 < zeros && 0 < inputs && inputs.is_multiple_of(group)).then_some(Form::Whole))
    }

    fn compress(&self, site: &Site<'_>, matrix: &[f32], _: Form) -> Result<Compact> {
        let [_, inputs] = site.sizes();
        let lengths: Vec<f32> = match self.score {
            Score::Magnitude => vec![1.0; inputs],
            Score::Wanda => site.squares()?.iter().map(|mean| mean.sqrt() as f32).collect(),
        };
        let (group, zeros) = self.pattern.groups(inputs);
        let mut pruned = site.by_outputs(matrix).into_owned();
        let mut order = Vec::with_capacity(group);
        for row in pruned.chunks_exact_mut(inputs) {
            for (weights, lengths) in row.chunks_exact_mut(group).zip(lengths.chunks_exact(group)) {
                let score = |at: &usize| weights[*at].abs() * lengths[*at];
                order.clear();
                order.extend(0..group);
                order.sort_by(|a, b| score(a).total_cmp(&score(b)));
                order[..zeros].iter().for_each(|&at| weights[at] = 0.0);
            }
        }
        Ok(Compact::Whole(site.stored(pruned)))
    }
}
