//! One file per way of structuring a weight, and the one line that registers it.
//!
//! A [`Method`] takes over weights of a model: it exchanges a frozen dense weight for a structure of `rankine-nn` whose
//! leaves are trained. It knows no loop; a loop knows no method. The laws in `tests/it/laws.rs` hold for every entry
//! of [`methods!`].

mod attach;
pub mod bitfit;
pub mod calibration;
mod capped;
mod count;
pub mod diffora;
pub mod dora;
mod error;
pub mod eva;
mod export;
mod exported;
pub mod flora;
pub mod full;
pub mod loftq;
pub mod loldu;
pub mod lora;
pub mod olora;
pub mod pela;
pub mod pissa;
pub mod qlora;
pub mod qpissa;
pub mod quantized;
mod registry;
pub mod salt;
pub mod sorsa;
pub mod svfit;

pub use attach::{Attached, attach, train_whole};
pub use calibration::{Calibration, Needs, Shown, Statistics, calibrate};
pub use capped::{Capped, Cut};
pub use count::{Counted, count};
pub use error::{Error, Result};
pub use export::{Base, check_base, export};
pub use exported::Export;
pub use registry::{Choice, Fields};

use rankine_nn::{Kind, Weight};
use rankine_random::Rng;
use rankine_tensor::{Encoding, Frozen, Tensor};

/// What a method is, for `rankine methods` and its documentation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Card {
    /// The word of the command line, the recipe and the file.
    pub name: &'static str,
    /// Key in `papers.toml`.
    pub paper: &'static str,
    /// One line.
    pub summary: &'static str,
    /// How the weight is built, in formulas.
    pub formula: &'static str,
    /// Attaching leaves the dense weight as it was.
    pub exact: bool,
    /// Names of the leaves that are trained; of a linear map, where others differ.
    pub trains: &'static [&'static str],
    /// What is written of it.
    pub export: Export,
}

impl Card {
    /// Names of the trained leaves that the file of a linear map has no place for: they go into its factors.
    pub fn folded(&self) -> Vec<&'static str> {
        let own = self.export.leaves();
        let strange = |leaf: &&str| own.is_some_and(|own| !own.contains(leaf));
        self.trains.iter().copied().filter(strange).collect()
    }
}

/// A weight that a method may take over.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Path of the weight in its model.
    pub path: &'a str,
    /// What it does there.
    pub kind: Kind,
    /// Its value, in the type it is kept in; [out, in], [out, in, height, width] of a convolution, or [d] of a bias.
    pub weight: &'a Frozen,
    /// What was seen of its inputs, where the method [`needs`](Method::needs) it.
    pub statistics: Option<&'a Statistics>,
}

impl Site<'_> {
    /// Rows and columns; of a convolution those of [out, in·height·width], of a bias those of [d, 1].
    pub fn sizes(&self) -> Result<[usize; 2]> {
        if let (Kind::Convolution | Kind::Bias, [outputs, taps @ ..]) =
            (self.kind, self.weight.shape().as_slice())
        {
            return Ok([*outputs, taps.iter().product()]);
        }
        Ok(self.weight.matrix("attach")?)
    }

    /// The value as a matrix of these sizes.
    pub fn matrix(&self) -> Result<Frozen> {
        Ok(match self.kind {
            Kind::Convolution => self.weight.tensor().reshape(&self.sizes()?)?.into(),
            _ => self.weight.clone(),
        })
    }

    /// The largest rank that a matrix of this shape can have.
    pub fn limit(&self) -> Result<usize> {
        let [outputs, inputs] = self.sizes()?;
        Ok(outputs.min(inputs))
    }

    /// `rank`, when a matrix of this shape can have it.
    pub fn check_rank(&self, rank: usize) -> Result<()> {
        check_rank(self.path, rank, self.sizes()?)
    }
}

/// An error unless the matrix at `path`, of this shape, can have the rank.
pub fn check_rank(path: &str, rank: usize, shape: [usize; 2]) -> Result<()> {
    if rank == 0 || rank > shape[0].min(shape[1]) {
        return Err(Error::Rank { path: path.to_owned(), rank, shape });
    }
    Ok(())
}

/// An error that names the first number of the matrix at `path` that is not finite.
pub(crate) fn check_finite(path: &str, weight: &Tensor) -> Result<()> {
    let [_, columns] = weight.matrix("check_finite")?;
    let place = |values: &[f32]| {
        let at = values.iter().position(|value| !value.is_finite())?;
        Some(rankine_linalg::Error::NotFinite { row: at / columns, column: at % columns, value: values[at] })
    };
    match weight.read(place) {
        Some(source) => Err(Error::Decomposition { path: path.to_owned(), source }),
        None => Ok(()),
    }
}

/// A way of structuring weights; its fields are the hyperparameters, `Default` is the paper's setting.
pub trait Method: Send + Sync {
    /// What it is.
    fn card(&self) -> Card;

    /// What it must see of the inputs of its weights.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Whether it takes over weights of this kind.
    fn takes(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Linear | Kind::Head)
    }

    /// The type that it rounds the weights to before it does anything else with them: they may come so already.
    fn base(&self) -> Option<Encoding> {
        None
    }

    /// The rank of every site; 0 leaves it alone. Settings are looked at where there are no sites, too.
    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>>;

    /// How many numbers are trained at a site of rank `rank`: those of two factors, where a method says nothing else.
    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        lora::factor_numbers(site, rank)
    }

    /// The structure that takes the place of the site's weight; `rng` is the site's own stream.
    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>>;
}
