//! Whether an adapter fits a base model: every tensor that is called for is there, in its shape, and no other.

use super::keys::key;
use super::targets::{self, Rules, Verdict};
use super::{Adapter, Fault, LayerKind, LowRank, Misshapen, ModuleName, Selection, modules_of};
use crate::{Error, Result, TensorInfo, Tensors, ends, names};
use indexmap::IndexMap;

impl Adapter {
    /// An error that lists all missing, unexpected and misshapen keys, if any.
    pub fn check(&self, base: &dyn Tensors) -> Result<()> {
        let path = &self.path;
        let mismatch = Check { adapter: self, infos: base.infos(), mismatch: self.mismatch.clone() }
            .run(&modules_of(base))
            .map_err(|fault| Error::Adapter { path: path.clone(), fault: fault.into() })?;
        if mismatch.is_empty() {
            return Ok(());
        }
        Err(Error::Adapter { path: path.clone(), fault: Fault::Mismatch(Box::new(mismatch)) })
    }
}

struct Check<'a> {
    adapter: &'a Adapter,
    infos: &'a IndexMap<String, TensorInfo>,
    mismatch: super::Mismatch,
}

impl Check<'_> {
    fn run(mut self, modules: &[ModuleName]) -> Result<super::Mismatch, super::TargetFault> {
        let rules = Rules::compile(&self.adapter.config.targets)?;
        let saved = &self.adapter.config.targets.saved;
        for module in modules {
            let targeted = rules.verdict(module)? == Verdict::Targeted;
            self.module(module, targeted);
            if targets::is_saved(saved, &module.path) {
                self.saved(&module.path);
            }
        }
        for (path, low_rank) in &self.adapter.low_rank {
            let module = modules.iter().find(|module| module.path == *path);
            match module {
                Some(module) if self.may_adapt(rules.verdict(module)?) => self.factors(path, low_rank),
                _ => self.mismatch.unexpected.extend(low_rank.factors().map(|factor| key(path, factor))),
            }
        }
        self.replaced();
        self.new_rows(modules);
        self.mismatch.missing.sort();
        self.mismatch.missing.dedup();
        self.mismatch.nearest = self.nearest(modules);
        Ok(self.mismatch)
    }

    /// The first adapted module that is not there, and the one that is called most like it. Where none is there, the names are
    /// those of another architecture, and likeness means nothing.
    fn nearest(&self, modules: &[ModuleName]) -> Option<[String; 2]> {
        let is_there = |path: &str| modules.iter().any(|module| module.path == path);
        if !self.adapter.low_rank.keys().any(|path| is_there(path)) {
            return None;
        }
        let stranger = self.adapter.low_rank.keys().find(|path| !is_there(path))?;
        let paths = modules.iter().map(|module| module.path.as_str());
        Some([stranger.clone(), names::nearest(stranger, paths, 1).pop()?])
    }

    /// A tied head is adapted with its embedding without being named; unresolved targets are not second-guessed.
    fn may_adapt(&self, verdict: Verdict) -> bool {
        let config = &self.adapter.config;
        verdict == Verdict::Targeted
            || config.ensure_weight_tying
            || config.targets.modules == Selection::Default
    }

    /// The shape of a base tensor; a tied head has that of the embedding.
    fn shape(&self, name: &str) -> Option<&[usize]> {
        let tied = || self.infos.get(ends::tied(self.infos).filter(|_| name == ends::HEAD)?);
        self.infos.get(name).or_else(tied).map(|info| info.shape.as_slice())
    }

    /// What configuration and base call for at one module.
    fn module(&mut self, module: &ModuleName, targeted: bool) {
        let (adapter, path) = (self.adapter, &module.path);
        let already =
            |missing: &[String]| missing.iter().any(|missing| missing.starts_with(&key(path, "lora_")));
        match adapter.low_rank.get(path) {
            None if targeted && !self.is_misshapen(path) && !already(&self.mismatch.missing) => {
                let factors: &[&str] = match module.kind {
                    super::Kind::Embedding => &super::model::EMBEDDING_FACTORS,
                    // Of LN tuning: no LoRA has such a target.
                    super::Kind::Norm => &["ln_tuning_layers.weight"],
                    _ => &super::model::LINEAR_FACTORS,
                };
                self.mismatch.missing.extend(factors.iter().map(|factor| key(path, factor)));
            }
            Some(low_rank) if !self.is_misshapen(path) => {
                if adapter.config.dora && low_rank.magnitude.is_none() {
                    self.mismatch.missing.push(key(path, "lora_magnitude_vector"));
                }
                let linear = low_rank.kind != LayerKind::Embedding;
                if linear && adapter.config.lora_bias && low_rank.output_bias.is_none() {
                    self.mismatch.missing.push(key(path, "lora_B.bias"));
                }
            }
            _ => {}
        }
        let bias = format!("{path}.bias");
        let trained = adapter.config.bias.requires(adapter.low_rank.contains_key(path));
        if trained && self.infos.contains_key(&bias) && !adapter.replaced.contains_key(&bias) {
            let name = if adapter.low_rank.contains_key(path) { "base_layer.bias" } else { "bias" };
            self.mismatch.missing.push(key(path, name));
        }
    }

    fn is_misshapen(&self, path: &str) -> bool {
        self.mismatch.misshapen.iter().any(|misshapen| misshapen.key.starts_with(&key(path, "lora_")))
    }

    /// Every parameter of a module that is trained whole.
    fn saved(&mut self, path: &str) {
        for parameter in ["weight", "bias"] {
            let name = format!("{path}.{parameter}");
            if self.infos.contains_key(&name) && !self.adapter.replaced.contains_key(&name) {
                self.mismatch.missing.push(key(path, parameter));
            }
        }
    }

    fn factors(&mut self, path: &str, low_rank: &LowRank) {
        let &LowRank { rank, kind, .. } = low_rank;
        let names = low_rank.factors();
        let transposed = kind == LayerKind::Embedding || self.adapter.config.is_transposed(path);
        let expected = match (kind, self.shape(&format!("{path}.weight")).unwrap_or_default()) {
            (LayerKind::Convolution { .. }, &[outputs, channels, height, width]) => {
                [vec![rank, channels, height, width], vec![outputs, rank, 1, 1]]
            }
            (LayerKind::Linear | LayerKind::Embedding, &[rows, columns]) => {
                let (inputs, outputs) = if transposed { (rows, columns) } else { (columns, rows) };
                [vec![rank, inputs], vec![outputs, rank]]
            }
            _ => {
                self.mismatch.unexpected.extend(names.map(|name| key(path, name)));
                return;
            }
        };
        for ((name, expected), found) in names.into_iter().zip(expected).zip(low_rank.shapes()) {
            self.same(key(path, name), &expected, &found);
        }
    }

    fn same(&mut self, key: String, expected: &[usize], found: &[usize]) {
        if expected != found {
            let (expected, found) = (expected.to_vec(), found.to_vec());
            self.mismatch.misshapen.push(Misshapen { key, expected, found });
        }
    }

    fn replaced(&mut self) {
        for (name, replacement) in &self.adapter.replaced {
            let key = format!("{}{name}", super::keys::PREFIX);
            match self.shape(name).map(<[usize]>::to_vec) {
                Some(expected) => self.same(key, &expected, &replacement.shape),
                None => self.mismatch.unexpected.push(key),
            }
        }
    }

    fn new_rows(&mut self, modules: &[ModuleName]) {
        let suffix = "token_adapter.trainable_tokens_delta";
        for (path, rows) in &self.adapter.new_rows {
            let tokens = rows.tokens.len();
            match self.shape(&format!("{path}.weight")) {
                Some(&[height, width]) if rows.tokens.iter().all(|&token| (token as usize) < height) => {
                    self.same(key(path, suffix), &[tokens, width], &[tokens, rows.width]);
                }
                _ => self.mismatch.unexpected.push(key(path, suffix)),
            }
        }
        let config = &self.adapter.config.trainable_tokens;
        let input = |module: &&ModuleName| module.kind == super::Kind::Embedding;
        let called_for: Vec<&str> = match config {
            super::TrainableTokens::None => return,
            super::TrainableTokens::Input(_) => {
                modules.iter().find(input).map(|m| m.path.as_str()).into_iter().collect()
            }
            super::TrainableTokens::Named(_) => {
                let named = modules.iter().filter(|module| config.of(&module.path).is_some());
                named
                    .filter(|module| !self.has_rows_of_embedding(module))
                    .map(|module| module.path.as_str())
                    .collect()
            }
        };
        for path in called_for {
            let misshapen =
                self.mismatch.misshapen.iter().any(|misshapen| misshapen.key == key(path, suffix));
            if !self.adapter.new_rows.contains_key(path) && !misshapen {
                self.mismatch.missing.push(key(path, suffix));
            }
        }
    }

    /// A tied head whose rows are those of the embedding shares them, and peft does not save them twice.
    fn has_rows_of_embedding(&self, module: &ModuleName) -> bool {
        let config = &self.adapter.config.trainable_tokens;
        let embedding = ends::tied(self.infos).filter(|_| module.path == "lm_head");
        embedding
            .and_then(|name| name.strip_suffix(".weight"))
            .is_some_and(|path| config.of(&module.path) == config.of(path))
    }
}
