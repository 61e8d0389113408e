//! A model on data, as [`analyze`](rankine_analyze::interaction) looks into it: language models, classifiers of texts and of
//! images, with all maps that see the data or those that are chosen.
//!
//! The outputs are the logits. Of a classifier they are derived one after the other where there are no more classes than
//! sources, else by sums of them with random signs s. A language model's are the logits of all tokens at all places: with signs
//! a of the places as well, Σ_t a_t·s·logits_t = Σ_t a_t·(s·head)·hidden_t needs no logits. A model lies in memory, nothing
//! of it changes.

use crate::{
    DataSection, Error, Result, TargetSection,
    kind::{ModelFiles, Runnable},
    reading::Reading,
};
use rankine_analyze::Watch;
use rankine_analyze::interaction::{
    Derived, Interaction, Layer, Map, Network, Of, Question, Settings, Sources, analyse,
};
use rankine_checkpoint::{Tensors, adapter::modules_of};
use rankine_data::images::ImageBatch;
use rankine_data::{Batch, Batches, Batching, LabelledBatch};
use rankine_nn::models::Storage;
use rankine_nn::{By, Origin, Parameter, Pass, Probes, Seed, Tokens};
use rankine_random::Rng;
use rankine_tensor::{Tensor, untaped};
use rankine_train::{BatchOf, Classify, ClassifyImages, NextToken};
use std::path::Path;

/// What a model is shown, and what of it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Examples that are read, the first ones; of a text windows.
    pub samples: usize,
    /// Examples of a pass.
    pub batch: usize,
    /// Sums of outputs that gradients flow back from, where there are more outputs than that.
    pub sources: usize,
    /// The maps; all that see the data where `None`.
    pub targets: Option<TargetSection>,
    /// Of the random signs.
    pub seed: u64,
}

/// Looks into the model at `model`.
///
/// # Errors
/// When model or data cannot be read, a classifier has no head, a target is not there, or what
/// [`analyse`] refuses.
pub fn interaction(
    model: &Path,
    data: &DataSection,
    (shown, settings): (&Shown, &Settings),
    watch: &mut Watch<'_>,
) -> Result<Interaction> {
    if shown.sources == 0 {
        let (expected, found) = ("1 or more", "0".to_owned());
        return Err(Error::Setting { key: "sources", expected, found });
    }
    let data = &DataSection { train_on_prompt: true, ..data.clone() };
    match Reading::with_head(model, data)? {
        Reading::Language(files) => Reader::<NextToken>::open(files, data, shown)?.analyse(settings, watch),
        Reading::Texts(files) => Reader::<Classify>::open(files, data, shown)?.analyse(settings, watch),
        Reading::Images(files) => {
            Reader::<ClassifyImages>::open(files, data, shown)?.analyse(settings, watch)
        }
    }
}

impl Shown {
    /// The modules that are looked at.
    fn chosen(&self, tensors: &dyn Tensors) -> Result<Option<Vec<String>>> {
        let select = |targets: &TargetSection| targets.targets().select_strictly(&modules_of(tensors));
        Ok(self.targets.as_ref().map(select).transpose()?)
    }
}

/// What is derived of what a model gives.
struct Directions {
    /// A direction for each source; [k].
    vectors: Vec<Vec<f32>>,
    /// They are the outputs themselves.
    exact: bool,
    /// Every row has a sign of its own.
    signed: bool,
}

impl Directions {
    /// Of classes.
    fn of(classes: usize, sources: usize, rng: &Rng) -> Self {
        let exact = classes <= sources;
        let one = |source: usize| match exact {
            true => (0..classes).map(|class| f32::from(u8::from(class == source))).collect(),
            false => rng.fork_index("source", source).signs(classes),
        };
        let count = if exact { classes } else { sources };
        Self { vectors: (0..count).map(one).collect(), exact, signed: false }
    }
}

/// A task whose models can be derived.
trait Derivable: Runnable {
    /// What the model gives; [rows, k].
    fn outputs(model: &Self::Model, batch: &BatchOf<Self>) -> rankine_nn::Result<Tensor>;

    /// What of it is derived.
    fn directions(model: &Self::Model, sources: usize, rng: &Rng) -> rankine_nn::Result<Directions>;
}

impl Derivable for ClassifyImages {
    fn outputs(model: &Self::Model, batch: &ImageBatch) -> rankine_nn::Result<Tensor> {
        let [channels, height, width] = batch.sides;
        let images = Tensor::new(batch.pixels.clone(), &[batch.labels.len(), channels, height, width])?;
        model.logits(&images, &mut Pass::quiet())
    }

    fn directions(model: &Self::Model, sources: usize, rng: &Rng) -> rankine_nn::Result<Directions> {
        Ok(Directions::of(model.classes(), sources, rng))
    }
}

impl Derivable for Classify {
    fn outputs(model: &Self::Model, batch: &LabelledBatch) -> rankine_nn::Result<Tensor> {
        let tokens = Tokens::packed(&batch.tokens, &batch.lengths).with_types(&batch.types);
        model.logits(&tokens, &mut Pass::quiet())
    }

    fn directions(model: &Self::Model, sources: usize, rng: &Rng) -> rankine_nn::Result<Directions> {
        Ok(Directions::of(model.classes(), sources, rng))
    }
}

impl Derivable for NextToken {
    /// What the head reads.
    fn outputs(model: &Self::Model, batch: &Batch) -> rankine_nn::Result<Tensor> {
        model.hidden(&Tokens::packed(&batch.tokens, &batch.lengths), &mut Pass::quiet())
    }

    /// Sums of logits, as directions of that.
    fn directions(model: &Self::Model, sources: usize, rng: &Rng) -> rankine_nn::Result<Directions> {
        let vocabulary = model.vocabulary();
        let drawn = (0..sources).flat_map(|source| rng.fork_index("source", source).signs(vocabulary));
        let drawn = Tensor::new(drawn.collect(), &[sources, vocabulary])?;
        let vectors = untaped(|| Ok::<_, rankine_nn::Error>(drawn.matmul(&model.head().weight.dense()?)?))?;
        let width = vectors.matrix("head")?[1].max(1);
        let vectors = vectors.read(|vectors| vectors.chunks(width).map(<[f32]>::to_vec).collect());
        Ok(Directions { vectors, exact: false, signed: true })
    }
}

/// A model with probes, and what it reads.
struct Reader<T: Derivable> {
    model: Box<T::Model>,
    batches: Vec<BatchOf<T>>,
    probes: Probes,
    directions: Directions,
    rng: Rng,
}

impl<T: Derivable> Reader<T> {
    fn open(mut files: T::Files, data: &DataSection, shown: &Shown) -> Result<Self> {
        // Before the data are read: a wrong name is told at once.
        let chosen = shown.chosen(ModelFiles::tensors(&files))?;
        let mut examples = T::examples(&mut files, data)?;
        let mut model = T::load(&files, ModelFiles::tensors(&files), Storage::File)?;
        examples.truncate(shown.samples);
        let batches = Batches::new(examples, Batching::Examples(shown.batch), 0)?;
        let rng = Rng::new(shown.seed).fork("interaction");
        let directions = T::directions(&model, shown.sources, &rng)?;
        let is_chosen = |parameter: &Parameter| {
            chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|module| module == parameter.module()))
        };
        let first = batches.sequential().next().ok_or(rankine_data::Error::NoExamples)?;
        let probes = Probes::put_on(&mut *model, &is_chosen, &|model: &T::Model| T::outputs(model, &first))?;
        let batches = batches.sequential().collect();
        Ok(Self { model, batches, probes, directions, rng })
    }

    fn analyse(mut self, settings: &Settings, watch: &mut Watch<'_>) -> Result<Interaction> {
        Ok(analyse(&mut self, settings, watch)?)
    }
}

impl<T: Derivable> Network for Reader<T> {
    fn layers(&self) -> Vec<Layer> {
        let layers = self.probes.layers().iter().map(|layer| {
            let maps = layer.maps.iter();
            let maps = maps.map(|map| Map { name: map.module.clone(), outputs: map.outputs, bias: map.bias });
            let maps: Vec<Map> = maps.collect();
            let name = maps.first().map_or(String::new(), |map| map.name.clone());
            Layer { name, width: layer.width, maps }
        });
        layers.collect()
    }

    fn batches(&self) -> usize {
        self.batches.len()
    }

    fn sources(&self) -> Sources {
        Sources { count: self.directions.vectors.len(), exact: self.directions.exact }
    }

    fn derive(
        &mut self,
        question: &Question<'_>,
    ) -> Result<Vec<Derived>, Box<dyn std::error::Error + Send + Sync>> {
        let Directions { vectors, signed, .. } = &self.directions;
        let rng = self.rng.fork_index("rows", question.batch);
        let seed = match question.of {
            Of::Output(source) => {
                Seed { origin: Origin::Outputs, direction: &vectors[source], signs: signed.then_some(&rng) }
            }
            Of::Layer(layer, direction) => {
                Seed { origin: Origin::Layer(layer), direction, signs: Some(&rng) }
            }
        };
        let forward = &mut || T::outputs(&self.model, &self.batches[question.batch]);
        let by = By { layers: question.by, outputs: question.maps, shift: question.shift };
        let derivatives = self.probes.derive(seed, by, forward)?;
        let derived = derivatives.into_iter().map(|derivatives| Derived {
            activations: derivatives.inputs,
            gradients: derivatives.by_inputs,
            maps: derivatives.by_outputs,
        });
        Ok(derived.collect())
    }
}
