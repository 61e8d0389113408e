//! The data and the head of a classifier's run, and classifiers with their adapters.
//!
//! The classes are those of the model where it has a head, else the labels of the data: then a new head is drawn from the
//! run's seed, and takes the place of a language model's own. A head whose classes nobody named takes the names of the data
//! where there are as many. The head, old or new, is trained whole beside what the method takes over.

use crate::{
    DataSection, Error, Recipe, Result, TargetSection,
    classes::{named, numbered},
    loading::{open_adapter, tokenizer, warning},
    page::Described,
    run::{Job, Notice, Watch, batched, checksum},
};
use rankine_checkpoint::{Adapter, AdapterConfig, Checkpoint, Config};
use rankine_data::{
    LabelColumns, LabelSummary, LabelledExample, LabelledTexts, Tokenizer, encode_labelled, split_stratified,
};
use rankine_nn::{
    Classifier,
    models::{Storage, load_classifier as load_model, missing_head},
};
use rankine_random::Rng;
use rankine_report::Cell;
use rankine_surgery::Merged;
use rankine_train::Classify;
use std::path::Path;

/// Name of the file with the classes in a run's folder.
pub(crate) const CLASSES: &str = "classes.json";
/// What peft calls telling texts apart.
const TASK: &str = "SEQ_CLS";

/// Reads, encodes and splits the texts of a recipe, and gives the model a head where it has none.
pub(crate) fn job<'a>(
    recipe: &'a Recipe,
    checkpoint: &mut Checkpoint,
    watch: Watch<'_>,
) -> Result<Job<'a, Classify>> {
    let section = &recipe.data;
    let texts = LabelledTexts::read(&section.path, &section.label_columns())?;
    // Of one class there is nothing to learn, whatever a head can tell.
    let own = texts.names()?;
    let names = match head_classes(checkpoint)? {
        Some(known) => named(Some(&known), known.len(), &own).unwrap_or(known),
        None => own,
    };
    let (examples, summary) = encoded(checkpoint, &texts, &names, section)?;
    let (train, validation) = split_stratified(examples, section.share(), recipe.seed)?;
    let _ = watch(Notice::Labelled(&summary, train.len(), validation.len()));
    let whole = give_head(checkpoint, &names, &recipe.targets.whole, recipe.seed);
    let sum = checksum(train.iter().chain(&validation), |example| {
        (&example.tokens, example.label.to_le_bytes().to_vec())
    });
    Ok(Job {
        recipe,
        task: Classify,
        batches: batched(recipe, train, validation)?,
        checksum: sum,
        described: described(&summary),
        targets: TargetSection { whole, ..recipe.targets.clone() },
        classes: names,
    })
}

/// Labelled texts as a model reads them that tells the classes `names` apart.
fn encoded(
    checkpoint: &Checkpoint,
    texts: &LabelledTexts,
    names: &[String],
    section: &DataSection,
) -> Result<(Vec<LabelledExample>, LabelSummary)> {
    let max_length = section.max_length.min(checkpoint.config().context);
    Ok(encode_labelled(texts, &tokenizer(checkpoint)?, names, max_length)?)
}

/// Labelled texts as examples for a model; a head that it lacks is thought of. A head keeps its names, placeholders too: it is
/// not trained on these texts, and nobody knows which of their names is which of its classes.
pub(crate) fn examples(checkpoint: &mut Checkpoint, section: &DataSection) -> Result<Vec<LabelledExample>> {
    let texts = LabelledTexts::read(&section.path, &section.label_columns())?;
    let names = match head_classes(checkpoint)? {
        Some(names) => names,
        None => texts.names()?,
    };
    let (examples, _) = encoded(checkpoint, &texts, &names, section)?;
    give_head(checkpoint, &names, &[], 0);
    Ok(examples)
}

type Named = (String, Vec<usize>, Vec<f32>);

/// Gives a model what it lacks of a head for these classes, drawn from the seed of a run. The modules that are trained whole.
pub(crate) fn give_head(
    checkpoint: &mut Checkpoint,
    names: &[String],
    whole: &[String],
    seed: u64,
) -> Vec<String> {
    let rng = Rng::new(seed).fork("head");
    let head = missing_head(checkpoint.config(), checkpoint.tensors(), names.len(), &rng);
    let whole = trained_whole(checkpoint.config(), &head, whole);
    checkpoint.make_classifier(names, head);
    whole
}

/// The modules of the head that are no part of the encoder, those that are new, and those that the recipe names.
fn trained_whole(config: &Config, new: &[Named], named: &[String]) -> Vec<String> {
    let encoder = format!("{}.", config.architecture.name());
    let is_new =
        |module: &str| new.iter().any(|(name, ..)| name.rsplit_once('.').is_some_and(|(m, _)| m == module));
    let head = config.architecture.head().iter().copied();
    let mut whole: Vec<String> =
        head.filter(|module| !module.starts_with(&encoder) || is_new(module)).map(str::to_owned).collect();
    for name in named {
        if !whole.contains(name) {
            whole.push(name.clone());
        }
    }
    whole
}

/// Names of the classes that the head of a model tells apart; `None` where it has no head.
pub(crate) fn head_classes(checkpoint: &Checkpoint) -> Result<Option<Vec<String>>> {
    let output = checkpoint.config().architecture.output();
    let Some(info) = checkpoint.tensors().infos().get(&format!("{output}.weight")) else { return Ok(None) };
    let named = checkpoint.classes()?.filter(|names| names.len() == info.rows());
    Ok(Some(named.unwrap_or_else(|| numbered(info.rows()))))
}

/// What peft asks of an adapter for sequence classification: the kind of task, and a head that is one module.
pub(crate) fn finish(adapter: &mut Adapter) {
    adapter.config.task = Some(TASK.to_owned());
    let saved = std::mem::take(&mut adapter.config.targets.saved);
    for module in saved {
        let module = if module.starts_with("classifier.") { "classifier".to_owned() } else { module };
        if !adapter.config.targets.saved.contains(&module) {
            adapter.config.targets.saved.push(module);
        }
    }
}

/// Gives a model without a head for classes the one that an adapter brings: room for its tensors, and the names of its classes,
/// which a run keeps beside the adapter.
///
/// # Errors
/// When the names cannot be read.
pub fn fit_head(checkpoint: &mut Checkpoint, adapter: &Adapter, folder: &Path) -> Result<()> {
    let architecture = checkpoint.config().architecture;
    if !adapter.replaced.contains_key(&format!("{}.weight", architecture.output())) {
        return Ok(());
    }
    let modules = architecture.head();
    let infos = checkpoint.tensors().infos();
    let room = room(adapter, |name| {
        !infos.contains_key(name)
            && modules
                .iter()
                .any(|module| name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.')))
    });
    let own = checkpoint.classes()?;
    if let Some(names) = brought_names(adapter, architecture.output(), folder, own)? {
        checkpoint.make_classifier(&names, room);
    }
    Ok(())
}

/// Places for those of an adapter's whole tensors whose names are `wanted`.
pub(crate) fn room(adapter: &Adapter, wanted: impl Fn(&str) -> bool) -> Vec<Named> {
    let brought = adapter.replaced.iter().filter(|(name, _)| wanted(name));
    brought.map(|(name, found)| (name.clone(), found.shape.clone(), vec![0.0; found.values.len()])).collect()
}

/// Names of the classes of the head that an adapter brings as the module `output`: those beside it in `folder`, else the
/// model's `own`, where they are as many; `None` where it brings none.
pub(crate) fn brought_names(
    adapter: &Adapter,
    output: &str,
    folder: &Path,
    own: Option<Vec<String>>,
) -> Result<Option<Vec<String>>> {
    let weight = adapter.replaced.get(&format!("{output}.weight"));
    let Some(&classes) = weight.and_then(|found| found.shape.first()) else { return Ok(None) };
    let kept = read_classes(folder)?.or(own).filter(|names| names.len() == classes);
    Ok(Some(kept.unwrap_or_else(|| numbered(classes))))
}

/// The file with the names of the classes that belongs beside a copy of the adapter in `folder`, its name and its text: of an
/// adapter that brings a head of as many classes as there are names beside it, or above it.
///
/// # Errors
/// When the names cannot be read.
pub fn classes_file(adapter: &Adapter, folder: &Path) -> Result<Option<(&'static str, String)>> {
    if adapter.replaced.is_empty() {
        return Ok(None);
    }
    let fits = |names: &Vec<String>| {
        adapter.replaced.values().any(|found| found.shape.first() == Some(&names.len()))
    };
    let names = read_classes(folder)?.filter(fits);
    Ok(names.map(|names| (CLASSES, format!("{:#}\n", serde_json::json!(names)))))
}

/// The names that a run wrote beside the adapter in `folder`, or above it.
fn read_classes(folder: &Path) -> Result<Option<Vec<String>>> {
    let places = [folder.join(CLASSES), folder.join("..").join(CLASSES)];
    let Some(path) = places.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    let text = fs_err::read_to_string(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
    let names = serde_json::from_str(&text);
    names.map(Some).map_err(|error| Error::Classes { path, reason: error.to_string() })
}

/// Whether the model at `path` tells texts apart: an encoder, a model with such a head, or one that an adapter makes such.
///
/// # Errors
/// When there is no model.
pub fn is_classifier(path: &Path, adapter: Option<&Path>) -> Result<bool> {
    // What is wrong with an adapter is told when it is read whole.
    let config = adapter.and_then(|folder| AdapterConfig::read(folder).ok());
    let made = config.is_some_and(|config| config.task.as_deref() == Some(TASK));
    Ok(made || tells_classes(&Checkpoint::open(path)?)?)
}

/// The same of an opened model.
pub(crate) fn tells_classes(checkpoint: &Checkpoint) -> Result<bool> {
    Ok(checkpoint.config().architecture.is_encoder() || checkpoint.classes()?.is_some())
}

/// A classifier that is ready to run.
pub struct LoadedClassifier {
    /// The model; an adapter is already in its weights.
    pub model: Box<dyn Classifier>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Names of its classes, in their order.
    pub classes: Vec<String>,
    /// What the user should know about the adapter.
    pub warnings: Vec<String>,
}

/// Opens a classifier, or a model that an adapter makes one, and applies the adapter in memory.
///
/// # Errors
/// When it is no classifier, the adapter does not fit it, or a file is at fault.
pub fn load_classifier(path: &Path, adapter: Option<&Path>, storage: Storage) -> Result<LoadedClassifier> {
    let mut checkpoint = Checkpoint::open(path)?;
    let tokenizer = tokenizer(&checkpoint)?;
    let mut warnings = Vec::new();
    let model = apply(&mut checkpoint, adapter, storage, &mut warnings)?;
    let classes = head_classes(&checkpoint)?.unwrap_or_else(|| numbered(model.classes()));
    Ok(LoadedClassifier { model, tokenizer, classes, warnings })
}

/// The same without a tokenizer, which not every model has.
///
/// # Errors
/// As [`load_classifier`].
pub fn load_classifier_model(path: &Path, adapter: Option<&Path>) -> Result<(Box<dyn Classifier>, Config)> {
    let mut checkpoint = Checkpoint::open(path)?;
    let model = apply(&mut checkpoint, adapter, Storage::File, &mut Vec::new())?;
    Ok((model, checkpoint.config().clone()))
}

fn apply(
    checkpoint: &mut Checkpoint,
    adapter: Option<&Path>,
    storage: Storage,
    warnings: &mut Vec<String>,
) -> Result<Box<dyn Classifier>> {
    let adapter = match adapter {
        Some(folder) => {
            let adapter = open_adapter(checkpoint.path(), folder)?;
            warnings.extend(warning(folder, &adapter));
            fit_head(checkpoint, &adapter, folder)?;
            Some(checkpoint.settle(adapter)?)
        }
        None => None,
    };
    if head_classes(checkpoint)?.is_none() {
        return Err(Error::NoHead { path: checkpoint.path().to_owned() });
    }
    let (config, tensors) = (checkpoint.config(), checkpoint.tensors());
    Ok(match &adapter {
        Some(adapter) => load_model(config, &Merged::new(tensors, adapter)?, storage)?,
        None => load_model(config, tensors, storage)?,
    })
}

fn described(data: &LabelSummary) -> Described {
    let mut facts = vec![
        ("file", Cell::text(data.path.display().to_string())),
        ("examples", Cell::Count(data.examples as u64)),
        ("tokens", Cell::Count(data.tokens as u64)),
        ("truncated", Cell::Count(data.truncated as u64)),
    ];
    let classes = data.classes.iter().map(|(name, count)| format!("{name}: {count}")).collect::<Vec<_>>();
    facts.push(("classes", Cell::text(classes.join(", "))));
    Described { unit: "nats per example", facts }
}

impl DataSection {
    /// The columns that hold texts and labels.
    pub(crate) fn label_columns(&self) -> LabelColumns {
        LabelColumns::named(self.text_column.clone(), self.second_column.clone(), self.label_column.clone())
    }
}
