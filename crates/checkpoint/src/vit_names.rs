//! The modules of a vision transformer in its files, and in transformers from version 5 on, which reads and writes these files
//! but calls its modules otherwise; peft goes by the modules.
//!
//! | in files and in transformers 4 | in transformers 5 |
//! | --- | --- |
//! | `vit.encoder.layer.0.attention.attention.query`, `key`, `value` | `vit.layers.0.attention.q_proj`, `k_proj`, `v_proj` |
//! | `vit.encoder.layer.0.attention.output.dense` | `vit.layers.0.attention.o_proj` |
//! | `vit.encoder.layer.0.intermediate.dense` | `vit.layers.0.mlp.fc1` |
//! | `vit.encoder.layer.0.output.dense` | `vit.layers.0.mlp.fc2` |
//!
//! Norms are called the same in a layer. Adapters of either are read, and written for transformers 5.

use crate::{Adapter, Dtype, Result, TensorInfo, Tensors};
use indexmap::IndexMap;
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

/// What transformers 5 calls a module, or a tensor in one, that is called `name` in the files of a vision transformer.
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

/// An adapter of a vision transformer under the names of its files, checked under its own: `base` are the tensors of the files.
///
/// # Errors
/// When it does not fit the base, as [`Adapter::check`].
pub(crate) fn settled(mut adapter: Adapter, base: &dyn Tensors) -> Result<Adapter> {
    let seen = Named::like(base, names(&adapter));
    if seen.is_renamed {
        adapter.check(&seen)?;
        adapter.rename(of_files);
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

/// A base whose modules are called as an adapter calls them: as in the files, or as in transformers 5.
pub struct Named<'a> {
    base: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
    /// Of a vision transformer, under the names of transformers 5.
    is_renamed: bool,
}

impl<'a> Named<'a> {
    /// `base`, whose names are those of its files, as an adapter sees it that changes modules or tensors of these `names`.
    pub fn like<'n>(base: &'a dyn Tensors, names: impl IntoIterator<Item = &'n str>) -> Self {
        let is_renamed = names.into_iter().any(|name| name.starts_with(TRANSFORMERS));
        let named = |name: &String| if is_renamed { of_transformers(name) } else { name.clone() };
        let infos = base.infos().iter().map(|(name, info)| (named(name), info.clone())).collect();
        Self { base, infos, is_renamed }
    }

    fn in_files<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.is_renamed { Cow::Owned(of_files(name)) } else { Cow::Borrowed(name) }
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
