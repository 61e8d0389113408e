//! What the matrices of a model see of some data, for [`surgery`](rankine_surgery::Inputs): the model lies in memory, and reads
//! the same first examples whenever it is asked.
//!
//! Of a plain text these are its first windows, all tokens of which count; of labelled texts and images the first of the
//! file or folder. No weight is changed.

use crate::{
    DataSection, Error, Result,
    kind::{ModelFiles, Runnable},
    language,
    reading::Reading,
};
use rankine_data::{Batches, Batching, Example, Format, Summary};
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
    let data = &DataSection { train_on_prompt: true, ..data.clone() };
    Ok(match Reading::new(model, data)? {
        Reading::Language(files) => {
            let (examples, summary) = language::examples(&files, data)?;
            check_length(&examples, &summary, data.max_length.min(files.config().context))?;
            Box::new(Reader::<NextToken>::new(&files, examples, samples)?)
        }
        Reading::Texts(files) => Box::new(Reader::<Classify>::open(files, data, samples)?),
        Reading::Images(files) => Box::new(Reader::<ClassifyImages>::open(files, data, samples)?),
    })
}

/// An error where all there is to read is one text, and it is shorter than a window.
fn check_length(examples: &[Example], summary: &Summary, window: usize) -> Result<()> {
    let is_text = summary.format == Format::Text && summary.records == 1;
    match is_text && examples.iter().all(|example| example.tokens.len() < window) {
        true => Err(Error::ShortCalibration { path: summary.path.clone(), tokens: summary.tokens, window }),
        false => Ok(()),
    }
}

/// A model and what it reads.
struct Reader<T: Runnable> {
    /// Its weights have observers while it reads.
    model: Mutex<Box<T::Model>>,
    batches: Batches<T::Sample>,
}

impl<T: Runnable> Reader<T> {
    fn open(mut files: T::Files, data: &DataSection, samples: usize) -> Result<Self> {
        let examples = T::examples(&mut files, data)?;
        Self::new(&files, examples, samples)
    }

    fn new(files: &T::Files, mut examples: Vec<T::Sample>, samples: usize) -> Result<Self> {
        examples.truncate(samples);
        let batches = Batches::new(examples, Batching::Examples(BATCH), 0)?;
        let model = T::load(files, ModelFiles::tensors(files), Storage::File)?;
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
