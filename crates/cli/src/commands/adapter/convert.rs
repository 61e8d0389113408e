//! `rankine adapter convert`: any adapter that is read, as a plain LoRA.

use super::recompressed::KeepArgs;
use crate::errors::Failure;
use crate::output::OutputArgs;
use crate::stages::Stages;
use crate::{Context, Exit, adapters, model};
use anyhow::Context as _;
use rankine_checkpoint::adapter::{Origin, Replacement};
use rankine_checkpoint::module_names::{self, Named};
use rankine_checkpoint::{Adapter, Tensors};
use rankine_run::AdapterBase;
use rankine_surgery::{Beginning, Conversion, Keep, OtherKind, Progress, Watch};
use std::path::{Path, PathBuf};

/// Make a plain LoRA of an adapter
///
/// PiSSA and OLoRA that stand on an altered base, DoRA, rslora and patterns of scales become factors that every reader of LoRA
/// takes: alpha is the rank, nothing is altered on loading. Every change is decomposed again (QR of both factors, SVD of the
/// small product between) and cut to --rank or --energy; without these, directions that are no more than rounding are left
/// out. Modules trained whole, such as heads and all of LN_TUNING, stay whole, in `modules_to_save`; with --rank or --energy linear
/// layers and convolutions among them become factors of what training changed. Biases and new rows stay. Says how far every
/// module is from what it was. Adapters of vision transformers get the names of transformers 5.
///
/// Of initialisations that altered the base, `pissa` and `olora` are undone from the base alone. `pissa_niter_N`, `corda` and
/// `lora_ga` need the adapter as it was before the training, with --initial: exact, of twice the rank at most. `loftq`, and any
/// adapter that was trained on a residual or a quantised base, needs that base: the one that `rankine init` or `rankine train` left
/// beside the adapter is found, others are given with --residual. A rounded base needs --rank or --energy. `eva`, `mica`,
/// `orthogonal` and `gaussian` leave the base alone.
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
    /// Directory of the adapter as `save_pretrained` or `rankine init` wrote it before the training: its factors are what the
    /// initialisation took out of the base
    #[arg(long, value_name = "DIR", conflicts_with = "residual")]
    initial: Option<PathBuf>,
    /// The altered base that the adapter was trained on, where it is not the one that it names
    #[arg(long, value_name = "MODEL")]
    residual: Option<String>,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter convert runs/pissa --base smollm2-135m --output runs/plain
  rankine adapter convert runs/pissa --base smollm2-135m --rank 16 --output runs/small --dry-run
  rankine adapter convert downloaded/dora --base ./model --energy 0.99 --output runs/lora --json
  rankine adapter convert start --base smollm2-135m --output runs/plain
  rankine adapter convert runs/niter --base ./model --initial runs/niter-start --output runs/plain
  rankine adapter convert runs/loftq --base ./model --residual ./model-4bit --rank 32 --output runs/plain";

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
        beginning: Beginning,
        keep: Keep,
        watch: &mut Watch,
    ) -> rankine_surgery::Result<Conversion> {
        match self {
            Self::Lora(adapter) => rankine_surgery::convert_from(base, adapter, beginning, keep, watch),
            Self::Other(other) => other.convert(base, keep, watch),
        }
    }
}

impl Convert {
    /// Converts, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let Kind::Lora = self.to;
        let path = model::find(context, &self.base)?;
        let source = self.source()?;
        let residual = self.residual(context, &path, &source)?;
        if residual.is_none() {
            rankine_run::check_base(&path, &self.adapter, &source.adapter().config)?;
        }
        let initial = self.initial.as_deref().map(Adapter::open).transpose()?;
        let base = self.model(&path, &source)?;
        let altered = residual.as_deref().map(|residual| self.model(residual, &source)).transpose()?;
        let classes = rankine_run::classes_file(source.adapter(), &self.adapter)?;
        // The adapter may name the base or the altered one.
        let config = &source.adapter().config;
        let is_of_base = adapters::other_base((&self.base, &path), &self.adapter, config).is_none();
        let named = |altered: &Path| self.residual.clone().unwrap_or_else(|| altered.display().to_string());
        let (name, place) = match residual.as_deref() {
            Some(altered) if !is_of_base => (named(altered), altered),
            _ => (self.base.clone(), path.as_path()),
        };
        adapters::warn(context, (&name, place), &self.adapter, source.adapter());
        let converting = || format!("while converting `{}`", self.adapter.display());
        let read = [Some(&self.adapter), Some(&path), self.initial.as_ref(), residual.as_ref()];
        let output = self.output.output(read.into_iter().flatten().cloned().collect());
        self.output.check(&output).with_context(converting)?;
        let mut stages = Stages::new(context);
        let keep = self.keep.keep().unwrap_or_default();
        let tensors = Named::like(base.tensors(), source.names());
        let altered = altered.as_ref().map(|altered| Named::like(altered.tensors(), source.names()));
        let beginning = match (&initial, &altered) {
            (Some(initial), _) => Beginning::Initial(initial),
            (None, Some(altered)) => Beginning::Residual(altered),
            (None, None) => Beginning::Recomputed,
        };
        let watch = &mut |progress: Progress| stages.see(progress);
        let mut conversion = source.convert(&tensors, beginning, keep, watch).with_context(converting)?;
        drop(stages);
        if initial.is_some() || altered.is_some() {
            // It may have named the altered base.
            conversion.adapter.config.base_model = Some(model::lasting_name(&self.base)?);
        }
        conversion.rename(module_names::of_transformers);
        let companion = classes.as_ref().map(|(name, text)| (*name, text.as_bytes()));
        let made = (&conversion.adapter, companion);
        let room = self.output.write(context, &output, made).with_context(converting)?;
        self.output.show(context, &conversion, room)?;
        if let Some(note) = note_on_whole(&conversion, keep) {
            context.say(note);
        }
        Ok(Exit::Done)
    }

    /// The adapter.
    fn source(&self) -> anyhow::Result<Source> {
        Ok(match OtherKind::open(&self.adapter)? {
            Some(other) if self.initial.is_some() || self.residual.is_some() => {
                let message = format!("adapters of type `{}` stand on the base as it is", other.kind());
                let hint = "leave `--initial` and `--residual` out; where that was an altered base, convert it for that one first, and \
                            what comes of it with `--residual`";
                return Err(Failure::with_hint(message, hint).into());
            }
            Some(other) => Source::Other(Box::new(other)),
            None => Source::Lora(Box::new(Adapter::open(&self.adapter)?)),
        })
    }

    /// The altered base: the one that is given, or that the adapter says it was trained on, where that is still there.
    fn residual(&self, context: &Context, base: &Path, source: &Source) -> anyhow::Result<Option<PathBuf>> {
        let config = &source.adapter().config;
        if let Some(residual) = &self.residual {
            let place = model::find(context, residual)?;
            // The base that it names is altered on loading; one that the initialisation left is not.
            let named = config.base_model.as_deref().and_then(|named| Path::new(named).canonicalize().ok());
            let is_named = named.is_some() && named == place.canonicalize().ok();
            return if is_named && config.initialisation.alters_base() {
                Err(self.in_two_steps(&place))
            } else {
                Ok(Some(place))
            };
        }
        let Some(own) = rankine_run::residual_of(base, &self.adapter, config).filter(|own| own.is_dir())
        else {
            return Ok(None);
        };
        let (adapter, place) = (self.adapter.display(), own.display());
        if self.initial.is_some() {
            let message =
                format!("`{adapter}` was trained on `{place}`, which tells what was taken out of the base");
            return Err(Failure::with_hint(message, "leave `--initial` out").into());
        }
        if matches!(source, Source::Other(_)) || config.initialisation.alters_base() {
            return Err(self.in_two_steps(&own));
        }
        context.say(format!("note: `{adapter}` was trained on `{place}`, which is read too"));
        Ok(Some(own))
    }

    /// That an adapter alters the altered base at `place` itself, so that one reading of both does not tell what it changes.
    fn in_two_steps(&self, place: &Path) -> anyhow::Error {
        let (adapter, place) = (self.adapter.display(), place.display());
        let message = format!("`{adapter}` changes `{place}`, on which it was trained, in a way of its own");
        let hint = format!(
            "convert it for `{place}` first (`--base {place}`), and what comes of it for the original"
        );
        Failure::with_hint(message, hint).into()
    }

    /// A model with the head that the adapter brings.
    fn model(&self, path: &Path, source: &Source) -> anyhow::Result<AdapterBase> {
        let mut model = AdapterBase::open(path)?;
        model.fit_head(source.adapter(), &self.adapter)?;
        Ok(model)
    }
}

/// Why matrices that were trained whole are still so.
fn note_on_whole(conversion: &Conversion, keep: Keep) -> Option<&'static str> {
    let is_matrix = |whole: &Replacement| whole.origin == Origin::Module && 1 < whole.shape.len();
    conversion.adapter.replaced.values().any(is_matrix).then_some(match keep {
        Keep::Exact => {
            "note: `--rank` or `--energy` makes factors of linear layers and convolutions that were trained whole"
        }
        Keep::Rank(_) | Keep::Energy(_) => {
            "note: of what was trained whole, linear layers and convolutions are cut; embeddings and heads of classifiers stay"
        }
    })
}
