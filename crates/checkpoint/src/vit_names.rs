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

use crate::{Adapter, Result, TensorInfo, Tensors};
use indexmap::IndexMap;
use std::borrow::Cow;

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
    if adapter.low_rank.keys().chain(adapter.replaced.keys()).any(|name| name.starts_with(TRANSFORMERS)) {
        let named = |(name, info): (&String, &TensorInfo)| (of_transformers(name), info.clone());
        adapter.check(&Renamed { base, infos: base.infos().iter().map(named).collect() })?;
        adapter.rename(of_files);
    }
    Ok(adapter)
}

/// A base under the names of transformers.
struct Renamed<'a> {
    base: &'a dyn Tensors,
    infos: IndexMap<String, TensorInfo>,
}

impl Tensors for Renamed<'_> {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        self.base.read_into(&of_files(name), out)
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.base.raw(&of_files(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
