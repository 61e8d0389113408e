//! Finding masks with few images, which is what [salt] is about.
//!
//! A small vision transformer learns the old classes of items on textured ground, and a linear decoder on its frozen states
//! their masks. Then the decoder is frozen, as in the paper, and the encoder is adapted to the masks of new classes with 20 and
//! with 500 images: all its norms, and all its linear maps by SALT, by the scale and shift of every singular value, by LoRA with
//! no fewer numbers than SALT and with many more, or as a whole. Every method is tried at every learning rate of its own sweep;
//! half of the images that are not learnt from choose the rate, Dice is told of the other half.
//!
//! Departures from the paper, which segments medical images with SAM: cross-entropy of pixels in place of focal and Dice loss,
//! no prompts, no weight decay. For the time it takes: 75 steps of 8 images, and at most 500 images where the paper has 1000.

mod bench;
mod found;
mod page;
mod scenes;
mod segmenter;

pub(super) use found::Found;

use crate::{
    Images, Materials, Result, Scale,
    transfer::{Arm, NEW, Split, ranked},
};
use bench::{Bench, batches};
use found::Run;
use rankine_random::Rng;
use scenes::Scenes;

/// How encoders are pretrained and adapted.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Setting {
    /// d of the encoder, whose blocks are twice as wide inside.
    pub width: usize,
    /// Its blocks.
    pub layers: usize,
    /// Old images of every class.
    pub old_images: usize,
    /// Steps on old classes, and on their masks.
    pub pretraining_steps: [usize; 2],
    /// Images a step, then.
    pub pretraining_batch: usize,
    /// The highest learning rate, then.
    pub pretraining_rate: f32,
    /// New images to learn from, the same number of every class and the same for all seeds.
    pub images: Vec<usize>,
    /// Steps of an adaptation.
    pub steps: usize,
    /// Images a step, then.
    pub batch: usize,
    /// Of norms, whatever trains the linear maps.
    pub norm_rate: f32,
    /// One pretrained encoder each.
    pub seeds: Vec<u64>,
}

/// What is tried.
pub(super) struct Plan {
    pub setting: Setting,
    /// d.
    pub salt_rank: usize,
    /// r of a LoRA with about as many numbers as SALT.
    pub lora_rank: usize,
    /// r of a LoRA with many more.
    pub large_rank: usize,
    pub factor_rates: Vec<f32>,
    /// Of scales and shifts.
    pub value_rates: Vec<f32>,
    pub whole_rates: Vec<f32>,
}

/// Scale and shift of every singular value, as in S-SAM.
const VALUES: &str = "singular values";

impl Plan {
    pub fn of(scale: Scale) -> Self {
        let full = Setting {
            width: 64,
            layers: 3,
            old_images: 1000,
            pretraining_steps: [400, 200],
            pretraining_batch: 32,
            pretraining_rate: 1e-3,
            images: vec![20, 500],
            // 600 images: no fewer than there are at most.
            steps: 75,
            batch: 8,
            norm_rate: 1e-3,
            seeds: vec![0, 1, 2],
        };
        match scale {
            Scale::Quick => Self {
                setting: Setting {
                    width: 32,
                    layers: 2,
                    old_images: 100,
                    pretraining_steps: [120, 80],
                    pretraining_batch: 16,
                    images: vec![20, 100],
                    steps: 40,
                    seeds: vec![0],
                    ..full
                },
                // 2·3 + 2·5·29 of a matrix whose smaller side is 32, and 4·(32 + 32) or 4·(32 + 64).
                salt_rank: 5,
                lora_rank: 4,
                large_rank: 16,
                factor_rates: vec![1e-3, 1e-2],
                value_rates: vec![1e-2, 1e-1],
                whole_rates: vec![3e-4, 3e-3],
            },
            Scale::Full => Self {
                setting: full,
                // 2·6 + 2·5·58 of a matrix whose smaller side is 64, and 4·(64 + 64) or 4·(64 + 128).
                salt_rank: 5,
                lora_rank: 4,
                large_rank: 32,
                factor_rates: vec![3e-4, 1e-3, 3e-3, 1e-2],
                value_rates: vec![3e-3, 1e-2, 3e-2, 1e-1],
                whole_rates: vec![1e-4, 3e-4, 1e-3, 3e-3],
            },
        }
    }

    fn arms(&self) -> Result<Vec<Arm>> {
        Ok(vec![
            Arm::full(&self.whole_rates),
            Arm::of_rank("LoRA", self.large_rank, &self.factor_rates)?,
            Arm::of_rank("LoRA", self.lora_rank, &self.factor_rates)?,
            Arm::new(VALUES, "salt", "top_ratio = 1.0", &self.value_rates)?,
            super::salt("full", self.salt_rank, &self.factor_rates)?,
        ])
    }
}

/// Items: drawn here for a quick look, those of Fashion-MNIST in full.
pub(super) fn items(scale: Scale, materials: &Materials<'_>) -> Result<Split> {
    let drawn = |each, part| scenes::drawn(each, &Rng::new(0).fork(part));
    let read = |part| Images::fashion_mnist(&materials.fashion_mnist, part);
    Ok(match scale {
        Scale::Quick => Split { train: drawn(100, "train"), test: drawn(40, "test") },
        Scale::Full => {
            Split { train: read("train")?.of_each_class(1000), test: read("t10k")?.of_each_class(100) }
        }
    })
}

pub(super) fn measure(plan: &Plan, items: &Split, watch: &mut dyn FnMut(&str)) -> Result<Found> {
    let (setting, arms) = (&plan.setting, plan.arms()?);
    let new = items.train.of_classes(&NEW)?;
    let contestants = [super::label("full"), ranked("LoRA", plan.lora_rank), VALUES.to_owned()];
    let mut found = Found::new(setting, &arms, contestants);
    for &seed in &setting.seeds {
        watch(&format!("masks, seed {seed}: pretraining"));
        let bench = Bench::new(setting, items, seed)?;
        found.pretrained.push(bench.pretrained);
        for &images in &setting.images {
            let train = new.of_each_class(images / NEW.len());
            let train = Scenes::of(&train, &bench.rng.fork("new")).samples();
            let train = batches(train, setting.batch, seed)?;
            for (arm, rate) in arms.iter().flat_map(|arm| arm.rates.iter().map(move |&rate| (arm, rate))) {
                let label = &arm.label;
                watch(&format!("masks, seed {seed}, {images} images, learning rate {rate:e}: {label}"));
                let (trained, [chosen_by, dice]) = bench.adapted((arm, rate), &train)?;
                found.runs.push(Run { arm: label.clone(), images, rate, seed, trained, chosen_by, dice });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// So small that it is soon over.
    pub fn plan() -> Plan {
        let plan = Plan::of(Scale::Quick);
        let setting = Setting {
            width: 16,
            layers: 1,
            old_images: 8,
            pretraining_steps: [6, 6],
            pretraining_batch: 8,
            images: vec![10, 20],
            steps: 4,
            seeds: vec![0, 1],
            ..plan.setting
        };
        Plan { setting, salt_rank: 3, large_rank: 8, ..plan }
    }

    pub fn items() -> Split {
        let drawn = |each, part| scenes::drawn(each, &Rng::new(1).fork(part));
        Split { train: drawn(8, "train"), test: drawn(4, "test") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_tried_at_every_rate_in_every_seed() {
        let found = measure(&testing::plan(), &testing::items(), &mut |_| {}).unwrap();
        assert_eq!((found.pretrained.len(), found.runs.len()), (2, 2 * 2 * 5 * 2));
        let share = |dice: f64| (0.0..=1.0).contains(&dice);
        assert!(found.runs.iter().all(|run| share(run.chosen_by) && share(run.dice)));
        let trained = |arm: &str| found.runs.iter().find(|run| run.arm == arm).unwrap().trained;
        // Four maps of 16 × 16 and two of 16 × 32: one value of sixteen is scaled and shifted by SALT.
        assert_eq!(trained("SALT"), 6 * (2 + 2 * 3 * 15));
        assert_eq!(trained("LoRA r=4"), 4 * 4 * 32 + 2 * 4 * 48);
        assert_eq!(trained(VALUES), 6 * 2 * 16);
        assert_eq!(trained("full"), 4 * (256 + 16) + 2 * 512 + 32 + 16);
        // What a seed starts from is the same for all, and runs are those of their seed.
        assert_ne!(found.pretrained[0], found.pretrained[1]);
        let again = measure(&testing::plan(), &testing::items(), &mut |_| {}).unwrap();
        assert_eq!(found, again);
    }

    #[test]
    fn salt_has_no_more_numbers_than_the_lora_it_is_compared_with() {
        for (scale, side) in [(Scale::Quick, 32), (Scale::Full, 64)] {
            let plan = Plan::of(scale);
            let top = side / 10;
            let salt = 6 * (2 * top + 2 * plan.salt_rank * (side - top));
            let lora = plan.lora_rank * (4 * 2 * side + 2 * 3 * side);
            assert_eq!(plan.setting.width, side);
            assert!(salt <= lora && lora < salt + salt / 5, "{salt} {lora}");
            assert!(plan.setting.images.iter().all(|images| images.is_multiple_of(NEW.len())));
        }
    }
}
