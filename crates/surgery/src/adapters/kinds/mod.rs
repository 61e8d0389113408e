//! peft's other kinds of adapters, as changes that the factors of a LoRA can hold.
//!
//!     factors     AdaLoRA, DeLoRA, HRA, MiSS (shards), OSF, VB-LoRA, VeRA; LoHa and LoKr of small rank
//!     full rank   BOFT, IA³, MiSS (bat), OFT, RandLoRA, SHiRA; LoHa and LoKr of large rank: cut by an SVD
//!
//! One file a kind: its card says which tensors and settings its files have, its formula what a module's change is. A new
//! kind is its file and a word in `kinds!`. Weights of the base are read one at a time a thread, and only by those formulas
//! that need them. Of layers linear ones are converted, and convolutions of IA³, LoHa, LoKr and OFT, whose taps are one matrix then; not
//! depthwise ones, of which peft's LoRA does not load elsewhere. Dropouts, seeds and initial values are of no account to a
//! finished adapter.

mod faults;
mod rotations;
mod site;

use super::assemble::Part;
use super::change::Change;
use super::convert::Conversion;
use super::cut::{Cut, complete_biases};
use super::keep::Keep;
use crate::{Error, Result, Watch};
use faults::{Faults, both};
use rankine_checkpoint::adapter::{
    Bias, Fault, Finding, Foreign, ModuleName, Origin, Replacement, modules_of,
};
use rankine_checkpoint::{Adapter, Error as FileError, Tensors};
use site::Site;
use std::path::Path;

/// What the files of a kind are like.
struct Card {
    /// Its `peft_type`.
    name: &'static str,
    /// Names of its tensors, of a module or of all; the first is one that every module has.
    tensors: &'static [&'static str],
    /// Keys of its configuration beside those of all kinds.
    settings: &'static [&'static str],
    /// The formula with the settings of an adapter.
    open: fn(&Foreign) -> Result<Box<dyn Formula>>,
}

/// ΔW, once it is called for.
type Pending<'a> = Box<dyn FnOnce() -> Result<Change> + 'a>;

/// What an adapter of a kind makes of a module.
trait Formula: Send + Sync {
    /// Reads what the file has for a module, and so finds out whether that fits: the error tells of every tensor that does not.
    /// The base's numbers, and all work, wait for the call of what is returned.
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults>;

    /// Whether it knows the change of a convolution too; its taps are the columns of a matrix.
    fn takes_convolutions(&self) -> bool {
        false
    }

    /// The module's bias, where the kind changes those; [outputs].
    fn bias(&self, _site: &Site) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
}

macro_rules! kinds {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*

        /// Every kind that is converted.
        const KINDS: &[Card] = &[$($module::CARD),*];
    };
}

kinds! { adalora, boft, delora, hra, ia3, loha, lokr, miss, oft, osf, randlora, shira, vblora, vera }

/// What of an adapter of another kind does not fit a base.
#[derive(Debug, Default)]
pub struct Misfit {
    /// Tensors and settings.
    pub findings: Vec<Finding>,
    /// Why modules cannot be converted whose tensors fit.
    pub refused: Vec<Error>,
}

/// An adapter of one of peft's other kinds.
pub struct OtherKind {
    kind: &'static str,
    files: Foreign,
    formula: Box<dyn Formula>,
}

impl OtherKind {
    /// Reads the adapter in `folder`; `None` where it is none of these kinds: a LoRA, or what reading it as a LoRA will
    /// refuse by name.
    ///
    /// # Errors
    /// When there is no adapter in the folder, or its configuration cannot be used.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let kind = Foreign::kind_of(folder)?;
        let Some(card) = KINDS.iter().find(|card| card.name == kind) else { return Ok(None) };
        let files = Foreign::open(folder, card.tensors, card.settings)?;
        let formula = (card.open)(&files)?;
        Ok(Some(Self { kind: card.name, files, formula }))
    }

    /// Its `peft_type`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What it has in common with a LoRA: whole modules, biases, the shared part of the configuration.
    pub fn rest(&self) -> &Adapter {
        &self.files.rest
    }

    /// Paths of the modules that it changes.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.files.modules()
    }

    /// As [`convert`](crate::convert) does with a LoRA.
    ///
    /// # Errors
    /// When the adapter does not fit the base or lacks what its changes are made of, changes a layer that its kind is not
    /// converted for, or is of full rank and `keep` is [`Keep::Exact`]; when a decomposition fails, or `watch` breaks off.
    pub fn convert(&self, base: &dyn Tensors, keep: Keep, watch: &mut Watch) -> Result<Conversion> {
        keep.check()?;
        self.files.check(base)?;
        let modules = modules_of(base);
        let here = |path: &str| modules.iter().find(|module| module.path == path);
        let sites: Vec<Site> = self
            .files
            .modules()
            .filter_map(here)
            .map(|module| Site::new(module, &self.files, base, self.formula.as_ref()))
            .collect::<Result<_>>()?;
        let cut = Cut::of(base, &self.files.rest, keep);
        let mut progress = cut.progress(sites.len());
        let compress = |site: &Site| finite(site, (self.formula.read(site)?)()?)?.compress(site.path, keep);
        let pieces = progress.in_groups(&sites, compress, watch)?;
        let parts = sites.iter().zip(pieces).map(|(site, piece)| Part {
            path: site.path.to_owned(),
            kind: site.kind,
            piece,
            output_bias: None,
        });
        let mut conversion = cut.assemble(parts.collect(), &mut progress, watch)?;
        for site in &sites {
            if let Some(values) = self.formula.bias(site)? {
                let (shape, origin) = (vec![site.outputs], Origin::Bias);
                let bias = Replacement { shape, values, origin };
                conversion.adapter.replaced.insert(format!("{}.bias", site.path), bias);
                conversion.adapter.config.bias = Bias::LoraOnly;
            }
        }
        if conversion.adapter.config.bias == Bias::LoraOnly {
            complete_biases(base, &mut conversion.adapter)?;
        }
        Ok(conversion)
    }

    /// All that would keep [`convert`](Self::convert) from beginning: keys and shapes, settings, modules that are not converted.
    /// Of the base names and shapes are looked at. Numbers that are not finite are passed over.
    ///
    /// # Errors
    /// When the targets cannot be used.
    pub fn check(&self, base: &dyn Tensors) -> Result<Misfit> {
        let mut misfit = Misfit { findings: self.files.findings(base)?, refused: Vec::new() };
        let modules = modules_of(base);
        let here = |path: &str| modules.iter().find(|module| module.path == path);
        for module in self.files.modules().filter_map(here) {
            if let Err(faults) = self.fits(module, base) {
                faults.errors().for_each(|error| misfit.add(error));
            }
        }
        Ok(misfit)
    }

    fn fits(&self, module: &ModuleName, base: &dyn Tensors) -> Result<(), Faults> {
        let site = Site::new(module, &self.files, base, self.formula.as_ref())?;
        let read = self.formula.read(&site).map(drop);
        both(read, self.formula.bias(&site)).map(drop)
    }
}

impl Misfit {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.refused.is_empty()
    }

    /// One more; many modules have one cause.
    fn add(&mut self, error: Error) {
        match error {
            Error::Checkpoint(FileError::Adapter { fault, .. }) => {
                for finding in findings(fault) {
                    if !self.findings.contains(&finding) {
                        self.findings.push(finding);
                    }
                }
            }
            error => {
                let text = error.to_string();
                if self.refused.iter().all(|known| known.to_string() != text) {
                    self.refused.push(error);
                }
            }
        }
    }
}

/// Each by itself.
fn findings(fault: Fault) -> Vec<Finding> {
    match fault {
        Fault::NotFinite { .. } => Vec::new(),
        Fault::Mismatch(mismatch) => {
            let missing = mismatch.missing.into_iter().map(|key| Finding::Missing { key });
            missing.chain(mismatch.misshapen.into_iter().map(Finding::Misshapen)).collect()
        }
        fault => vec![Finding::Fault(Box::new(fault))],
    }
}

/// The change, unless something in it is no finite number.
fn finite(site: &Site, change: Change) -> Result<Change> {
    let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    let whole = match &change {
        Change::Product(product) => is_finite(&product.a) && is_finite(&product.b),
        Change::Rounded(_, values) | Change::Dense(values, _) => is_finite(values),
    };
    if whole { Ok(change) } else { Err(Error::NotFinite { module: site.path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reader's hint "convert it first" is true.
    #[test]
    fn what_is_said_to_be_convertible_is() {
        let names: Vec<_> = KINDS.iter().map(|card| card.name).collect();
        assert_eq!(names, rankine_checkpoint::adapter::CONVERTIBLE);
    }
}
