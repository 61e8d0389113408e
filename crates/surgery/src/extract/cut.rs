//! One linear layer: its change, and the part of it that is kept.

use super::Ranks;
use crate::Result;
use crate::adapters::{Keep, Piece, Product};
use crate::counterparts::Counterparts;
use rankine_kernels::reduce;
use rankine_linalg::{Metric, Pair, Truncation, noise_edge, svd, truncated};

/// A change, and what is kept of it.
pub(super) struct Cut {
    pub told: ExtractedModule,
    /// `None` where nothing is.
    pub piece: Option<Piece>,
    /// ‖ΔW‖².
    pub squares: f64,
}

/// A linear layer that changed, and how much of that an adapter holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtractedModule {
    /// The layer.
    pub module: String,
    /// Outputs and inputs.
    pub shape: [usize; 2],
    /// ‖ΔW‖ / ‖W₀‖; `None` where W₀ is zeros.
    pub moved: Option<f64>,
    /// Rank of the factors; 0 where there are none.
    pub rank: usize,
    /// ‖ΔW − B·A‖ / ‖ΔW‖.
    pub relative: f64,
    /// √(E‖(ΔW − B·A)·x‖² / E‖W·x‖²), where inputs were shown.
    pub output: Option<f64>,
}

impl ExtractedModule {
    /// The share of ‖ΔW‖² that is kept.
    pub fn energy(&self) -> f64 {
        (1.0 - self.relative * self.relative).max(0.0)
    }
}

/// The part of the change that `ranks` asks for; `how` triples are found where it gives their number.
pub(super) fn cut(layer: &Counterparts<'_>, ranks: Ranks, how: Truncation) -> Result<Cut> {
    let (site, sizes) = (layer.site(), layer.site().sizes());
    let [before, after] = layer.read()?;
    let mut change = after.clone();
    reduce::axpy(-1.0, &before, &mut change);
    let squares = reduce::sum_of_squares(&change);
    let metric = match ranks {
        Ranks::Error(_) => Some(Metric::Moment(site.moment()?)),
        _ => None,
    };
    let norm = |metric: Metric<'_>, matrix: &[f32]| metric.norm(matrix, sizes);
    let kept = match (ranks, metric) {
        (Ranks::Error(share), Some(metric)) => {
            norm(metric, &after).and_then(|answers| within(&change, sizes, metric, share * answers))
        }
        _ => leading(&change, sizes, ranks, how),
    };
    let product = kept.map_err(|source| site.failed(source))?;
    if let Some(product) = &product {
        product.add_to(&mut change, -1.0);
    }
    let error = reduce::sum_of_squares(&change);
    let output = match metric {
        Some(metric) => {
            let norms = norm(metric, &change).and_then(|rest| Ok((rest, norm(metric, &after)?)));
            let (rest, answers) = norms.map_err(|source| site.failed(source))?;
            (answers != 0.0).then(|| rest / answers)
        }
        None => None,
    };
    let all = reduce::sum_of_squares(&before);
    let told = ExtractedModule {
        module: site.module().to_owned(),
        shape: sizes,
        moved: (all != 0.0).then(|| (squares / all).sqrt()),
        rank: product.as_ref().map_or(0, |product| product.rank),
        relative: if squares == 0.0 { 0.0 } else { (error / squares).sqrt() },
        output,
    };
    let piece = product.map(|product| Piece { product, before: None, squares, error });
    Ok(Cut { told, piece, squares })
}

/// The leading triples; `None` where all are noise.
fn leading(
    change: &[f32],
    [outputs, inputs]: [usize; 2],
    ranks: Ranks,
    how: Truncation,
) -> rankine_linalg::Result<Option<Product>> {
    let limit = outputs.min(inputs);
    let (svd, rank) = match ranks {
        Ranks::Fixed(rank) => {
            let svd = truncated(change, outputs, inputs, rank.min(limit), how)?;
            let rank = Keep::Rank(rank).rank(&svd.s);
            (svd, rank)
        }
        Ranks::Energy(share) => {
            let svd = svd(change, outputs, inputs)?;
            let rank = Keep::Energy(share).rank(&svd.s);
            (svd, rank)
        }
        Ranks::MarchenkoPastur | Ranks::Error(_) => {
            let svd = svd(change, outputs, inputs)?;
            let edge = noise_edge(&svd.s, outputs, inputs);
            let above = svd.s.iter().take_while(|&&s| edge < f64::from(s)).count();
            let rank = above.min(Keep::Exact.rank(&svd.s));
            (svd, rank)
        }
    };
    Ok((0 < rank).then(|| Product::leading(&svd, rank)))
}

/// The fewest terms of the product nearest in `metric` with ‖ΔW − B·A‖_C ≤ error; `None` where that holds without any.
fn within(
    change: &[f32],
    sizes @ [outputs, inputs]: [usize; 2],
    metric: Metric<'_>,
    error: f64,
) -> rankine_linalg::Result<Option<Product>> {
    let limit = outputs.min(inputs);
    let mut rest = metric.norm(change, sizes)?.powi(2);
    if rest <= error * error {
        return Ok(None);
    }
    let Pair { left, right } = metric.truncated(change, sizes, limit)?;
    let mut rank = 0;
    while rank < limit && error * error < rest {
        let column = left.iter().skip(rank).step_by(limit).map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let row = &right[rank * inputs..(rank + 1) * inputs];
        rest -= column * metric.norm(row, [1, inputs])?.powi(2);
        rank += 1;
    }
    let b = left.chunks_exact(limit).flat_map(|row| &row[..rank]).copied().collect();
    let a = right[..rank * inputs].to_vec();
    Ok(Some(Product { b, a, rank, outputs, inputs }))
}
