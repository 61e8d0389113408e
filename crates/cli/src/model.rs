//! From what the user typed to a model: known names are pulled when they are not there.

use crate::bar::{self, Bar};
use crate::{Context, adapters};
use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rankine_checkpoint::{AdapterConfig, Opened};
use rankine_hub::{Error, Hub, Known, Progress, Spec, Stage};
use rankine_nn::models::Storage;
use rankine_report::format;
use rankine_run::Loaded;
use std::path::{Path, PathBuf};

/// A model and perhaps an adapter, as most commands take them.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// Known name, hub repository, directory or .gguf file
    pub model: String,
    /// Directory of a peft adapter, such as the output of `rankine train`
    #[arg(long, value_name = "DIR")]
    pub adapter: Option<PathBuf>,
    /// Type of the matrices in memory: the file's own, or widened or rounded to this one
    #[arg(long, value_name = "TYPE", default_value = "file", value_parser = storage_parser())]
    pub weights: Storage,
}

/// Words for a type of matrices in memory.
pub fn storage_parser() -> impl TypedValueParser<Value = Storage> {
    const WORDS: [(&str, Storage); 3] =
        [("file", Storage::File), ("f32", Storage::F32), ("bf16", Storage::Bf16)];
    PossibleValuesParser::new(WORDS.map(|(word, _)| word)).map(|found| {
        WORDS.into_iter().find(|(word, _)| *word == found).map_or(Storage::File, |(_, storage)| storage)
    })
}

impl ModelArgs {
    /// The model in memory, with the adapter in its weights.
    pub fn load(&self, context: &Context) -> anyhow::Result<Loaded> {
        load(context, &self.model, self.adapter.as_deref(), self.weights)
    }
}

/// Finds, perhaps pulls, and loads a model.
pub fn load(
    context: &Context,
    model: &str,
    adapter: Option<&Path>,
    storage: Storage,
) -> anyhow::Result<Loaded> {
    let path = find(context, model)?;
    warn_of_base(context, (model, &path), adapter);
    let loaded = rankine_run::load(&path, adapter, storage).with_context(|| match adapter {
        Some(folder) => format!("while loading `{model}` with the adapter `{}`", folder.display()),
        None => format!("while loading `{model}`"),
    })?;
    loaded.warnings.iter().for_each(|warning| context.say(warning));
    Ok(loaded)
}

/// Tells where an adapter names another base than the model that it is used on.
pub fn warn_of_base(context: &Context, base: (&str, &Path), adapter: Option<&Path>) {
    // A configuration that cannot be read is told by whoever needs it.
    if let Some(folder) = adapter
        && let Ok(config) = AdapterConfig::read(folder)
    {
        adapters::warn_of_base(context, base, folder, &config);
    }
}

/// Opens a model of any kind whose weights alone are asked for, and says what of it is not known.
pub fn open(context: &Context, path: &Path) -> rankine_checkpoint::Result<Opened> {
    Opened::open(path).inspect(|opened| tell(context, opened))
}

/// Says what of a model is not known.
pub fn tell(context: &Context, opened: &Opened) {
    if let Some(note) = opened.note() {
        context.say(note);
    }
}

/// What a file calls the model that was named so: a path is made absolute, to hold from everywhere.
pub fn lasting_name(model: &str) -> anyhow::Result<String> {
    Ok(match Path::new(model).exists() {
        true => std::path::absolute(model)?.display().to_string(),
        false => model.to_owned(),
    })
}

/// Where the model lies; a known name that is not in the cache is pulled first.
pub fn find(context: &Context, spec: &str) -> anyhow::Result<PathBuf> {
    let hub = context.hub()?;
    match hub.resolve(spec) {
        Err(Error::NotCached { .. }) if let Ok(Spec::Known(known)) = Spec::parse(spec) => {
            context.say(announcement(known));
            pull(context, &hub, spec)
        }
        found => Ok(found?),
    }
}

fn announcement(known: &Known) -> String {
    let size = format::bytes(known.download_bytes);
    format!("`{}` is not in the cache: pulling {} ({size}, {})", known.name, known.title, known.licence)
}

/// Pulls a model and shows how far it is.
pub fn pull(context: &Context, hub: &Hub, spec: &str) -> anyhow::Result<PathBuf> {
    let mut watcher = Watcher { context, shown: None, bar: None };
    let path = hub.pull(spec, &mut |progress| watcher.see(&progress));
    path.with_context(|| format!("while pulling `{spec}`"))
}

/// Turns steps of a pull into a bar on a terminal, and into a line for each file and stage elsewhere.
struct Watcher<'a> {
    context: &'a Context,
    shown: Option<(String, Stage)>,
    bar: Option<Bar>,
}

impl Watcher<'_> {
    fn see(&mut self, progress: &Progress) {
        let step = (progress.file.clone(), progress.stage.clone());
        if self.shown.as_ref() != Some(&step) {
            self.bar = None;
            self.begin(progress);
            self.shown = Some(step);
        }
        if let Some(bar) = &self.bar {
            bar.set_of(progress.bytes_done, progress.bytes_total);
        }
    }

    fn begin(&mut self, progress: &Progress) {
        let Progress { file, bytes_total, stage, .. } = progress;
        let line = match stage {
            Stage::Waiting => format!("waiting for another process that pulls {file}"),
            Stage::Connecting => format!("asking {file}"),
            Stage::Downloading => format!("downloading `{file}`"),
            Stage::Verifying => format!("verifying `{file}`"),
            Stage::Unpacking => format!("unpacking `{file}`"),
            Stage::Failed(reason) => format!("{file} failed: {reason}"),
        };
        if self.context.interactive && 0 < *bytes_total {
            self.bar = Some(bar::bytes(self.context, line, *bytes_total));
        } else if 0 < *bytes_total {
            self.context.say(format!("{line} ({})", format::bytes(*bytes_total)));
        } else {
            self.context.say(line);
        }
    }
}
