//! `rankine adapter combine`: several adapters of one base as one.

use super::recompressed::{InPeft, KeepArgs, ROUNDING};
use crate::errors::Failure;
use crate::output::OutputArgs;
use crate::stages::Stages;
use crate::{Context, Exit, adapters, model};
use anyhow::Context as _;
use rankine_checkpoint::module_names::{self, Named};
use rankine_checkpoint::{Adapter, Tensors};
use rankine_report::format;
use rankine_run::AdapterBase;
use rankine_surgery::{Apart, Combination, Keep, Share, Watch, factors_apart};
use std::path::{Path, PathBuf};

/// Make one adapter of several
///
/// The result changes every weight by the weighted sum of the changes of all. `linear` here is that sum itself; peft's
/// combination of this name adds the factors A and B apart, which gives another matrix, with products of one adapter's B and
/// another's A in it. Modules trained whole, such as heads, are summed likewise; where the weights do not sum to 1 the base has
/// its share in them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Combine {
    /// Directories of the adapters
    #[arg(required = true, value_name = "ADAPTER")]
    adapters: Vec<PathBuf>,
    /// A weight for each adapter, with commas between; one below 0 takes a change away
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, required = true, value_name = "W,W,…")]
    weights: Vec<f64>,
    /// How they are combined
    #[arg(long, default_value = "svd")]
    method: Method,
    #[command(flatten)]
    keep: KeepArgs,
    /// For `ties` and `dare`: share of the entries of every change that stays, above 0 and at most 1
    #[arg(long, value_name = "SHARE")]
    density: Option<f64>,
    /// For `dare`: seed of the chance by which entries stay
    #[arg(long, default_value = "0")]
    seed: u64,
    /// The base: needed for DoRA, for adapters on an altered base (PiSSA, OLoRA), and for whole modules where the weights do not
    /// sum to 1; with it, all adapters are checked
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  rankine adapter combine runs/a runs/b --weights 0.7,0.3 --output runs/both
  rankine adapter combine runs/a runs/b --weights 0.7,0.3 --method svd --rank 16 --output runs/both
  rankine adapter combine runs/a runs/b --weights 1,-0.5 --method cat --output runs/difference
  rankine adapter combine runs/a runs/b --weights 0.5,0.5 --method linear --base smollm2-135m --output runs/mean
  rankine adapter combine runs/a runs/b --weights 1,1 --method ties --density 0.2 --rank 16 --output runs/ties";

/// Ways to combine.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Method {
    /// Factors side by side: exact, ranks add up
    Cat,
    /// The sum, cut to --rank or --energy; without these, to the largest rank of the adapters
    Svd,
    /// The sum, with every direction that is more than rounding, or cut to --rank or --energy
    Linear,
    /// Of every change the largest entries; those of the elected sign averaged; cut as svd
    Ties,
    /// Of every change some entries by chance, made larger for it; their sum; cut as svd
    Dare,
}

impl Combine {
    /// Combines, and tells how well.
    pub fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.weights.len() != self.adapters.len() {
            let message = format!("{} adapters have {} weights", self.adapters.len(), self.weights.len());
            return Err(Failure::with_hint(message, "give `--weights` one number for each adapter").into());
        }
        let path = self.base.as_ref().map(|base| model::find(context, base)).transpose()?;
        let mut base = path.as_deref().map(AdapterBase::open).transpose()?;
        let open = |folder: &PathBuf| match &path {
            Some(path) => Ok::<Adapter, anyhow::Error>(rankine_run::open_adapter(path, folder)?),
            None => Ok(Adapter::open(folder)?),
        };
        let mut adapters = self.adapters.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        self.check_bases(&adapters)?;
        self.warn(context, &adapters, path.as_deref());
        let how = self.combination(&adapters)?;
        let classes = self.classes(&adapters)?;
        let combining = "while combining the adapters";
        for (folder, adapter) in self.adapters.iter().zip(&mut adapters) {
            settle(base.as_mut(), folder, adapter).context(combining)?;
        }
        let output = self.output.output(self.adapters.iter().cloned().chain(path.clone()).collect());
        self.output.check(&output).context(combining)?;
        let pairs = adapters.iter().zip(&self.weights);
        let shares: Vec<_> = pairs.map(|(adapter, &weight)| Share { adapter, weight }).collect();
        let mut stages = Stages::new(context);
        let names =
            adapters.iter().flat_map(|adapter| adapter.low_rank.keys().chain(adapter.replaced.keys()));
        let named = base.as_ref().map(|base| Named::like(base.tensors(), names.map(String::as_str)));
        let tensors = named.as_ref().map(|named| named as &dyn Tensors);
        let combined = rankine_surgery::combine(&shares, tensors, how, &mut |progress| stages.see(progress))
            .context(combining)?;
        let in_peft = self.in_peft(&shares, &mut |progress| stages.see(progress)).context(combining)?;
        drop(stages);
        let companion = classes.as_ref().map(|(name, text)| (*name, text.as_bytes()));
        let room = self.output.write(context, &output, (&combined.adapter, companion)).context(combining)?;
        self.output.show_beside(context, (&combined, room), in_peft.as_ref())?;
        Ok(Exit::Done)
    }

    fn combination(&self, adapters: &[Adapter]) -> anyhow::Result<Combination> {
        let ranks =
            adapters.iter().flat_map(|adapter| adapter.low_rank.values()).map(|low_rank| low_rank.rank);
        let asked = self.keep.keep();
        let keep = asked.unwrap_or_else(|| Keep::Rank(ranks.max().unwrap_or(1)));
        let wrong = |message: &str, hint: &str| Err(Failure::with_hint(message, hint).into());
        match (self.method, self.density) {
            (Method::Cat, _) if asked.is_some() => {
                let hint = "use `--method svd` to cut the sum, or leave `--rank` and `--energy` out";
                wrong("`--method cat` keeps everything", hint)
            }
            (Method::Cat, None) => Ok(Combination::Cat),
            (Method::Svd, None) => Ok(Combination::Sum(keep)),
            (Method::Linear, None) => Ok(Combination::Sum(asked.unwrap_or_default())),
            (Method::Ties, Some(density)) => Ok(Combination::Ties { density, keep }),
            (Method::Dare, Some(density)) => Ok(Combination::Dare { density, seed: self.seed, keep }),
            (Method::Ties | Method::Dare, None) => {
                wrong("this method leaves entries out", "say how many stay, for example `--density 0.2`")
            }
            (_, Some(_)) => wrong("`--density` is for `ties` and `dare`", "leave it out"),
        }
    }

    /// What peft makes of the same method, where that is something else.
    fn in_peft(&self, shares: &[Share], watch: &mut Watch) -> rankine_surgery::Result<Option<InPeft>> {
        let apart =
            |name: &str| format!("peft's `{name}` looks at the factors A and B apart, not at changes");
        let is_rslora = shares.first().is_some_and(|share| share.adapter.config.rslora);
        let sums = if is_rslora { "" } else { "; its `cat` and `svd` are sums" };
        let (difference, note) = match self.method {
            Method::Cat | Method::Svd if is_rslora => (None, "peft's combination is this sum".to_owned()),
            Method::Cat | Method::Svd => return Ok(None),
            Method::Ties => (None, format!("{}; its `ties_svd` looks at changes", apart("ties"))),
            Method::Dare => {
                (None, format!("{}; its `dare_linear_svd` looks at changes", apart("dare_linear")))
            }
            Method::Linear => match factors_apart(shares, watch)? {
                Apart::Distance(distance) if distance < ROUNDING => return Ok(None),
                Apart::Distance(distance) => (
                    Some(distance),
                    format!(
                        "peft's `linear` adds the factors A and B apart: of these adapters it makes a change that is {} of \
                         the sum away from it{sums}",
                        format::percent(distance)
                    ),
                ),
                Apart::Refused => (None, "peft's `linear` refuses adapters of different ranks".to_owned()),
                Apart::Unknown => (None, format!("{}{sums}", apart("linear"))),
            },
        };
        // It keeps this setting of the first adapter, and takes the rank for alpha.
        let note = match is_rslora {
            true => format!("{note}; with rslora it reads all that it combines √rank times as large"),
            false => note,
        };
        Ok(Some(InPeft { difference, note }))
    }

    /// An error where one stands on the residual base of its run and another one does not: their changes are not of one
    /// matrix.
    fn check_bases(&self, adapters: &[Adapter]) -> anyhow::Result<()> {
        for (folder, adapter) in self.adapters.iter().zip(adapters) {
            for other in adapters.iter().filter(|other| other.config.base_model != adapter.config.base_model)
            {
                let base = other.config.base_model.as_deref().unwrap_or_default();
                rankine_run::check_base(Path::new(base), folder, &adapter.config)?;
            }
        }
        Ok(())
    }

    /// The file with the names of the classes that belongs beside the result.
    fn classes(&self, adapters: &[Adapter]) -> anyhow::Result<Option<(&'static str, String)>> {
        let files = self.adapters.iter().zip(adapters);
        let files = files.map(|(folder, adapter)| rankine_run::classes_file(adapter, folder));
        let mut files = files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        let first = files.next();
        if files.any(|other| first.as_ref() != Some(&other)) {
            let message = "the heads of the adapters tell other classes apart, or have them in another order";
            return Err(Failure::with_hint(message, "only heads of the same classes can be combined").into());
        }
        Ok(first)
    }

    fn warn(&self, context: &Context, adapters: &[Adapter], base: Option<&Path>) {
        let base = self.base.as_deref().zip(base);
        for (folder, adapter) in self.adapters.iter().zip(adapters) {
            match base {
                Some(base) => adapters::warn(context, base, folder, adapter),
                None => rankine_run::warning(folder, adapter).iter().for_each(|warning| context.say(warning)),
            }
        }
        let bases = adapters::bases(adapters);
        if 1 < bases.len() {
            let names = bases.join("`, `");
            context.say(format!("warning: the adapters name different bases: `{names}`"));
        }
    }
}

/// Gives the base the head that an adapter brings, and the adapter the names of transformers 5.
fn settle(mut base: Option<&mut AdapterBase>, folder: &Path, adapter: &mut Adapter) -> anyhow::Result<()> {
    if let Some(base) = &mut base {
        base.fit_head(adapter, folder)?;
    }
    // Other names make lists of its targets: what these call for is looked at before.
    if let Some(base) = base
        && module_names::is_old(adapter)
    {
        adapter.check(base.tensors())?;
    }
    adapter.rename(module_names::of_transformers);
    Ok(())
}
