//! Classifiers of images: −ln p(class) of every image, as of texts (`classify.rs`).
//!
//! While a model learns, its images may be changed ([`Augmentation`]); what is held out is never. A teacher sees them as they
//! are.

use crate::{
    ClassScore, Count, Result, Task,
    classify::{check, cross_entropy, one_hot},
};
use rankine_data::images::{Augmentation, ImageBatch, LabelledImage};
use rankine_nn::{ImageClassifier, Pass};
use rankine_tensor::{Tensor, untaped};

/// Stream of the changes to the images of a step.
const STREAM: &str = "augment";

/// Telling images apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassifyImages {
    /// How images are changed while they are learnt.
    pub augmentation: Augmentation,
}

impl Task for ClassifyImages {
    type Model = dyn ImageClassifier;
    type Sample = LabelledImage;
    type Score = ClassScore;

    /// An image counts as one token.
    fn count(&self, batch: &ImageBatch) -> Count {
        Count { targets: batch.labels.len(), tokens: batch.labels.len() }
    }

    fn losses<'m>(&self, model: &'m Self::Model, batch: &ImageBatch, pass: &mut Pass<'m>) -> Result<Tensor> {
        let chosen = one_hot(&batch.labels, model.classes())?;
        let images = self.images(batch, pass)?;
        cross_entropy(&model.logits(&images, pass)?, &chosen)
    }

    fn score(
        &self,
        model: &Self::Model,
        batches: &mut dyn Iterator<Item = ImageBatch>,
        watch: &mut dyn FnMut(usize),
    ) -> Result<ClassScore> {
        let mut score = ClassScore::new(model.classes());
        for batch in batches {
            check(&batch.labels, model.classes())?;
            let mut pass = Pass::quiet();
            let images = self.images(&batch, &pass)?;
            let logits = untaped(|| model.logits(&images, &mut pass))?;
            score.add(&logits.to_vec(), &batch.labels);
            watch(score.examples.len());
        }
        Ok(score.finished())
    }
}

impl ClassifyImages {
    /// The images of a batch, changed where the pass is one of training; [n, c, h, w].
    fn images(&self, batch: &ImageBatch, pass: &Pass<'_>) -> Result<Tensor> {
        let [channels, height, width] = batch.sides;
        let rng = pass.scope(STREAM).draw().filter(|_| !self.augmentation.is_off());
        let pixels = match rng {
            Some(rng) => self.augmentation.apply(&batch.pixels, batch.sides, rng),
            None => batch.pixels.clone(),
        };
        Ok(Tensor::new(pixels, &[batch.labels.len(), channels, height, width])?)
    }
}
