//! Several adapters of one base as one.
//!
//!     Δ = Σ wᵢ·Δᵢ
//!
//! `Cat` puts the factors side by side, which is exact; `Sum` decomposes that sum again; `Ties` and `Dare` leave entries of
//! the changes out first, see `sparse`. Modules trained whole, such as heads, are summed whatever the method, see `whole`.
//! Departures from peft, which refuses whole modules of one name, and whose `linear`, `ties` and `dare` look at A and B apart,
//! which makes other matrices, see `apart`. Here sums are always sums of changes.

use super::assemble::{Part, assemble};
use super::change::{Change, Piece, Site};
use super::convert::{Conversion, needs_base, sites};
use super::keep::Keep;
use super::sparse::{self, Weighted};
use super::whole;
use crate::merged::Merged;
use crate::progress::in_groups;
use crate::{Error, Result, Stage, Watch};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::LayerKind;
use rankine_checkpoint::{Adapter, Tensors};
use rankine_random::Rng;

/// An adapter and its weight in the sum.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// The adapter.
    pub adapter: &'a Adapter,
    /// w; below 0 takes the change away.
    pub weight: f64,
}

/// How changes are combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combination {
    /// Factors side by side: ranks add up, nothing is lost.
    Cat,
    /// The sum, decomposed again and cut.
    Sum(Keep),
    /// Of every change the largest entries, those of the elected sign averaged (TIES), decomposed and cut.
    Ties {
        /// Share of the entries that stay; above 0, at most 1.
        density: f64,
        /// How much of the result is kept; it is of full rank.
        keep: Keep,
    },
    /// Of every change some entries by chance, made larger for it, summed (DARE), decomposed and cut.
    Dare {
        /// Chance of an entry to stay; above 0, at most 1.
        density: f64,
        /// Seed of the chance.
        seed: u64,
        /// How much of the result is kept; it is of full rank.
        keep: Keep,
    },
}

impl Combination {
    fn keep(self) -> Keep {
        match self {
            Self::Cat => Keep::Exact,
            Self::Sum(keep) | Self::Ties { keep, .. } | Self::Dare { keep, .. } => keep,
        }
    }

    fn check(self) -> Result<()> {
        self.keep().check()?;
        match self {
            Self::Ties { density, .. } | Self::Dare { density, .. } if !(0.0 < density && density <= 1.0) => {
                let (name, expected) = ("density", "above 0 and at most 1");
                Err(Error::Setting { name, expected, found: density.to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// Everything that is changed in one module.
struct Place<'a> {
    path: &'a str,
    /// Where each change comes from, and the share it has.
    sites: Vec<(&'a Site<'a>, f64)>,
}

/// The weighted sum of adapters, as a plain LoRA on the base that they have in common. `base` is needed where a change depends
/// on the base's numbers (an initialisation that altered them, DoRA); where it is given, every adapter has to fit it.
///
/// # Errors
/// When there is no adapter, a weight is not finite or all of them are 0; when adapters disagree about a module, train a bias
/// or bring new rows;
/// when the base is needed and not given; as [`convert`](crate::convert) otherwise.
pub fn combine(
    shares: &[Share],
    base: Option<&dyn Tensors>,
    how: Combination,
    watch: &mut Watch,
) -> Result<Conversion> {
    let setting = |name, expected, found| Error::Setting { name, expected, found };
    let first = shares.first().ok_or_else(|| setting("adapters", "1 or more", "none".to_owned()))?;
    if let Some(share) = shares.iter().find(|share| !share.weight.is_finite()) {
        return Err(setting("weights", "finite numbers", share.weight.to_string()));
    }
    if shares.iter().all(|share| share.weight == 0.0) {
        let found = shares.iter().map(|share| share.weight.to_string()).collect::<Vec<_>>().join(", ");
        return Err(setting("weights", "numbers that are not all 0", found));
    }
    how.check()?;
    whole::check(shares)?;
    let merged = shares.iter().map(|share| opened(share.adapter, base, watch)).collect::<Result<Vec<_>>>()?;
    let (replaced, saved) = whole::sum(shares, base)?;
    let with_merged = shares.iter().zip(&merged);
    let sites = with_merged
        .map(|(share, merged)| sites(share.adapter, merged.as_ref()))
        .collect::<Result<Vec<_>>>()?;
    let places = places(shares, &sites)?;
    let work = |place: &Place| place.piece(base, how);
    let pieces = in_groups(Stage::Recompressing, &places, work, watch)?;
    let biased = shares.iter().any(|share| share.adapter.config.lora_bias);
    let parts = places.iter().zip(pieces).map(|(place, piece)| Part {
        path: place.path.to_owned(),
        kind: place.kind(),
        output_bias: place.output_bias(piece.product.outputs).filter(|_| biased),
        piece,
    });
    let mut source = Adapter { config: first.adapter.config.clone(), replaced, ..Adapter::default() };
    source.config.targets.saved = saved;
    source.config.lora_bias = biased;
    source.config.ensure_weight_tying = false;
    Ok(assemble(&source, parts.collect(), how.keep()))
}

/// An adapter seen on the base, where its changes depend on it.
fn opened<'a>(
    adapter: &'a Adapter,
    base: Option<&'a dyn Tensors>,
    watch: &mut Watch,
) -> Result<Option<Merged<'a>>> {
    match base {
        Some(base) if needs_base(adapter) => Merged::watched(base, adapter, watch).map(Some),
        Some(base) => Ok(adapter.check(base).map(|()| None)?),
        None if needs_base(adapter) => Err(Error::NeedsBase { adapter: adapter.path.clone() }),
        None if !adapter.mismatch.is_empty() => {
            let fault = rankine_checkpoint::adapter::Fault::Mismatch(Box::new(adapter.mismatch.clone()));
            Err(rankine_checkpoint::Error::Adapter { path: adapter.path.clone(), fault }.into())
        }
        None => Ok(None),
    }
}

/// All modules, in the order in which they are met.
fn places<'a>(shares: &[Share], sites: &'a [Vec<Site<'a>>]) -> Result<Vec<Place<'a>>> {
    let mut places: IndexMap<&str, Place> = IndexMap::new();
    for (share, sites) in shares.iter().zip(sites) {
        for site in sites {
            let new = || Place { path: site.path, sites: Vec::new() };
            let place = places.entry(site.path).or_insert_with(new);
            if let Some((first, _)) = place.sites.first() {
                agree(first, site)?;
            }
            place.sites.push((site, share.weight));
        }
    }
    Ok(places.into_values().collect())
}

/// An error unless both can be changes of one weight.
fn agree(left: &Site, right: &Site) -> Result<()> {
    let sides = |site: &Site| site.low_rank.map(|low_rank| [low_rank.outputs, low_rank.inputs]);
    let pair = sides(left).zip(sides(right));
    match pair.filter(|(expected, found)| expected != found || left.kind() != right.kind()) {
        None => Ok(()),
        Some((expected, found)) => {
            let (expected, found) = (expected.to_vec(), found.to_vec());
            Err(Error::OtherShape { module: right.path.to_owned(), expected, found })
        }
    }
}

impl Place<'_> {
    fn piece(&self, base: Option<&dyn Tensors>, how: Combination) -> Result<Piece> {
        match how {
            Combination::Cat => self.sum(base)?.whole(self.path),
            Combination::Sum(keep) => self.sum(base)?.compress(self.path, keep),
            Combination::Ties { density, keep } => {
                let (changes, sides) = self.dense(base)?;
                Change::Dense(sparse::ties(changes, density), sides).compress(self.path, keep)
            }
            Combination::Dare { density, seed, keep } => {
                let (changes, sides) = self.dense(base)?;
                let rng = Rng::new(seed).fork("dare").fork(self.path);
                Change::Dense(sparse::dare(changes, density, &rng), sides).compress(self.path, keep)
            }
        }
    }

    /// Σ w·Δ.
    fn sum(&self, base: Option<&dyn Tensors>) -> Result<Change> {
        let changes = self.changes(base, |weight| weight)?.into_iter();
        changes.reduce(Change::plus).ok_or_else(|| Error::Factors { module: self.path.to_owned() })
    }

    /// Every Δ with its w; rows and columns.
    fn dense(&self, base: Option<&dyn Tensors>) -> Result<(Vec<Weighted>, [usize; 2])> {
        let changes = self.changes(base, |_| 1.0)?;
        let sides = changes.first().map_or([0, 0], Change::sides);
        let weights = self.sites.iter().map(|(_, weight)| *weight);
        Ok((changes.into_iter().map(Change::dense).zip(weights).collect(), sides))
    }

    /// factor(w)·Δ of every site, all of one shape.
    fn changes(&self, base: Option<&dyn Tensors>, factor: impl Fn(f64) -> f64) -> Result<Vec<Change>> {
        let mut changes: Vec<Change> = Vec::with_capacity(self.sites.len());
        for (site, weight) in &self.sites {
            let change = site.change(base, factor(*weight))?;
            if let Some(first) = changes.first().filter(|first| first.sides() != change.sides()) {
                let (expected, found) = (first.sides().to_vec(), change.sides().to_vec());
                return Err(Error::OtherShape { module: self.path.to_owned(), expected, found });
            }
            changes.push(change);
        }
        Ok(changes)
    }

    fn kind(&self) -> LayerKind {
        self.sites.first().map_or(LayerKind::Linear, |(site, _)| site.kind())
    }

    /// Σ w·s·β; zeros where nobody has one, `None` for an embedding.
    fn output_bias(&self, outputs: usize) -> Option<Vec<f32>> {
        let mut sum = vec![0.0; outputs];
        for (site, weight) in &self.sites {
            let Some(low_rank) = site.low_rank else { continue };
            let factor = *weight as f32 * low_rank.scaling;
            let bias = low_rank.output_bias.iter().flatten();
            sum.iter_mut().zip(bias).for_each(|(sum, x)| *sum += factor * x);
        }
        (self.kind() == LayerKind::Linear).then_some(sum)
    }
}
