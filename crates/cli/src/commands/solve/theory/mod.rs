//! `rankine solve theory`: closed forms, from a spectrum or its powers; one file a form.

mod distillation;
mod dynamics;
mod fitting;
mod random_features;

use crate::pages::PageFile;
use crate::{Context, Exit};
use anyhow::Result;
use rankine_report::{Lines, Page};
use serde::Serialize;

/// Say what a method will do by a closed form, without running it
///
/// Self-distillation, the training of linear networks, and regression on random features, each from eigenvalues, or from the power
/// by which they fall.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Theory {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rankine solve theory distillation --spectrum d.npy --ridge 0.1 --truth 0.2 --output shrinkage.npz
  rankine solve theory dynamics --ratio 0.5 --signal 5 --html errors.html
  rankine solve theory random-features --powers 1.5 1.2 --noise 0.1 --samples 1000 --features 100,1000,inf
  rankine solve theory fitting --powers 1.17 1.14 --noise 0,1,5,50";

/// Which form.
#[derive(clap::Subcommand)]
enum Command {
    Distillation(distillation::Distillation),
    Dynamics(dynamics::Dynamics),
    RandomFeatures(random_features::RandomFeatures),
    Fitting(fitting::Fitting),
}

impl Theory {
    /// Says it.
    pub fn run(&self, context: &Context) -> Result<Exit> {
        match &self.command {
            Command::Distillation(command) => command.run(context),
            Command::Dynamics(command) => command.run(context),
            Command::RandomFeatures(command) => command.run(context),
            Command::Fitting(command) => command.run(context),
        }
    }
}

/// Shows an answer, as JSON where that is asked for; the page of the file has its plot.
fn show(
    context: &Context,
    (file, json): (&PageFile, bool),
    page: Page,
    plot: Lines,
    answer: &impl Serialize,
) -> Result<Exit> {
    let mut whole = page.clone();
    whole.plot(plot);
    file.write(|| whole)?;
    match json {
        true => context.show_json(answer)?,
        false => context.show(&page)?,
    }
    Ok(Exit::Done)
}
