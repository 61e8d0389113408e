//! What is worth saying of a model.

use super::map::FEWEST;
use super::summary::{deviations, median};
use super::{Part, TensorReport};
use indexmap::IndexMap;
use serde::Serialize;
use std::fmt;

/// Between these exponents lie the tails of layers that are trained well: Martin and Mahoney 2021, as WeightWatcher reads them.
pub const USUAL_ALPHA: [f64; 2] = [2.0, 6.0];

/// From how many deviations on a norm is unusual. Ours: of a normal law one in a billion lies so far out.
const UNUSUAL: f64 = 6.0;

/// How many names a message shows.
const SHOWN: usize = 3;

/// Something about some tensors.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// Numbers that are infinite or none; there is no spectrum.
    NotFinite {
        /// The tensor.
        tensor: String,
        /// How many of its numbers.
        count: u64,
    },
    /// A matrix or convolution of zeros.
    Zero {
        /// The tensor.
        tensor: String,
    },
    /// Rows or columns of zeros.
    Dead {
        /// The tensor.
        tensor: String,
        /// Rows of zeros.
        rows: u64,
        /// Columns of zeros.
        columns: u64,
    },
    /// Two tensors with the same numbers.
    Same {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// A spectral norm far above that of other tensors of its kind.
    LargeNorm {
        /// The tensor.
        tensor: String,
        /// s₁.
        spectral_norm: f64,
        /// Its kind's median.
        median: f64,
        /// Deviations above it, of logarithms, from the median absolute deviation.
        deviations: f64,
    },
    /// Tails steeper than usual: α > 6.
    SteepTails {
        /// The tensors.
        tensors: Vec<String>,
        /// Of how many there is an exponent.
        of: usize,
    },
    /// Tails flatter than usual: α < 2.
    FlatTails {
        /// The tensors.
        tensors: Vec<String>,
        /// Of how many there is an exponent.
        of: usize,
    },
}

impl Finding {
    /// Whether something may be wrong; other findings are remarks.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Zero { .. } | Self::LargeNorm { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { tensor, count } => {
                write!(out, "`{tensor}` is damaged; numbers that are not finite: {count}")
            }
            Self::Zero { tensor } => write!(out, "`{tensor}` holds zeros only"),
            Self::Dead { tensor, rows, columns } => {
                write!(out, "`{tensor}` has {rows} rows and {columns} columns of zeros")
            }
            Self::Same { first, second } => write!(out, "`{second}` is the same as `{first}`"),
            Self::LargeNorm { tensor, spectral_norm, median, .. } => write!(
                out,
                "`{tensor}` has the spectral norm {spectral_norm:.3}, where others of its kind have about {median:.3}"
            ),
            Self::SteepTails { tensors, of } => {
                let [_, high] = USUAL_ALPHA;
                write!(
                    out,
                    "{} of {of} tails have α > {high}, which WeightWatcher reads as layers that learnt little: ",
                    tensors.len()
                )?;
                out.write_str(&few(tensors))
            }
            Self::FlatTails { tensors, of } => {
                let [low, _] = USUAL_ALPHA;
                write!(
                    out,
                    "{} of {of} tails have α < {low}, which WeightWatcher reads as layers that may have learnt by heart: ",
                    tensors.len()
                )?;
                out.write_str(&few(tensors))
            }
        }
    }
}

/// The first few names.
fn few(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Everything that is worth saying, what may be wrong first.
pub(super) fn findings(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut found: Vec<Finding> = tensors.iter().filter_map(of_numbers).collect();
    found.extend(same(tensors));
    found.extend(large_norms(tensors));
    let alphas: Vec<(&str, f64)> = tensors
        .iter()
        .filter_map(|tensor| Some((tensor.name.as_str(), tensor.spectrum.as_ref()?.tail?.alpha)))
        .collect();
    let those = |is: &dyn Fn(f64) -> bool| -> Vec<String> {
        alphas.iter().filter(|(_, alpha)| is(*alpha)).map(|(name, _)| (*name).to_owned()).collect()
    };
    let ([low, high], of) = (USUAL_ALPHA, alphas.len());
    let (steep, flat) = (those(&|alpha| high < alpha), those(&|alpha| alpha < low));
    found.extend((!steep.is_empty()).then_some(Finding::SteepTails { tensors: steep, of }));
    found.extend((!flat.is_empty()).then_some(Finding::FlatTails { tensors: flat, of }));
    found.sort_by_key(|finding| !finding.is_warning());
    found
}

fn of_numbers(tensor: &TensorReport) -> Option<Finding> {
    let numbers = tensor.numbers.as_ref()?;
    let (name, rows, columns) = (tensor.name.clone(), numbers.dead_rows, numbers.dead_columns);
    if 0 < numbers.not_finite {
        return Some(Finding::NotFinite { tensor: name, count: numbers.not_finite });
    }
    if tensor.shape.len() < 2 || rows + columns == 0 {
        return None;
    }
    Some(match numbers.largest == 0.0 {
        true => Finding::Zero { tensor: name },
        false => Finding::Dead { tensor: name, rows, columns },
    })
}

/// Matrices that were stored twice.
fn same(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut seen: IndexMap<(&[usize], u64), &str> = IndexMap::new();
    let mut found = Vec::new();
    for tensor in tensors.iter().filter(|tensor| 2 <= tensor.shape.len()) {
        // Equal numbers throughout are a start or a mask, and tell nothing.
        let Some(numbers) = tensor.numbers.as_ref().filter(|numbers| 0.0 < numbers.deviation) else {
            continue;
        };
        match seen.get(&(tensor.shape.as_slice(), numbers.fingerprint)) {
            Some(first) => {
                found.push(Finding::Same { first: (*first).to_owned(), second: tensor.name.clone() });
            }
            None => drop(seen.insert((tensor.shape.as_slice(), numbers.fingerprint), &tensor.name)),
        }
    }
    found
}

/// Norms far above those of their kind.
fn large_norms(tensors: &[TensorReport]) -> Vec<Finding> {
    let mut kinds: IndexMap<Part, Vec<(&str, f64)>> = IndexMap::new();
    for tensor in tensors {
        let norm = tensor.spectrum.as_ref().map(|spectrum| spectrum.spectral_norm);
        if let Some(norm) = norm.filter(|norm| 0.0 < *norm) {
            kinds.entry(tensor.kind).or_default().push((tensor.name.as_str(), norm));
        }
    }
    kinds.values().filter(|norms| FEWEST <= norms.len()).flat_map(|norms| unusual(norms)).collect()
}

fn unusual(norms: &[(&str, f64)]) -> Vec<Finding> {
    let logarithms: Vec<f64> = norms.iter().map(|(_, norm)| norm.ln()).collect();
    let Some(middle) = median(norms.iter().map(|(_, norm)| *norm)) else { return Vec::new() };
    let finding = |(&(name, spectral_norm), deviations): (&(&str, f64), f64)| {
        let tensor = name.to_owned();
        let found = Finding::LargeNorm { tensor, spectral_norm, median: middle, deviations };
        (UNUSUAL < deviations).then_some(found)
    };
    norms.iter().zip(deviations(&logarithms)).filter_map(finding).collect()
}
