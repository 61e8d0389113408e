//! What the tests of several kinds of runs share.

use rankine_method::Choice;
use rankine_run::{Notice, Outcome, Recipe, Result, Source, fine_tune};
use rankine_testkit::tiny;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// A run that is asked to stop after `stop` steps.
pub fn run(
    model: &Path,
    recipe: &Recipe,
    output: &Path,
    resume: bool,
    stop: Option<usize>,
) -> Result<Outcome> {
    let source = Source { model, resume, force: false };
    fine_tune(recipe, source, output, &mut |notice| match notice {
        Notice::Step(step, _) if Some(step.step) == stop => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
}

/// A tiny language model, and a short run of it.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub model: PathBuf,
    pub recipe: Recipe,
}

impl Bench {
    pub fn new(method: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (model, data) = (folder.path().join("model"), folder.path().join("data.json"));
        tiny::llama(&model, &tiny::TinyLlama::default(), 3);
        tiny::tokenizer(&model);
        std::fs::write(&data, tiny::alpaca_json(24)).unwrap();
        let changes = [
            "train.steps=6",
            "train.batch_size=2",
            "train.accumulation=2",
            "train.evaluate_every=3",
            "train.save_every=4",
            "train.learning_rate=0.01",
            "data.validation=0.2",
            "data.max_length=200",
        ];
        let mut recipe = Recipe::new(model.display().to_string(), data);
        recipe.method = Choice::named(method).unwrap();
        let rank = [format!("method.{method}.rank=2"), format!("method.{method}.dropout=0.1")];
        let changes: Vec<String> = changes.into_iter().map(str::to_owned).chain(rank).collect();
        Self { recipe: recipe.with(&changes).unwrap(), folder, model }
    }

    pub fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes some keys of the recipe.
    pub fn set(&mut self, changes: &[&str]) {
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        self.recipe = self.recipe.clone().with(&changes).unwrap();
    }

    /// A run that is asked to stop after `stop` steps.
    pub fn run(&self, output: &Path, resume: bool, stop: Option<usize>) -> Result<Outcome> {
        run(&self.model, &self.recipe, output, resume, stop)
    }
}
