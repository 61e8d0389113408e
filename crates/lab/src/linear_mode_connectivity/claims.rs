//! What is claimed.

use super::{
    line::Line,
    norms::{self, Twins},
    widths::{OfWidth, Trio, mean_of, widths},
};
use crate::findings::Finding;
use rankine_report::format;

/// A barrier that is called large, in nats.
const LARGE: f64 = 0.25;
/// The share of a large barrier that is called near zero.
const NEARLY_NONE: f64 = 0.1;
/// By how much a barrier may rise with the width where it is hardly there.
const SLACK: f64 = 0.01;
/// The share of the distance that matching takes away at most.
const SMALL_SHARE: f64 = 0.25;
/// An R that is called near zero.
const UNRELATED: f64 = 0.05;
/// By which share of the rise an estimate is off at least that does not predict it.
const OFF: f64 = 0.2;
/// By how much barriers are higher with averaged statistics.
const HIGHER: f64 = 1.5;

pub(super) fn findings(trios: &[Trio], twins: &[Twins]) -> Vec<Finding> {
    vec![
        joined(trios),
        wider(trios),
        distance(trios),
        vectors(trios),
        expansion(trios),
        third(trios),
        counted(twins),
        averaged(twins),
    ]
}

/// Mean barriers of lines of a width, as they are and matched.
fn barriers(trios: &[Trio], width: usize, lines: fn(&Trio) -> &[Line; 2]) -> [f64; 2] {
    [0, 1].map(|which| mean_of(trios, width, |trio| lines(trio)[which].barrier()))
}

/// The largest width; 0 of nothing.
fn widest(trios: &[Trio]) -> usize {
    widths(trios).last().copied().unwrap_or(0)
}

pub(super) fn steps([before, after]: [f64; 2]) -> String {
    format!("{} → {}", format::fixed(before, 3), format::fixed(after, 3))
}

/// Words about every width.
pub(super) fn each(found: &[impl OfWidth], words: impl Fn(usize) -> String) -> String {
    let words = widths(found).into_iter().map(|width| format!("{width}: {}", words(width)));
    words.collect::<Vec<_>>().join("; ")
}

/// Whether something is so of all widths, of which there are some.
fn at_all(trios: &[Trio], holds: impl Fn(usize) -> bool) -> bool {
    !trios.is_empty() && widths(trios).into_iter().all(holds)
}

fn joined(trios: &[Trio]) -> Finding {
    let found @ [before, after] = barriers(trios, widest(trios), |trio| &trio.lines);
    Finding::new(
        "between wide networks that were trained apart there is a large barrier, and next to none once their units are matched",
        "no barrier between matched wide MLPs",
        format!("{} nats at width {}", steps(found), widest(trios)),
        LARGE <= before && after <= NEARLY_NONE * before,
    )
}

fn wider(trios: &[Trio]) -> Finding {
    let found = |width: usize| barriers(trios, width, |trio| &trio.lines);
    let left: Vec<f64> = widths(trios).into_iter().map(|width| found(width)[1]).collect();
    let falls = left.windows(2).all(|pair| pair[1] <= pair[0] + SLACK);
    Finding::new(
        "the wider the networks, the lower the barrier that matching leaves",
        "width is what it takes (Git Re-Basin: ×32 for a ResNet20)",
        format!("{} nats", each(trios, |width| steps(found(width)))),
        falls && left.first().zip(left.last()).is_some_and(|(first, last)| last < first),
    )
}

fn distance(trios: &[Trio]) -> Finding {
    let nearer = |width: usize| mean_of(trios, width, Trio::nearer);
    let gone = |width: usize| {
        let [before, after] = barriers(trios, width, |trio| &trio.lines);
        1.0 - after / before
    };
    let words = |width: usize| {
        format!(
            "{} of the distance, {} of the barrier",
            format::percent(nearer(width)),
            format::percent(gone(width))
        )
    };
    Finding::new(
        "matching takes away at most a quarter of the distance, and more than three quarters of the barrier",
        "6 to 20 % of the distance (Table 1)",
        each(trios, words),
        at_all(trios, |width| {
            let (nearer, gone) = (nearer(width), gone(width));
            0.0 < nearer && nearer <= SMALL_SHARE && 1.0 - SMALL_SHARE < gone
        }),
    )
}

fn vectors(trios: &[Trio]) -> Finding {
    let ratio =
        |width: usize, which: usize| [0, 1].map(|at| mean_of(trios, width, |trio| trio.ratios[which][at]));
    let words = |width: usize| {
        let ([all, large], [all_after, large_after]) = (ratio(width, 0), ratio(width, 1));
        format!("all {}, large {}", steps([all, all_after]), steps([large, large_after]))
    };
    Finding::new(
        "R is near 0 as they are; matched it is far from 0, and further for vectors of large singular values (γ = 0.3) than for all",
        "0 → up to 0.8 at γ = 0.3 for an MLP (Figs 2 and 3)",
        each(trios, words),
        at_all(trios, |width| {
            let (before, [all, large]) = (ratio(width, 0), ratio(width, 1));
            before.iter().all(|ratio| ratio.abs() <= UNRELATED)
                && UNRELATED < all
                && all < large
                && 2.0 * UNRELATED < large
        }),
    )
}

/// How far the estimates are from the rises in the middle, over these.
fn off(trios: &[Trio], which: usize) -> f64 {
    let rise = |trio: &Trio| trio.lines[which].middle_rise();
    let apart: f64 = trios.iter().map(|trio| (trio.estimates[which] - rise(trio)).abs()).sum();
    apart / trios.iter().map(|trio| rise(trio).abs()).sum::<f64>()
}

fn expansion(trios: &[Trio]) -> Finding {
    let found = [0, 1].map(|which| off(trios, which));
    let words = |width: usize| {
        let of = |which: usize| {
            let estimate = mean_of(trios, width, |trio| trio.estimates[which]);
            let rise = mean_of(trios, width, |trio| trio.lines[which].middle_rise());
            format!("{} for {}", format::fixed(estimate, 3), format::fixed(rise, 3))
        };
        format!("{}, matched {}", of(0), of(1))
    };
    let [before, after] = found.map(format::percent);
    Finding::new(
        "a second-order expansion does not predict the loss in the middle: it is off by a fifth of the rise or more, before and after",
        "the Taylor estimate disagrees with the barrier",
        format!("off by {before} and {after}; {}", each(trios, words)),
        found.iter().all(|off| OFF <= *off && off.is_finite()),
    )
}

fn third(trios: &[Trio]) -> Finding {
    let found @ [before, after] = barriers(trios, widest(trios), |trio| &trio.others);
    Finding::new(
        "two networks that were matched to a third and never to each other are joined as well: three quarters of the barrier go",
        "a small barrier, where that of STE is large (Fig 6, Table 4)",
        format!("{} nats at width {}", steps(found), widest(trios)),
        LARGE <= before && after <= SMALL_SHARE * before,
    )
}

/// Mean barriers of convolutional networks, as they are and matched.
fn norm_barriers(twins: &[Twins], lines: fn(&Twins) -> &[Line; 2]) -> [f64; 2] {
    [0, 1].map(|which| norms::mean_of(twins, |found| lines(found)[which].barrier()))
}

fn counted(twins: &[Twins]) -> Finding {
    let found @ [before, after] = norm_barriers(twins, |twins| &twins.counted);
    Finding::new(
        "convolutional networks with batch norm lose three quarters of their barrier by matching, with statistics counted anew",
        "VGG11 and ResNet20 are joined, with statistics counted anew",
        format!("{} nats", steps(found)),
        LARGE <= before && after <= SMALL_SHARE * before,
    )
}

fn averaged(twins: &[Twins]) -> Finding {
    let [averaged, counted] =
        [norm_barriers(twins, |twins| &twins.averaged), norm_barriers(twins, |twins| &twins.counted)];
    Finding::new(
        "with averaged statistics their barriers are higher by a half or more, matched or not",
        "variance collapses (REPAIR)",
        format!("{} nats against {}", steps(averaged), steps(counted)),
        averaged
            .iter()
            .zip(&counted)
            .all(|(averaged, counted)| counted < averaged && HIGHER * counted <= *averaged),
    )
}

#[cfg(test)]
mod tests {
    use super::super::line::line;
    use super::*;

    /// Losses in the middle of networks with a loss of 0.1.
    fn pair(middles: [f64; 2]) -> [Line; 2] {
        middles.map(|middle| line(&[0.1, 0.1 + middle, 0.1]))
    }

    fn trio(width: usize, left: f64) -> Trio {
        Trio {
            seed: 0,
            width,
            lines: pair([1.0, left]),
            others: pair([1.0, 2.0 * left]),
            distances: [1.0, 0.85],
            ratios: [[0.0, 0.01], [0.2, 0.4]],
            estimates: [0.6, 2.0 * left],
        }
    }

    fn twins(averaged: [f64; 2], counted: [f64; 2]) -> Twins {
        Twins { seed: 0, averaged: pair(averaged), counted: pair(counted) }
    }

    fn holds(trios: &[Trio], twins: &[Twins]) -> Vec<bool> {
        findings(trios, twins).iter().map(|finding| finding.holds).collect()
    }

    #[test]
    fn every_claim_can_fail() {
        let good = [trio(64, 0.2), trio(256, 0.05)];
        let joined = [twins([3.0, 0.5], [1.5, 0.2])];
        assert_eq!(holds(&good, &joined), [true; 8]);
        let mut bad = [trio(64, 0.3), trio(256, 0.4)];
        for trio in &mut bad {
            trio.distances = [1.0, 0.5];
            trio.ratios = [[0.0, 0.01], [0.2, 0.1]];
            trio.estimates = [1.0, trio.lines[1].middle_rise()];
        }
        assert_eq!(holds(&bad, &[twins([1.5, 0.8], [1.5, 0.7])]), [false; 8]);
    }

    #[test]
    fn nothing_holds_of_nothing_nor_of_losses_that_are_no_numbers() {
        assert_eq!(holds(&[], &[]), [false; 8]);
        for wrong in [f64::NAN, f64::INFINITY] {
            let mut trios = [trio(64, 0.2), trio(256, wrong)];
            trios[1].ratios[1][1] = wrong - wrong;
            assert_eq!(holds(&trios, &[twins([wrong, 0.5], [wrong, 0.2])]), [false; 8]);
        }
        // Without any barrier none is higher.
        assert!(!holds(&[], &[twins([0.0; 2], [0.0; 2])])[7]);
        // One width shows no trend.
        assert!(!holds(&[trio(256, 0.05)], &[])[1]);
    }
}
