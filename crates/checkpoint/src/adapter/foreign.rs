//! An adapter of another of peft's kinds, as it lies in its files; what its tensors mean is not known here.
//!
//!     base_model.model. MODULE . NAME      a tensor of a module, such as `hada_w1_a`
//!     base_model. NAME                     a tensor that all modules share, such as `vera_A`
//!     otherwise                            whole modules and biases, as in a LoRA's file

use super::config::of_module;
use super::keys::{PREFIX, key};
use super::pattern::Pattern;
use super::read_config::{self, bias, common};
use super::targets::{Rules, Verdict};
use super::{
    Adapter, AdapterConfig, Bias, Fault, Finding, Mismatch, Misshapen, ModuleName, Selection, TargetFault,
    Targets, inspect, modules_of,
};
use crate::fields::{Fields, WrongValue};
use crate::{Error, Result, TensorInfo, Tensors, names, open_tensors};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// An adapter of another kind than LoRA.
pub struct Foreign {
    /// What a LoRA can have too: whole modules, biases, and the keys of the configuration that all kinds share. Its
    /// targets are empty: they are this adapter's.
    pub rest: Adapter,
    targets: Targets,
    /// The file of the configuration, for messages.
    path: PathBuf,
    settings: Map<String, Value>,
    tensors: Box<dyn Tensors>,
    /// Module → name of a tensor → its key.
    modules: IndexMap<String, IndexMap<&'static str, String>>,
    shared: IndexMap<&'static str, String>,
    /// A tensor that every module should have, for messages.
    first: &'static str,
}

impl Foreign {
    /// The `peft_type` of the adapter in `folder`.
    pub fn kind_of(folder: &Path) -> Result<String> {
        let (path, json) = read_config::read_json(folder)?;
        kind(&json).map(str::to_owned).map_err(|fault| Error::Adapter { path, fault })
    }

    /// Reads the adapter in `folder`, of a kind whose tensors bear these `names` and whose configuration has these
    /// `settings` beside those of all. What does not fit is kept for [`check`](Self::check), which must follow.
    pub fn open(folder: &Path, names: &[&'static str], settings: &[&str]) -> Result<Self> {
        let (path, json) = read_config::read_json(folder)?;
        let mut config =
            config(&json, settings).map_err(|fault| Error::Adapter { path: path.clone(), fault })?;
        let saved = config.targets.saved.clone();
        let none = Targets { modules: Selection::Names(Vec::new()), saved, ..Targets::default() };
        let targets = std::mem::replace(&mut config.targets, none);
        let file = Adapter::weights(folder)?;
        let tensors = open_tensors(&file)?;
        let (mut modules, mut shared, mut others) = (IndexMap::new(), IndexMap::new(), IndexMap::new());
        for (key, info) in tensors.infos() {
            match place(key, names) {
                Some((Some(module), name)) => {
                    let of_module: &mut IndexMap<_, _> = modules.entry(module.to_owned()).or_default();
                    of_module.insert(name, key.clone());
                }
                Some((None, name)) => {
                    shared.insert(name, key.clone());
                }
                None => {
                    others.insert(key.clone(), info.clone());
                }
            }
        }
        let mut rest = Adapter::read(config, &Others { tensors: tensors.as_ref(), infos: others }, &file)?;
        for (path, low_rank) in std::mem::take(&mut rest.low_rank) {
            rest.mismatch.unexpected.extend(low_rank.factors().map(|name| key(&path, name)));
        }
        let settings = json.as_object().cloned().unwrap_or_default();
        let first = names.first().copied().unwrap_or_default();
        Ok(Self { rest, targets, path, settings, tensors, modules, shared, first })
    }

    /// An error that lists the targeted modules without tensors, tensors of modules that are not targeted, and what
    /// else does not fit the base; shapes are looked at when numbers are read.
    pub fn check(&self, base: &dyn Tensors) -> Result<()> {
        let mut mismatch = self.rest.mismatch.clone();
        let modules = modules_of(base);
        let Strangers { missing, absent, untargeted } = self.strangers(&modules)?;
        mismatch.missing.extend(missing);
        mismatch.nearest =
            absent.keys().find_map(|path| Some([(*path).to_owned(), nearest(path, &modules)?]));
        mismatch.unexpected.extend(absent.into_values().flatten().chain(untargeted));
        if mismatch.is_empty() { self.rest.check(base) } else { Err(self.mismatch(mismatch)) }
    }

    /// As [`check`](Self::check), everything by itself.
    ///
    /// # Errors
    /// When the targets cannot be used.
    pub fn findings(&self, base: &dyn Tensors) -> Result<Vec<Finding>> {
        let mut findings = match self.rest.check(base) {
            Ok(()) => Vec::new(),
            Err(Error::Adapter { fault: Fault::Mismatch(mismatch), .. }) => {
                inspect::sorted_out(*mismatch, base)
            }
            Err(error) => return Err(error),
        };
        let modules = modules_of(base);
        let paths: Vec<&str> = self.modules.keys().map(String::as_str).collect();
        if let Some(finding) = Finding::other_architecture(&paths, &modules) {
            return Ok(vec![finding]);
        }
        let Strangers { missing, absent, untargeted } = self.strangers(&modules)?;
        findings.extend(missing.into_iter().map(|key| Finding::Missing { key }));
        findings.extend(absent.into_iter().map(|(path, keys)| {
            let (module, nearest) = (path.to_owned(), nearest(path, &modules));
            Finding::NoModule { module, keys, nearest }
        }));
        findings.extend(untargeted.into_iter().map(|key| Finding::Unexpected { key }));
        Ok(findings)
    }

    /// Modules that should have tensors or should have none.
    fn strangers(&self, modules: &[ModuleName]) -> Result<Strangers<'_>> {
        let rules = Rules::compile(&self.targets)?;
        let mut strangers = Strangers::default();
        for module in modules {
            if rules.verdict(module)? == Verdict::Targeted && !self.modules.contains_key(&module.path) {
                strangers.missing.push(key(&module.path, self.first));
            }
        }
        for (path, tensors) in &self.modules {
            match modules.iter().find(|module| module.path == *path) {
                None => {
                    strangers.absent.insert(path, tensors.values().cloned().collect());
                }
                Some(module) if !self.may_adapt(&rules, module)? => {
                    strangers.untargeted.extend(tensors.values().cloned());
                }
                Some(_) => {}
            }
        }
        Ok(strangers)
    }

    /// Targets that peft resolved by the model's type are not second-guessed.
    fn may_adapt(&self, rules: &Rules, module: &ModuleName) -> Result<bool, TargetFault> {
        Ok(self.targets.modules == Selection::Default || rules.verdict(module)? == Verdict::Targeted)
    }

    /// The paths of the modules that have tensors, in the order of the file.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// The shape of the tensor `name` of a module, or of one that all share; `None` where there is none.
    pub fn shape(&self, module: Option<&str>, name: &str) -> Option<&[usize]> {
        let key = self.key(module, name)?;
        Some(self.tensors.infos().get(key)?.shape.as_slice())
    }

    fn key(&self, module: Option<&str>, name: &str) -> Option<&String> {
        match module {
            Some(module) => self.modules.get(module)?.get(name),
            None => self.shared.get(name),
        }
    }

    /// The numbers of the tensor `name` of a module, or of one that all share.
    ///
    /// # Errors
    /// When it is not there, has another shape or holds something that is no finite number.
    pub fn values(&self, module: Option<&str>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(found) = self.shape(module, name) else {
            let missing = match module {
                Some(module) => key(module, name),
                None => format!("{SHARED}.{name}"),
            };
            return Err(self.mismatch(Mismatch { missing: vec![missing], ..Mismatch::default() }));
        };
        let key = self.key(module, name).cloned().unwrap_or_default();
        if found != shape {
            let misshapen = vec![Misshapen { key, expected: shape.to_vec(), found: found.to_vec() }];
            return Err(self.mismatch(Mismatch { misshapen, ..Mismatch::default() }));
        }
        super::model::finite(self.tensors.as_ref(), &self.rest.path, &key)
    }

    fn mismatch(&self, mismatch: Mismatch) -> Error {
        Error::Adapter { path: self.rest.path.clone(), fault: Fault::Mismatch(Box::new(mismatch)) }
    }

    /// What the configuration says at `key`, unless nothing.
    pub fn setting(&self, key: &str) -> Option<&Value> {
        self.fields().get(key)
    }

    /// Whether a setting that is a list of endings, or an expression for the whole of a path, names a module.
    ///
    /// # Errors
    /// When the expression cannot be used.
    pub fn names(&self, key: &str, module: &str) -> Result<bool> {
        Ok(match self.setting(key) {
            Some(Value::String(expression)) => Pattern::full(expression)?.matches(module)?,
            // As peft does: `out_proj` ends in `proj`.
            Some(Value::Array(endings)) => {
                endings.iter().filter_map(Value::as_str).any(|ending| module.ends_with(ending))
            }
            _ => false,
        })
    }

    /// A whole number of the configuration.
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        self.read(|fields| Ok(fields.count(key)?))
    }

    /// A number of the configuration.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.read(|fields| Ok(fields.number(key)?))
    }

    /// A switch of the configuration.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.read(|fields| Ok(fields.bool(key)?))
    }

    /// The rank of a module by `rank_pattern`, else `r`, else `default`; 1 or more.
    pub fn rank_of(&self, module: &str, default: usize) -> Result<usize> {
        self.read(|fields| match of_module(&read_config::rank_pattern(fields)?, module)? {
            Some(rank) => Ok(rank),
            None => read_config::rank("r", fields.number("r")?.unwrap_or(default as f64)),
        })
    }

    /// An alpha of the configuration; never 0.
    pub fn alpha(&self, key: &str) -> Result<Option<f64>> {
        self.read(|fields| fields.number(key)?.map(|found| read_config::alpha(key, found)).transpose())
    }

    /// The alpha of a module by `alpha_pattern`, else `alpha`; never 0.
    pub fn alpha_of(&self, module: &str) -> Result<Option<f64>> {
        let key = "alpha_pattern";
        match self.read(|fields| Ok(of_module(&fields.numbers(key)?.unwrap_or_default(), module)?))? {
            Some(found) => self.read(|_| read_config::alpha(key, found).map(Some)),
            None => self.alpha("alpha"),
        }
    }

    /// The error for a key whose value cannot be used.
    pub fn wrong(&self, key: &str, expected: &'static str) -> Error {
        let fault = WrongValue::new(key, expected, self.setting(key).unwrap_or(&Value::Null)).into();
        Error::Adapter { path: self.path.clone(), fault }
    }

    fn fields(&self) -> Fields<'_> {
        Fields(&self.settings)
    }

    fn read<T>(&self, read: impl FnOnce(Fields) -> Result<T, Fault>) -> Result<T> {
        read(self.fields()).map_err(|fault| Error::Adapter { path: self.path.clone(), fault })
    }
}

/// What does not go with the modules of a base.
#[derive(Default)]
struct Strangers<'a> {
    /// Keys of targeted modules that have no tensors.
    missing: Vec<String>,
    /// Module that the base has not → keys of its tensors.
    absent: IndexMap<&'a str, Vec<String>>,
    /// Keys of tensors of modules that are not targeted.
    untargeted: Vec<String>,
}

/// The path of the base that is most like this one.
fn nearest(path: &str, modules: &[ModuleName]) -> Option<String> {
    names::nearest(path, modules.iter().map(|module| module.path.as_str()), 1).pop()
}

/// What peft puts before a tensor that all modules share.
const SHARED: &str = "base_model";

fn kind(json: &Value) -> Result<&str, Fault> {
    read_config::peft_type(Fields::of("adapter_config.json", json)?)
}

fn config(json: &Value, settings: &[&str]) -> Result<AdapterConfig, Fault> {
    let fields = Fields::of("adapter_config.json", json)?;
    let bias = match fields.string("bias")? {
        // Each kind has a word of its own for the biases of adapted modules, such as `boft_only`.
        Some(own) if own.ends_with("_only") => Bias::LoraOnly,
        _ => bias(fields)?,
    };
    Ok(AdapterConfig { bias, ..common(fields, settings)? })
}

/// The module and the name behind a key; no module for a tensor that all share.
fn place<'a>(key: &'a str, names: &[&'static str]) -> Option<(Option<&'a str>, &'static str)> {
    names.iter().find_map(|&name| match key.strip_suffix(name)?.strip_suffix('.')? {
        SHARED => Some((None, name)),
        module => Some((Some(module.strip_prefix(PREFIX)?), name)),
    })
}

/// Some tensors of a file.
struct Others<'a> {
    tensors: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
}

impl Tensors for Others<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        self.tensors.read_into(name, out)
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.tensors.raw(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_find_their_modules() {
        let names = ["oft_R.weight", "vera_A", "lokr_w1", "lokr_w1_a"];
        for (key, expected) in [
            ("base_model.model.a.q.oft_R.weight", Some((Some("a.q"), "oft_R.weight"))),
            ("base_model.model.a.q.lokr_w1_a", Some((Some("a.q"), "lokr_w1_a"))),
            ("base_model.vera_A", Some((None, "vera_A"))),
            ("base_model.model.a.norm.weight", None),
            ("base_model.model.a.q.my_lokr_w1", None),
            ("a.q.lokr_w1", None),
            ("vera_A", None),
        ] {
            assert_eq!(place(key, &names), expected, "{key}");
        }
    }
}
