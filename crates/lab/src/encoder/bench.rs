//! An encoder with its texts, and one run of an arm on it.

use super::{
    Setting, Tuned, Tuning, kept,
    training::{Apart, follow},
};
use crate::{
    Encoder, Error, Materials, Result, Scale,
    transfer::{Arm, Run, Sweep, Treatment, mean},
};
use rankine_checkpoint::Checkpoint;
use rankine_data::{Batches, Batching, LabelColumns, LabelledExample, LabelledTexts, encode_labelled};
use rankine_method::{Attached, Shown, attach, calibrate, train_whole};
use rankine_nn::{
    Classifier, Pass,
    models::{Storage, load_classifier, missing_head},
    weight::Dense,
};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};
use rankine_train::{Classify, Schedule, Shape, Task as _};

/// An encoder with its texts.
#[derive(Clone)]
pub(crate) struct Bench<'a> {
    encoder: &'a Encoder,
    pub setting: Setting,
    /// Width of the stream: every query and value map is a matrix of this size.
    pub width: usize,
    /// Query and value maps of all layers.
    pub query_value: Vec<String>,
    /// All four maps of the attention of all layers, which are of the same size.
    pub attention: Vec<String>,
    /// All linear maps of all layers.
    pub linear: Vec<String>,
    classes: Vec<String>,
    pub train: Vec<LabelledExample>,
    pub held_out: Batches<LabelledExample>,
    /// Values that stand in the place of the encoder's own, by their paths.
    base: Vec<(String, Tensor)>,
}

impl<'a> Bench<'a> {
    /// The encoder of the materials, where one is given.
    pub(crate) fn read(
        materials: &'a Materials<'_>,
        scale: Scale,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>> {
        let Some(encoder) = &materials.encoder else { return Ok(None) };
        watch("reading labelled texts");
        Self::new(encoder, Setting::of(scale)).map(Some)
    }

    pub(super) fn new(encoder: &'a Encoder, setting: Setting) -> Result<Self> {
        let texts = LabelledTexts::read(&encoder.texts, &LabelColumns::default())?;
        let classes = texts.names()?;
        let checkpoint = Checkpoint::open(&encoder.folder)?;
        let config = checkpoint.config();
        let max_length = setting.max_length.min(config.context);
        let (examples, _) = encode_labelled(&texts, &encoder.tokenizer, &classes, max_length)?;
        let (train, held_out) = parted(examples, setting.held_out);
        let held_out = Batches::new(held_out, Batching::Examples(2 * setting.batch), 0)?;
        let names = config.architecture.layer_names();
        let modules = |names: &[&str]| -> Vec<String> {
            let layers = (0..config.layers).map(|layer| config.architecture.layer(layer));
            layers.flat_map(|layer| names.iter().map(move |name| format!("{layer}.{name}"))).collect()
        };
        let [query, _, value, _] = names.attention;
        Ok(Self {
            width: config.hidden_size,
            query_value: modules(&[query, value]),
            attention: modules(&names.attention),
            linear: modules(&[names.attention.as_slice(), names.mlp.as_slice()].concat()),
            encoder,
            setting,
            classes,
            train,
            held_out,
            base: Vec::new(),
        })
    }

    /// The same with other values in the place of the encoder's own, by their paths.
    pub(crate) fn standing_on(&self, base: Vec<(String, Tensor)>) -> Self {
        Self { base, ..self.clone() }
    }

    /// Nothing measured yet.
    pub(crate) fn tuning(&self, arms: &[Arm]) -> Tuning {
        let file = self.encoder.texts.file_name().unwrap_or_default();
        Tuning {
            model: self.encoder.name.clone(),
            data: file.to_string_lossy().into_owned(),
            classes: self.classes.clone(),
            texts: self.train.len(),
            sweep: Sweep::new(&self.setting, arms, self.held_out.examples().len()),
            matthews: Vec::new(),
            ranks: Vec::new(),
        }
    }

    /// Every arm at every rate of its sweep, in every seed.
    pub(crate) fn sweep(&self, arms: &[Arm], watch: &mut dyn FnMut(&str)) -> Result<Tuning> {
        let mut tuning = self.tuning(arms);
        for &seed in &self.setting.seeds {
            for arm in arms {
                for &rate in &arm.rates {
                    tuning.add(self.tuned(arm, (rate, seed), watch)?);
                }
            }
        }
        Ok(tuning)
    }

    /// One run; one that is kept is not made again.
    pub(crate) fn tuned(
        &self,
        arm: &Arm,
        (rate, seed): (f32, u64),
        watch: &mut dyn FnMut(&str),
    ) -> Result<Tuned> {
        watch(&format!("{}, seed {seed}, learning rate {rate:e}: {}", self.encoder.name, arm.label));
        let make = || self.made(arm, (rate, seed));
        // What an encoder was changed to is no part of the key.
        match self.encoder.runs.as_deref().filter(|_| self.base.is_empty()) {
            Some(path) => kept::or_made(path, &self.key(arm, (rate, seed)), make),
            None => make(),
        }
    }

    /// All that decides a run.
    fn key(&self, arm: &Arm, (rate, seed): (f32, u64)) -> String {
        let examples = self.train.iter().chain(self.held_out.examples());
        let numbers = examples.flat_map(|example| example.tokens.iter().chain([&example.label]));
        let texts = numbers.fold(0_u64, |sum, &number| sum.wrapping_mul(31).wrapping_add(number.into()));
        let setting = Setting { seeds: vec![seed], ..self.setting.clone() };
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "encoder": self.encoder.name,
            "texts": texts,
            "setting": setting,
            "arm": arm.label,
            "treatment": arm.treatment,
            "rate": rate,
        })
        .to_string()
    }

    fn made(&self, arm: &Arm, (rate, seed): (f32, u64)) -> Result<Tuned> {
        let rng = self.rng(seed);
        let (mut model, head) = self.model(&rng)?;
        let batches = self.batches(self.train.clone(), seed)?;
        let Attached { sites, trained } = self.attached(model.as_mut(), &arm.treatment, &batches, &rng)?;
        let mut optimizer = self.optimizer(&head, rate);
        let schedule = self.schedule(rate);
        let losses =
            follow::<Classify>(model.as_mut(), (&Classify, &batches), &mut optimizer, schedule, seed)?;
        let window = self.setting.window.min(losses.len());
        let (early, late) = (mean(&losses[..window]), mean(&losses[losses.len() - window..]));
        let score = Classify.score(model.as_ref(), &mut self.held_out.sequential(), &mut |_| {})?;
        let accuracy = score.confusion.accuracy();
        let run = Run { arm: arm.label.clone(), rate, seed, trained, losses, early, late, accuracy };
        Ok(Tuned { run, matthews: score.confusion.matthews(), ranks: sites })
    }

    /// AdamW at `rate`, and at the rate of the head for that.
    pub(crate) fn optimizer<'m>(&self, head: &'m [String], rate: f32) -> Apart<'m> {
        Apart::new(head, self.setting.head_rate / rate)
    }

    /// From `rate` along a line to 0.
    pub(crate) fn schedule(&self, rate: f32) -> Schedule {
        Schedule { learning_rate: rate, warmup: 0, steps: self.setting.steps, shape: Shape::Linear }
    }

    /// The stream of a seed.
    pub(crate) fn rng(&self, seed: u64) -> Rng {
        Rng::new(seed).fork("encoder")
    }

    /// Batches of some of the texts to learn from.
    pub(crate) fn batches(
        &self,
        examples: Vec<LabelledExample>,
        seed: u64,
    ) -> Result<Batches<LabelledExample>> {
        Ok(Batches::new(examples, Batching::Examples(self.setting.batch), seed)?)
    }

    /// The encoder, frozen, with a trained head; and the modules of the head.
    pub(crate) fn model(&self, rng: &Rng) -> Result<(Box<dyn Classifier>, Vec<String>)> {
        let mut checkpoint = Checkpoint::open(&self.encoder.folder)?;
        let mut modules = vec![checkpoint.config().architecture.output().to_owned()];
        let classes = self.classes.len();
        let new = missing_head(checkpoint.config(), checkpoint.tensors(), classes, &rng.fork("head"));
        for (name, ..) in &new {
            let module = name.rsplit_once('.').map_or(name.as_str(), |(module, _)| module);
            if !modules.iter().any(|known| known == module) {
                modules.push(module.to_owned());
            }
        }
        checkpoint.make_classifier(&self.classes, new);
        let mut model = load_classifier(checkpoint.config(), checkpoint.tensors(), Storage::File)?;
        for parameter in model.parameters_mut() {
            if let Some((_, value)) = self.base.iter().find(|(path, _)| path == parameter.path()) {
                parameter.weight = Box::new(Dense::frozen(value.clone()));
            }
        }
        train_whole(model.as_mut(), &modules)?;
        Ok((model, modules))
    }

    /// Hands the encoder to an arm.
    pub(crate) fn attached(
        &self,
        model: &mut (dyn Classifier + 'static),
        treatment: &Treatment,
        batches: &Batches<LabelledExample>,
        rng: &Rng,
    ) -> Result<Attached> {
        let Some((choice, modules)) = treatment.method(&self.query_value) else {
            let trained = train_whole(model, &self.query_value)?;
            return Ok(Attached { sites: Vec::new(), trained });
        };
        let method = choice.method();
        let mut shown = 0;
        let calibration =
            calibrate(model, modules, &method.needs(), &rng.fork("calibration"), &mut |model| {
                let batch = batches.get(shown);
                untaped(|| Classify.losses(model, &batch, &mut Pass::quiet()))?;
                shown += 1;
                Ok::<_, Error>(Shown::All)
            })?;
        let informed = calibration.inform(method);
        Ok(attach(model, &informed, modules, &rng.fork("method"), &mut |_, _| {})?)
    }
}

/// Texts to learn from, and at most `wanted` held out: of every fifth block of the file.
fn parted(examples: Vec<LabelledExample>, wanted: usize) -> (Vec<LabelledExample>, Vec<LabelledExample>) {
    /// Texts in a block of a long file; a short one is of fifty blocks.
    const BLOCK: usize = 40;
    let block = (examples.len() / 50).clamp(1, BLOCK);
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for (at, example) in examples.into_iter().enumerate() {
        if at / block % 5 == 4 { held_out.push(example) } else { train.push(example) }
    }
    Rng::new(0).fork("held out").shuffle(&mut held_out);
    held_out.truncate(wanted);
    (train, held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_neighbours_are_held_out() {
        let example = |source| LabelledExample { tokens: vec![1], types: vec![0], label: 0, source };
        let (train, held_out) = parted((0..1000).map(example).collect(), 150);
        assert_eq!((train.len(), held_out.len()), (800, 150));
        assert!(held_out.iter().all(|example| example.source / 20 % 5 == 4));
    }
}
