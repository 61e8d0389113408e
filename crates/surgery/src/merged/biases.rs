//! Biases that the base model did not have, which `lora_bias` brings.
//!
//! A configuration turns the biases of a whole group of projections on or off, so the others of the group get zeros.

use super::Merged;
use super::recipe::{Recipe, Source};
use crate::{Error, Result};
use rankine_checkpoint::config::Architecture;
use rankine_checkpoint::{Config, TensorInfo, ends::HEAD};

/// Projections that have their biases together, and the key that says so.
struct Group {
    key: &'static str,
    projections: &'static [&'static str],
}

const ATTENTION: Group = Group {
    key: "attention_bias",
    projections: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
};
const MLP: Group = Group { key: "mlp_bias", projections: &["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] };

/// The groups whose biases can be turned on.
fn groups(architecture: Architecture) -> &'static [Group] {
    match architecture {
        Architecture::Llama => &[ATTENTION, MLP],
        Architecture::Qwen3 => &[ATTENTION],
        _ => &[],
    }
}

impl Merged<'_> {
    /// The configuration of the merged model, from that of the base. Where the adapter gives biases to modules without
    /// them, their neighbours get zeros, because configurations know groups only.
    ///
    /// # Errors
    /// When the architecture has no place for such a bias.
    pub fn configure(&mut self, base: &Config) -> Result<Config> {
        let mut config = base.clone();
        let embedding = config.architecture.embedding();
        let parted = self.is_changed(HEAD) || (self.infos.contains_key(HEAD) && self.is_changed(embedding));
        config.tied = config.tied && !parted;
        let added: Vec<String> = self.added_biases().map(str::to_owned).collect();
        for name in &added {
            let group = groups(config.architecture).iter().find(|group| group.holds(name));
            let Some(group) = group else {
                let (name, architecture) = (name.clone(), config.architecture);
                return Err(Error::NoPlaceForBias { name, architecture });
            };
            self.fill(group, config.layers);
            group.turn_on(&mut config);
        }
        Ok(config)
    }

    /// Biases that the base does not have.
    pub(crate) fn added_biases(&self) -> impl Iterator<Item = &str> {
        let names = self.recipes.keys().map(String::as_str);
        names.filter(|name| name.ends_with(".bias") && !self.base.infos().contains_key(*name))
    }

    /// Zeros for the biases of a group that are not there.
    fn fill(&mut self, group: &Group, layers: usize) {
        for (layer, projection) in
            (0..layers).flat_map(|layer| group.projections.iter().map(move |p| (layer, p)))
        {
            let path = format!("model.layers.{layer}.{projection}");
            let bias = format!("{path}.bias");
            let Some(weight) = self.infos.get(&format!("{path}.weight")) else { continue };
            if !self.infos.contains_key(&bias) {
                let info = TensorInfo { shape: vec![weight.rows()], ..weight.clone() };
                let recipe = Recipe::new(&info, Source::Zeros);
                self.infos.insert(bias.clone(), recipe.info());
                self.recipes.insert(bias, recipe);
            }
        }
    }
}

impl Group {
    fn holds(&self, bias: &str) -> bool {
        let path = bias.strip_suffix(".bias").unwrap_or(bias);
        path.starts_with("model.layers.") && self.projections.iter().any(|name| path.ends_with(name))
    }

    fn turn_on(&self, config: &mut Config) {
        if self.key == ATTENTION.key {
            (config.attention_bias, config.output_bias) = (true, true);
        } else {
            config.mlp_bias = true;
        }
        if config.raw.is_object() {
            config.raw[self.key] = true.into();
        }
    }
}
