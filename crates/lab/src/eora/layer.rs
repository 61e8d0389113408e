//! A layer that was compressed, and corrections of it:  W ≈ Ŵ + B·A        W, Ŵ: [out, in]

use crate::Result;
use rankine_linalg::{Metric, Pair};
use rankine_surgery::{Compact, Compress, Correction, Levels, Pattern, Prune, Quantize, Score, Site};
use rankine_tensor::Tensor;

/// What is done to a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Smaller {
    /// Two of every four weights along the input are zero, by Wanda.
    Pruned,
    /// Three bits a weight, one scale a row.
    Rounded,
    /// Pruned, and then rounded.
    Both,
}

const PRUNE: Prune = Prune { pattern: Pattern::TWO_OF_FOUR, score: Score::Wanda };
const ROUND: Quantize = Quantize { bits: 3, group: None, levels: Levels::Asymmetric };

impl Smaller {
    pub const ALL: [Self; 3] = [Self::Pruned, Self::Rounded, Self::Both];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pruned => "2:4",
            Self::Rounded => "3 bits",
            Self::Both => "2:4 and 3 bits",
        }
    }

    fn steps(self) -> &'static [&'static dyn Compress] {
        match self {
            Self::Pruned => &[&PRUNE],
            Self::Rounded => &[&ROUND],
            Self::Both => &[&PRUNE, &ROUND],
        }
    }
}

/// A layer that was compressed.
pub(super) struct Layer<'a> {
    pub site: Site<'a>,
    /// Ŵ; [out, in].
    pub small: Vec<f32>,
    /// W − Ŵ; [out, in].
    gap: Vec<f32>,
}

impl<'a> Layer<'a> {
    pub fn new(site: &Site<'a>, smaller: Smaller) -> Result<Self> {
        let matrix = site.read()?;
        let mut made = matrix.clone();
        for step in smaller.steps() {
            // A matrix whose rows are no groups of four is not pruned.
            if let Some(form) = step.form(site)?
                && let Compact::Whole(values) = step.compress(site, &made, form)?
            {
                made = values;
            }
        }
        let (small, mut gap) = (site.by_outputs(&made).into_owned(), site.by_outputs(&matrix).into_owned());
        gap.iter_mut().zip(&small).for_each(|(gap, small)| *gap -= small);
        Ok(Self { site: site.clone(), small, gap })
    }

    /// The best product of a rank; of the smaller side where that is less.
    pub fn pair(&self, correction: Correction, rank: usize) -> Result<Pair> {
        let sizes @ [outputs, inputs] = self.site.sizes();
        let metric = match correction {
            Correction::Eora => Metric::Moment(self.site.moment()?),
            Correction::Activation => Metric::Scales(self.site.magnitudes()?),
            Correction::Svd => Metric::Plain,
        };
        Ok(metric.truncated(&self.gap, sizes, rank.min(outputs).min(inputs))?)
    }

    /// Ŵ + B·A with the first terms of the product, which are the best of their own number; [out, in].
    pub fn corrected(&self, pair: &Pair, rank: usize) -> Result<Vec<f32>> {
        let [outputs, inputs] = self.site.sizes();
        let most = pair.left.len() / outputs;
        let rank = rank.min(most);
        let b = pair.left.chunks_exact(most).flat_map(|row| &row[..rank]).copied().collect();
        let b = Tensor::new(b, &[outputs, rank])?;
        let a = Tensor::new(pair.right[..rank * inputs].to_vec(), &[rank, inputs])?;
        let small = Tensor::new(self.small.clone(), &[outputs, inputs])?;
        Ok(small.minus_product(&b, &a, -1.0)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Held;
    use rankine_random::Rng;
    use rankine_surgery::Seen;

    /// Inputs of some sizes; all else is not known.
    struct Sizes(Vec<f64>);

    impl Seen for Sizes {
        fn moment(&self, _: &str) -> Option<&[f64]> {
            None
        }

        fn magnitudes(&self, _: &str) -> Option<&[f64]> {
            Some(&self.0)
        }

        fn squares(&self, _: &str) -> Option<&[f64]> {
            Some(&self.0)
        }
    }

    #[test]
    fn both_steps_are_made_and_a_full_rank_brings_all_back() {
        let values = Rng::new(2).normals(8 * 12, 1.0);
        let mut held = Held::default();
        held.insert("layers.0.up.weight", &[8, 12], values.clone());
        let sizes = Sizes((1..=12).map(f64::from).collect());
        let site = Site::new(&held, "layers.0.up").unwrap().with(Some(&sizes));
        let layers = Smaller::ALL.map(|smaller| Layer::new(&site, smaller).unwrap());
        let zeros = layers.each_ref().map(|layer| layer.small.iter().filter(|w| **w == 0.0).count());
        assert!(zeros[0] == 48 && zeros[1] < 48 && 48 <= zeros[2], "{zeros:?}");
        for layer in &layers {
            for way in [Correction::Svd, Correction::Activation] {
                let pair = layer.pair(way, 100).unwrap();
                let error = |rank| {
                    let back = layer.corrected(&pair, rank).unwrap();
                    back.iter().zip(&values).map(|(x, y)| (x - y).powi(2)).sum::<f32>()
                };
                let short = layer.corrected(&layer.pair(way, 3).unwrap(), 3).unwrap();
                let cut = layer.corrected(&pair, 3).unwrap();
                assert!(short.iter().zip(&cut).all(|(x, y)| (x - y).abs() < 1e-4), "{way:?}");
                assert!(error(8) < 1e-8 && 1e-3 < error(3) && error(3) < error(1), "{way:?}");
            }
            assert!(layer.pair(Correction::Eora, 2).is_err());
        }
    }
}
