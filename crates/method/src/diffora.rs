//! DiffoRA: a search for the modules that are worth a LoRA, by gates that are trained with the branches.
//!
//!     search   w = W + s·g·b·a,  g = 1/(1 + e⁻ᵗ)      W: [out, in]  a: [r, in]  b: [out, r] = 0  t: [1] = 0      s = α/r
//!              min over t of L(upper data; a, b, t), where a, b follow L(lower data; a, b, t)       in turn, first order
//!     pick     of every layer the ⌈ρ·m⌉ of its m modules with the largest g; or of all of them, or by numbers
//!     run      w = W + s·b·a on the picked modules, from b ← g·b; the others are left alone
//!
//! Attaching makes the searched structure, r·(out + in) + 1 trained numbers a module; the loop takes turns
//! (`rankine_train::Turns`), then [`Diffora::pick`] reads the gates, and [`settle`] leaves plain LoRA behind, which is what
//! is exported. A gate's slope is s·⟨dyᵀ·x, b·a⟩: where b is 0 there is none, so that the branches go ahead at first.
//!
//! Paper: [diffora]. It could be read in summaries only, and no code is known. Decided here: g is a sigmoid for every module
//! by itself, not a softmax over those of a layer; the search is that of first-order DARTS; ρ = ½, r = 8. Of the paper's
//! weight sharing, which is to bridge the gap that picking leaves, picked modules keep what they learnt (`warm`); factors
//! common to modules that were not picked are not there, as a leaf has one place in a model.

use crate::{
    Attached, Card, Error, Export, Method, Result, Site,
    lora::{Init, factor_numbers, factor_plan, scale},
};
use rankine_checkpoint::layer_and_role;
use rankine_nn::{
    Model, Place, Weight,
    weight::{Dense, Gated, counts},
};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Differential module selection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Diffora {
    /// r.
    pub rank: usize,
    /// α; the rank itself when absent, so that s = 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Probability of dropping an entry of the branch's input while training.
    pub dropout: f32,
    /// How a starts.
    pub init: Init,
    /// ρ: the share that is picked, above 0 and at most 1.
    pub ratio: f32,
    /// The share of what.
    pub select: Select,
    /// Steps of the branches in the search; by those of the run when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_steps: Option<usize>,
    /// How many of them come before the first step of the gates.
    pub warmup_steps: usize,
    /// Learning rate of the gates.
    pub gate_rate: f32,
    /// What the picked modules start from.
    pub start: Start,
}

/// The share of what is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Of the modules of every layer.
    #[default]
    PerLayer,
    /// Of all modules.
    Global,
    /// Of the trained numbers: the largest gates for their numbers, as many as fit.
    Budget,
}

/// What the picked modules start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// What they learnt in the search.
    #[default]
    Warm,
    /// Where LoRA starts.
    Scratch,
}

/// A module of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub module: String,
    /// g, from 0 to 1.
    pub gate: f32,
    /// Numbers of its branch.
    pub numbers: usize,
    /// Whether it is trained further.
    pub picked: bool,
}

impl Default for Diffora {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: None,
            dropout: 0.0,
            init: Init::Kaiming,
            ratio: 0.5,
            select: Select::PerLayer,
            search_steps: None,
            warmup_steps: 30,
            gate_rate: 3e-2,
            start: Start::Warm,
        }
    }
}

impl Method for Diffora {
    fn card(&self) -> Card {
        Card {
            name: "diffora",
            paper: "diffora",
            summary: "gates trained with the branches say which modules are worth a LoRA; the others are left alone",
            formula: "search: w = W + s·g·b·a, g = sigmoid(t), s = alpha/rank; a, b and t are trained in turn; \
                      run: LoRA on the modules of the largest g, from b = g·b",
            exact: true,
            trains: &["a", "b", "gate"],
            export: Export::Lora,
        }
    }

    fn plan(&self, sites: &[Site<'_>]) -> Result<Vec<usize>> {
        let setting = |name, expected, found| Err(Error::Setting { name, expected, found });
        if !(0.0 < self.ratio && self.ratio <= 1.0) {
            return setting("ratio", "above 0, and at most 1", self.ratio.to_string());
        }
        if !(0.0 < self.gate_rate && self.gate_rate.is_finite()) {
            return setting("gate_rate", "above 0", self.gate_rate.to_string());
        }
        if let Some(steps) = self.search_steps.filter(|&steps| steps <= self.warmup_steps) {
            return setting("search_steps", "more than `warmup_steps`", steps.to_string());
        }
        factor_plan(self.rank, self.alpha, self.dropout, sites)
    }

    fn trained(&self, site: &Site<'_>, rank: usize) -> Result<usize> {
        Ok(factor_numbers(site, rank)? + 1)
    }

    fn attach(&self, site: &Site<'_>, rank: usize, rng: Rng) -> Result<Box<dyn Weight>> {
        let [outputs, inputs] = site.sizes()?;
        let (a, b) = (self.init.start(rank, inputs, rng)?, Tensor::zeros(&[outputs, rank]));
        let weight = Gated::new(site.weight.clone(), &a, &b, scale(self.alpha, rank, false));
        Ok(Box::new(weight.with_dropout(self.dropout)))
    }
}

impl Diffora {
    /// Steps of the branches in the search before a run of `steps`: 15 % of them where nothing else is said, as the page has
    /// 10 to 20 %, and never fewer than twice those before the first of the gates.
    pub fn steps_before(&self, steps: usize) -> usize {
        self.search_steps.unwrap_or_else(|| (steps * 3 / 20).max(2 * self.warmup_steps).max(1))
    }

    /// Marks what is picked; of equal gates the earlier ones.
    ///
    /// # Errors
    /// [`Error::Setting`] where the share of the numbers is too small for any module.
    pub fn pick(&self, candidates: &mut [Candidate]) -> Result<()> {
        candidates.iter_mut().for_each(|candidate| candidate.picked = false);
        if self.select == Select::Budget {
            return self.pick_by_numbers(candidates);
        }
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let layer =
                if self.select == Select::PerLayer { layer_and_role(&candidate.module).0 } else { "" };
            groups.entry(layer.to_owned()).or_default().push(index);
        }
        for mut members in groups.into_values() {
            members.sort_by(|&one, &other| candidates[other].gate.total_cmp(&candidates[one].gate));
            // A share such as 0.1 is not exact: what it is too large by is no module.
            let count = (self.ratio * members.len() as f32 - 1e-4).ceil().max(1.0) as usize;
            members.into_iter().take(count).for_each(|index| candidates[index].picked = true);
        }
        Ok(())
    }

    fn pick_by_numbers(&self, candidates: &mut [Candidate]) -> Result<()> {
        let all: usize = candidates.iter().map(|candidate| candidate.numbers).sum();
        let mut left = (f64::from(self.ratio) * all as f64) as usize;
        let worth = |candidate: &Candidate| candidate.gate / candidate.numbers as f32;
        let mut order: Vec<&mut Candidate> = candidates.iter_mut().collect();
        order.sort_by(|one, other| worth(other).total_cmp(&worth(one)));
        for candidate in order {
            if candidate.numbers <= left {
                left -= candidate.numbers;
                candidate.picked = true;
            }
        }
        if candidates.iter().any(|candidate| candidate.picked) {
            return Ok(());
        }
        let expected = "enough of the trained numbers for one module";
        Err(Error::Setting { name: "ratio", expected, found: self.ratio.to_string() })
    }
}

/// Whether a leaf is a gate.
pub fn is_gate(place: &Place) -> bool {
    place.name.ends_with("/gate")
}

/// The modules of a model that stand behind gates, none of them picked.
pub fn candidates(model: &dyn Model) -> Vec<Candidate> {
    let mut found = Vec::new();
    for parameter in model.parameters() {
        if let Some(gated) = Gated::of(parameter.weight.as_ref()) {
            let (module, numbers) = (parameter.module().to_owned(), counts(gated).0 - 1);
            found.push(Candidate { module, gate: gated.gate(), numbers, picked: false });
        }
    }
    found
}

/// Ends a search: picked modules keep their branch without its gate, which is multiplied into it, the others nothing. What
/// is trained then.
pub fn settle(model: &mut dyn Model, candidates: &[Candidate]) -> Attached {
    let mut attached = Attached::default();
    for parameter in model.parameters_mut() {
        let Some(gated) = Gated::of(parameter.weight.as_ref()) else { continue };
        let is_picked = |candidate: &Candidate| candidate.picked && candidate.module == parameter.module();
        let weight: Box<dyn Weight> = match candidates.iter().any(is_picked) {
            true => {
                let settled = gated.settled();
                attached.sites.push((parameter.path().to_owned(), gated.rank()));
                attached.trained += counts(&settled).0;
                Box::new(settled)
            }
            false => Box::new(Dense::frozen(gated.base())),
        };
        parameter.weight = weight;
    }
    attached
}
