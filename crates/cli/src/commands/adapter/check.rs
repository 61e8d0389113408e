//! `rankine adapter check`: whether an adapter can be used on a base, and what is lost elsewhere.

use crate::{Context, Exit, adapters, model};
use anyhow::Context as _;
use rankine_checkpoint::adapter::{Inspection, Reader};
use rankine_checkpoint::module_names::Named;
use rankine_checkpoint::{Adapter, AdapterConfig, Dtype, Tensors};
use rankine_report::{Cell, Level, Page};
use rankine_run::AdapterBase;
use rankine_surgery::OtherKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Say whether an adapter fits its base, and what else should be known about it
///
/// Keys, shapes, ranks and scales against the names and shapes of the base; numbers that are not finite; what the
/// initialisation means for whoever loads it; what transformers and llama.cpp lose. Exit code 1 when it cannot be used. Of peft's
/// other kinds, which have to be converted first, it says whether `rankine adapter convert` can begin.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// Directory of the adapter
    adapter: PathBuf,
    /// Known name, hub repository, directory or .gguf file of the base
    #[arg(long, value_name = "MODEL")]
    base: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter check runs/first --base smollm2-135m
  rankine adapter check downloaded/lora --base ./model --json";

/// Findings of a kind that are shown; JSON has all.
const SHOWN: usize = 8;

/// The answer in JSON.
#[derive(Serialize)]
struct Answer {
    adapter: PathBuf,
    usable: bool,
    /// Of another kind than LoRA.
    other: Option<Other>,
    configuration: Option<Configuration>,
    tensors: BTreeMap<String, usize>,
    numbers: u64,
    bytes: u64,
    modules: Vec<Module>,
    whole: Vec<String>,
    new_rows: Vec<String>,
    findings: Vec<Finding>,
    notes: Vec<Note>,
}

/// One of the kinds that have to be converted.
#[derive(Serialize)]
struct Other {
    kind: &'static str,
    /// Whether it fits the base, as far as names, shapes and settings tell, and has numbers only.
    convertible: bool,
    modules: Vec<String>,
}

#[derive(Serialize)]
struct Configuration {
    base_model: Option<String>,
    rank: usize,
    alpha: f64,
    rslora: bool,
    dora: bool,
    patterns: usize,
    initialisation: String,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Module {
    module: String,
    rank: usize,
    inputs: usize,
    outputs: usize,
    scale: f32,
}

#[derive(Serialize)]
struct Finding {
    kind: &'static str,
    message: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct Note {
    reader: &'static str,
    note: String,
}

impl Check {
    /// Looks, and tells what was found.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.base)?;
        let mut base = AdapterBase::open(&path)?;
        let checking = || format!("while checking `{}`", self.adapter.display());
        // What cannot be opened is told below, with all else that is found.
        let other = OtherKind::open(&self.adapter);
        match &other {
            Ok(Some(other)) => base.fit_head(other.rest(), &self.adapter).with_context(checking)?,
            _ => {
                if let Ok(adapter) = Adapter::open(&self.adapter) {
                    base.fit_head(&adapter, &self.adapter).with_context(checking)?;
                }
            }
        }
        let inspection = Inspection::of(&self.adapter, base.tensors()).with_context(checking)?;
        let kind = other.as_ref().ok().and_then(Option::as_ref);
        let config = inspection.config.as_ref().or(kind.map(|other| &other.rest().config));
        let stands = config.map(|config| rankine_run::check_base(&path, &self.adapter, config));
        let note = config.and_then(|config| adapters::other_base((&self.base, &path), &self.adapter, config));
        let mut answer = Answer::new(self.adapter.clone(), inspection);
        answer.notes.extend(note.map(|note| Note { reader: Reader::Everyone.word(), note }));
        match other {
            Ok(Some(other)) => answer.add_other(&other, base.tensors()).with_context(checking)?,
            Ok(None) => {}
            Err(error) => answer.add("configuration", error.to_string(), error.hint()),
        }
        if let Some(Err(error)) = stands {
            answer.add("other_base", error.to_string(), error.hint());
        }
        match self.json {
            true => context.show_json(&answer)?,
            false => context.show(&answer.page())?,
        }
        Ok(if answer.findings.is_empty() { Exit::Done } else { Exit::CheckFailed })
    }
}

impl Answer {
    fn new(adapter: PathBuf, inspection: Inspection) -> Self {
        let usable = inspection.is_usable();
        let tensors = inspection.dtypes.iter().map(|(dtype, count)| (word(*dtype), *count)).collect();
        let modules = inspection.modules.into_iter().map(|module| Module {
            module: module.path,
            rank: module.rank,
            inputs: module.inputs,
            outputs: module.outputs,
            scale: module.scaling,
        });
        let findings = inspection.findings.iter().map(|finding| Finding {
            kind: finding.kind(),
            message: finding.to_string(),
            hint: finding.hint(),
        });
        let notes = inspection.notes.into_iter();
        Self {
            adapter,
            usable,
            other: None,
            configuration: inspection.config.as_ref().map(Configuration::new),
            tensors,
            numbers: inspection.numbers,
            bytes: inspection.bytes,
            modules: modules.collect(),
            whole: inspection.whole,
            new_rows: inspection.new_rows,
            findings: findings.collect(),
            notes: notes.map(|note| Note { reader: note.reader.word(), note: note.text }).collect(),
        }
    }

    fn add(&mut self, kind: &'static str, message: String, hint: Option<String>) {
        self.findings.push(Finding { kind, message, hint });
        self.usable = false;
    }

    /// What is wrong with an adapter of another kind, beside that it has to be converted.
    fn add_other(&mut self, other: &OtherKind, base: &dyn Tensors) -> rankine_surgery::Result<()> {
        let replaced = other.rest().replaced.keys().map(String::as_str);
        let base = Named::like(base, other.modules().chain(replaced));
        let misfit = other.check(&base)?;
        let modules = other.modules().map(str::to_owned).collect();
        let is_finite = self.findings.iter().all(|finding| finding.kind != "not_finite");
        self.other = Some(Other { kind: other.kind(), convertible: is_finite && misfit.is_empty(), modules });
        self.whole = other.rest().replaced.keys().cloned().collect();
        for finding in &misfit.findings {
            self.add(finding.kind(), finding.to_string(), finding.hint());
        }
        for error in &misfit.refused {
            self.add("not_converted", error.to_string(), error.hint());
        }
        Ok(())
    }

    fn page(&self) -> Page {
        let mut page = Page::new(format!("Adapter {}", self.adapter.display()));
        let types: Vec<_> = self.tensors.iter().map(|(dtype, count)| format!("{count} of {dtype}")).collect();
        let mut facts = vec![
            ("tensors", Cell::text(types.join(", "))),
            ("numbers", Cell::Count(self.numbers)),
            ("size", Cell::Bytes(self.bytes)),
        ];
        match &self.configuration {
            Some(_) if self.modules.is_empty() && !self.whole.is_empty() => {
                facts.push(("configuration", Cell::text("modules trained whole, no factors")));
            }
            Some(configuration) => configuration.facts(&mut facts),
            None => {}
        }
        if let Some(other) = &self.other {
            facts.push(("kind", Cell::text(other.kind)));
        }
        let modules = self.other.as_ref().map_or(self.modules.len(), |other| other.modules.len());
        facts.push(("modules", Cell::Count(modules as u64)));
        if let Some(ranks) = range(self.modules.iter().map(|module| module.rank as f64)) {
            facts.push(("ranks", Cell::text(ranks)));
        }
        if let Some(scales) = range(self.modules.iter().map(|module| f64::from(module.scale))) {
            facts.push(("scales", Cell::text(scales)));
        }
        for (label, names) in [("whole tensors", &self.whole), ("new rows in", &self.new_rows)] {
            if !names.is_empty() {
                facts.push((label, Cell::text(shortened(names))));
            }
        }
        page.facts(&facts);
        self.add_findings(&mut page);
        for note in &self.notes {
            let elsewhere = note.reader != Reader::Everyone.word();
            let reader = if elsewhere { format!("{}: ", note.reader) } else { String::new() };
            page.note(Level::Note, format!("{reader}{}", note.note));
        }
        page
    }

    fn add_findings(&self, page: &mut Page) {
        let mut kinds: Vec<(&str, Vec<&Finding>)> = Vec::new();
        for finding in &self.findings {
            match kinds.iter_mut().find(|(kind, _)| *kind == finding.kind) {
                Some((_, findings)) => findings.push(finding),
                None => kinds.push((finding.kind, vec![finding])),
            }
        }
        for (_, findings) in kinds {
            let mut last = None;
            for finding in findings.iter().take(SHOWN) {
                // Many tensors have one cause.
                let hint = finding.hint.as_ref().filter(|hint| last != Some(*hint));
                last = finding.hint.as_ref();
                let hint = hint.map_or_else(String::new, |hint| format!(" (hint: {hint})"));
                page.note(Level::Error, format!("{}{hint}", finding.message));
            }
            if SHOWN < findings.len() {
                page.note(Level::Error, format!("and {} more of this kind", findings.len() - SHOWN));
            }
        }
        if self.usable {
            page.note(Level::Success, "fits the base");
        } else if self.other.as_ref().is_some_and(|other| other.convertible) {
            page.note(Level::Success, "fits the base, once it is converted");
        }
    }
}

impl Configuration {
    fn new(config: &AdapterConfig) -> Self {
        Self {
            base_model: config.base_model.clone(),
            rank: config.rank,
            alpha: config.alpha,
            rslora: config.rslora,
            dora: config.dora,
            patterns: config.rank_pattern.len() + config.alpha_pattern.len(),
            initialisation: config.initialisation.word(),
            meaning: config.initialisation.meaning(),
        }
    }

    fn facts(&self, facts: &mut Vec<(&'static str, Cell)>) {
        if let Some(name) = &self.base_model {
            facts.push(("made for", Cell::text(name)));
        }
        let root = if self.rslora { "√" } else { "" };
        let patterns = match self.patterns {
            0 => String::new(),
            1 => ", 1 pattern".to_owned(),
            count => format!(", {count} patterns"),
        };
        let kind = if self.dora { "DoRA" } else { "LoRA" };
        let scale = format!("{kind}, rank {}, scale {}/{root}rank{patterns}", self.rank, self.alpha);
        facts.push(("configuration", Cell::text(scale)));
        facts.push(("initialisation", Cell::text(format!("{}: {}", self.initialisation, self.meaning))));
    }
}

/// `f32` and the like.
fn word(dtype: Dtype) -> String {
    format!("{dtype:?}").to_lowercase()
}

/// The smallest and the largest; one of them where they are the same.
fn range(numbers: impl Iterator<Item = f64> + Clone) -> Option<String> {
    let smallest = numbers.clone().reduce(f64::min)?;
    let largest = numbers.reduce(f64::max)?;
    let shown = |number| rankine_report::format::number(number, 4);
    Some(if smallest == largest {
        shown(smallest)
    } else {
        format!("{} to {}", shown(smallest), shown(largest))
    })
}

/// The first names, and how many more there are.
fn shortened(names: &[String]) -> String {
    const NAMES: usize = 3;
    let first = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() <= NAMES { first } else { format!("{first} and {} more", names.len() - NAMES) }
}
