//! What a run is made from: the model, the data, the method, the targets and the course of training.
//!
//! A recipe is complete when it is written: every default is spelt out, so that the file makes the same run again.

mod ranges;
mod sections;

pub use sections::{DataSection, DistillSection, Modules, TargetSection, TrainSection};

use crate::{Error, Result, change::apply_change};
use rankine_method::Choice;
use rankine_nn::models::Storage;
use rankine_train::{Plan, Schedule};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a model is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Continuing texts.
    Language,
    /// Telling texts or images apart.
    Classify,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// A known name, a hub repository, a folder, a `.gguf` file, or a file with the weights of an image classifier.
    pub model: String,
    /// What the model is trained for; told by the model and the data when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// The type in which frozen matrices lie in memory.
    #[serde(default)]
    pub weights: Storage,
    /// Seed of everything random.
    #[serde(default)]
    pub seed: u64,
    /// Write the factors themselves and the base they stand on to `residual/`, instead of an adapter of the original
    /// base: for methods that start as a part of the weights. Methods with a quantised base need it.
    #[serde(default)]
    pub keep_residual: bool,
    /// What is learnt from.
    pub data: DataSection,
    /// How weights are structured.
    #[serde(default = "default_method")]
    pub method: Choice,
    /// Which weights.
    #[serde(default)]
    pub targets: TargetSection,
    /// How training goes.
    #[serde(default)]
    pub train: TrainSection,
    /// The model as it was before the method teaches the trained one its features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill: Option<DistillSection>,
}

fn default_method() -> Choice {
    Choice::Pissa(rankine_method::pissa::Pissa::default())
}

impl Recipe {
    /// The usual settings for a model and a file.
    pub fn new(model: impl Into<String>, data: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            task: None,
            weights: Storage::File,
            seed: 0,
            keep_residual: false,
            data: DataSection::new(data),
            method: default_method(),
            targets: TargetSection::default(),
            train: TrainSection::default(),
            distill: None,
        }
    }

    /// Reads a recipe; `name` stands for the file in messages.
    ///
    /// # Errors
    /// When it cannot be read, or a value is outside its range.
    pub fn parse(text: &str, name: &Path) -> Result<Self> {
        let recipe = Self::read(text, name)?;
        recipe.check_text(text, name)?;
        Ok(recipe)
    }

    fn read(text: &str, name: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| Error::Recipe {
            message: format!("`{}`: {error}", name.display()).trim_end().to_owned(),
        })
    }

    /// The recipe with some keys changed: `train.steps=200`. Values are TOML; what is none is taken as text. Whether they
    /// are in their ranges a run says.
    pub fn with(self, changes: &[String]) -> Result<Self> {
        let mut table = toml::Table::try_from(&self)?;
        for change in changes {
            apply_change(&mut table, change)?;
        }
        let text = toml::to_string_pretty(&table)?;
        Self::read(&text, Path::new("--set"))
    }

    /// The recipe as a file, every default spelt out.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// The first key in which two recipes differ, those that only say how long or how often apart.
    pub(crate) fn difference(&self, other: &Self) -> Result<Option<String>> {
        let (mine, theirs) = (toml::Table::try_from(self)?, toml::Table::try_from(other)?);
        Ok(differing("", &toml::Value::Table(mine), &toml::Value::Table(theirs)))
    }

    /// How the loop goes when an epoch has `per_epoch` batches.
    pub(crate) fn plan(&self, per_epoch: usize) -> Plan {
        let train = &self.train;
        let from_epochs = (train.epochs * per_epoch as f64 / train.accumulation as f64).ceil() as usize;
        let steps = train.steps.unwrap_or(from_epochs.max(1));
        let warmup = (train.warmup * steps as f64).round() as usize;
        Plan {
            schedule: Schedule { learning_rate: train.learning_rate, warmup, steps, shape: train.schedule },
            accumulation: train.accumulation,
            clip: Some(train.clip).filter(|&clip| clip != 0.0),
            evaluate_every: train.evaluate_every,
            save_every: train.save_every,
            patience: train.patience,
            recompute: train.gradient_checkpointing,
            seed: self.seed,
        }
    }
}

fn differing(path: &str, a: &toml::Value, b: &toml::Value) -> Option<String> {
    const FREE: [&str; 3] = ["train.save_every", "train.evaluate_every", "train.patience"];
    if let (toml::Value::Table(a), toml::Value::Table(b)) = (a, b) {
        let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let absent = toml::Value::String(String::new());
        return keys.into_iter().find_map(|key| {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differing(&inner, a.get(key).unwrap_or(&absent), b.get(key).unwrap_or(&absent))
        });
    }
    (a != b && !FREE.contains(&path)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_train::Shape;

    #[test]
    fn a_written_recipe_is_the_same_recipe() {
        let recipe = Recipe::new("model", "data.json");
        let text = recipe.to_toml().unwrap();
        assert_eq!(Recipe::parse(&text, Path::new("recipe.toml")).unwrap(), recipe);
        assert!(text.contains("learning_rate") && !text.contains("lora_plus_ratio"));
        let rated = recipe.with(&["train.lora_plus_ratio=16".to_owned()]).unwrap();
        assert_eq!(rated.train.lora_plus_ratio, Some(16.0));
        let text = rated.to_toml().unwrap();
        assert_eq!(Recipe::parse(&text, Path::new("recipe.toml")).unwrap(), rated);
    }

    #[test]
    fn a_teacher_is_asked_for_by_any_of_its_keys() {
        let changes = ["distill.own=0.0".to_owned(), "distill.blocks=[1]".to_owned()];
        let recipe = Recipe::new("model", "data.json").with(&changes).unwrap();
        let expected = DistillSection { features: 1.0, own: 0.0, blocks: vec![1] };
        assert_eq!(recipe.distill, Some(expected));
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), Path::new("recipe.toml")).unwrap(), recipe);
    }

    #[test]
    fn a_misspelt_key_gets_a_caret() {
        let text = "model = \"m\"\n[data]\npath = \"d\"\n[train]\nstep = 3\n";
        let message = Recipe::parse(text, Path::new("recipe.toml")).unwrap_err().to_string();
        assert!(message.contains("step = 3\n") && message.contains("^^^^"), "{message}");
        assert!(message.contains("unknown field `step`"), "{message}");
    }

    #[test]
    fn keys_are_changed_from_the_command_line() {
        let changes = ["train.steps=200", "method.pissa.rank=4", "model = other", "train.schedule=linear"]
            .map(str::to_owned);
        let recipe = Recipe::new("model", "data.json").with(&changes).unwrap();
        assert_eq!((recipe.train.steps, recipe.model.as_str()), (Some(200), "other"));
        assert_eq!(recipe.train.schedule, Shape::Linear);
        assert!(matches!(&recipe.method, Choice::Pissa(pissa) if pissa.rank == 4));
        let short = recipe.clone().with(&["method.rank=5".to_owned()]).unwrap();
        assert!(matches!(&short.method, Choice::Pissa(pissa) if pissa.rank == 5));
        let wrong = recipe.clone().with(&["method.rankz=5".to_owned()]).unwrap_err().to_string();
        assert!(wrong.contains("rankz"), "{wrong}");
        let wrong = recipe.clone().with(&["train.stepz=1".to_owned()]).unwrap_err().to_string();
        assert!(wrong.contains("stepz"), "{wrong}");
        assert!(recipe.with(&["train".to_owned()]).is_err());
    }

    #[test]
    fn a_difference_is_named() {
        let recipe = Recipe::new("model", "data.json");
        let mut other = recipe.clone();
        other.train.save_every = 7;
        assert_eq!(recipe.difference(&other).unwrap(), None);
        other.train.learning_rate = 1.0;
        assert_eq!(recipe.difference(&other).unwrap().as_deref(), Some("train.learning_rate"));
        let mut rated = recipe.clone();
        rated.train.lora_plus_ratio = Some(16.0);
        assert_eq!(recipe.difference(&rated).unwrap().as_deref(), Some("train.lora_plus_ratio"));
        assert_eq!(rated.difference(&recipe).unwrap().as_deref(), Some("train.lora_plus_ratio"));
    }

    #[test]
    fn epochs_become_steps() {
        let mut recipe = Recipe::new("model", "data.json");
        recipe.train.epochs = 2.5;
        recipe.train.accumulation = 2;
        assert_eq!(recipe.plan(7).schedule.steps, 9);
        recipe.train.steps = Some(4);
        assert_eq!(recipe.plan(7).schedule.steps, 4);
    }
}
