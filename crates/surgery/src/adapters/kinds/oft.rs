//! OFT: the inputs rotated, block by block.
//!
//!     W' = W·Rᵀ    R = diag of blocks [n, n]    each (1 − Q)·(1 + Q)⁻¹, or the start of its series
//!     Q skew, its upper triangle in the file: [blocks, n·(n − 1) / 2], or [1, …] with `block_share`
//!
//! Of full rank. The series, peft's default: 1 + 2Q + 2Q² + … + 2Qᵏ⁻² + Qᵏ⁻¹ for k terms; 3 are taken for 4. `coft` shortens
//! every Q whose length is above `eps` / √blocks. Of convolutions those of 1 × 1: of larger ones peft rotates overlapping patches of
//! the input and adds them up again, which is no change of the weight, and not what its own merging makes of it.

use super::faults::Faults;
use super::rotations::{cayley, rotate, times};
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::{Error, Result};
use rankine_checkpoint::adapter::Foreign;
use rankine_kernels::reduce;

pub(super) const CARD: Card = Card {
    name: "OFT",
    tensors: &["oft_R.weight"],
    settings: &[
        "block_share",
        "coft",
        "eps",
        "init_weights",
        "module_dropout",
        "num_cayley_neumann_terms",
        "oft_block_size",
        "r",
        "use_cayley_neumann",
    ],
    open: Oft::open,
};

/// More terms than anyone needs: peft's default is 5.
const TERMS: usize = 1000;

struct Oft {
    /// How the inputs are cut.
    cut: Cut,
    /// The longest Q, times √blocks.
    longest: Option<f64>,
    /// One block is that of all.
    shared: bool,
    /// Terms of the series; `None` for all of them.
    terms: Option<usize>,
}

#[derive(Clone, Copy)]
enum Cut {
    Blocks(usize),
    Size(usize),
}

impl Oft {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        let cut = match (files.count("r")?.unwrap_or(0), files.count("oft_block_size")?.unwrap_or(32)) {
            (0, size) if 0 < size => Cut::Size(size),
            (blocks, 0) if 0 < blocks => Cut::Blocks(blocks),
            _ => {
                return Err(files
                    .wrong("oft_block_size", "above 0 where `r` is 0, and 0 where it is not")
                    .into());
            }
        };
        let terms = files.count("num_cayley_neumann_terms")?.unwrap_or(5);
        if TERMS < terms {
            return Err(files.wrong("num_cayley_neumann_terms", "1000 at most").into());
        }
        let on = |key, default| Ok::<_, Error>(files.flag(key)?.unwrap_or(default));
        let longest = files.number("eps")?.unwrap_or(6e-5);
        Ok(Box::new(Self {
            cut,
            longest: on("coft", false)?.then_some(longest),
            shared: on("block_share", false)?,
            terms: on("use_cayley_neumann", true)?.then_some(terms),
        }))
    }
}

impl Formula for Oft {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        if site.kernel() != [1, 1] {
            let (module, what) = (site.path.to_owned(), "a convolution larger than 1 × 1");
            return Err(Error::NotLinear { module, what }.into());
        }
        let inputs = site.inputs;
        let size = match self.cut {
            Cut::Size(size) => nearest_divisor(inputs, size),
            Cut::Blocks(blocks) => inputs / nearest_divisor(inputs, blocks),
        };
        let stored = if self.shared { 1 } else { inputs / size };
        let numbers = size * (size - 1) / 2;
        let values = site.tensor("oft_R.weight", &[stored, numbers])?;
        Ok(Box::new(move || {
            let longest = self.longest.map(|longest| longest / (stored as f64).sqrt());
            let block = |at: usize| {
                let q = skew(&values[at * numbers..][..numbers], size, longest);
                self.terms.map_or_else(|| cayley(&q, size), |terms| series(&q, size, terms))
            };
            let blocks: Vec<f64> = match self.shared {
                true => block(0).repeat(inputs / size),
                false => (0..stored).flat_map(block).collect(),
            };
            let weight = site.weight()?;
            let mut change = weight.clone();
            rotate(&mut change, &blocks, size, &(0..inputs).collect::<Vec<_>>());
            reduce::axpy(-1.0, &weight, &mut change);
            Ok(site.dense(change))
        }))
    }

    fn takes_convolutions(&self) -> bool {
        true
    }
}

/// peft's correction of a number that does not divide the side: the nearest that does, the lower of two.
fn nearest_divisor(side: usize, wanted: usize) -> usize {
    let divides = |&number: &usize| side.is_multiple_of(number);
    if side <= wanted {
        return side;
    }
    let higher = (wanted..=side).find(divides).unwrap_or(side);
    let lower = (1..=wanted).rev().find(divides).unwrap_or(1);
    if wanted - lower <= higher - wanted { lower } else { higher }
}

/// The matrix with this upper triangle, row by row, and no longer than `longest`.
fn skew(upper: &[f32], size: usize, longest: Option<f64>) -> Vec<f64> {
    let mut q = vec![0.0; size * size];
    let places = (0..size).flat_map(|row| (row + 1..size).map(move |column| (row, column)));
    for ((row, column), &x) in places.zip(upper) {
        q[row * size + column] = f64::from(x);
        q[column * size + row] = -f64::from(x);
    }
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    if let Some(longest) = longest.filter(|&longest| longest < length) {
        q.iter_mut().for_each(|x| *x *= longest / length);
    }
    q
}

/// The first `terms` terms of the series of cayley(−Q): so it is in peft, where the two turn against each other.
fn series(q: &[f64], size: usize, terms: usize) -> Vec<f64> {
    let mut sum = vec![0.0; size * size];
    sum.iter_mut().step_by(size + 1).for_each(|x| *x = 1.0);
    let mut add = |factor: f64, power: &[f64]| {
        sum.iter_mut().zip(power).for_each(|(sum, x)| *sum += factor * x);
    };
    if 1 < terms {
        add(2.0, q);
    }
    if 2 < terms {
        let mut power = times(q, q, size);
        add(2.0, &power);
        for _ in 3..terms - 1 {
            power = times(&power, q, size);
            add(2.0, &power);
        }
        add(1.0, &times(&power, q, size));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_testkit::assert_close;

    #[test]
    fn a_number_that_does_not_divide_is_corrected_as_in_peft() {
        for (side, wanted, expected) in
            [(48, 8, 8), (48, 5, 4), (48, 7, 6), (48, 10, 8), (48, 11, 12), (48, 99, 48)]
        {
            assert_eq!(nearest_divisor(side, wanted), expected, "{side} {wanted}");
        }
    }

    #[test]
    fn the_series_comes_near_the_rotation() {
        // In peft the series turns the other way than the rotation.
        let [q, back] = [1.0, -1.0].map(|sign| skew(&[0.1, -0.2, 0.05].map(|x| sign * x), 3, None));
        let error = |terms| {
            let rows = series(&q, 3, terms).into_iter().zip(cayley(&back, 3));
            rows.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
        };
        assert!(error(8) < error(5) && error(5) < error(2) && error(40) < 1e-12);
        assert_close!(series(&q, 3, 1), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let short = skew(&[3.0, 0.0, 4.0], 3, Some(1.0));
        assert_close!([short.iter().map(|x| x * x).sum::<f64>()], [1.0]);
    }
}
