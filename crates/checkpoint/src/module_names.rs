//! What adapters call the modules of their base, where files call them otherwise.
//!
//! Those of a vision transformer have other names in transformers from version 5 on. It reads and writes files as before, and reads
//! both; with `save_pretrained(save_original_format=False)` it writes files by the names of the modules, which version 4 does not
//! know. Models of either are opened under the names of version 4. peft goes by the modules: adapters of either are read, and
//! written for transformers 5. Norms are called the same in a layer. Of the other architectures here, version 5.24 writes the
//! same names in both ways (llama, mistral, qwen2, qwen3, gpt2, opt, bert, roberta, distilbert).
//!
//! | in files and in transformers 4 | in transformers 5 |
//! | --- | --- |
//! | `vit.encoder.layer.0.attention.attention.query`, `key`, `value` | `vit.layers.0.attention.q_proj`, `k_proj`, `v_proj` |
//! | `vit.encoder.layer.0.attention.output.dense` | `vit.layers.0.attention.o_proj` |
//! | `vit.encoder.layer.0.intermediate.dense` | `vit.layers.0.mlp.fc1` |
//! | `vit.encoder.layer.0.output.dense` | `vit.layers.0.mlp.fc2` |
//!
//! A model without a head, such as transformers' `BertModel`, has what in others lies behind one name: `encoder.layer.0` is
//! `bert.encoder.layer.0` here. [`Named`] knows both, for every architecture.

use crate::{Adapter, Dtype, Result, TensorInfo, Tensors};
use indexmap::{IndexMap, IndexSet};
use std::borrow::Cow;
use std::ops::Range;

const FILES: &str = "vit.encoder.layer.";
const TRANSFORMERS: &str = "vit.layers.";
const MODULES: [(&str, &str); 6] = [
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
];

/// What transformers 5 calls a module, or a tensor in one, that is called `name` in files; the same but for vision transformers.
pub fn of_transformers(name: &str) -> String {
    renamed(name, (FILES, TRANSFORMERS), |(file, module)| (file, module))
}

/// The reverse of [`of_transformers`].
pub fn of_files(name: &str) -> String {
    renamed(name, (TRANSFORMERS, FILES), |(file, module)| (module, file))
}

fn renamed(
    name: &str,
    (old, new): (&str, &str),
    pair: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> String {
    let Some((layer, module)) = name.strip_prefix(old).and_then(|rest| rest.split_once('.')) else {
        return name.to_owned();
    };
    let known = MODULES.into_iter().map(pair).find_map(|(before, after)| {
        let rest = module.strip_prefix(before).filter(|rest| rest.is_empty() || rest.starts_with('.'))?;
        Some(format!("{after}{rest}"))
    });
    format!("{new}{layer}.{}", known.unwrap_or_else(|| module.to_owned()))
}

/// An adapter under the names of the files of its base, checked under its own: `base` are the tensors of the files.
///
/// # Errors
/// When it does not fit the base, as [`Adapter::check`].
pub(crate) fn settled(mut adapter: Adapter, base: &dyn Tensors) -> Result<Adapter> {
    let seen = Named::like(base, names(&adapter));
    if seen.naming != Naming::default() {
        adapter.check(&seen)?;
        adapter.rename(|name| seen.naming.in_files(name));
    }
    Ok(adapter)
}

/// Whether transformers 5 calls something otherwise that `adapter` changes.
pub fn is_old(adapter: &Adapter) -> bool {
    names(adapter).any(|name| name != of_transformers(name))
}

/// Modules and tensors that an adapter changes.
fn names(adapter: &Adapter) -> impl Iterator<Item = &str> {
    adapter.low_rank.keys().chain(adapter.replaced.keys()).map(String::as_str)
}

/// What those should know who load an adapter with these names in another version of transformers.
pub(crate) fn note<'n>(mut names: impl Iterator<Item = &'n str>) -> Option<&'static str> {
    names.find_map(|name| {
        if name.starts_with(FILES) {
            return Some(
                "modules are called as in transformers 4: with transformers 5 peft finds none of them; `rankine adapter \
                 convert` writes the names of 5",
            );
        }
        let note = "modules are called as in transformers 5: with transformers 4 peft finds none of them";
        name.starts_with(TRANSFORMERS).then_some(note)
    })
}

/// How an adapter calls the modules of its base.
#[derive(Clone, Debug, Default, PartialEq)]
struct Naming {
    /// What it leaves out in front, such as `bert.`: it was made for the model without a head.
    prefix: String,
    /// Of a vision transformer, as in transformers 5.
    is_renamed: bool,
}

impl Naming {
    /// The name in the files.
    fn in_files(&self, name: &str) -> String {
        let whole = format!("{}{name}", self.prefix);
        if self.is_renamed { of_files(&whole) } else { whole }
    }

    /// The name that the adapter has for one of the files; `None` for what its model does not have.
    fn of(&self, file: &str) -> Option<String> {
        let whole = if self.is_renamed { of_transformers(file) } else { file.to_owned() };
        whole.strip_prefix(&self.prefix).map(str::to_owned)
    }

    /// How many of these modules and tensors `base` has under such names.
    fn matches(&self, base: &dyn Tensors, names: &[&str]) -> usize {
        let infos = base.infos();
        let is_there = |name: &&&str| {
            let file = self.in_files(name);
            infos.contains_key(&file) || infos.contains_key(&format!("{file}.weight"))
        };
        names.iter().filter(is_there).count()
    }
}

/// A model whose modules are called as in the files, as in transformers 5, or as in a model without a head, of which it then has
/// no more than that model: for an adapter that calls them so, or to be written so.
pub struct Named<'a> {
    base: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
    naming: Naming,
}

impl<'a> Named<'a> {
    /// `base`, whose names are those of its files, as an adapter sees it that changes modules or tensors of these `names`: the
    /// way of naming in which it has the most of them, that of the files before others.
    pub fn like<'n>(base: &'a dyn Tensors, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let first = |name: &String| Some(format!("{}.", name.split_once('.')?.0));
        let prefixes: IndexSet<String> =
            std::iter::once(String::new()).chain(base.infos().keys().filter_map(first)).collect();
        let (mut naming, mut most) = (Naming::default(), Naming::default().matches(base, &names));
        for prefix in prefixes {
            for is_renamed in [false, true] {
                let other = Naming { prefix: prefix.clone(), is_renamed };
                let matches = other.matches(base, &names);
                if most < matches {
                    (naming, most) = (other, matches);
                }
            }
        }
        Self::new(base, naming)
    }

    /// `base`, whose names are those of its files, under the names of the modules of transformers 5.
    pub fn as_modules(base: &'a dyn Tensors) -> Self {
        Self::new(base, Naming { prefix: String::new(), is_renamed: true })
    }

    fn new(base: &'a dyn Tensors, naming: Naming) -> Self {
        let infos = base.infos().iter().filter_map(|(file, info)| Some((naming.of(file)?, info.clone())));
        Self { base, infos: infos.collect(), naming }
    }

    fn in_files<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match self.naming == Naming::default() {
            true => Cow::Borrowed(name),
            false => Cow::Owned(self.naming.in_files(name)),
        }
    }
}

impl Tensors for Named<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        self.base.read_into(&self.in_files(name), out)
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.base.raw(&self.in_files(name))
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        self.base.encoded(&self.in_files(name))
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.base.read_rows(&self.in_files(name), rows, out)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        self.base.release(&self.in_files(name), rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safetensors::Safetensors;
    use rankine_testkit::fixtures;

    #[test]
    fn names_go_there_and_back() {
        for (file, module) in [
            ("vit.encoder.layer.3.attention.attention.key.weight", "vit.layers.3.attention.k_proj.weight"),
            ("vit.encoder.layer.11.attention.output.dense", "vit.layers.11.attention.o_proj"),
            ("vit.encoder.layer.0.output.dense.bias", "vit.layers.0.mlp.fc2.bias"),
            ("vit.encoder.layer.0.layernorm_after.weight", "vit.layers.0.layernorm_after.weight"),
            ("vit.embeddings.patch_embeddings.projection", "vit.embeddings.patch_embeddings.projection"),
            ("classifier.weight", "classifier.weight"),
        ] {
            assert_eq!((of_transformers(file), of_files(module)), (module.to_owned(), file.to_owned()));
            assert_eq!((of_files(file), of_transformers(module)), (file.to_owned(), module.to_owned()));
        }
    }

    #[test]
    fn a_model_without_a_head_leaves_a_name_out() {
        let checkpoint = crate::Checkpoint::open(fixtures::path("classifiers/bert")).unwrap();
        let base = checkpoint.tensors();
        let (bare, file) =
            ("encoder.layer.0.attention.self.query", "bert.encoder.layer.0.attention.self.query");
        let weight = |module: &str| format!("{module}.weight");
        let seen = Named::like(base, [bare]);
        assert_eq!(seen.infos()[&weight(bare)], base.infos()[&weight(file)]);
        assert!(!seen.infos().keys().any(|name| name.contains("classifier") || name.starts_with("bert.")));
        assert_eq!(seen.raw(&weight(bare)).unwrap(), base.raw(&weight(file)).unwrap());
        assert_eq!(Named::like(base, [file, "classifier"]).infos(), base.infos());
        assert_eq!(Named::like(base, ["nothing.of.it"]).infos(), base.infos());
        let base = Safetensors::open(&fixtures::path("images/vit")).unwrap();
        let seen = Named::like(&base, ["layers.0.attention.q_proj"]);
        let file = weight("vit.encoder.layer.0.attention.attention.query");
        assert_eq!(seen.infos()[&weight("layers.0.attention.q_proj")], base.infos()[&file]);
    }

    /// A model under either names is the same model.
    #[test]
    fn a_file_with_the_names_of_modules_opens_under_those_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let model = crate::ImageCheckpoint::open(fixtures::path("images/vit")).unwrap().unwrap();
        let modules = Named::as_modules(model.tensors());
        let names: std::collections::BTreeSet<&String> = modules.infos().keys().collect();
        let expected = fixtures::strings(&fixtures::json("vit_names.json")["classifier"]["modules"]);
        assert!(names.into_iter().eq(&expected), "those of transformers");
        let path = folder.path().join("model.safetensors");
        let writer = crate::writer::TensorsWriter::create(&path, modules.infos()).unwrap();
        for (name, info) in modules.infos() {
            let mut values = vec![0.0; info.elements()];
            modules.read_into(name, &mut values).unwrap();
            writer.write(name, &values).unwrap();
        }
        writer.finish().unwrap();
        std::fs::copy(fixtures::path("images/vit/config.json"), folder.path().join("config.json")).unwrap();
        let opened = crate::ImageCheckpoint::open(folder.path()).unwrap().unwrap();
        assert_eq!(opened.tensors().infos(), model.tensors().infos());
        for name in model.tensors().infos().keys() {
            assert_eq!(opened.tensors().raw(name).unwrap(), model.tensors().raw(name).unwrap(), "{name}");
        }
        assert_eq!((opened.head_classes(), opened.required()), (Some(3), model.required()));
    }

    #[test]
    fn a_base_is_called_as_the_adapter_calls_it() {
        let base = Safetensors::open(&fixtures::path("images/vit")).unwrap();
        let (old, new) = ("vit.encoder.layer.0.intermediate.dense", "vit.layers.0.mlp.fc1");
        let weight = |module: &str| format!("{module}.weight");
        let expected = &base.infos()[&weight(old)];
        for (name, other) in [(old, new), (new, old)] {
            let seen = Named::like(&base, ["classifier", name]);
            assert!(!seen.infos().contains_key(&weight(other)), "{name}");
            assert_eq!(&seen.infos()[&weight(name)], expected);
            let [mut row, mut same] =
                [vec![0.0; expected.row_elements()], vec![0.0; expected.row_elements()]];
            seen.read_rows(&weight(name), 3..4, &mut row).unwrap();
            base.read_rows(&weight(old), 3..4, &mut same).unwrap();
            assert_eq!(row, same);
            assert_eq!(seen.raw(&weight(name)).unwrap(), base.raw(&weight(old)).unwrap());
            let found = note(["classifier", name].into_iter()).unwrap();
            assert!(found.contains(if name == old { "transformers 4:" } else { "transformers 5:" }));
        }
        assert_eq!(note(["classifier", "layer1.0.conv1"].into_iter()), None);
    }
}
