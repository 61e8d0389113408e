//! A weight as a base in NF4 with a low-rank branch that makes up for the rounding, each found from the other by turns:
//!
//!     branch    b·a ← the principal part of rank r of (W − base)/s, as in PiSSA
//!     base      base ← Q(W − s·b·a)                                Q: to NF4 and back
//!
//! A turn costs one SVD. Which comes first is what QPiSSA and LoftQ differ in: the branch, of W itself, or the base, of W
//! as it is. The last one found makes up for the other's error.
//! Paper: [pissa] §4, [loftq] algorithm 1.

use crate::{Error, Result, Site, pissa::factors};
use rankine_linalg::Truncation;
use rankine_tensor::{Frozen, Stored, Tensor};

/// What is found first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The principal part of the weight.
    Branch,
    /// The weight in NF4.
    Base,
}

/// How base and branch are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alternation {
    /// What is found first.
    pub first: First,
    /// How often each of both is found.
    pub turns: usize,
    /// Whether scales of NF4 are quantised too.
    pub double: bool,
    /// How principal parts are found.
    pub how: Truncation,
    /// s.
    pub scale: f32,
}

impl Alternation {
    /// The base, and a: [rank, in] and b: [out, rank], which make about the site's weight together.
    pub fn split(&self, site: &Site<'_>, rank: usize) -> Result<(Frozen, [Tensor; 2])> {
        let original = site.weight.tensor();
        let branch_of = |left: &Frozen| factors(&Site { weight: left, ..*site }, rank, self.how, self.scale);
        let left_by = |base: &Frozen| Ok::<_, Error>(Frozen::from(original.sub(&base.tensor())?));
        let base_of =
            |[a, b]: &[Tensor; 2]| nf4(site.path, &original.minus_product(b, a, self.scale)?, self.double);
        let (mut base, mut branch) = match self.first {
            First::Branch => {
                let branch = branch_of(site.weight)?;
                (base_of(&branch)?, branch)
            }
            First::Base => {
                let base = nf4(site.path, &original, self.double)?;
                let branch = branch_of(&left_by(&base)?)?;
                (base, branch)
            }
        };
        for _ in 1..self.turns {
            match self.first {
                First::Branch => {
                    branch = branch_of(&left_by(&base)?)?;
                    base = base_of(&branch)?;
                }
                First::Base => {
                    base = base_of(&branch)?;
                    branch = branch_of(&left_by(&base)?)?;
                }
            }
        }
        Ok((base, branch))
    }
}

/// The matrix at `path` in NF4; [out, in]. A number that is not finite is an error: it would spoil its whole block.
pub(crate) fn nf4(path: &str, weight: &Tensor, double: bool) -> Result<Frozen> {
    let [rows, columns] = weight.matrix("nf4")?;
    let rounded = |values: &[f32]| {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (row, column, value) = (at / columns, at % columns, values[at]);
            return Err(rankine_linalg::Error::NotFinite { row, column, value });
        }
        Ok(match double {
            true => Stored::nf4_double(values, rows, columns),
            false => Stored::nf4(values, rows, columns),
        })
    };
    let stored = weight.read(rounded);
    Ok(stored.map_err(|source| Error::Decomposition { path: path.to_owned(), source })?.into())
}

/// How often base and branch are found: at least once.
pub(crate) fn check_turns(turns: usize) -> Result<()> {
    match turns {
        0 => Err(Error::Setting { name: "turns", expected: "1 or more", found: "0".to_owned() }),
        _ => Ok(()),
    }
}
