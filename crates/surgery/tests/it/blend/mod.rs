//! Blends: against mergekit's numbers, laws of all methods, recipes and what is wrong with them, files that come of it.

mod files;
mod laws;
mod mergekit;
mod recipes;

use crate::common::on;
use rankine_checkpoint::{Adapter, Opened};
use rankine_surgery::{
    BlendRecipe, BlendReport, Blending, Error, Ingredient, Reference, Subject, WriteOptions,
};
use std::path::{Path, PathBuf};

/// A model of mergekit's fixture.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blend").join(name)
}

/// Everything that a blend of a test depends on.
struct Kitchen<'a> {
    recipe: &'a str,
    /// Where a model lies.
    place: &'a dyn Fn(&str) -> PathBuf,
    adapter: Option<&'a Adapter>,
    seed: u64,
    options: WriteOptions,
}

impl<'a> Kitchen<'a> {
    /// With the fixture's models.
    fn new(recipe: &'a str) -> Self {
        Self { recipe, place: &fixture, adapter: None, seed: 0, options: WriteOptions::default() }
    }

    fn at(recipe: &'a str, place: &'a dyn Fn(&str) -> PathBuf) -> Self {
        Self { place, ..Self::new(recipe) }
    }

    /// Does something with the blend.
    fn with<T>(
        &self,
        work: impl FnOnce(&Blending<'_>, &WriteOptions) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let recipe = BlendRecipe::parse(self.recipe, Path::new("merge.yaml"))?;
        let open = |reference: &Reference| Opened::open((self.place)(&reference.model)).unwrap();
        let opened: Vec<Opened> = recipe.models().iter().map(open).collect();
        let ingredients = opened.iter().zip(recipe.models()).map(|(opened, reference)| Ingredient {
            subject: Subject::from(opened),
            adapter: reference.adapter.as_ref().and(self.adapter),
        });
        let ingredients: Vec<Ingredient> = ingredients.collect();
        work(&Blending::new(&recipe, &ingredients, self.seed, &mut on)?, &self.options)
    }

    fn blend(&self, target: &Path) -> Result<BlendReport, Error> {
        self.with(|blending, options| blending.run(target, options, &mut on))
    }
}

/// A recipe of some models, with parameters of each and of all.
fn recipe(method: &str, models: &[&str], each: &str, all: &str) -> String {
    let models: String =
        models.iter().map(|model| format!("  - {{model: {model}, parameters: {{{each}}}}}\n")).collect();
    format!("merge_method: {method}\nbase_model: base\nmodels:\n{models}parameters: {{{all}}}\n")
}
