//! What the matrices of a model see of some data, for [`surgery`](rankine_surgery::Inputs): the model lies in memory, and reads
//! the same first examples whenever it is asked.
//!
//! Of a plain text these are its first windows, all tokens of which count; of labelled texts and images the first of the
//! file or folder. No weight is changed.

use crate::{
    DataSection, Error, Result,
    classify::{give_head, head_classes, tells_classes},
    kind::{ModelFiles, Runnable},
    loading::{load, tokenizer},
};
use rankine_checkpoint::{Checkpoint, ImageCheckpoint};
use rankine_data::{
    Batches, Batching, Content, Dataset, Encoding, LabelledTexts, Record, encode, encode_labelled,
};
use rankine_method::{Calibration, Needs, Shown, calibrate};
use rankine_nn::models::Storage;
use rankine_random::Rng;
use rankine_surgery::{Inputs, Progress, Seen, Stage, Wanted, Watch};
use rankine_train::{Classify, ClassifyImages, NextToken};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Examples that are read at a time: some thousand tokens, so that what is kept of a pass stays small.
const BATCH: usize = 4;

/// The model at `model`, ready to read the first `samples` examples of the data.
///
/// # Errors
/// When model or data cannot be read, a classifier of images has no head, or a plain text is shorter than one window.
pub fn inputs(model: &Path, data: &DataSection, samples: usize) -> Result<Box<dyn Inputs>> {
    if let Some(images) = ImageCheckpoint::open(model)? {
        let loaded = crate::load_images(images, None, Storage::File)?;
        let images = loaded.read(&data.path)?.samples();
        return Ok(Box::new(Reader::<ClassifyImages>::new(loaded.model, images, samples)?));
    }
    let checkpoint = Checkpoint::open(model)?;
    if data.label_column.is_some() || tells_classes(&checkpoint)? {
        return labelled(checkpoint, data, samples);
    }
    let dataset = Dataset::read(&data.path, data.format, data.columns()?)?;
    let loaded = load(model, None, Storage::File)?;
    let max_length = data.max_length.min(loaded.model.context());
    let encoding = Encoding { max_length, train_on_prompt: true, ..Encoding::default() };
    let (examples, _) = encode(&dataset, &loaded.tokenizer, &encoding)?;
    let tokens: usize = examples.iter().map(|example| example.tokens.len()).sum();
    let is_text = matches!(dataset.records.as_slice(), [Record { content: Content::Text(_), .. }]);
    if is_text && examples.iter().all(|example| example.tokens.len() < max_length) {
        return Err(Error::ShortCalibration { path: data.path.clone(), tokens, window: max_length });
    }
    Ok(Box::new(Reader::<NextToken>::new(loaded.model, examples, samples)?))
}

/// Of texts with labels; a head that the model lacks is only thought of.
fn labelled(mut checkpoint: Checkpoint, data: &DataSection, samples: usize) -> Result<Box<dyn Inputs>> {
    let texts = LabelledTexts::read(&data.path, &data.label_columns())?;
    let names = match head_classes(&checkpoint)? {
        Some(names) => names,
        None => texts.names()?,
    };
    let max_length = data.max_length.min(checkpoint.config().context);
    let (examples, _) = encode_labelled(&texts, &tokenizer(&checkpoint)?, &names, max_length)?;
    give_head(&mut checkpoint, &names, &[], 0);
    let model = Classify::load(&checkpoint, ModelFiles::tensors(&checkpoint), Storage::File)?;
    Ok(Box::new(Reader::<Classify>::new(model, examples, samples)?))
}

/// A model and what it reads.
struct Reader<T: Runnable> {
    /// Its weights have observers while it reads.
    model: Mutex<Box<T::Model>>,
    batches: Batches<T::Sample>,
}

impl<T: Runnable> Reader<T> {
    fn new(model: Box<T::Model>, mut examples: Vec<T::Sample>, samples: usize) -> Result<Self> {
        examples.truncate(samples);
        let batches = Batches::new(examples, Batching::Examples(BATCH), 0)?;
        Ok(Self { model: Mutex::new(model), batches })
    }

    fn read(&self, modules: &[String], wanted: Wanted, watch: &mut Watch<'_>) -> Result<Calibration> {
        let total = self.batches.steps_per_epoch();
        let needs = Needs {
            second_moment: wanted.moment,
            magnitude: wanted.magnitudes,
            square: wanted.squares,
            batches: total,
            ..Needs::default()
        };
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut batches, mut done) = (self.batches.sequential(), 0);
        // Nothing of what is wanted is drawn.
        calibrate(&mut **model, modules, &needs, &Rng::new(0), &mut |model| {
            let Some(batch) = batches.next() else { return Ok(Shown::Nothing) };
            let progress = Progress { stage: Stage::Calibrating, done, total: total as u64 };
            if watch(progress).is_break() {
                return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
            }
            done += 1;
            T::show(model, &batch, modules, false)
        })
    }
}

impl<T: Runnable> Inputs for Reader<T> {
    fn see(
        &self,
        modules: &[String],
        wanted: Wanted,
        watch: &mut Watch<'_>,
    ) -> rankine_surgery::Result<Box<dyn Seen>> {
        match self.read(modules, wanted, watch) {
            Ok(calibration) => Ok(Box::new(Known(calibration))),
            Err(Error::Surgery(error)) => Err(error),
            Err(error) => Err(rankine_surgery::Error::Inputs { source: Box::new(error) }),
        }
    }
}

/// What was seen, by the paths of weights.
struct Known(Calibration);

impl Known {
    fn of(&self, module: &str) -> Option<&rankine_method::Statistics> {
        self.0.sites.get(&format!("{module}.weight")).map(AsRef::as_ref)
    }
}

impl Seen for Known {
    fn moment(&self, module: &str) -> Option<&[f64]> {
        self.of(module)?.second_moment.as_deref()
    }

    fn magnitudes(&self, module: &str) -> Option<&[f64]> {
        self.of(module)?.magnitude.as_deref()
    }

    fn squares(&self, module: &str) -> Option<&[f64]> {
        self.of(module)?.square.as_deref()
    }
}
