//! From the keys of `adapter_config.json` to [`AdapterConfig`].

use super::{AdapterConfig, Bias, Exclusion, Fault, Initialisation, Selection, Targets, TrainableTokens};
use crate::fields::{Fields, WrongValue, as_count, as_list, shorten};
use crate::{Error, Result, mapping};
use indexmap::IndexMap;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// No side of a matrix is longer.
const RANK_LIMIT: usize = 1 << 20;

/// Keys of all kinds of adapters.
const COMMON: [&str; 15] = [
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
];

/// Keys of LoRA in peft 0.21 that have no effect on a finished adapter, or are read below.
const KNOWN: [&str; 28] = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "init_lora_weights",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "monteclora_config",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "use_rslora",
    "velora_config",
    // Written by versions before 0.2; only ever true for merged projections, which have other keys.
    "enable_lora",
];

/// Features that are refused when their key holds anything but null, false or nothing.
const REFUSED: [(&str, &str); 9] = [
    ("alora_invocation_tokens", "activated LoRA, which depends on the tokens seen"),
    ("arrow_config", "Arrow routing between adapters"),
    ("enable_lora", "LoRA on merged projections"),
    ("kasa_config", "KaSA, which truncates the base weights"),
    ("layer_replication", "replicating layers"),
    ("monteclora_config", "Monte-Carlo LoRA"),
    ("target_parameters", "adapting raw parameters of expert blocks"),
    ("use_bdlora", "block-diagonal LoRA"),
    ("use_qalora", "QALoRA on GPTQ weights"),
];

impl AdapterConfig {
    /// Reads `adapter_config.json` of `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let (path, json) = read_json(folder)?;
        Self::parse(&path, &json)
    }

    /// From the parsed file; `path` is for messages.
    pub fn parse(path: &Path, json: &Value) -> Result<Self> {
        read(json).map_err(|fault| Error::Adapter { path: path.to_owned(), fault })
    }
}

/// The path of `adapter_config.json` in `folder`, and what it holds.
pub(super) fn read_json(folder: &Path) -> Result<(PathBuf, Value)> {
    if folder.is_file() {
        return Err(Error::Adapter { path: folder.to_owned(), fault: Fault::File });
    }
    let path = folder.join("adapter_config.json");
    if !path.is_file() && folder.is_dir() {
        let fault = Fault::NoConfig { nested: nested(folder) };
        return Err(Error::Adapter { path: folder.to_owned(), fault });
    }
    let json = mapping::read_json(&path)?;
    Ok((path, json))
}

/// Subfolders with an adapter: peft saves all but the default one so.
fn nested(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let adapters = entries.filter(|entry| entry.path().join("adapter_config.json").is_file());
    let mut names: Vec<_> = adapters.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(json: &Value) -> Result<AdapterConfig, Fault> {
    let fields = Fields::of("adapter_config.json", json)?;
    match peft_type(fields)? {
        "LORA" => {}
        // Modules trained whole and nothing else.
        "LN_TUNING" => return common(fields, &[]),
        kind => return Err(Fault::Type { found: shorten(kind) }),
    }
    refuse_features(fields)?;
    let flag = |key| Ok::<_, Fault>(fields.bool(key)?.unwrap_or(false));
    let config = AdapterConfig {
        rank: rank("r", fields.number("r")?.unwrap_or(8.0))?,
        alpha: alpha("lora_alpha", fields.number("lora_alpha")?.unwrap_or(8.0))?,
        dropout: fields.number("lora_dropout")?.unwrap_or(0.0),
        bias: bias(fields)?,
        rslora: flag("use_rslora")?,
        dora: flag("use_dora")?,
        lora_bias: flag("lora_bias")?,
        initialisation: initialisation(fields)?,
        rank_pattern: rank_pattern(fields)?,
        alpha_pattern: alpha_pattern(fields)?,
        trainable_tokens: trainable_tokens(fields)?,
        ensure_weight_tying: flag("ensure_weight_tying")?,
        ..common(fields, &KNOWN)?
    };
    // Compiled to find an expression that does not; the modules are not known yet.
    config.scales()?;
    Ok(config)
}

/// What kind of adapter it is.
pub(super) fn peft_type(fields: Fields<'_>) -> Result<&str, Fault> {
    fields.string("peft_type")?.ok_or(Fault::NoType)
}

/// What the configurations of all kinds of adapters say; `settings` are the keys of this kind.
pub(super) fn common(fields: Fields, settings: &[&str]) -> Result<AdapterConfig, Fault> {
    let text = |key| Ok::<_, Fault>(fields.string(key)?.map(str::to_owned));
    let config = AdapterConfig {
        base_model: text("base_model_name_or_path")?,
        revision: text("revision")?,
        task: text("task_type")?,
        targets: targets(fields)?,
        fan_in_fan_out: fields.bool("fan_in_fan_out")?.unwrap_or(false),
        auto_mapping: fields.get("auto_mapping").cloned(),
        unknown_keys: unknown(fields.0, |key| COMMON.contains(&key) || settings.contains(&key)),
        ..AdapterConfig::default()
    };
    config.targets.check()?;
    Ok(config)
}

fn refuse_features(fields: Fields) -> Result<(), Fault> {
    let is_on = |value: &Value| match value {
        Value::Bool(on) => *on,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    match REFUSED.into_iter().find(|(key, _)| fields.get(key).is_some_and(is_on)) {
        Some((key, what)) => Err(Fault::Feature { key, what }),
        None => Ok(()),
    }
}

pub(super) fn rank(key: &str, found: f64) -> Result<usize, Fault> {
    if found.fract() == 0.0 && (1.0..=RANK_LIMIT as f64).contains(&found) {
        return Ok(found as usize);
    }
    Err(Fault::Rank { key: shorten(key), found, limit: RANK_LIMIT })
}

/// Ranks are 1 or more, so a scaling is never larger than its alpha.
pub(super) fn alpha(key: &str, found: f64) -> Result<f64, Fault> {
    match found as f32 {
        0.0 => Err(Fault::NoScale { key: shorten(key) }),
        number if number.is_finite() => Ok(found),
        _ => Err(Fault::Alpha { key: shorten(key), found }),
    }
}

fn alpha_pattern(fields: Fields) -> Result<IndexMap<String, f64>, Fault> {
    let patterns = fields.numbers("alpha_pattern")?.unwrap_or_default();
    patterns.into_iter().map(|(key, found)| Ok((key.clone(), alpha(&key, found)?))).collect()
}

pub(super) fn rank_pattern(fields: Fields) -> Result<IndexMap<String, usize>, Fault> {
    let patterns = fields.numbers("rank_pattern")?.unwrap_or_default();
    patterns.into_iter().map(|(key, found)| Ok((key.clone(), rank(&key, found)?))).collect()
}

fn targets(fields: Fields) -> Result<Targets, Fault> {
    let modules = match fields.get("target_modules") {
        None => Selection::Default,
        Some(Value::String(all)) if all.eq_ignore_ascii_case("all-linear") => Selection::AllLinear,
        Some(Value::String(nothing)) if nothing == Selection::NOTHING => Selection::Names(Vec::new()),
        Some(Value::String(pattern)) => Selection::Pattern(pattern.clone()),
        Some(_) => Selection::Names(fields.strings("target_modules")?.unwrap_or_default()),
    };
    let exclude = match fields.get("exclude_modules") {
        None => None,
        Some(Value::String(pattern)) if pattern.is_empty() => None,
        Some(Value::String(pattern)) => Some(Exclusion::Pattern(pattern.clone())),
        Some(_) => fields.strings("exclude_modules")?.filter(|names| !names.is_empty()).map(Exclusion::Names),
    };
    Ok(Targets {
        modules,
        exclude,
        saved: fields.strings("modules_to_save")?.unwrap_or_default(),
        layers: fields.counts("layers_to_transform")?.unwrap_or_default(),
        layers_pattern: fields.strings("layers_pattern")?.unwrap_or_default(),
    })
}

pub(super) fn bias(fields: Fields) -> Result<Bias, Fault> {
    match fields.string("bias")?.unwrap_or("none") {
        "none" => Ok(Bias::None),
        "all" => Ok(Bias::All),
        "lora_only" => Ok(Bias::LoraOnly),
        other => Err(WrongValue::new("bias", "`none`, `all` or `lora_only`", &other.into()).into()),
    }
}

fn initialisation(fields: Fields) -> Result<Initialisation, Fault> {
    let Some(value) = fields.get("init_lora_weights") else { return Ok(Initialisation::Kaiming) };
    let unknown = || Fault::Initialisation { found: shorten(value.as_str().unwrap_or(&value.to_string())) };
    Initialisation::from_json(value).ok_or_else(unknown)
}

fn trainable_tokens(fields: Fields) -> Result<TrainableTokens, Fault> {
    let key = "trainable_token_indices";
    let Some(value) = fields.get(key) else { return Ok(TrainableTokens::None) };
    let ids = |value: &Value| as_list(value, |id| u32::try_from(as_count(id)?).ok());
    let tokens = match value {
        Value::Object(named) => {
            let named = named.iter().map(|(name, value)| Some((name.clone(), ids(value)?)));
            named.collect::<Option<_>>().map(TrainableTokens::Named)
        }
        list => ids(list).map(TrainableTokens::Input),
    };
    Ok(tokens
        .ok_or_else(|| WrongValue::new(key, "a list of token ids, or an object of such lists", value))?)
}

/// Keys that nobody here knows and that ask for something; a later peft writes the defaults of all its own.
fn unknown(fields: &serde_json::Map<String, Value>, known: impl Fn(&str) -> bool) -> Vec<String> {
    let asks = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let unknown = fields.iter().filter(|(key, value)| !known(key) && asks(value));
    unknown.map(|(key, _)| key.clone()).collect()
}
