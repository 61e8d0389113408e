//! `rankine adapter convert`: any adapter that is read, as a plain LoRA.

use super::recompressed::{KeepArgs, OutputArgs};
use crate::stages::Stages;
use crate::{Context, Exit, model};
use anyhow::Context as _;
use rankine_checkpoint::Checkpoint;
use std::path::PathBuf;

/// Make a plain LoRA of an adapter
///
/// PiSSA and OLoRA that stand on an altered base, DoRA, rslora and patterns of scales become factors that every reader of LoRA
/// takes: alpha is the rank, nothing is altered on loading. Every change is decomposed again (QR of both factors, SVD of the
/// small product between) and cut to --rank or --energy; without these, directions that are no more than rounding are left
/// out. Whole modules, biases and new rows stay as they are. Says how far every module is from what it was.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// Directory of the adapter
    adapter: PathBuf,
    /// Known name, hub repository, directory or .gguf file of the base
    #[arg(long, value_name = "MODEL")]
    base: String,
    /// What to make
    #[arg(long, default_value = "lora")]
    to: Kind,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter convert runs/pissa --base smollm2-135m --output runs/plain
  rankine adapter convert runs/pissa --base smollm2-135m --rank 16 --output runs/small
  rankine adapter convert downloaded/dora --base ./model --energy 0.99 --output runs/lora --json";

/// Kinds of adapters that can be made.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Two factors a module, one alpha
    Lora,
}

impl Convert {
    /// Converts, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Kind::Lora = self.to;
        let path = model::find(context, &self.base)?;
        let base = Checkpoint::open(&path)?;
        let adapter = rankine_run::open_adapter(&path, &self.adapter)?;
        rankine_run::warning(&self.adapter, &adapter).iter().for_each(|warning| context.say(warning));
        let converting = || format!("while converting `{}`", self.adapter.display());
        let output = self.output.output(vec![self.adapter.clone(), path]);
        output.check().with_context(converting)?;
        let mut stages = Stages::new(context);
        let keep = self.keep.keep().unwrap_or_default();
        let conversion =
            rankine_surgery::convert(base.tensors(), &adapter, keep, &mut |progress| stages.see(progress))
                .with_context(converting)?;
        drop(stages);
        output.write(&conversion.adapter).with_context(converting)?;
        self.output.show(context, &conversion)?;
        Ok(Exit::Done)
    }
}
