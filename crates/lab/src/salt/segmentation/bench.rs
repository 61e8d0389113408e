//! An encoder that was pretrained on old classes, and one run of an arm on masks of new ones.

use super::{
    Setting,
    found::Pretrained,
    scenes::{SIDE, Scene, Scenes},
    segmenter::{Masks, Segmenter},
};
use crate::{
    Result,
    encoder::{Apart, follow},
    transfer::{Arm, NEW, OLD, Rates, Split, finite},
};
use rankine_checkpoint::config::{self, Activation};
use rankine_data::{Batches, Batching, Sample};
use rankine_method::{attach, train_whole};
use rankine_nn::{Kind, models::Vit};
use rankine_random::Rng;
use rankine_train::{AdamW, ClassifyImages, Schedule, Shape, Task as _};

/// Images that are looked at together.
const TOGETHER: usize = 64;

/// A pretrained encoder with its decoder, and the images that its adaptations are judged by.
pub(super) struct Bench<'a> {
    setting: &'a Setting,
    pub pretrained: Pretrained,
    /// All of it frozen.
    start: Segmenter,
    /// What chooses a learning rate, and what is told of it.
    judges: [Batches<Scene>; 2],
    seed: u64,
    pub rng: Rng,
}

impl<'a> Bench<'a> {
    pub fn new(setting: &'a Setting, items: &Split, seed: u64) -> Result<Self> {
        let rng = Rng::new(seed).fork("salt/masks");
        let old = items.train.of_classes(&OLD)?.of_each_class(setting.old_images);
        let old = Scenes::of(&old, &rng.fork("old"));
        let old_test = Scenes::of(&items.test.of_classes(&OLD)?, &rng.fork("old test"));
        let (chooses, told) = Scenes::of(&items.test.of_classes(&NEW)?, &rng.fork("new test")).halves();
        let judges = [batches(chooses, TOGETHER, 0)?, batches(told, TOGETHER, 0)?];
        let (encoder, accuracy) = classifier(setting, (&old, &old_test), &rng, seed)?;
        let mut start = Segmenter::new(encoder, &rng)?;
        let train = batches(old.samples(), setting.pretraining_batch, seed)?;
        let (schedule, mut optimizer) = (pretraining(setting, 1), AdamW::default());
        check(&follow::<Masks>(&mut start, (&Masks, &train), &mut optimizer, schedule, seed)?, schedule)?;
        let old_dice = dice(&start, &batches(old_test.samples(), TOGETHER, 0)?)?;
        let pretrained = Pretrained { accuracy, old_dice, new_dice: dice(&start, &judges[1])? };
        Ok(Self { setting, pretrained, start: start.frozen()?, judges, seed, rng })
    }

    /// How many numbers of the linear maps an arm trains, and Dice of the two halves after it has.
    pub fn adapted(&self, (arm, rate): (&Arm, f32), train: &Batches<Scene>) -> Result<(usize, [f64; 2])> {
        let Setting { steps, norm_rate, .. } = *self.setting;
        let mut model = self.start.frozen()?;
        let (maps, norms) = (model.modules(Kind::Linear), model.modules(Kind::Norm));
        train_whole(&mut model, &norms)?;
        let rng = self.rng.fork("method");
        let trained = match arm.treatment.method(&maps) {
            None => train_whole(&mut model, &maps)?,
            Some((choice, maps)) => attach(&mut model, choice.method(), maps, &rng, &mut |_, _| {})?.trained,
        };
        let schedule = Schedule { learning_rate: rate, warmup: 0, steps, shape: Shape::Linear };
        let mut optimizer = Apart::new(&norms, norm_rate / rate);
        // A run that leaves the numbers ends there: its Dice is that of where it ends.
        follow::<Masks>(&mut model, (&Masks, train), &mut optimizer, schedule, self.seed)?;
        let [chooses, told] = &self.judges;
        Ok((trained, [dice(&model, chooses)?, dice(&model, told)?]))
    }
}

/// An encoder that tells old classes apart, and how often it is right.
fn classifier(
    setting: &Setting,
    (train, test): (&Scenes, &Scenes),
    rng: &Rng,
    seed: u64,
) -> Result<(Vit, f64)> {
    let sizes = config::Vit {
        hidden_size: setting.width,
        intermediate_size: 2 * setting.width,
        layers: setting.layers,
        heads: 4,
        image_size: SIDE,
        patch_size: 4,
        channels: 1,
        norm_epsilon: 1e-6,
        activation: Activation::Gelu,
    };
    let (task, schedule) = (ClassifyImages::default(), pretraining(setting, 0));
    let mut encoder = Vit::new(&sizes, OLD.len(), &rng.fork("encoder"))?;
    let train = batches(train.labelled().samples(), setting.pretraining_batch, seed)?;
    let mut optimizer = AdamW::default();
    let losses = follow::<ClassifyImages>(&mut encoder, (&task, &train), &mut optimizer, schedule, seed)?;
    check(&losses, schedule)?;
    let test = batches(test.labelled().samples(), TOGETHER, 0)?;
    let score = task.score(&encoder, &mut test.sequential(), &mut |_| {})?;
    Ok((encoder, score.confusion.accuracy()))
}

/// Of the classes, or of their masks.
fn pretraining(setting: &Setting, part: usize) -> Schedule {
    let (learning_rate, steps) = (setting.pretraining_rate, setting.pretraining_steps[part]);
    Schedule { learning_rate, warmup: steps / 10, steps, shape: Shape::Cosine }
}

/// An error where a pretraining ended with a loss that is no number.
fn check(losses: &[f64], Schedule { learning_rate, .. }: Schedule) -> Result<()> {
    finite(losses, Rates { hidden: learning_rate, head: learning_rate })
}

/// Mean over the images.
fn dice(model: &Segmenter, batches: &Batches<Scene>) -> Result<f64> {
    Ok(Masks.score(model, &mut batches.sequential(), &mut |_| {})?.dice)
}

pub(super) fn batches<S: Sample>(samples: Vec<S>, size: usize, seed: u64) -> Result<Batches<S>> {
    Ok(Batches::new(samples, Batching::Examples(size), seed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salt::segmentation::testing;
    use rankine_nn::Model as _;
    use rankine_tensor::untaped;
    use rankine_train::Measured as _;

    #[test]
    fn adapting_lowers_the_loss_with_the_decoder_as_it_was() {
        let setting = Setting { steps: 60, pretraining_steps: [10, 30], ..testing::plan().setting };
        let items = testing::items();
        let bench = Bench::new(&setting, &items, 0).unwrap();
        let new = items.train.of_classes(&NEW).unwrap();
        let train = batches(Scenes::of(&new, &bench.rng.fork("new")).samples(), 8, 0).unwrap();
        let score = |model: &Segmenter| Masks.score(model, &mut train.sequential(), &mut |_| {}).unwrap();
        let before = score(&bench.start);
        let mut model = bench.start.frozen().unwrap();
        assert_eq!(score(&model), before);
        let maps = model.modules(Kind::Linear);
        assert_eq!(maps.len(), 6);
        let arm = crate::salt::salt("full", 3, &[1e-2]).unwrap();
        let (choice, taken) = arm.treatment.method(&maps).unwrap();
        attach(&mut model, choice.method(), taken, &bench.rng, &mut |_, _| {}).unwrap();
        let schedule = Schedule { learning_rate: 1e-2, warmup: 0, steps: 60, shape: Shape::Linear };
        follow::<Masks>(&mut model, (&Masks, &train), &mut AdamW::default(), schedule, 0).unwrap();
        let [before, after] = [before, score(&model)].map(|score| score.nll());
        assert!(after < 0.95 * before, "{before} {after}");
        let value = |model: &Segmenter, path: &str| {
            let parameters = model.parameters();
            let found = parameters.iter().find(|parameter| parameter.path() == path).unwrap();
            untaped(|| found.weight.dense()).unwrap().to_vec()
        };
        assert_eq!(value(&model, "decoder.weight"), value(&bench.start, "decoder.weight"));
        let map = format!("{}.weight", maps[0]);
        assert_ne!(value(&model, &map), value(&bench.start, &map));
    }
}
