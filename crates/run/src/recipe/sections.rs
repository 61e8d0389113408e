//! The sections of a recipe: data, targets, teacher, training.

use crate::{Error, Result};
use rankine_checkpoint::adapter::{Exclusion, Selection, Targets};
use rankine_data::{Batches, Columns, Format, Share, images::Augmentation};
use rankine_method::{Capped, Choice};
use rankine_nn::Pass;
use rankine_tensor::untaped;
use rankine_train::{AdamW, Distill, Shape, Task};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// The file; of images a folder with a folder for every class, or an IDX file with its labels beside it.
    pub path: PathBuf,
    /// Its format; told by its fields when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Column of the prompts, for tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_column: Option<String>,
    /// Column of the answers, for tables; of the text when there is no prompt column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_column: Option<String>,
    /// Column of the texts that are classified; `text` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_column: Option<String>,
    /// Column of the second text, where pairs are classified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_column: Option<String>,
    /// Column of the labels, names or whole numbers; `label` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// Longest example, in tokens.
    #[serde(default = "default_max_length")]
    pub max_length: usize,
    /// Learn prompts as well as answers.
    #[serde(default)]
    pub train_on_prompt: bool,
    /// Share of the examples that is held out.
    #[serde(default = "default_validation")]
    pub validation: f64,
    /// How images are changed while they are learnt.
    #[serde(default, skip_serializing_if = "Augmentation::is_off")]
    pub augmentation: Augmentation,
}

fn default_max_length() -> usize {
    512
}

fn default_validation() -> f64 {
    0.05
}

impl DataSection {
    /// A file with the usual settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            prompt_column: None,
            answer_column: None,
            text_column: None,
            second_column: None,
            label_column: None,
            max_length: default_max_length(),
            train_on_prompt: false,
            validation: default_validation(),
            augmentation: Augmentation::default(),
        }
    }

    pub(crate) fn columns(&self) -> Result<Option<Columns>> {
        match (&self.prompt_column, &self.answer_column) {
            (Some(prompt), Some(answer)) => {
                Ok(Some(Columns::Pair { prompt: prompt.clone(), answer: answer.clone(), system: None }))
            }
            (None, Some(text)) => Ok(Some(Columns::Text(text.clone()))),
            (None, None) => Ok(None),
            (Some(prompt), None) => Err(Error::Setting {
                key: "data.answer_column",
                expected: "given when `prompt_column` is",
                found: format!("only `{prompt}`"),
            }),
        }
    }

    /// Whether these are texts with labels, as far as the columns that are named tell.
    pub(crate) fn is_labelled(&self) -> bool {
        let columns = [&self.text_column, &self.second_column, &self.label_column];
        columns.into_iter().any(Option::is_some)
    }

    pub(crate) fn share(&self) -> Share {
        Share::Fraction(self.validation)
    }
}

/// Which weights are taken over, as peft selects them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSection {
    /// `"all-linear"`, a list of names or endings of names, or one regular expression for whole names.
    pub modules: Modules,
    /// Names or endings of names that are left alone.
    pub exclude: Vec<String>,
    /// Only these layers; all when empty.
    pub layers: Vec<usize>,
    /// Modules that are trained as a whole beside (peft's `modules_to_save`).
    pub whole: Vec<String>,
    /// A weight that cannot have the method's rank gets the most it can have, its smaller side; an error without it.
    pub cap_rank: bool,
}

/// A choice of modules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Modules {
    /// `"all-linear"` or a regular expression.
    Word(String),
    /// Names or endings of names.
    Names(Vec<String>),
}

impl Default for TargetSection {
    fn default() -> Self {
        Self {
            modules: Modules::Word("all-linear".to_owned()),
            exclude: Vec::new(),
            layers: Vec::new(),
            whole: Vec::new(),
            cap_rank: false,
        }
    }
}

impl Modules {
    /// `all-linear`, names with commas between, or an expression for whole names such as `features.*.conv.*`.
    pub fn named(text: &str) -> Self {
        match text {
            "all-linear" => Self::Word(text.to_owned()),
            expression if expression.contains(['*', '+', '?', '|', '(', '[', '^', '$', '\\']) => {
                Self::Word(expression.to_owned())
            }
            names => Self::Names(names.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }
}

impl TargetSection {
    /// The same as peft's rules.
    pub fn targets(&self) -> Targets {
        let modules = match &self.modules {
            Modules::Word(word) if word.eq_ignore_ascii_case("all-linear") => Selection::AllLinear,
            Modules::Word(pattern) => Selection::Pattern(pattern.clone()),
            Modules::Names(names) => Selection::Names(names.clone()),
        };
        let exclude = Some(Exclusion::Names(self.exclude.clone())).filter(|_| !self.exclude.is_empty());
        let layers = self.layers.clone();
        Targets { modules, exclude, saved: self.whole.clone(), layers, layers_pattern: Vec::new() }
    }

    /// The method with its rank cut to what each weight can have, where that is asked for.
    pub(crate) fn capped<'m>(&self, method: &'m Choice) -> Option<Capped<'m>> {
        Capped::of(method).filter(|_| self.cap_rank)
    }

    /// Refuses to cut the rank of a method that is given none.
    pub(crate) fn check(&self, method: &Choice) -> Result<()> {
        if !self.cap_rank || method.rank().is_some() {
            return Ok(());
        }
        let expected = "left out: this method is given no rank";
        Err(Error::Setting { key: "targets.cap_rank", expected, found: "true".to_owned() })
    }
}

/// How much the features of a teacher count, and what beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistillSection {
    /// Weight of the mean squared difference of the features; above 0.
    pub features: f32,
    /// Weight of the loss of the data's answers or labels; 0 to learn from the texts alone.
    pub own: f32,
    /// Numbers of the blocks whose features count, from 0; all when empty.
    pub blocks: Vec<usize>,
}

impl Default for DistillSection {
    fn default() -> Self {
        Self { features: 1.0, own: 1.0, blocks: Vec::new() }
    }
}

impl DistillSection {
    /// A task with a teacher.
    pub(crate) fn task<'t, T: Task>(&self, task: T, teacher: &'t T::Model) -> Distill<'t, T> {
        Distill { task, teacher, features: self.features, own: self.own, blocks: self.blocks.clone() }
    }

    /// An error where a block is named that the model does not have. How many there are is seen by a batch: only the model
    /// knows what it keeps of a pass.
    pub(crate) fn check<T: Task>(
        &self,
        task: &T,
        model: &T::Model,
        batches: &Batches<T::Sample>,
    ) -> Result<()> {
        let (Some(&block), Some(batch)) = (self.blocks.iter().max(), batches.sequential().next()) else {
            return Ok(());
        };
        let mut pass = Pass::quiet();
        pass.keep_features();
        untaped(|| task.features(model, &batch, &mut pass))?;
        let blocks = pass.take_features().len();
        if block < blocks {
            return Ok(());
        }
        Err(Error::Setting {
            key: "distill.blocks",
            expected: "numbers of the model's blocks, from 0",
            found: format!("{block} of {blocks} blocks"),
        })
    }
}

/// How training goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSection {
    /// Steps; counted from `epochs` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Passes over the data, when `steps` is absent.
    pub epochs: f64,
    /// Examples a batch.
    pub batch_size: usize,
    /// Tokens a batch instead: examples are packed, attention stays inside each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
    /// Batches a step.
    pub accumulation: usize,
    /// Highest learning rate.
    pub learning_rate: f32,
    /// Factor of the learning rate for the output side `b` of low-rank branches (LoRA+, which takes 16); 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_plus_ratio: Option<f32>,
    /// Share of the steps in which the learning rate rises.
    pub warmup: f64,
    /// How it falls.
    pub schedule: Shape,
    /// Decoupled weight decay; not on norms and biases.
    pub weight_decay: f32,
    /// AdamW's β₁.
    pub beta1: f32,
    /// AdamW's β₂.
    pub beta2: f32,
    /// Longest gradient; 0 for no limit.
    pub clip: f32,
    /// Steps between evaluations; 0 for one at the end.
    pub evaluate_every: usize,
    /// Steps between saved states; 0 for one at the end.
    pub save_every: usize,
    /// Evaluations without improvement before the run ends early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Compute blocks again in the backward pass, for less memory.
    pub gradient_checkpointing: bool,
}

impl Default for TrainSection {
    fn default() -> Self {
        Self {
            steps: None,
            epochs: 1.0,
            batch_size: 8,
            batch_tokens: None,
            accumulation: 1,
            learning_rate: 3e-4,
            lora_plus_ratio: None,
            warmup: 0.03,
            schedule: Shape::Cosine,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            clip: 1.0,
            evaluate_every: 50,
            save_every: 50,
            patience: None,
            gradient_checkpointing: false,
        }
    }
}

impl TrainSection {
    /// What moves the variables.
    pub(crate) fn optimizer(&self) -> AdamW {
        let optimizer = AdamW::new(self.beta1, self.beta2, self.weight_decay);
        match self.lora_plus_ratio {
            Some(ratio) => optimizer.with_rate("b", ratio),
            None => optimizer,
        }
    }
}
