//! Which modules an adapter changes, by peft's rules.
//!
//! 1. `exclude_modules`: a list excludes `NAME` and every `….NAME`; a string excludes what it matches in full.
//! 2. `modules_to_save` are trained whole and never adapted: `(^|.*\.)NAME($|\..*)`.
//! 3. `target_modules`: a list targets `NAME` and every `….NAME`; a string what it matches in full; `all-linear`
//!    every linear layer but the output head; absent, the usual ones of the model type.
//! 4. `layers_to_transform` keeps, of the names that matched as a suffix, those in these layers.

use super::TargetFault;
use super::pattern::Pattern;
use crate::{Result, Tensors, ends, names};
use std::collections::BTreeSet;

/// What a module is, as far as adapters care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A matrix `[out, in]`.
    Linear,
    /// The matrix that gives the logits; `all-linear` leaves it alone.
    Head,
    /// A table of rows.
    Embedding,
    /// A normalisation.
    Norm,
    /// A convolution.
    Convolution,
}

/// A module of the base model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// Dotted, such as `model.layers.0.self_attn.q_proj`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The usual modules of the model type.
    #[default]
    Default,
    /// Every linear layer but the output head.
    AllLinear,
    /// Names or endings of names.
    Names(Vec<String>),
    /// A regular expression that matches whole names.
    Pattern(String),
}

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// Names or endings of names.
    Names(Vec<String>),
    /// A regular expression that matches whole names.
    Pattern(String),
}

/// The choice of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// What is adapted.
    pub modules: Selection,
    /// What is left out.
    pub exclude: Option<Exclusion>,
    /// Modules that are trained whole, and so not adapted.
    pub saved: Vec<String>,
    /// Only these layers; empty means all.
    pub layers: Vec<usize>,
    /// Names of the lists of layers, such as `h`; empty means any.
    pub layers_pattern: Vec<String>,
}

impl Targets {
    /// `Selection::Default` replaced by the usual modules of `model_type`; others as they are.
    pub fn with_defaults(mut self, model_type: &str) -> Result<Self> {
        if self.modules == Selection::Default {
            let names = usual(model_type)
                .ok_or_else(|| TargetFault::NoDefault { model_type: crate::fields::shorten(model_type) })?;
            self.modules = Selection::Names(names.iter().map(|&name| name.to_owned()).collect());
        }
        Ok(self)
    }

    /// The paths of the targeted modules, in the order of `modules`.
    pub fn select(&self, modules: &[ModuleName]) -> Result<Vec<String>> {
        Rules::compile(self)?.refuse_containers(modules)?;
        self.chosen(modules)
    }

    /// Of modules that are no groups of others.
    fn chosen(&self, modules: &[ModuleName]) -> Result<Vec<String>> {
        let rules = Rules::compile(self)?;
        let (mut selected, mut excluded) = (Vec::new(), false);
        for module in modules {
            match rules.verdict(module)? {
                Verdict::Targeted => selected.push(supported(module)?),
                Verdict::Excluded => excluded = true,
                Verdict::Other => {}
            }
        }
        if selected.is_empty() { Err(self.no_match(modules, excluded).into()) } else { Ok(selected) }
    }

    /// As [`select`](Self::select), but nothing that was asked for is passed over in silence: every name of a list is
    /// borne by a module, every layer is there, and the choice of layers holds for `all-linear` and expressions too,
    /// where peft refuses it. An expression takes what can be adapted of what it matches, where peft refuses normalisations
    /// and groups of modules.
    pub fn select_strictly(&self, modules: &[ModuleName]) -> Result<Vec<String>> {
        let unmatched = self.unmatched(modules);
        if !unmatched.is_empty() {
            let alone = Self { modules: Selection::Names(unmatched), ..Self::default() };
            return Err(alone.no_match(modules, false).into());
        }
        let mut selected = match self.modules {
            Selection::Pattern(_) => {
                let adaptable = modules.iter().filter(|module| supported(module).is_ok());
                self.chosen(&adaptable.cloned().collect::<Vec<_>>())?
            }
            _ => self.select(modules)?,
        };
        let rules = Rules::compile(self)?;
        if !self.layers.is_empty() && !matches!(self.modules, Selection::Names(_)) {
            let mut kept = Vec::new();
            for path in selected {
                if rules.layer_of(&path)?.is_some_and(|layer| self.layers.contains(&layer)) {
                    kept.push(path);
                }
            }
            selected = kept;
        }
        let mut there = BTreeSet::new();
        for module in modules {
            there.extend(rules.layer_of(&module.path)?);
        }
        match self.layers.iter().find(|layer| !there.contains(layer)) {
            Some(&layer) => Err(TargetFault::NoLayer { layer, count: there.len() }.into()),
            None if selected.is_empty() => Err(self.no_match(modules, false).into()),
            None => Ok(selected),
        }
    }

    /// Names of a list of targets that no module bears.
    fn unmatched(&self, modules: &[ModuleName]) -> Vec<String> {
        let Selection::Names(names) = &self.modules else { return Vec::new() };
        let borne = |name: &&String| modules.iter().any(|module| is_suffix(&module.path, name));
        names.iter().filter(|name| !borne(name)).cloned().collect()
    }

    /// Whether the parts fit each other; peft's `LoraConfig` checks the same.
    pub(crate) fn check(&self) -> Result<(), TargetFault> {
        if matches!(self.modules, Selection::Pattern(_) | Selection::AllLinear) {
            let keys = [
                ("layers_to_transform", self.layers.is_empty()),
                ("layers_pattern", self.layers_pattern.is_empty()),
            ];
            if let Some((key, _)) = keys.into_iter().find(|(_, absent)| !absent) {
                return Err(TargetFault::LayersWithPattern { key });
            }
        }
        if self.layers.is_empty() && !self.layers_pattern.is_empty() {
            return Err(TargetFault::LayersMissing);
        }
        Rules::compile(self).map(|_| ())
    }

    fn no_match(&self, modules: &[ModuleName], excluded: bool) -> TargetFault {
        let wanted = match &self.modules {
            Selection::Default => String::new(),
            Selection::AllLinear => "all-linear".to_owned(),
            Selection::Names(names) => names.join(", "),
            Selection::Pattern(pattern) => pattern.clone(),
        };
        if excluded {
            return TargetFault::AllExcluded { wanted };
        }
        let mut nearest = Vec::new();
        if let Selection::Names(names) = &self.modules {
            nearest = names.iter().flat_map(|name| nearest_endings(name, modules)).collect();
            nearest.dedup();
        }
        let last = |module: &ModuleName| endings(&module.path, 1).to_owned();
        let adaptable = modules.iter().filter(|module| supported(module).is_ok());
        let known = adaptable.map(last).collect::<BTreeSet<_>>().into_iter().collect();
        TargetFault::NoMatch { wanted: crate::fields::shorten(&wanted), nearest: nearest.into(), known }
    }
}

/// Module endings with as many parts as `name` that look like it.
fn nearest_endings(name: &str, modules: &[ModuleName]) -> Vec<String> {
    let parts = name.split('.').count();
    let endings: BTreeSet<_> = modules.iter().map(|module| endings(&module.path, parts)).collect();
    names::nearest(name, endings, 3)
}

/// The last `parts` parts of a dotted path.
fn endings(path: &str, parts: usize) -> &str {
    let cut = path.rmatch_indices('.').nth(parts.saturating_sub(1)).map(|(at, _)| at + 1);
    path.get(cut.unwrap_or(0)..).unwrap_or(path)
}

fn supported(module: &ModuleName) -> Result<String, TargetFault> {
    let what = match module.kind {
        Kind::Linear | Kind::Head | Kind::Embedding | Kind::Convolution => return Ok(module.path.clone()),
        Kind::Norm => "a normalisation",
    };
    Err(TargetFault::Unsupported { path: module.path.clone(), what })
}

/// `path` is `name` or ends with `.name`.
pub(crate) fn is_suffix(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Excluded,
    Targeted,
    Other,
}

/// [`Targets`] with its expressions compiled.
pub(crate) struct Rules<'a> {
    targets: &'a Targets,
    exclude: Option<Pattern>,
    saved: Vec<Pattern>,
    whole: Option<Pattern>,
    layers: Vec<Pattern>,
}

impl<'a> Rules<'a> {
    pub fn compile(targets: &'a Targets) -> Result<Self, TargetFault> {
        let exclude = match &targets.exclude {
            Some(Exclusion::Pattern(pattern)) => Some(Pattern::full(pattern)?),
            _ => None,
        };
        let whole = match &targets.modules {
            Selection::Pattern(pattern) => Some(Pattern::full(pattern)?),
            _ => None,
        };
        let layers = match targets.layers_pattern.as_slice() {
            [] => vec![Pattern::start("", r".*?\.[^.]*\.(?P<idx>\d+)\.")?],
            names => {
                let layer =
                    |name: &String| Pattern::start(name, &format!(r"(?:^|.*?\.){name}\.(?P<idx>\d+)\."));
                names.iter().map(layer).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { targets, exclude, saved: saved_patterns(&targets.saved)?, whole, layers })
    }

    pub fn verdict(&self, module: &ModuleName) -> Result<Verdict, TargetFault> {
        if self.is_excluded(&module.path)? {
            return Ok(Verdict::Excluded);
        }
        let targeted = match &self.targets.modules {
            Selection::Default => false,
            Selection::AllLinear => module.kind == Kind::Linear,
            Selection::Names(names) => self.is_named(names, &module.path)?,
            Selection::Pattern(_) => {
                self.whole.as_ref().map_or(Ok(false), |whole| whole.matches(&module.path))?
            }
        };
        Ok(if targeted { Verdict::Targeted } else { Verdict::Other })
    }

    fn is_excluded(&self, path: &str) -> Result<bool, TargetFault> {
        let excluded = match &self.targets.exclude {
            Some(Exclusion::Names(names)) => names.iter().any(|name| is_suffix(path, name)),
            _ => self.exclude.as_ref().map_or(Ok(false), |pattern| pattern.matches(path))?,
        };
        Ok(excluded || any_matches(&self.saved, path)?)
    }

    /// A full name is targeted in every layer; only endings are subject to the choice of layers.
    fn is_named(&self, names: &[String], path: &str) -> Result<bool, TargetFault> {
        if names.iter().any(|name| name == path) {
            return Ok(true);
        }
        if !names.iter().any(|name| is_suffix(path, name)) {
            return Ok(false);
        }
        if self.targets.layers.is_empty() {
            return Ok(true);
        }
        let layer = self.layer_of(path)?;
        Ok(layer.is_some_and(|layer| self.targets.layers.contains(&layer)))
    }

    /// The index behind the first layer pattern that matches.
    fn layer_of(&self, path: &str) -> Result<Option<usize>, TargetFault> {
        for pattern in &self.layers {
            if let Some(captures) = pattern.captures(path)? {
                return Ok(captures.name("idx").and_then(|index| index.as_str().parse().ok()));
            }
        }
        Ok(None)
    }

    /// peft looks at every module, so that `self_attn` hits the attention itself, which it cannot adapt.
    fn refuse_containers(&self, modules: &[ModuleName]) -> Result<(), TargetFault> {
        if matches!(self.targets.modules, Selection::AllLinear | Selection::Default) {
            return Ok(());
        }
        let prefixes = |module: &'_ ModuleName| -> Vec<String> {
            module.path.match_indices('.').map(|(at, _)| module.path[..at].to_owned()).collect()
        };
        let leaves: BTreeSet<_> = modules.iter().map(|module| module.path.as_str()).collect();
        let containers: BTreeSet<String> = modules.iter().flat_map(prefixes).collect();
        for path in containers.into_iter().filter(|path| !leaves.contains(path.as_str())) {
            let module = ModuleName { path, kind: Kind::Norm };
            if self.verdict(&module)? == Verdict::Targeted {
                return Err(TargetFault::Unsupported { path: module.path, what: "a group of modules" });
            }
        }
        Ok(())
    }
}

/// The expressions behind `modules_to_save`; names are used as expressions, as peft does.
fn saved_patterns(names: &[String]) -> Result<Vec<Pattern>, TargetFault> {
    let pattern = |name: &String| Pattern::start(name, &format!(r"(^|.*\.){name}($|\..*)"));
    names.iter().map(pattern).collect()
}

/// Whether `path` lies in a module that peft trains whole. Here peft compares plain endings, so that `norm` takes
/// `input_layernorm` too; the rule that keeps such modules from being adapted is the expression above.
pub fn is_saved(names: &[String], path: &str) -> bool {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    ends.map(|end| &path[..end]).any(|module| names.iter().any(|name| module.ends_with(name.as_str())))
}

fn any_matches(patterns: &[Pattern], path: &str) -> Result<bool, TargetFault> {
    for pattern in patterns {
        if pattern.matches(path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// peft's list of usual LoRA targets.
fn usual(model_type: &str) -> Option<&'static [&'static str]> {
    Some(match model_type {
        "llama" | "llama4" | "mistral" | "mixtral" | "qwen2" | "qwen3" | "gemma" | "gemma2"
        | "gemma3_text" | "stablelm" | "opt" | "gptj" | "gpt_neo" | "bart" => &["q_proj", "v_proj"],
        "phi" => &["q_proj", "v_proj", "fc1", "fc2"],
        "gpt2" | "gpt_bigcode" => &["c_attn"],
        "bert" | "roberta" | "xlm-roberta" | "electra" | "layoutlm" => &["query", "value"],
        "t5" | "mt5" => &["q", "v"],
        "gpt_neox" | "bloom" | "falcon" | "chatglm" | "RefinedWeb" | "RefinedWebModel" => {
            &["query_key_value"]
        }
        "deberta" => &["in_proj"],
        "deberta-v2" => &["query_proj", "value_proj"],
        "mpt" => &["Wqkv"],
        "nemotron_h" => &["q_proj", "k_proj", "v_proj", "o_proj"],
        _ => return None,
    })
}

/// The modules behind the tensors of a model, in file order; a tied head, which has no tensor, comes last.
pub fn modules_of(tensors: &dyn Tensors) -> Vec<ModuleName> {
    let infos = tensors.infos();
    let module = |(name, info): (&String, &crate::TensorInfo)| {
        let path = name.strip_suffix(".weight")?.to_owned();
        let kind = match info.shape.len() {
            1 => Kind::Norm,
            2 => kind_by_name(endings(&path, 1)),
            _ => Kind::Convolution,
        };
        Some(ModuleName { path, kind })
    };
    let mut modules: Vec<_> = infos.iter().filter_map(module).collect();
    if ends::tied(infos).is_some() {
        modules.push(ModuleName { path: "lm_head".to_owned(), kind: Kind::Head });
    }
    modules
}

fn kind_by_name(last: &str) -> Kind {
    match last {
        "embed_tokens"
        | "wte"
        | "wpe"
        | "word_embeddings"
        | "position_embeddings"
        | "token_type_embeddings"
        | "embed_positions"
        | "embed_in" => Kind::Embedding,
        "lm_head" | "embed_out" | "score" | "classifier" => Kind::Head,
        _ => Kind::Linear,
    }
}
