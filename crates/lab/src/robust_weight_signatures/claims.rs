//! What is claimed of one kind of network.

use super::{LEVELS, Plan, measured::Measured, shallow, trial::Contender, trial::Patch};
use crate::{
    damage::Damage,
    findings::Finding,
    transfer::{mean, percent},
};

/// Points that may be lost on clean images, as a share of them.
const LOST: f64 = 0.03;

/// The sentences, each about all kinds of damage.
pub(super) fn findings(measured: &Measured) -> Vec<Finding> {
    let first = [better(measured), kept(measured), shallow_layers(measured), own(measured)];
    let second = [together(measured), rounded(measured), taken_off(measured)];
    let named =
        |finding: Finding| Finding { claim: format!("{}: {}", measured.network, finding.claim), ..finding };
    first.into_iter().chain(second).map(named).collect()
}

fn better(measured: &Measured) -> Finding {
    Finding::new(
        "patched in the first half of its layers, the clean network is better on every damage",
        "close to the network trained on the damage (abstract)",
        each(measured, |damage| steps(measured, damage, Some(damage))),
        measured.damages.iter().all(|&damage| 0.0 < measured.gain(&measured.patched(damage), damage)),
    )
}

fn kept(measured: &Measured) -> Finding {
    let little = |&damage: &Damage| {
        let [patched, robust] = [measured.patched(damage), Contender::Robust(damage)]
            .map(|contender| measured.accuracy(&contender, None));
        robust - LOST <= patched
    };
    Finding::new(
        "on clean images it is at most 3 points below the network trained on the damage",
        "standard accuracy is kept",
        each(measured, |damage| steps(measured, damage, None)),
        measured.damages.iter().all(little),
    )
}

fn shallow_layers(measured: &Measured) -> Finding {
    let [half, all] = [shallow(measured.depth), measured.depth]
        .map(|layers| measured.gains(|damage| Plan::patch(damage, layers)));
    Finding::new(
        "that half of the layers gives at least 80 % of what all of them give",
        "the shallow layers hold it",
        format!("{} of {}", points(measured, half), points(measured, all)),
        0.0 < all && 0.8 * all <= half,
    )
}

fn own(measured: &Measured) -> Finding {
    let gains =
        |damage: Damage| (measured.gain(&measured.patched(damage), damage), measured.gain_of_others(damage));
    let words = |damage: Damage| {
        let (own, others) = gains(damage);
        format!("{:+.1} against {:+.1} points", 100.0 * own, 100.0 * others)
    };
    let more = |&damage: &Damage| {
        let (own, others) = gains(damage);
        others < own
    };
    Finding::new(
        "the own patch gives more on a damage than the others do in the mean",
        "signatures tell damages apart (figures)",
        each(measured, words),
        measured.damages.iter().all(more),
    )
}

fn together(measured: &Measured) -> Finding {
    let pairs = measured.pairs();
    let lower: Vec<f64> = pairs.iter().map(|(_, [first, second])| first.min(*second)).collect();
    let words = pairs.iter().map(|([first, second], gains)| {
        let [x, y] = gains.map(|gain| 100.0 * gain);
        format!("{} and {} {x:+.1} and {y:+.1} points", first.name(), second.name())
    });
    Finding::new(
        "half of two patches at once is better on both damages: the lower gain, in the mean over all pairs",
        "several are added",
        words.collect::<Vec<_>>().join("; "),
        0.0 < mean(&lower),
    )
}

fn rounded(measured: &Measured) -> Finding {
    let whole = |damage: Damage| Plan::patch(damage, shallow(measured.depth));
    let half = measured.gains(whole);
    let [fine, coarse] = LEVELS.map(|levels| measured.gains(|damage| Patch { levels, ..whole(damage) }));
    Finding::new(
        "rounded to 16 values a patch keeps 90 % of its gain",
        "a few bits; up to 13 times smaller than a copy",
        format!(
            "{} of {}, of 4 values {}; with 4 bits a number {:.1} times smaller than a copy",
            points(measured, fine),
            points(measured, half),
            points(measured, coarse),
            measured.times_smaller
        ),
        0.0 < half && 0.9 * half <= fine,
    )
}

fn taken_off(measured: &Measured) -> Finding {
    Finding::new(
        "taken off again, a patch leaves no more than rounding",
        "removed exactly",
        format!("{:.1e} of the largest weight at most", measured.residue),
        measured.residue < 1e-6,
    )
}

/// From the clean network to the patched one, and what training on the damage reaches.
fn steps(measured: &Measured, damage: Damage, test: Option<Damage>) -> String {
    let contenders = [Contender::Clean, measured.patched(damage), Contender::Robust(damage)];
    let [clean, patched, robust] = contenders.map(|contender| percent(measured.accuracy(&contender, test)));
    format!("{clean} → {patched}, trained on it {robust}")
}

/// Gains, summed over the damages, as what one damage gains.
fn points(measured: &Measured, gains: f64) -> String {
    format!("{:+.1} points", 100.0 * gains / measured.damages.len().max(1) as f64)
}

/// Words about every damage.
fn each(measured: &Measured, words: impl Fn(Damage) -> String) -> String {
    let words = measured.damages.iter().map(|&damage| format!("{} {}", damage.name(), words(damage)));
    words.collect::<Vec<_>>().join("; ")
}
