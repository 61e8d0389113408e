//! MiSS: one block for all shards of the inputs.
//!
//!     shards   ΔW[o, i] = B[i mod r, o]                              B: [r, out]
//!     mini     ΔW[o, i] = B[i mod r, o mod mini_r]                   B: [r, mini_r]
//!     bat      ΔW = W·B + B, in squares of r·r                       B: [out / r, r, r], one for each row of squares
//!
//! `init_weights` says which. The first two are exact, of rank r; the last is of full rank.

use super::faults::Faults;
use super::site::Site;
use super::{Card, Formula, Pending};
use crate::Result;
use rankine_checkpoint::adapter::Foreign;
use serde_json::Value;

pub(super) const CARD: Card = Card {
    name: "MISS",
    tensors: &["miss_block"],
    settings: &["init_weights", "mini_r", "miss_dropout", "r"],
    open: Miss::open,
};

enum Miss {
    Shards,
    Mini(usize),
    Bat,
}

impl Miss {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        let mode = match files.setting("init_weights") {
            None | Some(Value::Bool(_)) => Self::Shards,
            Some(Value::String(word)) if word == "bat" => Self::Bat,
            Some(Value::String(word)) if word == "mini" => match files.count("mini_r")?.unwrap_or(1) {
                0 => return Err(files.wrong("mini_r", "1 or more").into()),
                count => Self::Mini(count),
            },
            Some(_) => return Err(files.wrong("init_weights", "true, false, `bat` or `mini`").into()),
        };
        Ok(Box::new(mode))
    }
}

impl Formula for Miss {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = site.files.rank_of(site.path, 64)?;
        match *self {
            Self::Shards => shards(site, rank, site.outputs),
            Self::Mini(width) => shards(site, rank, width),
            Self::Bat => bat(site, rank),
        }
    }
}

/// Bᵀ, repeated below itself, times the matrix that adds up shards.
fn shards<'a>(site: &'a Site<'a>, rank: usize, width: usize) -> Result<Pending<'a>, Faults> {
    let block = site.tensor("miss_block", &[rank, width])?;
    Ok(Box::new(move || {
        let row = |output: usize| (0..rank).map(move |k| k * width + output % width);
        let b = (0..site.outputs).flat_map(row).map(|at| block[at]).collect();
        let mut a = vec![0.0; rank * site.inputs];
        (0..site.inputs).for_each(|input| a[input % rank * site.inputs + input] = 1.0);
        Ok(site.product(b, a, rank))
    }))
}

fn bat<'a>(site: &'a Site<'a>, rank: usize) -> Result<Pending<'a>, Faults> {
    let inputs = site.inputs;
    if !inputs.is_multiple_of(rank) || !site.outputs.is_multiple_of(rank) {
        return Err(site.files.wrong("r", "a divisor of both sides of every adapted weight").into());
    }
    let block = site.tensor("miss_block", &[site.outputs / rank, rank, rank])?;
    Ok(Box::new(move || {
        let weight = site.weight()?;
        let mut change = vec![0.0; weight.len()];
        for (output, out) in change.chunks_exact_mut(inputs).enumerate() {
            let square = &block[output / rank * rank * rank..][..rank * rank];
            let own = &square[output % rank * rank..][..rank];
            let row = &weight[output * inputs..][..inputs];
            for (out, row) in out.chunks_exact_mut(rank).zip(row.chunks_exact(rank)) {
                out.copy_from_slice(own);
                for (w, line) in row.iter().zip(square.chunks_exact(rank)) {
                    out.iter_mut().zip(line).for_each(|(out, x)| *out += w * x);
                }
            }
        }
        Ok(site.dense(change))
    }))
}
