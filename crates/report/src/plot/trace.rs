//! A series made ready to draw: cut at its gaps, smoothed, thinned to what the eye can see.

use super::scale::drawable;

/// Points joined without a gap.
pub(crate) type Run = Vec<(f64, f64)>;

/// The points cut where one has no place on the axes.
pub(crate) fn runs(points: &[(f64, f64)], x_log: bool, y_log: bool) -> Vec<Run> {
    points
        .split(|(x, y)| !drawable(*x, x_log) || !drawable(*y, y_log))
        .filter(|run| !run.is_empty())
        .map(<[_]>::to_vec)
        .collect()
}

/// Exponential moving average of the points that have a place on the axes; the others become gaps.
///
///     mₙ = w·mₙ₋₁ + (1 − w)·yₙ        shown: mₙ / (1 − wⁿ), so that the start is not drawn towards zero
pub(crate) fn smoothed(points: &[(f64, f64)], weight: f64, x_log: bool, y_log: bool) -> Vec<(f64, f64)> {
    let (mut mean, mut past) = (0.0, 1.0);
    let mut next = |(x, y): &(f64, f64)| {
        if !drawable(*x, x_log) || !drawable(*y, y_log) {
            return (*x, f64::NAN);
        }
        mean = weight * mean + (1.0 - weight) * y;
        past *= weight;
        (*x, mean / (1.0 - past))
    };
    points.iter().map(&mut next).collect()
}

/// At most four points for each stay in one column: the first, the lowest, the highest, the last, in their order.
/// The picture drawn from them at that resolution is the one drawn from all.
pub(crate) fn thinned(run: &[(f64, f64)], column: impl Fn(f64) -> i64) -> Run {
    let mut kept = Vec::new();
    for stay in run.chunk_by(|a, b| column(a.0) == column(b.0)) {
        if stay.len() <= 4 {
            kept.extend_from_slice(stay);
            continue;
        }
        let below = |a: &usize, b: &usize| stay[*a].1.total_cmp(&stay[*b].1);
        let lowest = (0..stay.len()).min_by(below).unwrap_or(0);
        let highest = (0..stay.len()).max_by(below).unwrap_or(0);
        let mut places = [0, lowest.min(highest), lowest.max(highest), stay.len() - 1].to_vec();
        places.dedup();
        kept.extend(places.into_iter().map(|place| stay[place]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_cut_a_line() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 0.0), (4.0, f64::INFINITY), (5.0, 2.0)];
        assert_eq!(runs(&points, false, false).iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(runs(&points, false, true).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        assert!(runs(&[(f64::NAN, 1.0)], false, false).is_empty());
        assert!(runs(&[], false, false).is_empty());
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_passes_over_gaps() {
        let constant: Vec<_> = (0..50).map(|x| (f64::from(x), 3.0)).collect();
        assert!(smoothed(&constant, 0.9, false, false).iter().all(|(_, y)| (y - 3.0).abs() < 1e-12));
        let points = [(0.0, 1.0), (1.0, -5.0), (2.0, 3.0)];
        let shown = smoothed(&points, 0.5, false, true);
        // (0.5·0.5·1 + 0.5·3) / (1 − 0.25)
        assert!((shown[2].1 - 7.0 / 3.0).abs() < 1e-12 && shown[1].1.is_nan() && shown[0] == (0.0, 1.0));
    }

    #[test]
    fn thinning_keeps_every_extreme_and_both_ends() {
        // A fixed, irregular sequence: multiples of an irrational number, folded.
        let run: Run = (0..100_000).map(|i| (f64::from(i), (f64::from(i) * 0.618_034).fract())).collect();
        let mut run = run;
        run[54_321].1 = 9.0;
        run[54_322].1 = -9.0;
        let column = |x: f64| (x / 100_000.0 * 640.0) as i64;
        let kept = thinned(&run, column);
        assert!(kept.len() <= 4 * 640 && kept.len() > 2 * 640, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (run.first(), run.last()));
        assert!(kept.contains(&run[54_321]) && kept.contains(&run[54_322]));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for wanted in 0..640 {
            let of = |points: &Run, pick: fn(f64, f64) -> f64| {
                points.iter().filter(|(x, _)| column(*x) == wanted).map(|(_, y)| *y).reduce(pick)
            };
            assert_eq!(of(&kept, f64::min), of(&run, f64::min), "column {wanted}");
            assert_eq!(of(&kept, f64::max), of(&run, f64::max), "column {wanted}");
        }
    }

    #[test]
    fn few_points_are_all_kept() {
        let run = vec![(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)];
        assert_eq!(thinned(&run, |_| 0), run);
    }
}
