//! `rankine adapter convert`: any adapter that is read, as a plain LoRA.

use super::recompressed::{KeepArgs, OutputArgs};
use crate::stages::Stages;
use crate::{Context, Exit, model};
use anyhow::Context as _;
use rankine_checkpoint::module_names::{self, Named};
use rankine_checkpoint::{Adapter, Tensors};
use rankine_run::AdapterBase;
use rankine_surgery::{Conversion, Keep, OtherKind, Watch};
use std::path::{Path, PathBuf};

/// Make a plain LoRA of an adapter
///
/// PiSSA and OLoRA that stand on an altered base, DoRA, rslora and patterns of scales become factors that every reader of LoRA
/// takes: alpha is the rank, nothing is altered on loading. Every change is decomposed again (QR of both factors, SVD of the
/// small product between) and cut to --rank or --energy; without these, directions that are no more than rounding are left
/// out. Modules trained whole, such as heads and all of LN_TUNING, stay whole, in `modules_to_save`; biases and new rows stay
/// too. Says how far every module is from what it was. Adapters of vision transformers get the names of transformers 5.
///
/// Of peft's other kinds, ADALORA, DELORA, HRA, MISS, OSF, VBLORA, VERA and small LOHA and LOKR are factors already; BOFT, IA3,
/// OFT, RANDLORA, SHIRA, `bat` of MISS and large LOHA and LOKR are of full rank and need --rank or --energy. Convolutions of LORA,
/// IA3, LOHA and LOKR, and those of OFT that are 1 × 1, are converted too, unless they are depthwise.
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

/// What is converted.
enum Source {
    Lora(Box<Adapter>),
    Other(Box<OtherKind>),
}

impl Source {
    fn open(base: &Path, folder: &Path) -> anyhow::Result<Self> {
        Ok(match OtherKind::open(folder)? {
            Some(other) => Self::Other(Box::new(other)),
            None => Self::Lora(Box::new(rankine_run::open_adapter(base, folder)?)),
        })
    }

    /// What it has of a LoRA.
    fn adapter(&self) -> &Adapter {
        match self {
            Self::Lora(adapter) => adapter,
            Self::Other(other) => other.rest(),
        }
    }

    /// Modules and tensors that it changes.
    fn names(&self) -> Vec<&str> {
        let Adapter { low_rank, replaced, .. } = self.adapter();
        let mut names: Vec<&str> = low_rank.keys().chain(replaced.keys()).map(String::as_str).collect();
        if let Self::Other(other) = self {
            names.extend(other.modules());
        }
        names
    }

    fn convert(
        &self,
        base: &dyn Tensors,
        keep: Keep,
        watch: &mut Watch,
    ) -> rankine_surgery::Result<Conversion> {
        match self {
            Self::Lora(adapter) => rankine_surgery::convert(base, adapter, keep, watch),
            Self::Other(other) => other.convert(base, keep, watch),
        }
    }
}

impl Convert {
    /// Converts, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Kind::Lora = self.to;
        let path = model::find(context, &self.base)?;
        let mut base = AdapterBase::open(&path)?;
        let source = Source::open(&path, &self.adapter)?;
        base.fit_head(source.adapter(), &self.adapter)?;
        let classes = rankine_run::classes_file(source.adapter(), &self.adapter)?;
        let warning = rankine_run::warning(&self.adapter, source.adapter());
        warning.iter().for_each(|warning| context.say(warning));
        let converting = || format!("while converting `{}`", self.adapter.display());
        let output = self.output.output(vec![self.adapter.clone(), path]);
        output.check().with_context(converting)?;
        let mut stages = Stages::new(context);
        let keep = self.keep.keep().unwrap_or_default();
        let tensors = Named::like(base.tensors(), source.names());
        let mut conversion =
            source.convert(&tensors, keep, &mut |progress| stages.see(progress)).with_context(converting)?;
        drop(stages);
        conversion.rename(module_names::of_transformers);
        let companion = classes.as_ref().map(|(name, text)| (*name, text.as_bytes()));
        output.write_with(&conversion.adapter, companion).with_context(converting)?;
        self.output.show(context, &conversion)?;
        Ok(Exit::Done)
    }
}
