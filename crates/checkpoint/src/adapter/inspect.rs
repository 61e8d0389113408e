//! What lies in an adapter's folder, and whether a base can use it: every fault at once, where reading stops at the first.
//!
//! Headers tell keys, shapes and types; numbers are read a block at a time, only to find those that are not finite. Of
//! the base nothing but names and shapes is looked at.

use super::keys::{self, Part};
use super::notes::{self, Note};
use super::{Adapter, AdapterConfig, Fault, Finding, LayerKind, Mismatch, modules_of};
use crate::{Dtype, Error, Result, TensorInfo, Tensors, module_names::Named, names, open_tensors};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Numbers that are looked at together: 1 MiB of f32.
const BLOCK: usize = 1 << 18;

/// What an adapter is, what is wrong with it, and what should be known about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// The file with the weights.
    pub path: PathBuf,
    /// Its configuration; `None` where that cannot be read, which a finding tells.
    pub config: Option<AdapterConfig>,
    /// How many tensors there are in each type.
    pub dtypes: IndexMap<Dtype, usize>,
    /// Numbers of all tensors.
    pub numbers: u64,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// The changes of low rank, in the order of the file.
    pub modules: Vec<Module>,
    /// Names of the tensors that stand in the place of the base's.
    pub whole: Vec<String>,
    /// Embeddings that get new rows.
    pub new_rows: Vec<String>,
    /// Why it cannot be used; empty when it can.
    pub findings: Vec<Finding>,
    /// What readers do with it.
    pub notes: Vec<Note>,
}

/// A change of low rank, without its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// The adapted module.
    pub path: String,
    /// Inner size of the product.
    pub rank: usize,
    /// Columns of the weight; for an embedding, its rows.
    pub inputs: usize,
    /// Rows of the weight; for an embedding, its width.
    pub outputs: usize,
    /// Factor of the product.
    pub scaling: f32,
    /// Whether DoRA's magnitudes belong to it.
    pub magnitude: bool,
    /// What kind of layer it changes.
    pub kind: LayerKind,
}

impl Inspection {
    /// Looks at the adapter in `folder` and at names and shapes of `base`, which are those of its files.
    ///
    /// # Errors
    /// When there is no adapter in the folder, or its files cannot be read as JSON and tensors. What is wrong with
    /// their contents is a finding.
    pub fn of(folder: &Path, base: &dyn Tensors) -> Result<Self> {
        let config = match AdapterConfig::read(folder) {
            Ok(config) => Ok(config),
            Err(Error::Adapter { fault, path }) if matches!(fault, Fault::NoConfig { .. } | Fault::File) => {
                return Err(Error::Adapter { path, fault });
            }
            Err(Error::Adapter { fault, .. }) => Err(fault),
            Err(Error::Targets(fault)) => Err(fault.into()),
            Err(error) => return Err(error),
        };
        let path = Adapter::weights(folder)?;
        let opened = open_tensors(&path)?;
        let tensors = opened.as_ref();
        let mut inspection = Self { path, ..Self::default() };
        inspection.count(tensors);
        match config {
            Err(fault) => inspection.findings.push(Finding::Fault(Box::new(fault))),
            Ok(config) => inspection.fit(config, tensors, base)?,
        }
        inspection.findings.extend(not_finite(tensors)?);
        Ok(inspection)
    }

    /// Whether nothing is wrong with it.
    pub fn is_usable(&self) -> bool {
        self.findings.is_empty()
    }

    fn count(&mut self, tensors: &dyn Tensors) {
        for info in tensors.infos().values() {
            *self.dtypes.entry(info.dtype).or_default() += 1;
            self.numbers += info.elements() as u64;
            self.bytes += info.bytes;
        }
    }

    /// Configuration, keys and shapes against the base.
    fn fit(&mut self, config: AdapterConfig, tensors: &dyn Tensors, base: &dyn Tensors) -> Result<()> {
        let adapter = match Adapter::read(config.clone(), &Shapes(tensors), &self.path) {
            Ok(adapter) => adapter,
            Err(Error::Adapter { fault, .. }) => {
                self.config = Some(config);
                self.findings.push(Finding::Fault(Box::new(fault)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let names = adapter.low_rank.keys().chain(adapter.replaced.keys());
        let base: &dyn Tensors = &Named::like(base, names.map(String::as_str));
        match adapter.check(base) {
            Ok(()) => {}
            Err(Error::Adapter { fault: Fault::Mismatch(mismatch), .. }) => {
                let paths: Vec<&str> = adapter.low_rank.keys().map(String::as_str).collect();
                match Finding::other_architecture(&paths, &modules_of(base)) {
                    Some(finding) => self.findings.push(finding),
                    None => self.findings.extend(sorted_out(*mismatch, base)),
                }
            }
            Err(Error::Adapter { fault, .. }) => self.findings.push(Finding::Fault(Box::new(fault))),
            Err(error) => return Err(error),
        }
        let initialisation = adapter.config.initialisation;
        if initialisation.alters_base() && !initialisation.is_repeatable() {
            self.findings.push(Finding::AlteredBase { initialisation });
        }
        self.modules = adapter.low_rank.iter().map(|(path, low_rank)| Module::of(path, low_rank)).collect();
        self.whole = adapter.replaced.keys().cloned().collect();
        self.new_rows = adapter.new_rows.keys().cloned().collect();
        self.config = Some(adapter.config);
        self.notes = notes::notes(self, base);
        Ok(())
    }
}

impl Module {
    fn of(path: &str, low_rank: &super::LowRank) -> Self {
        let &super::LowRank { rank, inputs, outputs, scaling, kind, ref magnitude, .. } = low_rank;
        let (path, magnitude) = (path.to_owned(), magnitude.is_some());
        Self { path, rank, inputs, outputs, scaling, magnitude, kind }
    }
}

/// A mismatch as findings: keys of modules that the base has not are gathered by module.
pub(super) fn sorted_out(mismatch: Mismatch, base: &dyn Tensors) -> Vec<Finding> {
    let modules = modules_of(base);
    let is_there = |path: &str| modules.iter().any(|module| module.path == path);
    let mut findings: Vec<Finding> =
        mismatch.missing.into_iter().map(|key| Finding::Missing { key }).collect();
    let mut strangers: IndexMap<String, Vec<String>> = IndexMap::new();
    for key in mismatch.unexpected {
        match keys::parse(&key) {
            Some((module, part)) if !is_there(module) && part != Part::Unused => {
                strangers.entry(module.to_owned()).or_default().push(key);
            }
            _ => findings.push(Finding::Unexpected { key }),
        }
    }
    let stranger = |(module, keys): (String, Vec<String>)| {
        let paths = modules.iter().map(|module| module.path.as_str());
        let nearest = names::nearest(&module, paths, 1).pop();
        Finding::NoModule { module, keys, nearest }
    };
    findings.extend(strangers.into_iter().map(stranger));
    findings.extend(mismatch.misshapen.into_iter().map(Finding::Misshapen));
    findings
}

/// Tensors with infinities or NaNs.
fn not_finite(tensors: &dyn Tensors) -> Result<Vec<Finding>> {
    let (mut findings, mut block) = (Vec::new(), Vec::new());
    for (key, info) in tensors.infos() {
        let (rows, width) = (info.rows(), info.row_elements());
        if !info.dtype.is_float() || width == 0 {
            continue;
        }
        let (mut count, mut first) = (0, None);
        let step = (BLOCK / width).max(1);
        for start in (0..rows).step_by(step) {
            let part = start..rows.min(start + step);
            block.resize(part.len() * width, 0.0);
            tensors.read_rows(key, part.clone(), &mut block)?;
            tensors.release(key, part);
            let mut bad = block.iter().copied().filter(|number| !number.is_finite());
            first = first.or_else(|| bad.next().inspect(|_| count += 1));
            count += bad.count();
        }
        if let Some(first) = first {
            findings.push(Finding::NotFinite { key: key.clone(), count, numbers: info.elements(), first });
        }
    }
    Ok(findings)
}

/// Tensors of which only names and shapes are looked at: all their numbers are 0.
struct Shapes<'a>(&'a dyn Tensors);

impl Tensors for Shapes<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        self.0.infos()
    }

    /// Leaves the buffer as it is: readers come with zeros, whose memory is not touched.
    fn read_into(&self, _: &str, _: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.0.raw(name)
    }

    fn read_rows(&self, _: &str, _: Range<usize>, _: &mut [f32]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checkpoint;
    use crate::adapter::Reader;
    use crate::safetensors::Safetensors;
    use crate::writer::TensorsWriter;
    use rankine_testkit::fixtures;
    use serde_json::{Value, json};
    use tempfile::TempDir;

    type Held = IndexMap<String, (Vec<usize>, Vec<f32>)>;

    fn base(name: &str) -> Checkpoint {
        Checkpoint::open(fixtures::path(&format!("models/{name}"))).unwrap()
    }

    fn inspect(folder: &Path, base: &Checkpoint) -> Inspection {
        Inspection::of(folder, base.tensors()).unwrap()
    }

    /// The fixture `name` with another configuration and other tensors.
    fn changed(name: &str, configure: impl Fn(&mut Value), spoil: impl Fn(&mut Held)) -> TempDir {
        let folder = TempDir::new().unwrap();
        let mut config = fixtures::json(&format!("adapters/{name}/adapter_config.json"));
        configure(&mut config);
        std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
        let source =
            Safetensors::open(&fixtures::path(&format!("adapters/{name}/adapter_model.safetensors")))
                .unwrap();
        let mut held = Held::new();
        for (key, info) in source.infos() {
            let mut values = vec![0.0; info.elements()];
            source.read_into(key, &mut values).unwrap();
            held.insert(key.clone(), (info.shape.clone(), values));
        }
        spoil(&mut held);
        let info = |shape: &Vec<usize>| TensorInfo { shape: shape.clone(), dtype: Dtype::F32, bytes: 0 };
        let infos: IndexMap<_, _> = held.iter().map(|(key, (shape, _))| (key.clone(), info(shape))).collect();
        let writer = TensorsWriter::create(&folder.path().join("adapter_model.safetensors"), &infos).unwrap();
        held.iter().for_each(|(key, (_, values))| writer.write(key, values).unwrap());
        writer.finish().unwrap();
        folder
    }

    fn kinds(inspection: &Inspection) -> Vec<&'static str> {
        let mut kinds: Vec<_> = inspection.findings.iter().map(Finding::kind).collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn what_peft_wrote_is_usable_on_its_base() {
        for entry in std::fs::read_dir(fixtures::path("adapters")).unwrap() {
            let folder = entry.unwrap().path();
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            if name == "training_start" {
                continue;
            }
            let model = fixtures::json(&format!("adapters/{name}/expected.json"))["base"].clone();
            let inspection = inspect(&folder, &base(model.as_str().unwrap()));
            assert_eq!(inspection.findings, [], "{name}");
            let adapter = Adapter::open(&folder).unwrap();
            assert_eq!(inspection.modules.len(), adapter.low_rank.len(), "{name}");
            for module in &inspection.modules {
                let low_rank = &adapter.low_rank[&module.path];
                assert_eq!((module.rank, module.scaling), (low_rank.rank, low_rank.scaling), "{name}");
            }
            assert!(0 < inspection.numbers && 0 < inspection.bytes);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let module = "base_model.model.model.layers.0.self_attn.q_proj";
        let folder = changed(
            "plain",
            |_| {},
            |held| {
                let a = held.shift_remove(&format!("{module}.lora_A.weight")).unwrap();
                let b = held.shift_remove(&format!("{module}.lora_B.weight")).unwrap();
                held.insert(format!("{module}x.lora_A.weight"), a);
                held.insert(format!("{module}x.lora_B.weight"), b);
                held.insert("stranger".to_owned(), (vec![1], vec![1.0]));
                let next = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";
                let (shape, values) = &mut held[next];
                shape[0] -= 1;
                values.truncate(shape[0] * shape[1]);
                values[3] = f32::NAN;
                values[4] = f32::INFINITY;
            },
        );
        let inspection = inspect(folder.path(), &base("llama_untied"));
        assert!(!inspection.is_usable());
        let kinds = kinds(&inspection);
        for kind in ["missing", "unexpected", "no_module", "misshapen", "not_finite"] {
            assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
        }
        let find = |kind| inspection.findings.iter().find(|finding| finding.kind() == kind).unwrap();
        let stranger = find("no_module");
        assert!(stranger.to_string().contains("q_projx"), "{stranger}");
        assert!(stranger.hint().unwrap().contains("`model.layers.0.self_attn.q_proj`"));
        assert!(matches!(stranger, Finding::NoModule { keys, .. } if keys.len() == 2));
        assert!(find("not_finite").to_string().contains("2 of"), "{}", find("not_finite"));
        assert!(inspection.findings.iter().all(|finding| finding.hint().is_some()));
    }

    #[test]
    fn an_adapter_of_another_architecture_is_one_finding() {
        let gpt2 = Checkpoint::open(fixtures::path("decoders/gpt2")).unwrap();
        let llama = base("llama_untied");
        for (folder, base, first, own) in [
            ("adapters/plain", &gpt2, "`model.layers.0.", "`transformer.h.0."),
            ("decoders/gpt2/lora", &llama, "`transformer.h.0.", "`model.layers.0."),
        ] {
            let inspection = inspect(&fixtures::path(folder), base);
            assert_eq!(kinds(&inspection), ["other_architecture"], "{folder}");
            let said = inspection.findings[0].to_string();
            assert!(said.contains(first) && said.contains(own) && !said.contains("nearest"), "{said}");
            assert!(inspection.findings[0].hint().is_some());
        }
    }

    #[test]
    fn a_configuration_that_cannot_be_used_is_a_finding() {
        let base = base("llama_untied");
        let faults: [(&str, Value, &str); 5] = [
            ("peft_type", json!("LOHA"), "LOHA"),
            ("r", json!(0), "rank 0"),
            ("use_bdlora", json!({"nblocks": 2}), "block-diagonal"),
            ("init_lora_weights", json!("pissa_niter_4"), "randomised"),
            ("init_lora_weights", json!("unheard of"), "unheard of"),
        ];
        for (key, value, word) in faults {
            let folder = changed("plain", |config| config[key] = value.clone(), |_| {});
            let inspection = inspect(folder.path(), &base);
            assert_eq!(inspection.findings.len(), 1, "{key}: {:?}", inspection.findings);
            assert!(inspection.findings[0].to_string().contains(word), "{}", inspection.findings[0]);
        }
        let nothing = TempDir::new().unwrap();
        assert!(Inspection::of(nothing.path(), base.tensors()).is_err());
    }

    #[test]
    fn what_is_lost_elsewhere_is_told() {
        let cases = [
            ("plain", "llama_untied", None),
            ("rslora", "llama_untied", Some((Reader::LlamaCpp, "wrong scale"))),
            ("dora", "llama_untied", Some((Reader::LlamaCpp, "magnitudes"))),
            ("modules_to_save", "llama_untied", Some((Reader::LlamaCpp, "whole modules"))),
            ("pissa", "llama_untied", Some((Reader::Transformers, "decomposes"))),
            ("head_tied", "llama_tied", Some((Reader::Transformers, "one matrix"))),
            ("bf16_base", "llama_bf16", None),
        ];
        for (name, model, expected) in cases {
            let inspection = inspect(&fixtures::path(&format!("adapters/{name}")), &base(model));
            let lost = |note: &&Note| note.reader == Reader::LlamaCpp;
            match expected {
                None => assert_eq!(inspection.notes.iter().find(lost), None, "{name}"),
                Some((reader, words)) => assert!(
                    inspection.notes.iter().any(|note| note.reader == reader && note.text.contains(words)),
                    "{name}: {:?}",
                    inspection.notes
                ),
            }
        }
    }
}
