//! What is claimed.

use super::{
    BANG, PLAIN,
    colours::{Ensemble, OVERLAPS},
    line::{Line, Tuned, mean_of},
};
use crate::{
    findings::Finding,
    gap::Gap,
    transfer::{mean, percent},
};

/// What averaging may cost in distribution, as a share of the images.
const LITTLE: f64 = 0.01;

pub(super) fn findings(ensembles: &[Ensemble], tuned: &[Tuned]) -> Vec<Finding> {
    let together = [diverse(ensembles), both_wrong(ensembles)].into_iter();
    together.chain(tuned.iter().flat_map(of_network)).collect()
}

/// The sentences about one kind of network.
fn of_network(Tuned { network, lines, .. }: &Tuned) -> [Finding; 4] {
    [middle(lines), inside(lines), calibrated(lines), bang(lines)]
        .map(|finding| Finding { claim: format!("{network}: {}", finding.claim), ..finding })
}

/// Mean gains of outputs and of weights at an overlap.
fn gains(ensembles: &[Ensemble], overlap: &str) -> [f64; 2] {
    let found = || ensembles.iter().filter(|found| found.overlap == overlap).map(Ensemble::gains);
    [0, 1].map(|which| mean(&found().map(|gains| gains[which]).collect::<Vec<_>>()))
}

fn diverse(ensembles: &[Ensemble]) -> Finding {
    let [apart, half, same] = OVERLAPS.map(|(overlap, _)| gains(ensembles, overlap));
    let words = |which: usize| {
        let points = [apart, half, same].map(|gains| format!("{:+.1}", 100.0 * gains[which]));
        points.join(", ")
    };
    Finding::new(
        "the less two networks share of what does not last, the more they gain together, by outputs and by weights",
        "diverse features gain, the same ones do not (theory)",
        format!("patches apart, half shared, the same: outputs {}, weights {} points", words(0), words(1)),
        (0..2).all(|which| half[which] < apart[which] && same[which] < half[which]),
    )
}

fn both_wrong(ensembles: &[Ensemble]) -> Finding {
    let [(apart, _), ..] = OVERLAPS;
    let mut flips: Vec<f64> =
        ensembles.iter().filter(|found| found.overlap == apart).map(|found| found.flip).collect();
    flips.sort_by(f64::total_cmp);
    flips.dedup();
    let share = |flip: f64| {
        let found = ensembles.iter().filter(|found| found.overlap == apart && found.flip == flip);
        mean(&found.map(|found| found.cells.false_false_true()).collect::<Vec<_>>())
    };
    let shares: Vec<f64> = flips.iter().map(|&flip| share(flip)).collect();
    let words = flips.iter().zip(&shares).map(|(flip, share)| format!("p = {flip}: {}", percent(*share)));
    let ends = shares.first().zip(shares.last());
    Finding::new(
        "images that both get wrong come right, more of them where more has changed",
        "as many as the whole gain out of distribution",
        words.collect::<Vec<_>>().join(", "),
        ends.is_some_and(|(first, last)| 0.0 < *first && first < last),
    )
}

/// Out of distribution and in it, at the start, in the middle and at the end.
fn ends(lines: &[Line], training: &str) -> [[f64; 3]; 2] {
    let outside = [0.0, 0.5, 1.0].map(|alpha| mean_of(lines, training, |line| line.at(alpha).outside));
    let inside = [0.0, 0.5, 1.0].map(|alpha| mean_of(lines, training, |line| line.at(alpha).inside));
    [outside, inside]
}

fn words([start, middle, end]: [f64; 3]) -> String {
    let [start, middle, end] = [start, middle, end].map(percent);
    format!("pretrained {start}, middle {middle}, fine-tuned {end}")
}

fn middle(lines: &[Line]) -> Finding {
    let [outside, _] = ends(lines, PLAIN.label);
    let [start, middle, end] = outside;
    Finding::new(
        "the middle of pretrained and fine-tuned is above both out of distribution",
        "4 to 6 points above the pretrained one (CLIP)",
        words(outside),
        start < middle && end < middle,
    )
}

fn inside(lines: &[Line]) -> Finding {
    let [_, inside] = ends(lines, PLAIN.label);
    let [_, middle, end] = inside;
    Finding::new(
        "in distribution it is at most one point below the fine-tuned one",
        "1.6 points above it (ImageNet)",
        words(inside),
        end - LITTLE <= middle,
    )
}

fn calibrated(lines: &[Line]) -> Finding {
    let [plain, bang] = [PLAIN, BANG].map(|training| {
        let figure = |figure: fn(&Line) -> f64| mean_of(lines, training.label, figure);
        [figure(|line| line.confidence), figure(|line| line.balance)]
    });
    Finding::new(
        "fine-tuned with smoothed labels and mixed images a network is less sure, and its scores are nearer in length to those of \
         the pretrained one",
        "over-confidence is what BANG mends",
        format!(
            "largest probability {:.2} → {:.2}, length over that of the pretrained one {:.2} → {:.2}",
            plain[0], bang[0], plain[1], bang[1]
        ),
        bang[0] < plain[0] && bang[1].ln().abs() < plain[1].ln().abs(),
    )
}

fn bang(lines: &[Line]) -> Finding {
    let [plain, bang] = [PLAIN, BANG].map(|training| {
        let own = lines.iter().filter(|line| line.training == training.label);
        own.map(|line| line.at(0.5).outside).collect::<Vec<f64>>()
    });
    let gap = Gap::of_pairs(&bang, &plain);
    Finding::new(
        "its middle is above that of plain fine-tuning out of distribution",
        "1 to 2 points above it (mean of five sets; not confirmed)",
        format!("{} against {}: {}", percent(mean(&bang)), percent(mean(&plain)), gap.points()),
        0.0 < gap.value,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bang::{judged::Cells, line::Point},
        transfer::Setting,
    };

    fn line(training: &'static str, outside: [f64; 3], confidence: f64, balance: f64) -> Line {
        let cells = Cells::new(&[], &[], &[]);
        let points = [0.0, 0.5, 1.0].into_iter().zip(outside);
        let points = points.map(|(alpha, outside)| Point { alpha, inside: 0.9, outside }).collect();
        Line { seed: 0, training, points, confidence, balance, cells }
    }

    fn ensemble(overlap: &'static str, flip: f64, gain: f64, rescued: f64) -> Ensemble {
        let mut cells = Cells::new(&[], &[], &[]);
        cells.shares[0][0][1] = rescued;
        let (outputs, weights) = (0.5 + gain, 0.5 + gain);
        Ensemble { seed: 0, overlap, flip, single: [0.4, 0.6], outputs, weights, cells }
    }

    #[test]
    fn every_claim_can_fail() {
        let tuned = |network, lines: &[Line]| {
            let (setting, lines) = (Setting::default(), lines.to_vec());
            Tuned { network, setting, lines }
        };
        let holds = |ensembles: &[Ensemble], lines: &[Line]| {
            let found = findings(ensembles, &[tuned("maps", lines)]);
            found.iter().map(|finding| finding.holds).collect::<Vec<_>>()
        };
        let ensembles = |gains: [f64; 3], rescued: [f64; 2]| {
            let at = |(index, (overlap, _)): (usize, (&'static str, _))| {
                [0.7, 0.9]
                    .into_iter()
                    .zip(rescued)
                    .map(move |(flip, rescued)| ensemble(overlap, flip, gains[index], rescued))
            };
            OVERLAPS.into_iter().enumerate().flat_map(at).collect::<Vec<_>>()
        };
        let good =
            [line(PLAIN.label, [0.6, 0.7, 0.6], 0.8, 2.0), line(BANG.label, [0.6, 0.72, 0.6], 0.5, 0.8)];
        assert_eq!(holds(&ensembles([0.05, 0.02, 0.0], [0.01, 0.02]), &good), [true; 6]);
        let bad =
            [line(PLAIN.label, [0.6, 0.7, 0.75], 0.8, 2.0), line(BANG.label, [0.6, 0.7, 0.6], 0.5, 0.4)];
        let found = holds(&ensembles([0.05, 0.02, 0.03], [0.02, 0.01]), &bad);
        assert_eq!(found, [false, false, false, true, false, false]);
        assert_eq!(holds(&[], &[]), [false; 6]);
        // Every network has sentences of its own.
        let both = findings(&ensembles([0.0; 3], [0.0; 2]), &[tuned("maps", &good), tuned("blocks", &bad)]);
        let held: Vec<_> =
            both.iter().filter(|finding| finding.holds).map(|finding| &finding.claim).collect();
        assert_eq!((both.len(), held.len()), (10, 5), "{held:?}");
        assert!(held[..4].iter().all(|claim| claim.starts_with("maps: ")) && held[4].starts_with("blocks: "));
    }
}
