//! `rankine interaction`: what of a network does something, and how its parts act on each other.

mod graph;
mod show;

use crate::interrupt::Interrupt;
use crate::pages::PageFile;
use crate::{Context, Exit, bar, model};
use anyhow::Context as _;
use rankine_analyze::Progress;
use rankine_analyze::interaction::{Coordinates, Integration, Interaction, Settings};
use rankine_run::{DataSection, Modules, Shown, TargetSection};
use std::path::{Path, PathBuf};

/// Find what of a network does something, and how its features act on each other
///
/// Of every layer, which is what one or more maps read: how many directions its activations span on the data, how many its
/// gradients, and how many matter for the outputs, in the interaction basis of Bushnaq et al.; units of ReLUs that always fire
/// together; how many directions of every matrix change nothing at all. The strongest features of a layer are joined with those of
/// the next by how much they act on them, and the modules of that graph are found. How much is told by gradients at the point
/// itself, or by gradients integrated on the way there from the mean of the layer, which add up to what is gained on it. For
/// language models of all families that `rankine generate` runs, and for classifiers of texts and of images; a language model of
/// many layers is best looked at in parts, with --target. Nothing is changed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InteractionCommand {
    /// Known name, hub repository, directory or .gguf file
    model: String,
    /// What it is shown: a text, or a format of `rankine train`; of classifiers labelled texts or images
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Examples of them that are read, the first ones; of a text windows
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Examples of a pass
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Tokens of a window of text, and at most of other examples
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    max_length: u32,
    /// Column of the texts that a classifier tells apart; `text` when absent
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Column of the labels; `label` when absent
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Maps to look at: names with commas between, or an expression for whole names; all that see the data when absent
    #[arg(long, value_name = "NAMES")]
    target: Option<String>,
    /// In which coordinates features and edges are
    #[arg(long, default_value = "interaction")]
    basis: Basis,
    /// Eigenvalues up to this share of the largest count as none
    #[arg(long, default_value_t = Settings::default().tolerance, value_name = "SHARE")]
    tolerance: f64,
    /// Features of a layer that are joined with those of the next, the most important ones; 0 for no graph
    #[arg(long, default_value_t = Settings::default().features, value_name = "N")]
    features: usize,
    /// Batches that edges are measured on: each costs a pass for every feature
    #[arg(long, default_value_t = Settings::default().edge_batches, value_name = "N")]
    edge_batches: usize,
    /// Integrate the gradients of edges by this rule; they are taken at the point itself when absent
    #[arg(long, value_name = "RULE")]
    integration_method: Option<Rule>,
    /// Intervals of the rule, which has one point more: each costs as much as all edges by plain gradients
    #[arg(
        long,
        default_value_t = 5,
        value_name = "N",
        requires = "integration_method",
        value_parser = clap::value_parser!(u16).range(..=1000)
    )]
    intervals: u16,
    /// Random sums of outputs that are derived where there are more outputs than that
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sources: u32,
    /// γ of the modules: the larger, the more of them
    #[arg(long, default_value_t = Settings::default().resolution, value_name = "GAMMA")]
    resolution: f64,
    /// Seed of the random sums
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Write a page with spectra and maps of the edges here
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON, with all eigenvalues and edges
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  rankine interaction ./vit --data digits --html interaction.html
  rankine interaction ./classifier --data reviews.csv --label-column stars --samples 200
  rankine interaction smollm2-135m --data book.txt --target 'model.layers.[0-3].mlp.*'
  rankine interaction ./vit --data digits --basis local --features 32
  rankine interaction ./resnet --data digits --basis neurons --features 32 --json
  rankine interaction ./vit --data digits --integration-method gauss-legendre --html edges.html";

/// Coordinates of a layer.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Basis {
    /// Directions by how much they matter for the outputs
    Interaction,
    /// Directions by how much they matter for the features of the next layer
    Local,
    /// Principal directions, by their variance
    Pca,
    /// The units as they are, by their variance
    Neurons,
}

impl Basis {
    fn coordinates(self) -> Coordinates {
        match self {
            Self::Interaction => Coordinates::Interaction,
            Self::Local => Coordinates::Local,
            Self::Pca => Coordinates::Principal,
            Self::Neurons => Coordinates::Neurons,
        }
    }
}

/// How gradients are integrated.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Rule {
    /// At evenly spaced points
    Trapezoidal,
    /// At the points of Gauss and Legendre
    GaussLegendre,
}

impl InteractionCommand {
    /// Looks, and tells.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let path = model::find(context, &self.model)?;
        let file = PageFile::html(self.html.as_deref(), vec![path.clone(), self.data.clone()])?;
        let found = self.found(context, &path);
        let found = found.with_context(|| format!("while looking into `{}`", self.model))?;
        file.write(|| self.whole(&found))?;
        match self.json {
            true => context.show_json(&self.report(&found))?,
            false => context.show(&self.brief(&found))?,
        }
        Ok(Exit::Done)
    }

    fn found(&self, context: &Context, path: &Path) -> anyhow::Result<Interaction> {
        let data = DataSection {
            text_column: self.text_column.clone(),
            label_column: self.label_column.clone(),
            max_length: self.max_length as usize,
            ..DataSection::new(&self.data)
        };
        let targets =
            |named: &String| TargetSection { modules: Modules::named(named), ..TargetSection::default() };
        let shown = Shown {
            samples: self.samples as usize,
            batch: self.batch_size as usize,
            sources: self.sources as usize,
            targets: self.target.as_ref().map(targets),
            seed: self.seed,
        };
        let settings = Settings {
            tolerance: self.tolerance,
            coordinates: self.basis.coordinates(),
            features: self.features,
            edge_batches: self.edge_batches,
            integration: self.integration(),
            resolution: self.resolution,
            seed: self.seed,
            ..Settings::default()
        };
        let (interrupt, bar) = (Interrupt::listen(), bar::counting(context, "deriving", 0));
        let watch = &mut |Progress { done, total }| {
            bar.set_of(done, total);
            interrupt.flow()
        };
        Ok(rankine_run::interaction(path, &data, (&shown, &settings), watch)?)
    }

    fn integration(&self) -> Integration {
        let intervals = usize::from(self.intervals);
        match self.integration_method {
            None => Integration::Gradient,
            Some(Rule::Trapezoidal) => Integration::Trapezoidal { intervals },
            Some(Rule::GaussLegendre) => Integration::GaussLegendre { intervals },
        }
    }
}
