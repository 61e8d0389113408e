//! AdaLoRA: triples like those of an SVD, of which training keeps the important ones.
//!
//!     ΔW = alpha / (init_r + 1e-5) · b·diag(e)·a        b: [out, k]  e: [k, 1]  a: [k, in]
//!
//! Exact, of rank k: `init_r`, or as many as the module's mask in `rank_pattern` keeps, none perhaps. The scale goes by
//! `init_r` all the same.

use super::faults::{Faults, both};
use super::site::{Site, scale_rows};
use super::{Card, Formula, Pending};
use crate::Result;
use indexmap::IndexMap;
use rankine_checkpoint::adapter::Foreign;
use serde_json::Value;

pub(super) const CARD: Card = Card {
    name: "ADALORA",
    tensors: &["lora_E", "lora_A", "lora_B"],
    settings: &[
        "beta1",
        "beta2",
        "deltaT",
        "init_lora_weights",
        "init_r",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "orth_reg_weight",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "target_r",
        "tfinal",
        "tinit",
        "total_step",
    ],
    open: AdaLora::open,
};

struct AdaLora {
    rank: usize,
    alpha: f64,
    /// Module → how many directions are left.
    kept: IndexMap<String, usize>,
}

impl AdaLora {
    fn open(files: &Foreign) -> Result<Box<dyn Formula>> {
        let kept = match files.setting("rank_pattern") {
            None => IndexMap::new(),
            Some(masks) => kept(masks).ok_or_else(|| {
                files
                    .wrong("rank_pattern", "an object of lists of true and false, for each module's `lora_E`")
            })?,
        };
        let (rank, alpha) = (files.count("init_r")?.unwrap_or(12), files.alpha("lora_alpha")?.unwrap_or(8.0));
        Ok(Box::new(Self { rank, alpha, kept }))
    }
}

/// `{ MODULE.lora_E: [true, false, …] }`.
fn kept(masks: &Value) -> Option<IndexMap<String, usize>> {
    let count = |mask: &Value| {
        let flags = mask.as_array()?.iter().map(Value::as_bool).collect::<Option<Vec<_>>>()?;
        Some(flags.into_iter().filter(|&flag| flag).count())
    };
    let masks = masks.as_object()?.iter();
    masks.map(|(key, mask)| Some((key.strip_suffix(".lora_E")?.to_owned(), count(mask)?))).collect()
}

impl Formula for AdaLora {
    fn read<'a>(&'a self, site: &'a Site<'a>) -> Result<Pending<'a>, Faults> {
        let rank = self.kept.get(site.path).copied().unwrap_or(self.rank);
        let ((mut a, b), e) = both(
            both(site.tensor("lora_A", &[rank, site.inputs]), site.tensor("lora_B", &[site.outputs, rank])),
            site.tensor("lora_E", &[rank, 1]),
        )?;
        Ok(Box::new(move || {
            // peft's rule: no alpha is as much alpha as directions.
            let alpha = if 0.0 < self.alpha { self.alpha } else { rank as f64 };
            let scale = alpha / (self.rank as f64 + 1e-5);
            scale_rows(&mut a, &e.iter().map(|&e| (scale * f64::from(e)) as f32).collect::<Vec<_>>());
            Ok(site.product(b, a, rank))
        }))
    }
}
