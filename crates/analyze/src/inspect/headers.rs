//! What headers tell: names, shapes and types.
//!
//! Files spread tensors in one order over shards and in another over one file: here they stand by name, `h.9` before `h.10`.

use super::TensorReport;
use super::place::Place;
use rankine_checkpoint::adapter::{Kind, ModuleName, modules_of};
use rankine_checkpoint::{Opened, TensorInfo, spelt_out};
use std::collections::HashMap;

/// Every tensor as its header describes it, by name.
pub(super) fn described(model: &Opened) -> Vec<TensorReport> {
    let source = model.tensors();
    let mut modules = modules_of(source);
    if let Opened::Images(images) = model {
        let head = images.network().head();
        modules.iter_mut().filter(|module| module.path == head).for_each(|module| module.kind = Kind::Head);
    }
    let kinds: HashMap<String, Kind> =
        modules.into_iter().map(|ModuleName { path, kind }| (path, kind)).collect();
    let describe = |(name, info): (&String, &TensorInfo)| {
        let kind = name.strip_suffix(".weight").and_then(|module| kinds.get(module));
        let Place { part, layer, slot } = Place::of(name, kind.copied());
        TensorReport {
            name: name.clone(),
            shape: info.shape.clone(),
            dtype: info.dtype.name().to_owned(),
            bytes: info.bytes,
            parameters: info.elements() as u64,
            kind: part,
            layer,
            slot,
            numbers: None,
            spectrum: None,
        }
    };
    let mut tensors: Vec<TensorReport> = source.infos().iter().map(describe).collect();
    // Names that differ by leading zeros alone are told apart by themselves.
    tensors.sort_by_cached_key(|tensor| (spelt_out(&tensor.name), tensor.name.clone()));
    tensors
}

/// The family of a model, where its files tell.
pub(super) fn architecture(model: &Opened) -> Option<String> {
    let name = match model {
        Opened::Texts(texts) => texts.config().architecture.name(),
        Opened::Images(images) => images.network().name(),
        Opened::Bare(bare) => bare.architecture()?,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let names =
            ["h.1.b", "h.9.b", "h.10.a", "h.10.b", "h10", "lm_head", "x.2.y.3", "x.2.y.11", "x.12.y.1"];
        assert!(names.is_sorted_by_key(|name| spelt_out(name)), "{:?}", names.map(spelt_out));
    }
}
