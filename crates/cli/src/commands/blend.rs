//! `rankine blend`: one model of several.

mod show;

use crate::errors::Failure;
use crate::stages::Stages;
use crate::weights::WeightsArgs;
use crate::{Context, Exit, adapters, disk::Room, model, tokenizers};
use anyhow::Context as _;
use rankine_checkpoint::{Adapter, Opened};
use rankine_surgery::{BlendRecipe, Blending, Ingredient, Progress, Reference, Subject};
use std::path::{Path, PathBuf};

/// Make one model of several
///
/// A recipe says which models, and how: mergekit's YAML, or the same keys in TOML. Methods: linear, slerp, nuslerp, multislerp,
/// karcher, task_arithmetic, ties, dare_linear, dare_ties, breadcrumbs, breadcrumbs_ties, della, della_linear, model_stock and
/// passthrough as in mergekit; wise_ft between a model and its fine-tune, fisher the same by what is known of every number (files of
/// `rankine fisher`); signature for patches against damaged inputs. Models are known names, repositories or folders, and `model+adapter` merges a LoRA first.
/// Weights are streamed: memory is some rows a thread, or one tensor of each model where a method needs norms or ranks.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Blend {
    /// The recipe, a .yaml, .yml or .toml file
    recipe: PathBuf,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Seed of what is left to chance: dare and della
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Say what would be written and what every tensor gets, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine blend merge.yaml --output merged
  rankine blend merge.toml --output merged --dry-run
  rankine blend merge.yaml --output merged --dtype bf16 --shard-size 2GB --seed 7

A recipe, in TOML (YAML has the same keys):
  merge_method = \"ties\"
  base_model = \"smollm2-135m\"
  models = [
    { model = \"./first\", parameters = { weight = 0.5, density = 0.6 } },
    { model = \"smollm2-135m+runs/second\", parameters = { weight = [0, 0.5, 1], density = 0.6 } },
  ]
  dtype = \"bfloat16\"";

/// A model of the recipe, opened.
struct Opening {
    model: Opened,
    adapter: Option<Adapter>,
}

impl Opening {
    /// Where it is read from.
    fn read(&self) -> impl Iterator<Item = PathBuf> {
        let adapter = self.adapter.as_ref().and_then(Adapter::folder);
        [Some(self.model.path()), adapter].into_iter().flatten().map(Path::to_owned)
    }
}

impl Blend {
    /// Blends, and tells what became of every tensor.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let text = fs_err::read_to_string(&self.recipe)?;
        let recipe = BlendRecipe::parse(&text, &self.recipe)?;
        let opened = recipe.models().iter().map(|reference| open(context, reference));
        let opened = opened.collect::<anyhow::Result<Vec<Opening>>>()?;
        // The tokenizer of a GGUF file is a part of it.
        let extra_files = match opened.get(recipe.tokenizer()) {
            Some(opening) => tokenizers::companions(&opening.model)?,
            None => Vec::new(),
        };
        if let Some((first, others)) = opened.split_first() {
            for other in others {
                match recipe.names_tokenizer() {
                    true => tokenizers::warn(context, &first.model, &other.model)?,
                    false => tokenizers::check(context, &first.model, &other.model)?,
                }
            }
        }
        let ingredients = opened.iter().map(|opening| Ingredient {
            subject: Subject::from(&opening.model),
            adapter: opening.adapter.as_ref(),
        });
        let ingredients: Vec<Ingredient> = ingredients.collect();
        let blending = || format!("while blending by `{}`", self.recipe.display());
        let read: Vec<PathBuf> = opened.iter().flat_map(Opening::read).chain([self.recipe.clone()]).collect();
        rankine_surgery::check_apart(&self.weights.output, &read).with_context(blending)?;
        let mut stages = Stages::new(context);
        let watch = &mut |progress: Progress| stages.see(progress);
        let blend = Blending::new(&recipe, &ingredients, self.seed, watch).with_context(blending)?;
        let options = self.weights.options(context, extra_files);
        let plan = blend.plan(&options).with_context(blending)?;
        let room = Room::ask(context, &self.weights.output, plan.plan.bytes, self.dry_run)?;
        let report = match self.dry_run {
            true => plan,
            false => blend.run(&self.weights.output, &options, watch).with_context(blending)?,
        };
        drop(stages);
        match self.json {
            true => context.show_json(&self.report(&report, room))?,
            false => context.show(&self.page(&report, room))?,
        }
        Ok(Exit::Done)
    }
}

/// The model behind a name, and the adapter that goes into it.
fn open(context: &Context, Reference { model, adapter }: &Reference) -> anyhow::Result<Opening> {
    let path = model::find(context, model)?;
    let mut opened = model::open(context, &path)?;
    let Some(folder) = adapter.as_ref().map(Path::new) else {
        return Ok(Opening { model: opened, adapter: None });
    };
    let adapter = match &mut opened {
        Opened::Texts(base) => {
            let adapter = rankine_run::open_adapter(&path, folder)?;
            rankine_run::fit_head(base, &adapter, folder)?;
            adapter
        }
        Opened::Images(base) => rankine_run::open_image_adapter(base, folder)?,
        Opened::Bare(_) => {
            let message = format!("`{model}` is weights without a configuration, and takes no adapter");
            let hint = "name the folder of the whole model";
            return Err(Failure::with_hint(message, hint).into());
        }
    };
    adapters::warn(context, (model, &path), folder, &adapter);
    Ok(Opening { model: opened, adapter: Some(adapter) })
}
