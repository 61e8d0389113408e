//! What is worth saying of a model.

use super::types::{is_whole, of_types};
use super::{TensorReport, among};
use serde::Serialize;
use std::fmt;

/// Between these exponents lie the tails of layers that are trained well: Martin and Mahoney 2021, as WeightWatcher reads them.
pub const USUAL_ALPHA: [f64; 2] = [2.0, 6.0];

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
    /// Finite numbers so large that there is no spectrum.
    Vast {
        /// The tensor.
        tensor: String,
        /// The largest magnitude.
        largest: f64,
    },
    /// A matrix or convolution of zeros.
    Zero {
        /// The tensor.
        tensor: String,
    },
    /// Rows or columns of zeros, of two rows at least.
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
    /// Matrices of which the leading singular values alone are known.
    Leading {
        /// The tensors.
        tensors: Vec<String>,
        /// The largest bound of the error of a value, as a share of s₁.
        bound: f64,
    },
    /// Tensors whose numbers are not read, or are whole and of no spectrum.
    NotAnalysed {
        /// The type of their numbers.
        dtype: String,
        /// The tensors.
        tensors: Vec<String>,
    },
    /// Scales of 8-bit weights, which are looked at as they are stored.
    Scales {
        /// The scales.
        tensors: Vec<String>,
    },
}

impl Finding {
    /// Whether something may be wrong; other findings are remarks.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::NotFinite { .. } | Self::Vast { .. } | Self::Zero { .. } | Self::LargeNorm { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { tensor, count } => {
                write!(out, "`{tensor}` is damaged; numbers that are not finite: {count}")
            }
            Self::Vast { tensor, largest } => {
                write!(out, "`{tensor}` has numbers up to {largest:.3e}, too large for a spectrum")
            }
            Self::Zero { tensor } => write!(out, "`{tensor}` holds zeros only"),
            Self::Dead { tensor, rows, columns } => {
                write!(out, "`{tensor}` has dead parts; rows of zeros: {rows}, columns of zeros: {columns}")
            }
            Self::Same { first, second } => write!(out, "`{second}` is the same as `{first}`"),
            Self::LargeNorm { tensor, spectral_norm, median, .. } => write!(
                out,
                "`{tensor}` has the spectral norm {}, where others of its kind have about {}",
                short(*spectral_norm),
                short(*median)
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
            Self::Leading { tensors, bound } => write!(
                out,
                "of {} matrices only the leading singular values are known, with a bound of their error of up to {:.1} % of the \
                 largest: of outliers shown with ≥ there may be more, and effective rank and α need all values, which \
                 `--exact` finds: {}",
                tensors.len(),
                100.0 * bound,
                few(tensors)
            ),
            Self::NotAnalysed { dtype, tensors } => {
                write!(out, "not analysed: dtype {dtype}, of {}", few(tensors))
            }
            Self::Scales { tensors } => write!(
                out,
                "weights of 8 bits are looked at as they are stored: their scales are not applied, {}",
                few(tensors)
            ),
        }
    }
}

/// A norm, readable however large or small it is.
fn short(norm: f64) -> String {
    if (1e-2..1e6).contains(&norm) { format!("{norm:.3}") } else { format!("{norm:.3e}") }
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
    found.extend(among::findings(tensors));
    found.extend(of_types(tensors));
    found.sort_by_key(|finding| !finding.is_warning());
    found
}

fn of_numbers(tensor: &TensorReport) -> Option<Finding> {
    let numbers = tensor.numbers.as_ref()?;
    let (name, rows, columns) = (tensor.name.clone(), numbers.dead_rows, numbers.dead_columns);
    if 0 < numbers.not_finite {
        return Some(Finding::NotFinite { tensor: name, count: numbers.not_finite });
    }
    if tensor.shape.len() < 2 || is_whole(&tensor.dtype) {
        return None;
    }
    if numbers.is_vast() {
        return Some(Finding::Vast { tensor: name, largest: numbers.largest });
    }
    if rows + columns == 0 {
        return None;
    }
    if numbers.largest == 0.0 {
        return Some(Finding::Zero { tensor: name });
    }
    // The columns of one row are numbers.
    (2 <= tensor.shape[0]).then_some(Finding::Dead { tensor: name, rows, columns })
}

#[cfg(test)]
mod tests {
    use super::super::{Numbers, Part};
    use super::*;

    fn tensor(shape: &[usize], dtype: &str, values: &[f32]) -> TensorReport {
        TensorReport {
            name: "x".to_owned(),
            shape: shape.to_vec(),
            dtype: dtype.to_owned(),
            bytes: 0,
            parameters: values.len() as u64,
            kind: Part::Other,
            layer: None,
            slot: String::new(),
            numbers: Some(Numbers::of(values, shape[1..].iter().product())),
            spectrum: None,
        }
    }

    #[test]
    fn masks_and_single_rows_have_nothing_dead() {
        let values = [0.0, 1.0, 0.0, 2.0];
        let dead = Finding::Dead { tensor: "x".to_owned(), rows: 0, columns: 1 };
        assert_eq!(of_numbers(&tensor(&[2, 2], "F32", &values)), Some(dead));
        assert_eq!(of_numbers(&tensor(&[2, 2], "U8", &values)), None);
        assert_eq!(of_numbers(&tensor(&[1, 4], "F32", &values)), None);
        let zero = Finding::Zero { tensor: "x".to_owned() };
        assert_eq!(of_numbers(&tensor(&[1, 4], "F32", &[0.0; 4])), Some(zero));
        assert_eq!(of_numbers(&tensor(&[2, 2], "BOOL", &[0.0; 4])), None);
    }

    #[test]
    fn norms_are_readable() {
        assert_eq!([short(12.5), short(6.9e30), short(0.0004)], ["12.500", "6.900e30", "4.000e-4"]);
    }
}
