//! What is claimed of matching by training.

use super::Searched;
use crate::{
    findings::Finding,
    linear_mode_connectivity::{
        claims::{each, steps},
        widths::{mean_of, widths},
    },
};
use rankine_report::format;

/// The share of what weight matching leaves that training takes away at least where networks are narrowest.
const SHARE: f64 = 0.1;
/// By how much that may rise with the width where it is hardly there, in nats.
const SLACK: f64 = 0.01;
/// The share of a barrier that the loss alone leaves at most.
const LEFT: f64 = 0.5;
/// The share of R by weights that an order of the loss alone has at most: in the paper next to nothing, of networks of width 512.
const UNLIKE: f64 = 2.0 / 3.0;
/// By how much a barrier is higher between two that were matched to a third by the loss alone.
const HIGHER: f64 = 1.2;

pub(in crate::linear_mode_connectivity) fn findings(found: &[Searched]) -> Vec<Finding> {
    vec![narrow(found), unlike(found), apart(found)]
}

/// Means of something before and after.
fn pair(found: &[Searched], width: usize, figures: [fn(&Searched) -> f64; 2]) -> [f64; 2] {
    figures.map(|figure| mean_of(found, width, figure))
}

/// The largest width; 0 of nothing.
fn widest(found: &[Searched]) -> usize {
    widths(found).last().copied().unwrap_or(0)
}

fn narrow(found: &[Searched]) -> Finding {
    let barriers =
        |width: usize| pair(found, width, [|found| found.weights.barrier(), |found| found.trained.barrier()]);
    let gains: Vec<f64> = widths(found)
        .into_iter()
        .map(|width| {
            let [weights, trained] = barriers(width);
            weights - trained
        })
        .collect();
    let falls = gains.windows(2).all(|pair| pair[1] <= pair[0] + SLACK);
    let left = widths(found).first().map_or(f64::NAN, |&narrowest| barriers(narrowest)[0]);
    Finding::new(
        "training takes away more of the barrier than weight matching, on which it goes on: a tenth or more of what that leaves \
         between the narrowest networks, and the less the wider they are",
        "a low barrier, as with weight matching, which needs width (Git Re-Basin: ×32 for a ResNet20)",
        format!("{} nats", each(found, |width| steps(barriers(width)))),
        falls
            && gains
                .first()
                .zip(gains.last())
                .is_some_and(|(first, last)| last < first && SHARE * left <= *first),
    )
}

fn unlike(found: &[Searched]) -> Finding {
    let barriers @ [naive, left] =
        pair(found, widest(found), [|found| found.naive.barrier(), |found| found.alone.barrier()]);
    let ratios @ [weights, alone] =
        pair(found, widest(found), [|found| found.weights.ratio, |found| found.alone.ratio]);
    Finding::new(
        "by the loss alone half of the barrier goes or more, though singular vectors hardly agree: R (γ = 0.3) is at most two thirds \
         of that by weights",
        "R near 0, though the barrier is low",
        format!("{} nats, R {} at width {}", steps(barriers), steps(ratios), widest(found)),
        left <= LEFT * naive && 0.0 < weights && alone <= UNLIKE * weights,
    )
}

fn apart(found: &[Searched]) -> Finding {
    let [weights, alone] = pair(
        found,
        widest(found),
        [|found| found.weights.others.barrier(), |found| found.alone.others.barrier()],
    );
    Finding::new(
        "two networks that were matched to a third by the loss alone are joined less well than by weights: the barrier between the two \
         is a fifth higher or more",
        "a larger barrier than by weight matching (Fig 6, Table 4)",
        format!(
            "{} nats, by weights {}, at width {}",
            format::fixed(alone, 3),
            format::fixed(weights, 3),
            widest(found)
        ),
        weights < alone && HIGHER * weights <= alone && alone.is_finite(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Way;
    use super::*;
    use crate::linear_mode_connectivity::line::line;

    /// A rise in the middle to the first, one between the others, and R.
    fn way([rise, others, ratio]: [f64; 3]) -> Way {
        let rising = |rise: f64| line(&[0.1, 0.1 + rise, 0.1]);
        Way { lines: [rising(rise), rising(rise)], others: rising(others), ratio }
    }

    fn searched(width: usize, ways: [[f64; 3]; 4]) -> Searched {
        let [naive, weights, trained, alone] = ways.map(way);
        Searched { seed: 0, width, naive, weights, trained, alone }
    }

    const NAIVE: [f64; 3] = [1.5, 1.5, 0.0];

    fn holds(found: &[Searched]) -> Vec<bool> {
        findings(found).iter().map(|finding| finding.holds).collect()
    }

    #[test]
    fn every_claim_can_fail() {
        let narrow = searched(32, [NAIVE, [0.5, 0.8, 0.3], [0.3, 0.8, 0.3], [0.6, 1.2, 0.1]]);
        let good = searched(64, [NAIVE, [0.2, 0.4, 0.3], [0.15, 0.4, 0.3], [0.4, 0.8, 0.1]]);
        assert_eq!(holds(&[narrow.clone(), good.clone()]), [true; 3]);
        // Training gains more where networks are wide, R is as good, or the others are joined as well.
        let bad = searched(64, [NAIVE, [0.4, 0.4, 0.3], [0.1, 0.4, 0.3], [0.4, 0.45, 0.25]]);
        assert_eq!(holds(&[narrow, bad]), [false; 3]);
        // One width shows no trend; nor does a barrier that stays.
        assert_eq!(holds(&[good]), [false, true, true]);
        let stays = searched(64, [NAIVE, [0.2, 0.4, 0.3], [0.2, 0.4, 0.3], [0.8, 0.8, 0.1]]);
        assert_eq!(holds(&[stays]), [false, false, true]);
    }

    #[test]
    fn nothing_holds_of_nothing_nor_of_losses_that_are_no_numbers() {
        assert_eq!(holds(&[]), [false; 3]);
        for wrong in [f64::NAN, f64::INFINITY] {
            let narrow = searched(32, [NAIVE, [0.5, 0.8, 0.3], [0.3, 0.8, 0.3], [0.6, 1.2, 0.1]]);
            let wide =
                searched(64, [NAIVE, [0.2, wrong, 0.3], [wrong, 0.4, 0.3], [wrong, wrong, wrong - wrong]]);
            assert_eq!(holds(&[narrow, wide]), [false; 3]);
        }
    }
}
