//! `rankine diff`: what a fine-tune did to its base.

mod explore;
mod notes;
mod page;
mod report;
mod tables;

use crate::disk::Room;
use crate::pages::PageFile;
use crate::resume::ResumeArgs;
use crate::stages::Stages;
use crate::{Context, Exit, adapters, model, tokenizers, weights};
use anyhow::Context as _;
use page::Scaled;
use rankine_analyze::{MatrixChange, NotCompared, TensorChange};
use rankine_checkpoint::module_names::Named;
use rankine_checkpoint::{Existing, Opened, Pair};
use rankine_run::AdapterBase;
use rankine_surgery::{AdapterOutput, KeptRank, Merged, Mitigation, Progress, Stage, Subject, WriteOptions};
use std::path::{Path, PathBuf};

/// Show what a fine-tune did to its base: how far layers moved, which directions are new
///
/// TUNED is a full fine-tune; with --adapter it is the base with that adapter. Every tensor is compared whose numbers are read. With
/// --intruders the changed matrices of linear layers and convolutions are decomposed: effective rank of the change, and intruder
/// dimensions, leading singular vectors that are nearly orthogonal to all of the base's, which LoRA makes and full fine-tuning hardly
/// does, and which predict what is forgotten. --mitigate scales them and writes the result: a model, or an adapter where one was
/// given.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Diff {
    /// Known name, hub repository, directory or file of the model as it was
    base: String,
    /// The same of what was made of it
    #[arg(required_unless_present = "adapter", conflicts_with = "adapter")]
    tuned: Option<String>,
    /// Directory of a LoRA adapter: the tuned model is the base with it
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Look into the changed matrices: their spectra, and intruder dimensions
    #[arg(long)]
    intruders: bool,
    /// A leading vector is an intruder where its largest cosine with a vector of the base is below this
    #[arg(
        long,
        value_name = "COSINE",
        default_value_t = Mitigation::default().epsilon,
        allow_negative_numbers = true
    )]
    epsilon: f64,
    /// How many leading singular vectors of every matrix are looked at
    #[arg(long, value_name = "N", default_value_t = Mitigation::default().top)]
    top: usize,
    /// Multiply the singular values of intruders by this, and write the result to --output: 0.7 to 0.9 repairs most of what was
    /// forgotten, 1 changes nothing, 0 takes them away
    #[arg(long, value_name = "FACTOR", requires = "output", allow_negative_numbers = true)]
    mitigate: Option<f64>,
    /// With --mitigate and --adapter: let ranks grow by the intruders, so that nothing is cut
    #[arg(long, requires_all = ["mitigate", "adapter"])]
    exact: bool,
    /// Directory to write, for --mitigate
    #[arg(long, short, value_name = "DIR", requires = "mitigate")]
    output: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    resume: ResumeArgs,
    /// Compare, say what --mitigate would write, and write nothing to --output
    #[arg(long, requires = "mitigate")]
    dry_run: bool,
    /// Write a page with a map of layers and kinds, plots and a table of every changed tensor here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine diff smollm2-135m ./tuned
  rankine diff smollm2-135m ./tuned --intruders --html diff.html
  rankine diff smollm2-135m --adapter runs/first --intruders --epsilon 0.6 --top 10
  rankine diff smollm2-135m ./tuned --mitigate 0.75 --output milder --dry-run
  rankine diff smollm2-135m --adapter runs/first --mitigate 0.75 --output runs/milder";

/// What was found.
struct Found {
    changes: Vec<TensorChange>,
    not_compared: Vec<NotCompared>,
    /// Empty where nobody asked.
    matrices: Vec<MatrixChange>,
    /// What was written, if anything, or would be.
    scaled: Option<Scaled>,
}

impl Diff {
    /// Compares, and writes what was asked for.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let factor = self.mitigate.unwrap_or(Mitigation::default().factor);
        Mitigation { epsilon: self.epsilon, top: self.top, factor }.check()?;
        let path = model::find(context, &self.base)?;
        let other = match (&self.adapter, &self.tuned) {
            (Some(folder), _) => folder.clone(),
            (None, tuned) => model::find(context, tuned.as_deref().unwrap_or_default())?,
        };
        let file = PageFile::html(self.html.as_deref(), vec![path.clone(), other.clone()])?;
        let found = match self.adapter.is_some() {
            true => self.with_adapter(context, &path, &other),
            false => self.with_model(context, &path, &other),
        };
        let found = found.with_context(|| format!("while comparing with `{}`", self.base))?;
        file.write(|| self.full_page(&found))?;
        match self.json {
            true => context.show_json(&self.report(&found))?,
            false => context.show(&self.page(&found))?,
        }
        Ok(Exit::Done)
    }

    fn with_model(&self, context: &Context, path: &Path, tuned_path: &Path) -> anyhow::Result<Found> {
        let (base, tuned) = (model::open(context, path)?, model::open(context, tuned_path)?);
        tokenizers::warn(context, &base, &tuned)?;
        let pair = rankine_surgery::pair([base.tensors(), tuned.tensors()], [path, tuned_path])?;
        let subject = Subject::from(&base);
        let output = match &self.output {
            Some(output) => Some((output, self.options(context, path, &tuned)?)),
            None => None,
        };
        let mut room = None;
        if let Some((output, options)) = &output {
            // Before anything is compared.
            match self.dry_run {
                true => rankine_surgery::check_apart(output, &[path.to_owned(), tuned_path.to_owned()])?,
                false => Subject::from(&tuned).check_output(output, options)?,
            }
            let bytes = rankine_surgery::plan_rewrite(Subject::from(&tuned), options)?.bytes;
            room = Some(Room::ask(context, output, bytes, self.dry_run)?);
            weights::tell_of_doubles(context, tuned.tensors(), options);
        }
        let mut stages = Stages::new(context);
        let mut found = self.found(pair, &|module| subject.is_head(module), &mut stages)?;
        if let (Some(mitigation), Some((output, options)), Some(room)) = (self.mitigation(), output, room) {
            let tuned = Subject::from(&tuned);
            let watch = &mut |progress: Progress| stages.see(progress);
            let report = match self.dry_run {
                true => mitigation.plan(subject, tuned, &options, watch)?,
                false => mitigation.run(subject, tuned, output, &options, watch)?,
            };
            let (matrices, bytes) = (report.matrices, report.plan.bytes);
            found.scaled = Some(Scaled { matrices, lost: None, bytes, room });
        }
        Ok(found)
    }

    fn with_adapter(&self, context: &Context, path: &Path, folder: &Path) -> anyhow::Result<Found> {
        self.resume.note_one_file(context);
        let inputs = vec![folder.to_owned(), path.to_owned()];
        let output = self.output.as_deref();
        let output = output.map(|target| AdapterOutput { target, existing: self.existing(), inputs });
        if let Some(output) = &output {
            // Before anything is compared.
            match self.dry_run {
                true => rankine_surgery::check_apart(output.target, &output.inputs)?,
                false => output.check()?,
            }
        }
        let mut base = AdapterBase::open(path)?;
        let adapter = rankine_run::open_adapter(path, folder)?;
        adapters::warn(context, (&self.base, path), folder, &adapter);
        base.fit_head(&adapter, folder)?;
        let names = adapter.low_rank.keys().chain(adapter.replaced.keys()).map(String::as_str);
        let tensors = Named::like(base.tensors(), names);
        let mut stages = Stages::new(context);
        let merged = Merged::watched(&tensors, &adapter, &mut |progress| stages.see(progress))?;
        let pair = rankine_surgery::pair([&tensors, &merged], [path, folder])?;
        let subject = match &base {
            AdapterBase::Texts(base) => Subject::Texts(base),
            AdapterBase::Images(base) => Subject::Images(base),
        };
        let mut found = self.found(pair, &|module| subject.is_head(module), &mut stages)?;
        if let (Some(mitigation), Some(output)) = (self.mitigation(), &output) {
            let kept = if self.exact { KeptRank::Exact } else { KeptRank::Same };
            let watch = &mut |progress: Progress| stages.see(progress);
            let (conversion, matrices) = mitigation.of_adapter(&tensors, &adapter, kept, watch)?;
            let (lost, bytes) = (Some(conversion.relative), conversion.adapter.bytes());
            let room = Room::ask(context, output.target, bytes, self.dry_run)?;
            if !self.dry_run {
                let classes = rankine_run::classes_file(&adapter, folder)?;
                let companion = classes.as_ref().map(|(name, text)| (*name, text.as_bytes()));
                output.write_with(&conversion.adapter, companion)?;
            }
            found.scaled = Some(Scaled { matrices, lost, bytes, room });
        }
        Ok(found)
    }

    fn found(
        &self,
        pair: Pair<'_>,
        is_head: &dyn Fn(&str) -> bool,
        stages: &mut Stages<'_>,
    ) -> anyhow::Result<Found> {
        let mut see = |stage: Stage, rankine_analyze::Progress { done, total }| {
            stages.see(Progress { stage, done, total })
        };
        let changes = rankine_analyze::changes(pair, &mut |progress| see(Stage::Comparing, progress))?;
        let matrices = match self.intruders {
            true => {
                let is_body =
                    |change: &&TensorChange| !change.name.strip_suffix(".weight").is_some_and(is_head);
                let body: Vec<TensorChange> = changes.iter().filter(is_body).cloned().collect();
                let watch = &mut |progress| see(Stage::Decomposing, progress);
                rankine_analyze::spectra(pair, &body, self.top, watch)?
            }
            false => Vec::new(),
        };
        let not_compared = rankine_analyze::not_compared(pair);
        Ok(Found { changes, not_compared, matrices, scaled: None })
    }

    fn mitigation(&self) -> Option<Mitigation> {
        let &Self { epsilon, top, .. } = self;
        self.mitigate.map(|factor| Mitigation { epsilon, top, factor })
    }

    /// How a model is written.
    fn options(&self, context: &Context, base: &Path, tuned: &Opened) -> anyhow::Result<WriteOptions> {
        Ok(WriteOptions {
            existing: self.existing(),
            inputs: vec![base.to_owned()],
            extra_files: tokenizers::companions(tuned)?,
            resume: Some(self.resume.resume(context)),
            ..WriteOptions::default()
        })
    }

    fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Refuse }
    }
}
