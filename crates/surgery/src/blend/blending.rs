//! A recipe with its models, and carrying it out.

use super::draft::Draft;
use super::loaded::Loaded;
use super::recipe::{BlendRecipe, Wrong};
use super::report::BlendReport;
use crate::output::check_target;
use crate::write::{Weights, WriteOptions, configured, in_folder, shard_plan_of, summary};
use crate::{Error, Result, Subject, Watch};
use rankine_checkpoint::{Adapter, Config, ShardPlan, Tensors, ends};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// A model that goes into a blend, opened.
#[derive(Clone, Copy)]
pub struct Ingredient<'a> {
    /// The model.
    pub subject: Subject<'a>,
    /// An adapter that goes into it first.
    pub adapter: Option<&'a Adapter>,
}

/// A blend that can be carried out.
pub struct Blending<'a> {
    recipe: &'a BlendRecipe,
    models: Vec<Loaded<'a>>,
    seed: u64,
}

impl<'a> Blending<'a> {
    /// A recipe with its models, in the order of [`BlendRecipe::models`]; `seed` is that of all chance.
    ///
    /// # Errors
    /// When there are not as many, one of them lacks a tensor, or an adapter does not fit its model.
    pub fn new(
        recipe: &'a BlendRecipe,
        ingredients: &[Ingredient<'a>],
        seed: u64,
        watch: &mut Watch,
    ) -> Result<Self> {
        let (expected, found) = (recipe.models().len(), ingredients.len());
        if expected != found {
            let expected = "as many as the recipe names";
            return Err(Error::Setting { name: "models", expected, found: found.to_string() });
        }
        let named = recipe.models().iter().zip(ingredients);
        let models = named.map(|(name, ingredient)| Loaded::new(name, *ingredient, watch));
        Ok(Self { recipe, models: models.collect::<Result<_>>()?, seed })
    }

    /// What [`run`](Self::run) would write, without making it.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the output.
    pub fn plan(&self, options: &WriteOptions) -> Result<BlendReport> {
        let draft = self.draft()?;
        let plan = shard_plan_of(draft.infos(), &self.options(options))?;
        Ok(BlendReport::new(self.recipe.card, (self.models.as_slice(), &draft), summary(&plan), None))
    }

    /// Makes the blend and writes it to the folder `target`. For models from GGUF files the caller gives the tokenizer in
    /// [`WriteOptions::extra_files`]; [`WriteOptions::dtype`] goes before that of the recipe.
    ///
    /// # Errors
    /// When models do not have the same tensors, a parameter has no value for one, `target` exists and may not be replaced (no
    /// model ever is), writing fails, or `watch` breaks off; nothing is left behind then.
    pub fn run(&self, target: &Path, options: &WriteOptions, watch: &mut Watch) -> Result<BlendReport> {
        let options = self.options(options);
        check_target(target, &options)?;
        let draft = self.draft()?;
        let plan = shard_plan_of(draft.infos(), &options)?;
        let files = self.describe(&draft, &plan, &options);
        let moved = in_folder((&plan, files), target, &options, watch, |writer, shard, progress, watch| {
            let mut moved = draft.write_whole(writer, watch)?;
            let others = shard.iter().filter(|(name, _)| !draft.is_whole(name));
            let fill = |name: &str, rows: Range<usize>, out: &mut [f32]| draft.make(name, rows, out);
            let copied = |name: &str| draft.is_copied(name);
            let weights = Weights { source: &draft, copied: &copied, fill: &fill };
            moved.extend(weights.write_blocks(writer, others, progress, watch)?);
            Ok(moved)
        })?;
        Ok(BlendReport::new(self.recipe.card, (self.models.as_slice(), &draft), summary(&plan), Some(&moved)))
    }

    fn draft(&self) -> Result<Draft<'_>> {
        let blockless = self.models.iter().find(|model| self.recipe.stacked && model.config.is_none());
        if let Some(model) = blockless {
            return Err(self.recipe.fault(Wrong::Stack { model: model.name.to_string() }));
        }
        Draft::new(self.recipe, &self.models, self.seed)
    }

    /// With everything that is read, the small files of the model whose tokenizer is taken, and what the recipe says.
    fn options(&self, options: &WriteOptions) -> WriteOptions {
        let donor = self.models.get(self.recipe.tokenizer);
        let mut options = donor.map_or_else(|| options.clone(), |donor| donor.subject.complete(options));
        options.inputs.extend(self.models.iter().flat_map(|model| model.paths()).map(Path::to_owned));
        options.inputs.push(self.recipe.path.clone());
        if let Some(template) = &self.recipe.chat_template {
            options.extra_files.push(("chat_template.jinja".to_owned(), template.clone().into_bytes()));
        }
        options.dtype = options.dtype.or(self.recipe.dtype);
        options
    }

    /// The files that tell what the result is.
    fn describe(
        &self,
        draft: &Draft<'_>,
        plan: &ShardPlan,
        options: &WriteOptions,
    ) -> Vec<(&'static str, Value)> {
        let Some(first) = self.models.first() else { return Vec::new() };
        match &first.config {
            Some(config) => configured(draft, plan, &self.config(draft, config), options),
            None => first.subject.describe(plan, options),
        }
    }

    /// The first model's configuration, with the sizes of the result.
    fn config(&self, draft: &Draft<'_>, first: &Config) -> Config {
        let mut config = match self.recipe.stacked {
            true => {
                let sources = self.recipe.slices.iter().filter_map(|slice| slice.sources.first());
                first.with_layers(&sources.flat_map(|source| source.layers.clone()).collect::<Vec<_>>())
            }
            false => first.clone(),
        };
        let infos = draft.infos();
        if let Some(table) = infos.get(config.architecture.embedding()) {
            config.vocabulary = table.rows();
        }
        if !config.architecture.is_encoder() && !config.tells_classes() {
            config.tied = !infos.contains_key(ends::HEAD);
        }
        config
    }
}
