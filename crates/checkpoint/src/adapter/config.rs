//! `adapter_config.json` of a LoRA adapter.
//!
//!     scaling of a module = alpha / r, or alpha / √r with rslora
//!
//! where `r` and `alpha` come from the first key of `rank_pattern` and `alpha_pattern` that matches the module,
//! in file order, else from the adapter.

use super::pattern::Pattern;
use super::{Selection, TargetFault, Targets};
use crate::Result;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// What a LoRA adapter is, without its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterConfig {
    /// Path or hub name of the base model.
    pub base_model: Option<String>,
    /// Version of the base model on the hub.
    pub revision: Option<String>,
    /// Such as `CAUSAL_LM`.
    pub task: Option<String>,
    /// Rank, unless `rank_pattern` says otherwise.
    pub rank: usize,
    /// Numerator of the scaling, unless `alpha_pattern` says otherwise.
    pub alpha: f64,
    /// Share of inputs dropped in training; no effect on the finished adapter.
    pub dropout: f64,
    /// Which modules are adapted; `saved` are those trained whole.
    pub targets: Targets,
    /// What peft noted of the layers that it saw last; see [`is_transposed`](Self::is_transposed).
    pub fan_in_fan_out: bool,
    /// Which biases of the base model were trained.
    pub bias: Bias,
    /// Divide alpha by √r instead of r.
    pub rslora: bool,
    /// Weights are split into direction and magnitude.
    pub dora: bool,
    /// The second factor has a bias, which adds to the module's.
    pub lora_bias: bool,
    /// How the factors began, and with it whether the base weights were altered.
    pub initialisation: Initialisation,
    /// Name or expression → rank.
    pub rank_pattern: IndexMap<String, usize>,
    /// Name or expression → alpha.
    pub alpha_pattern: IndexMap<String, f64>,
    /// Rows of embeddings that were trained.
    pub trainable_tokens: TrainableTokens,
    /// Embedding and tied head are adapted alike.
    pub ensure_weight_tying: bool,
    /// Class of the base model, for models without a task.
    pub auto_mapping: Option<Value>,
    /// Keys that this version does not know; they have no effect, which deserves a warning.
    pub unknown_keys: Vec<String>,
}

impl Default for AdapterConfig {
    /// peft's defaults.
    fn default() -> Self {
        Self {
            base_model: None,
            revision: None,
            task: None,
            rank: 8,
            alpha: 8.0,
            dropout: 0.0,
            targets: Targets::default(),
            fan_in_fan_out: false,
            bias: Bias::None,
            rslora: false,
            dora: false,
            lora_bias: false,
            initialisation: Initialisation::Kaiming,
            rank_pattern: IndexMap::new(),
            alpha_pattern: IndexMap::new(),
            trainable_tokens: TrainableTokens::None,
            ensure_weight_tying: false,
            auto_mapping: None,
            unknown_keys: Vec::new(),
        }
    }
}

/// Which biases of the base model were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// None.
    None,
    /// Every one.
    All,
    /// Those of the adapted modules.
    LoraOnly,
}

/// How the factors began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialisation {
    /// A uniform, B zero (`true`).
    Kaiming,
    /// Both random (`false`).
    Random,
    /// A normal, B zero.
    Gaussian,
    /// A from the principal inputs, B zero.
    Eva,
    /// Orthogonal rows whose product is zero.
    Orthogonal,
    /// A zero, B from the smallest singular vectors.
    Mica,
    /// The principal part of the weight, which was taken out of the base.
    Pissa,
    /// The same from a randomised SVD with this many power iterations; cannot be recomputed.
    PissaIterations(u32),
    /// From QR of the weight; taken out of the base.
    Olora,
    /// The principal part as seen by the inputs; taken out of the base.
    Corda,
    /// From gradients; taken out of the base.
    LoraGa,
    /// The base was quantised.
    Loftq,
}

impl Initialisation {
    const NAMED: [(&'static str, Self); 9] = [
        ("gaussian", Self::Gaussian),
        ("eva", Self::Eva),
        ("orthogonal", Self::Orthogonal),
        ("mica", Self::Mica),
        ("pissa", Self::Pissa),
        ("olora", Self::Olora),
        ("corda", Self::Corda),
        ("lora_ga", Self::LoraGa),
        ("loftq", Self::Loftq),
    ];

    /// Those that have names, as a configuration has them.
    pub(super) fn words() -> Vec<&'static str> {
        Self::NAMED.into_iter().map(|(name, _)| name).chain(["pissa_niter_N"]).collect()
    }

    /// Whether the base weights were altered before training, so that the factors do not fit the original ones.
    pub fn alters_base(self) -> bool {
        match self {
            Self::Kaiming | Self::Random | Self::Gaussian | Self::Eva | Self::Orthogonal | Self::Mica => {
                false
            }
            Self::Pissa | Self::PissaIterations(_) => true,
            Self::Olora | Self::Corda | Self::LoraGa | Self::Loftq => true,
        }
    }

    /// The value of `init_lora_weights`.
    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Kaiming => true.into(),
            Self::Random => false.into(),
            Self::PissaIterations(count) => format!("pissa_niter_{count}").into(),
            named => Self::NAMED.iter().find(|(_, known)| *known == named).map(|(name, _)| *name).into(),
        }
    }

    pub(super) fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Self::Kaiming),
            Value::Bool(false) => Some(Self::Random),
            Value::String(name) => match name.strip_prefix("pissa_niter_") {
                Some(count) => count.parse().ok().map(Self::PissaIterations),
                None => Self::NAMED.iter().find(|(known, _)| known == name).map(|(_, known)| *known),
            },
            _ => None,
        }
    }
}

/// Rows of embeddings that were trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainableTokens {
    /// None.
    None,
    /// These of the input embedding.
    Input(Vec<u32>),
    /// These of the named embeddings.
    Named(IndexMap<String, Vec<u32>>),
}

impl TrainableTokens {
    /// The rows of the embedding at `path`.
    pub fn of(&self, path: &str) -> Option<&[u32]> {
        match self {
            Self::None => None,
            Self::Input(tokens) => Some(tokens),
            Self::Named(named) => {
                let found = named.iter().find(|(name, _)| super::targets::is_suffix(path, name));
                found.map(|(_, tokens)| tokens.as_slice())
            }
        }
    }
}

impl AdapterConfig {
    /// Rank of the module at `path`.
    pub fn rank_of(&self, path: &str) -> Result<usize> {
        Ok(self.scales()?.rank(path)?)
    }

    /// Factor of the module's change: alpha / r, or alpha / √r.
    pub fn scaling_of(&self, path: &str) -> Result<f64> {
        Ok(self.scales()?.scaling(path)?)
    }

    /// Whether the weight of the module at `path` is stored as `[in, out]`. Only GPT-2's `Conv1D` is; here its name
    /// stands for the class. `fan_in_fan_out` does not count: peft corrects it layer by layer and saves what the last
    /// layer made of it, so that it is false where the head is adapted too.
    pub fn is_transposed(&self, path: &str) -> bool {
        const CONV1D: [&str; 4] = ["c_attn", "q_attn", "c_proj", "c_fc"];
        CONV1D.iter().any(|name| super::targets::is_suffix(path, name))
    }

    /// The patterns compiled, for many modules.
    pub(super) fn scales(&self) -> Result<Scales<'_>, TargetFault> {
        let ranks = self.rank_pattern.keys().map(|key| pattern_of(key)).collect::<Result<_, _>>()?;
        let alphas = self.alpha_pattern.keys().map(|key| pattern_of(key)).collect::<Result<_, _>>()?;
        Ok(Scales { config: self, ranks, alphas })
    }

    /// The keys that every version of peft reads, and others only where they are needed.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "auto_mapping": self.auto_mapping,
            "base_model_name_or_path": self.base_model,
            "bias": match self.bias {
                Bias::None => "none",
                Bias::All => "all",
                Bias::LoraOnly => "lora_only",
            },
            "fan_in_fan_out": self.fan_in_fan_out,
            "inference_mode": true,
            "init_lora_weights": self.initialisation.to_json(),
            "layer_replication": null,
            "layers_pattern": or_null(&self.targets.layers_pattern),
            "layers_to_transform": or_null(&self.targets.layers),
            "loftq_config": {},
            "lora_alpha": whole_or_float(self.alpha),
            "lora_dropout": self.dropout,
            "megatron_config": null,
            "megatron_core": "megatron.core",
            "modules_to_save": or_null(&self.targets.saved),
            "peft_type": "LORA",
            "r": self.rank,
            "revision": self.revision,
            "target_modules": self.targets.modules.to_json(),
            "task_type": self.task,
            "use_dora": self.dora,
            "use_rslora": self.rslora,
        });
        if self.initialisation == Initialisation::Loftq {
            json["loftq_config"] = json!({ "loftq_bits": 4, "loftq_iter": 1 });
        }
        json["rank_pattern"] = json!(self.rank_pattern);
        let alphas = self.alpha_pattern.iter().map(|(key, &alpha)| (key.clone(), whole_or_float(alpha)));
        json["alpha_pattern"] = Value::Object(alphas.collect());
        self.add_newer_keys(&mut json);
        sorted(json)
    }

    /// Old versions of peft raise on keys they do not know, so these are written only with a purpose.
    fn add_newer_keys(&self, json: &mut Value) {
        match &self.targets.exclude {
            Some(super::Exclusion::Names(names)) => json["exclude_modules"] = json!(names),
            Some(super::Exclusion::Pattern(pattern)) => json["exclude_modules"] = json!(pattern),
            None => {}
        }
        match &self.trainable_tokens {
            TrainableTokens::None => {}
            TrainableTokens::Input(tokens) => json["trainable_token_indices"] = json!(tokens),
            TrainableTokens::Named(named) => json["trainable_token_indices"] = json!(named),
        }
        if self.lora_bias {
            json["lora_bias"] = true.into();
        }
        if self.ensure_weight_tying {
            json["ensure_weight_tying"] = true.into();
        }
    }
}

/// Keys sorted at the top; the order inside the patterns decides which of them wins and is kept.
fn sorted(json: Value) -> Value {
    let Value::Object(object) = json else { return json };
    let mut entries: Vec<_> = object.into_iter().collect();
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

fn or_null<T: serde::Serialize>(list: &[T]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// 16 rather than 16.0: alphas are whole numbers to most readers.
fn whole_or_float(number: f64) -> Value {
    let whole = number as i64;
    if whole as f64 == number { whole.into() } else { number.into() }
}

impl Selection {
    /// peft's own word for it: it refuses a list without names, although there may be whole modules.
    pub(super) const NOTHING: &str = "dummy-target-modules";

    /// The modules at these paths and no others. A list takes every module whose path ends with one of its names, as that of
    /// `layer1.0.conv1` does with `conv1`; so paths of one part make an expression, but for the head of a language model.
    pub fn of_paths<'a>(paths: impl IntoIterator<Item = &'a String>) -> Self {
        let paths: Vec<String> = paths.into_iter().cloned().collect();
        if paths.iter().all(|path| path.contains('.') || path == "lm_head") {
            return Self::Names(paths);
        }
        let escaped: Vec<String> = paths.iter().map(|path| path.replace('.', r"\.")).collect();
        Self::Pattern(escaped.join("|"))
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Default => Value::Null,
            Self::AllLinear => "all-linear".into(),
            Self::Pattern(pattern) => pattern.as_str().into(),
            Self::Names(names) if names.is_empty() => Self::NOTHING.into(),
            Self::Names(names) => {
                let mut names = names.clone();
                names.sort();
                json!(names)
            }
        }
    }
}

/// The value of the first key that matches the module at `path`.
pub(super) fn of_module<T: Copy>(values: &IndexMap<String, T>, path: &str) -> Result<Option<T>, TargetFault> {
    let patterns = values.keys().map(|key| pattern_of(key)).collect::<Result<Vec<_>, _>>()?;
    first_match(values, &patterns, path)
}

/// `re.match(rf"(.*\.)?({key})$", path)`.
fn pattern_of(key: &str) -> Result<Pattern, TargetFault> {
    Pattern::start(key, &format!(r"(.*\.)?({key})$"))
}

/// Ranks and alphas by module.
pub(super) struct Scales<'a> {
    config: &'a AdapterConfig,
    ranks: Vec<Pattern>,
    alphas: Vec<Pattern>,
}

impl Scales<'_> {
    pub fn rank(&self, path: &str) -> Result<usize, TargetFault> {
        Ok(first_match(&self.config.rank_pattern, &self.ranks, path)?.unwrap_or(self.config.rank))
    }

    pub fn scaling(&self, path: &str) -> Result<f64, TargetFault> {
        let alpha = first_match(&self.config.alpha_pattern, &self.alphas, path)?.unwrap_or(self.config.alpha);
        let rank = self.rank(path)? as f64;
        Ok(alpha / if self.config.rslora { rank.sqrt() } else { rank })
    }
}

/// A key that is the name itself counts even where, read as an expression, it does not match.
fn first_match<T: Copy>(
    values: &IndexMap<String, T>,
    patterns: &[Pattern],
    path: &str,
) -> Result<Option<T>, TargetFault> {
    for (value, pattern) in values.values().zip(patterns) {
        if pattern.matches(path)? {
            return Ok(Some(*value));
        }
    }
    Ok(values.get(path).copied())
}
