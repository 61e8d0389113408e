//! What a start stands on: the files of the model, the data that it sees, and the head that is trained beside it.
//!
//! | model | data | head |
//! | --- | --- | --- |
//! | language model | texts, where the method must see some | as any other weight |
//! | classifier | labelled texts or images | that of a run on them: its own, or a new one where it has none or one for others |
//! | classifier with a head | none | its own |
//! | classifier without a head | none | one is thought of, so that the model can be loaded; it is nowhere written |
//!
//! A classifier's head is trained whole, and so in the adapter, as peft saves it.

use crate::{
    DataSection, Recipe, Result, Start, TargetSection, classes::numbered, classify, images, kind::Runnable,
    language, run::Job,
};
use rankine_checkpoint::{Checkpoint, ImageCheckpoint};
use rankine_data::Batches;
use rankine_train::{Classify, ClassifyImages, NextToken};
use std::ops::ControlFlow;

/// What a start of task `T` stands on.
pub(crate) struct Ground<T: Runnable> {
    /// What the model is loaded from.
    pub files: T::Files,
    /// The same as they lie there, where the head of `files` is only thought of.
    pub bare: Option<T::Files>,
    /// What the weights are seen at work on.
    pub data: Option<Batches<T::Sample>>,
    /// Which weights the method takes over: none of the head.
    pub targets: TargetSection,
    /// Modules that are trained whole.
    pub whole: Vec<String>,
    /// Names of a classifier's classes; empty where the head is only thought of, `None` of a language model.
    pub classes: Option<Vec<String>>,
}

impl<T: Runnable> Ground<T> {
    /// That of a run, whose head `files` have.
    fn of_run(files: T::Files, job: Job<'_, T>) -> Self {
        let Job { batches: (train, _), targets, classes, .. } = job;
        let (whole, classes) = (targets.whole.clone(), Some(classes).filter(|names| !names.is_empty()));
        Self { files, bare: None, data: Some(train), targets, whole, classes }
    }

    /// That of a classifier alone: `whole` are its head and the modules that `start` names beside.
    fn of_model(
        files: T::Files,
        bare: Option<T::Files>,
        (whole, classes): (Vec<String>, Vec<String>),
        start: &Start,
    ) -> Self {
        let targets = TargetSection { whole: whole.clone(), ..start.targets.clone() };
        let whole = if bare.is_some() { start.targets.whole.clone() } else { whole };
        Self { files, bare, data: None, targets, whole, classes: Some(classes) }
    }
}

impl Start {
    /// The run that would begin with it, everything else at its default.
    fn recipe(&self, data: &DataSection) -> Recipe {
        let usual = Recipe::new(self.model.clone(), &data.path);
        Recipe { seed: self.seed, data: data.clone(), targets: self.targets.clone(), ..usual }
    }
}

/// The classes of a head that is only thought of.
pub(crate) fn thought_of() -> [String; 2] {
    ["0", "1"].map(str::to_owned)
}

/// Of a language model.
pub(crate) fn of_language(files: Checkpoint, start: &Start) -> Result<Ground<NextToken>> {
    if let Some(data) = start.data.as_ref().filter(|_| start.method.method().needs().any()) {
        let recipe = start.recipe(data);
        let job = language::job(&recipe, &files, &mut |_| ControlFlow::Continue(()))?;
        return Ok(Ground::of_run(files, job));
    }
    let (targets, whole) = (start.targets.clone(), start.targets.whole.clone());
    Ok(Ground { files, bare: None, data: None, targets, whole, classes: None })
}

/// Of a model that tells texts apart.
pub(crate) fn of_texts(mut files: Checkpoint, start: &Start) -> Result<Ground<Classify>> {
    if let Some(data) = &start.data {
        let recipe = start.recipe(data);
        let job = classify::job(&recipe, &mut files, &mut |_| ControlFlow::Continue(()))?;
        return Ok(Ground::of_run(files, job));
    }
    let own = classify::head_classes(&files)?;
    let bare = match own {
        Some(_) => None,
        None => Some(Checkpoint::open(files.path())?),
    };
    let names = own.clone().unwrap_or_else(|| thought_of().to_vec());
    let whole = classify::give_head(&mut files, &names, &start.targets.whole, start.seed);
    Ok(Ground::of_model(files, bare, (whole, own.unwrap_or_default()), start))
}

/// Of a model that tells images apart.
pub(crate) fn of_images(mut files: ImageCheckpoint, start: &Start) -> Result<Ground<ClassifyImages>> {
    if let Some(data) = &start.data {
        let recipe = start.recipe(data);
        let job = images::job(&recipe, &mut files, &mut |_| ControlFlow::Continue(()))?;
        return Ok(Ground::of_run(files, job));
    }
    let (bare, own) = match files.head_classes() {
        Some(classes) => {
            let named = files.classes().map(<[String]>::to_vec);
            (None, named.unwrap_or_else(|| numbered(classes)))
        }
        None => {
            let bare = ImageCheckpoint::open(files.path())?;
            images::give_head(&mut files, &thought_of(), start.seed);
            (bare, Vec::new())
        }
    };
    let whole = images::trained_whole(&files, &start.targets.whole);
    Ok(Ground::of_model(files, bare, (whole, own), start))
}
