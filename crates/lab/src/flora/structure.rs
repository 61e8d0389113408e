//! What a form with few numbers can keep of a change that full training made; [flora]'s structural argument.
//!
//!     matrix    the first r singular triples of ΔW as [out, in·height·width]: r·(out + in·height·width) numbers
//!     Tucker    the higher-order SVD of ΔW in its own shape, of the ranks that keep most with no more numbers
//!     error     ‖ΔW − what is kept‖/‖ΔW‖
//!
//! Nothing is trained here: the matrix is the best of its rank, the higher-order SVD not quite the best of its ranks.

use crate::{Result, findings::Finding};
use rankine_linalg::{hosvd, singular_values};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table};

/// Both forms at one size.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Fit {
    /// r of the matrix.
    pub rank: usize,
    /// Numbers that it takes.
    pub numbers: usize,
    pub error: f64,
    /// Ranks along the axes.
    pub tucker_ranks: Vec<usize>,
    pub tucker_numbers: usize,
    pub tucker_error: f64,
}

/// One for each rank; change: row-major, of shape [out, in, height, width].
pub(super) fn fits(change: &[f32], shape: &[usize], ranks: &[usize]) -> Result<Vec<Fit>> {
    let &[outputs, _, height, width] = shape else { return Ok(Vec::new()) };
    let columns = change.len() / outputs.max(1);
    let s = singular_values(change, outputs, columns)?;
    let mut fits = Vec::new();
    for &rank in ranks {
        let numbers = rank * (outputs + columns);
        let mut best: Option<(Vec<usize>, f64)> = None;
        for kernel in 1..=height.max(width) {
            let candidates = (1..=outputs).map(|rank| cut([rank, rank, kernel, kernel], shape));
            // The largest that is small enough.
            if let Some(ranks) = candidates.take_while(|ranks| size(ranks, shape) <= numbers).last() {
                let kept = hosvd(change, shape, &ranks)?.reconstruct();
                let error = relative(change.iter().zip(&kept).map(|(x, kept)| x - kept), change);
                if best.as_ref().is_none_or(|(_, least)| error < *least) {
                    best = Some((ranks, error));
                }
            }
        }
        let Some((tucker_ranks, tucker_error)) = best else { continue };
        let error = relative(s.iter().skip(rank).copied(), change);
        let tucker_numbers = size(&tucker_ranks, shape);
        fits.push(Fit { rank, numbers, error, tucker_ranks, tucker_numbers, tucker_error });
    }
    Ok(fits)
}

fn cut(ranks: [usize; 4], shape: &[usize]) -> Vec<usize> {
    ranks.iter().zip(shape).map(|(rank, size)| *rank.min(size)).collect()
}

/// Numbers of a core and its factors.
fn size(ranks: &[usize], shape: &[usize]) -> usize {
    ranks.iter().product::<usize>() + ranks.iter().zip(shape).map(|(rank, size)| rank * size).sum::<usize>()
}

/// ‖left‖/‖whole‖.
fn relative(mut left: impl Iterator<Item = f32>, whole: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let (left, whole) = (squares(&mut left), squares(&mut whole.iter().copied()));
    if whole == 0.0 { 0.0 } else { (left / whole).sqrt() }
}

pub(super) fn finding(fits: &[Fit]) -> Finding {
    let words = fits
        .iter()
        .map(|fit| format!("{:.3} against {:.3} with {} numbers", fit.tucker_error, fit.error, fit.numbers));
    Finding::new(
        "the Tucker form of what full training changed has a smaller error than the matrix, size by size",
        "structure is kept (argument)",
        words.collect::<Vec<_>>().join("; "),
        !fits.is_empty() && fits.iter().all(|fit| fit.tucker_error < fit.error),
    )
}

pub(super) fn show(fits: &[Fit], path: &str, page: &mut Page) {
    let columns = [
        Column::number("Rank of the matrix"),
        Column::number("Numbers"),
        Column::number("Error"),
        Column::text("Tucker ranks"),
        Column::number("Numbers"),
        Column::number("Error"),
    ];
    let caption = format!(
        "What is lost of the change that full training made to {path}, as a share of its norm; first seed, best rate"
    );
    let mut table = Table::new(columns).caption(caption);
    for fit in fits {
        table.row([
            Cell::from(fit.rank),
            Cell::from(fit.numbers),
            Cell::fixed(fit.error, 3),
            Cell::text(format!("{:?}", fit.tucker_ranks)),
            Cell::from(fit.tucker_numbers),
            Cell::fixed(fit.tucker_error, 3),
        ]);
    }
    let series = |name: &str, point: fn(&Fit) -> (f64, f64)| {
        Series::new(name, fits.iter().map(point)).style(Style::Marked)
    };
    let plot = Lines::new("What is lost of a full change", Axis::log("numbers"), Axis::linear("error"))
        .series(series("matrix", |fit| (fit.numbers as f64, fit.error)))
        .series(series("Tucker", |fit| (fit.tucker_numbers as f64, fit.tucker_error)));
    page.section("Structure of what is learnt").table(table).plot(plot);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_linalg::Tucker;
    use rankine_random::Rng;

    const SHAPE: [usize; 4] = [12, 8, 3, 3];

    #[test]
    fn each_form_keeps_what_is_of_its_kind() {
        let mut rng = Rng::new(3);
        let ranks = vec![2, 2, 1, 1];
        let factors = (0..4).map(|n| rng.normals(SHAPE[n] * ranks[n], 1.0)).collect();
        let structured = Tucker { core: rng.normals(4, 1.0), factors, shape: SHAPE.to_vec(), ranks };
        let fit = fits(&structured.reconstruct(), &SHAPE, &[1]).unwrap().remove(0);
        assert_eq!(fit.numbers, 12 + 72);
        assert!(fit.tucker_error < 1e-5 && 1e-3 < fit.error, "{fit:?}");
        assert!(finding(&[fit]).holds);
        let (b, a) = (rng.normals(12, 1.0), rng.normals(72, 1.0));
        let flat: Vec<f32> = b.iter().flat_map(|b| a.iter().map(move |a| a * b)).collect();
        let fit = fits(&flat, &SHAPE, &[1]).unwrap().remove(0);
        assert!(fit.error < 1e-5 && 1e-2 < fit.tucker_error, "{fit:?}");
        assert!(!finding(&[fit]).holds && !finding(&[]).holds);
    }
}
