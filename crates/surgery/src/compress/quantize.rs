//! Rounding to the nearest of a few levels, group by group along the input:
//!
//!     symmetric   w' = Δ·q            Δ = max|w| / (2^{b−1} − 1)     q = round(w/Δ)
//!     asymmetric  w' = Δ·(q − z)      Δ = (h − l) / (2^b − 1)        q = round(w/Δ) + z in 0 ..= 2^b − 1    z = round(−l/Δ)
//!
//! with l = min(w, 0) and h = max(w, 0) over the group, so that zeros stay zeros: a pruned matrix stays pruned. No weight moves
//! by more than Δ/2. The result holds the rounded numbers as plain weights: it shows what so few bits do to a model, and is no
//! smaller.

use super::{Compact, Compress, Form, Site};
use crate::{Error, Result};

/// Few levels for every group of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantize {
    /// Bits a weight; 2 to 8.
    pub bits: u32,
    /// Neighbours along the input that have a scale of their own; `None` is a whole row. The last of a row may be fewer.
    pub group: Option<usize>,
    /// Where the levels lie.
    pub levels: Levels,
}

/// Where levels lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Levels {
    /// As many below zero as above.
    Symmetric,
    /// From the smallest weight to the largest.
    #[default]
    Asymmetric,
}

impl Compress for Quantize {
    fn check(&self) -> Result<()> {
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        match (self.bits, self.group) {
            (2..=8, Some(0)) => setting("group size", "1 or more", "0".to_owned()),
            (2..=8, _) => Ok(()),
            (bits, _) => setting("bits", "from 2 to 8", bits.to_string()),
        }
    }

    fn form(&self, site: &Site<'_>) -> Result<Option<Form>> {
        let [rows, columns] = site.sides();
        Ok((0 < rows && 0 < columns).then_some(Form::Whole))
    }

    fn compress(&self, site: &Site<'_>, matrix: &[f32], _: Form) -> Result<Compact> {
        let [_, inputs] = site.sizes();
        let mut rounded = site.by_outputs(matrix).into_owned();
        for row in rounded.chunks_exact_mut(inputs) {
            row.chunks_mut(self.group.unwrap_or(inputs)).for_each(|group| self.round(group));
        }
        Ok(Compact::Whole(site.stored(rounded)))
    }
}

impl Quantize {
    fn round(&self, group: &mut [f32]) {
        let low = group.iter().fold(0.0f32, |low, w| low.min(*w));
        let high = group.iter().fold(0.0f32, |high, w| high.max(*w));
        let (step, first, last) = match self.levels {
            Levels::Symmetric => {
                let last = ((1 << (self.bits - 1)) - 1) as f32;
                ((-low).max(high) / last, -last, last)
            }
            Levels::Asymmetric => {
                let levels = ((1 << self.bits) - 1) as f32;
                // Divided first: the difference of two large numbers may be infinite.
                let step = high / levels - low / levels;
                let zero = (-low / step).round();
                (step, -zero, levels - zero)
            }
        };
        if 0.0 < step {
            group.iter_mut().for_each(|w| *w = (*w / step).round().clamp(first, last) * step);
        }
    }
}
