//! Everything that was measured on masks, and what it says of the claim.
//!
//! Arms are compared by the best of their own sweeps. Seeds are encoders of their own, from which all arms start: a gap is
//! the mean of the gaps in each, and its noise one standard error of that.

use super::Setting;
use crate::{
    findings::Finding,
    gap::Gap,
    transfer::{Arm, mean, rate_words},
};
use rankine_report::format::count;

/// An encoder before it is adapted.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Pretrained {
    /// Share of old test images classified rightly.
    pub accuracy: f64,
    /// Dice of old test images.
    pub old_dice: f64,
    /// Dice of the images that adaptations are told of.
    pub new_dice: f64,
}

/// One adaptation.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Run {
    pub arm: String,
    /// Learnt from.
    pub images: usize,
    pub rate: f32,
    pub seed: u64,
    /// Numbers trained in the linear maps.
    pub trained: usize,
    /// Dice of the images that choose the rate.
    pub chosen_by: f64,
    /// Dice of the others.
    pub dice: f64,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(in crate::salt) struct Found {
    pub(super) setting: Setting,
    pub(super) arms: Vec<Arm>,
    /// SALT, LoRA with no fewer numbers, singular values alone.
    contestants: [String; 3],
    /// Seed by seed.
    pub(super) pretrained: Vec<Pretrained>,
    /// Seeds, in them numbers of images, in them arms, in them learning rates.
    pub(super) runs: Vec<Run>,
}

/// The best of an arm's sweep.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    pub rate: f32,
    /// The rate ends the sweep: a better one may lie beyond.
    pub edge: bool,
    /// Dice of the images that did not choose it; [seeds].
    pub dice: Vec<f64>,
}

impl Found {
    pub(super) fn new(setting: &Setting, arms: &[Arm], contestants: [String; 3]) -> Self {
        let (setting, arms) = (setting.clone(), arms.to_vec());
        Self { setting, arms, contestants, pretrained: Vec::new(), runs: Vec::new() }
    }

    /// Runs of an arm with so many images at a rate, in the order of the seeds.
    fn of(&self, arm: &str, images: usize, rate: f32) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.arm == arm && run.images == images && run.rate == rate)
    }

    /// Where Dice of the images that choose is highest, in the mean over the seeds.
    pub(super) fn best(&self, arm: &str, images: usize) -> Best {
        let rates = self.arms.iter().find(|known| known.label == arm).map_or(&[][..], |arm| &arm.rates);
        let chosen_by = |rate| {
            let shares: Vec<f64> = self.of(arm, images, rate).map(|run| run.chosen_by).collect();
            mean(&shares)
        };
        let best = rates.iter().map(|&rate| (chosen_by(rate), rate)).max_by(|a, b| a.0.total_cmp(&b.0));
        let rate = best.map_or(f32::NAN, |(_, rate)| rate);
        let edge = [rates.first(), rates.last()].contains(&Some(&rate));
        Best { rate, edge, dice: self.dice(arm, images, rate) }
    }

    /// Of the images that do not choose; [seeds].
    pub(super) fn dice(&self, arm: &str, images: usize, rate: f32) -> Vec<f64> {
        self.of(arm, images, rate).map(|run| run.dice).collect()
    }

    /// Numbers that an arm trains in the linear maps.
    pub(super) fn trained(&self, arm: &str) -> usize {
        self.runs.iter().find(|run| run.arm == arm).map_or(0, |run| run.trained)
    }

    fn gap(&self, theirs: &str, images: usize) -> Gap {
        let [ours, theirs] = [self.contestants[0].as_str(), theirs].map(|arm| self.best(arm, images).dice);
        Gap::of_pairs(&ours, &theirs)
    }

    pub fn findings(&self) -> Vec<Finding> {
        let [ours, lora, values] = &self.contestants;
        let mut findings = Vec::new();
        for &images in &self.setting.images {
            for (theirs, published) in [
                (lora, "Dice .74 against .70 (rank 256), .72 against .66 (rank 4); 20 to 1000 images"),
                (values, "Dice .74 against .71 of S-SAM, which scales singular values; 20 to 1000 images"),
            ] {
                let claim = format!(
                    "{images} images: Dice of {ours} at least that of {theirs}, each at its best rate"
                );
                let (gap, words) = (self.gap(theirs, images), self.words(theirs, images));
                findings.push(Finding::new(claim, published, words, 0.0 <= gap.value));
            }
        }
        if let &[fewest, .., most] = self.setting.images.as_slice() {
            let [few, many] = [fewest, most].map(|images| self.gap(lora, images));
            findings.push(Finding::new(
                format!("with {fewest} images {ours} is ahead of {lora}, and by more than with {most}"),
                "the advantage is with few images (abstract; no numbers by size)",
                format!("with {fewest}: {}; with {most}: {}", few.plain(), many.plain()),
                0.0 < few.value && many.value < few.value,
            ));
        }
        let [own, theirs] = [ours, lora].map(|arm| self.trained(arm));
        findings.push(Finding::new(
            format!("no more trained numbers than {lora}"),
            "9.4 M against 33.9 M (rank 256), 1.1 M against 1.5 M (rank 4)",
            format!("{} against {}", count(own as u64), count(theirs as u64)),
            own <= theirs,
        ));
        let said = |found: Finding| Finding { claim: format!("masks: {}", found.claim), ..found };
        findings.into_iter().map(said).collect()
    }

    /// Both with their rates and spreads, the gap and its noise.
    fn words(&self, theirs: &str, images: usize) -> String {
        let [own, other] = [self.contestants[0].as_str(), theirs].map(|arm| self.best(arm, images).words());
        format!("{own} against {other}: {}", self.gap(theirs, images).plain())
    }
}

impl Best {
    /// `0.812 (0.801 to 0.820) at 3e-3*`: the mean, the lowest and highest of the seeds, the rate, and whether it is an edge.
    pub(super) fn words(&self) -> String {
        format!("{} at {}{}", spread(&self.dice), rate_words(self.rate), if self.edge { "*" } else { "" })
    }
}

/// The mean, and the lowest and the highest where there are several.
pub(super) fn spread(values: &[f64]) -> String {
    let ends = values
        .iter()
        .copied()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    match values {
        [] => "–".to_owned(),
        [one] => format!("{one:.3}"),
        several => format!("{:.3} ({:.3} to {:.3})", mean(several), ends.0, ends.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scale, salt::segmentation::Plan};

    /// Two seeds, images 20 and 100, rates 1 and 2; `dice` is given by arm, images, rate and seed.
    fn found(dice: impl Fn(&str, usize, f32, u64) -> f64) -> Found {
        let setting = Setting { seeds: vec![0, 1], ..Plan::of(Scale::Quick).setting };
        let arms =
            ["SALT", "LoRA", "values"].map(|label| Arm { label: label.to_owned(), ..Arm::full(&[1.0, 2.0]) });
        let mut found = Found::new(&setting, &arms, ["SALT", "LoRA", "values"].map(str::to_owned));
        for &seed in &setting.seeds {
            for &images in &setting.images {
                for arm in &arms {
                    for &rate in &arm.rates {
                        let dice = dice(&arm.label, images, rate, seed);
                        let (arm, trained) = (arm.label.clone(), arm.label.len());
                        found.runs.push(Run { arm, images, rate, seed, trained, chosen_by: dice, dice });
                    }
                }
            }
        }
        found
    }

    #[test]
    fn the_rate_is_chosen_by_one_half_and_told_of_the_other() {
        let mut found = found(|_, _, rate, seed| f64::from(rate) / 8.0 + seed as f64 / 64.0);
        let best = found.best("SALT", 20);
        assert_eq!((best.rate, best.edge, best.dice), (2.0, true, vec![0.25, 0.265_625]));
        found.runs.iter_mut().filter(|run| run.rate == 1.0).for_each(|run| run.chosen_by = 0.9);
        assert_eq!(found.best("SALT", 20).dice, vec![0.125, 0.140_625]);
        assert_eq!(found.best("SALT", 20).words(), "0.133 (0.125 to 0.141) at 1e0*");
    }

    #[test]
    fn a_claim_can_hold_and_fail() {
        // With 20 images SALT is 0.1 and 0.3 above LoRA, with 100 images below it.
        let found = found(|arm, images, _, seed| match (arm, images) {
            ("SALT", 20) => 0.6 + 0.2 * seed as f64,
            ("SALT", _) => 0.4,
            _ => 0.5,
        });
        let gap = found.gap("LoRA", 20);
        assert!((gap.value - 0.2).abs() < 1e-12 && (gap.noise.unwrap() - 0.1).abs() < 1e-12, "{gap:?}");
        let findings = found.findings();
        let holds: Vec<bool> = findings.iter().map(|finding| finding.holds).collect();
        // 20 images against both, 100 images against both, the gaps, the sizes, which are 4 each.
        assert_eq!(holds, [true, true, false, false, true, true]);
        assert!(findings[0].here.ends_with("+0.200, noise 0.100"), "{}", findings[0].here);
        assert!(findings[0].claim.starts_with("masks: 20 images"));
        // Who is behind with few images has no advantage there, however far behind he is with many.
        let behind = self::found(|arm, images, _, _| if arm == "SALT" { 0.5 / images as f64 } else { 0.6 });
        let ahead = self::found(|arm, images, _, _| if arm == "SALT" { 20.0 / images as f64 } else { 0.6 });
        assert!(behind.gap("LoRA", 100).value < behind.gap("LoRA", 20).value);
        assert_eq!((behind.findings()[4].holds, ahead.findings()[4].holds), (false, true));
    }
}
