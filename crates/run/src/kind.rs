//! The tasks of a run: how their models are read, seen as plain models, and shown data.

use crate::{DataSection, Result, TaskName, classify, images, language, loading::tokenizer_companions};
use rankine_checkpoint::{
    Adapter, Checkpoint, Dtype, Existing, ImageCheckpoint, Tensors, ThinLayers, module_names::of_transformers,
};
use rankine_data::{Batch, IGNORE, LabelledBatch, images::ImageBatch};
use rankine_method::Shown;
use rankine_nn::{
    Classifier, ImageClassifier, LanguageModel, Model, Pass, Tokens,
    models::{self, Storage},
};
use rankine_surgery::{Watch, WriteOptions, write_image_model, write_model};
use rankine_tensor::untaped;
use rankine_train::{BatchOf, Classify, ClassifyImages, NextToken, Task};
use std::path::{Path, PathBuf};

/// What a model is read from.
pub(crate) trait ModelFiles {
    /// All tensors, by their names in the files.
    fn tensors(&self) -> &dyn Tensors;

    /// Writes these tensors, in f32, as a model that is the same but for them; with `thin` of those layers the factors.
    fn write(
        &self,
        tensors: &dyn Tensors,
        thin: Option<ThinLayers>,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<()>;
}

impl ModelFiles for Checkpoint {
    fn tensors(&self) -> &dyn Tensors {
        self.tensors()
    }

    fn write(
        &self,
        tensors: &dyn Tensors,
        thin: Option<ThinLayers>,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let extra_files = tokenizer_companions(self)?;
        let options = WriteOptions { thin, extra_files, ..options(self.path(), self.companions()) };
        write_model(tensors, self.config(), folder, &options, watch)?;
        Ok(())
    }
}

impl ModelFiles for ImageCheckpoint {
    fn tensors(&self) -> &dyn Tensors {
        self.tensors()
    }

    fn write(
        &self,
        tensors: &dyn Tensors,
        thin: Option<ThinLayers>,
        folder: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let options = WriteOptions { thin, ..options(self.path(), self.companions()) };
        write_image_model(tensors, self, folder, &options, watch)?;
        Ok(())
    }
}

/// In f32, in the place of what an earlier run left there.
fn options(model: &Path, companions: Vec<PathBuf>) -> WriteOptions {
    WriteOptions {
        dtype: Some(Dtype::F32),
        existing: Existing::Replace,
        companions,
        inputs: vec![model.to_owned()],
        ..WriteOptions::default()
    }
}

/// A task that a run can be of.
pub(crate) trait Runnable: Task {
    /// What its models are read from.
    type Files: ModelFiles;

    /// What the recipe calls it.
    const NAME: TaskName;

    /// Reads a model; `tensors` are those of its files, however they are looked at.
    fn load(
        files: &Self::Files,
        tensors: &dyn Tensors,
        storage: Storage,
    ) -> rankine_nn::Result<Box<Self::Model>>;

    /// Data as examples for these models, counted by the classes of their head; a model of texts without a head for labels gets
    /// one that is thought of.
    ///
    /// # Errors
    /// When the data cannot be read, are of other classes, or a model of images has no head.
    fn examples(files: &mut Self::Files, data: &DataSection) -> Result<Vec<Self::Sample>>;

    /// Says in an adapter what it is for.
    fn finish(adapter: &mut Adapter);

    /// The parameters of a model.
    fn seen(model: &Self::Model) -> &dyn Model;

    /// The same, to change them.
    fn seen_mut(model: &mut Self::Model) -> &mut dyn Model;

    /// Runs a model on a batch so that the weights of `modules` see it; which rows count where those to be learnt are wanted.
    fn show(model: &Self::Model, batch: &BatchOf<Self>, modules: &[String], learnt: bool) -> Result<Shown>;
}

impl Runnable for NextToken {
    type Files = Checkpoint;

    const NAME: TaskName = TaskName::Language;

    fn load(
        files: &Checkpoint,
        tensors: &dyn Tensors,
        storage: Storage,
    ) -> rankine_nn::Result<Box<Self::Model>> {
        models::load(files.config(), tensors, storage)
    }

    fn examples(files: &mut Checkpoint, data: &DataSection) -> Result<Vec<Self::Sample>> {
        Ok(language::examples(files, data)?.0)
    }

    /// It is so by itself.
    fn finish(_: &mut Adapter) {}

    fn seen<'a>(model: &'a (dyn LanguageModel + 'static)) -> &'a dyn Model {
        model
    }

    fn seen_mut<'a>(model: &'a mut (dyn LanguageModel + 'static)) -> &'a mut dyn Model {
        model
    }

    fn show(model: &Self::Model, batch: &Batch, modules: &[String], learnt: bool) -> Result<Shown> {
        let tokens = Tokens::packed(&batch.tokens, &batch.lengths);
        let hidden = untaped(|| model.hidden(&tokens, &mut Pass::quiet()))?;
        if modules.iter().any(|name| name == model.head().module()) {
            untaped(|| model.head().weight.score(&hidden, &batch.targets))?;
        }
        Ok(if learnt { Shown::Marked(predicted(batch)) } else { Shown::All })
    }
}

impl Runnable for Classify {
    type Files = Checkpoint;

    const NAME: TaskName = TaskName::Classify;

    fn load(
        files: &Checkpoint,
        tensors: &dyn Tensors,
        storage: Storage,
    ) -> rankine_nn::Result<Box<Self::Model>> {
        models::load_classifier(files.config(), tensors, storage)
    }

    fn examples(files: &mut Checkpoint, data: &DataSection) -> Result<Vec<Self::Sample>> {
        classify::examples(files, data)
    }

    fn finish(adapter: &mut Adapter) {
        classify::finish(adapter);
    }

    fn seen<'a>(model: &'a (dyn Classifier + 'static)) -> &'a dyn Model {
        model
    }

    fn seen_mut<'a>(model: &'a mut (dyn Classifier + 'static)) -> &'a mut dyn Model {
        model
    }

    /// All of a text is read for its class.
    fn show(model: &Self::Model, batch: &LabelledBatch, _: &[String], _: bool) -> Result<Shown> {
        untaped(|| Classify.losses(model, batch, &mut Pass::quiet()))?;
        Ok(Shown::All)
    }
}

impl Runnable for ClassifyImages {
    type Files = ImageCheckpoint;

    const NAME: TaskName = TaskName::Classify;

    fn load(
        files: &ImageCheckpoint,
        tensors: &dyn Tensors,
        storage: Storage,
    ) -> rankine_nn::Result<Box<Self::Model>> {
        models::load_image_classifier(files.network(), tensors, storage)
    }

    fn seen<'a>(model: &'a (dyn ImageClassifier + 'static)) -> &'a dyn Model {
        model
    }

    fn seen_mut<'a>(model: &'a mut (dyn ImageClassifier + 'static)) -> &'a mut dyn Model {
        model
    }

    fn examples(files: &mut ImageCheckpoint, data: &DataSection) -> Result<Vec<Self::Sample>> {
        images::examples(files, &data.path)
    }

    /// peft has no word for it; modules are called as in transformers.
    fn finish(adapter: &mut Adapter) {
        adapter.config.task = None;
        adapter.rename(of_transformers);
    }

    /// All of an image is looked at for its class.
    fn show(model: &Self::Model, batch: &ImageBatch, _: &[String], _: bool) -> Result<Shown> {
        untaped(|| Self::default().losses(model, batch, &mut Pass::quiet()))?;
        Ok(Shown::All)
    }
}

/// Which tokens are learnt: those that the token before predicts; [t].
fn predicted(batch: &Batch) -> Vec<bool> {
    let predicted = batch.targets.iter().map(|&target| target != IGNORE);
    std::iter::once(false).chain(predicted).take(batch.targets.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_data::Example;

    #[test]
    fn learnt_tokens_are_the_answers() {
        let example = |tokens: &[u32], answers: &[bool]| Example {
            tokens: tokens.to_vec(),
            answers: answers.to_vec(),
            source: 1,
        };
        let examples =
            [example(&[5, 6, 7], &[false, false, true]), example(&[8, 9, 4, 3], &[true, true, false, true])];
        let expected = [false, false, true, false, true, false, true];
        assert_eq!(predicted(&Batch::of(&examples)), expected, "no token before predicts the first");
    }
}
