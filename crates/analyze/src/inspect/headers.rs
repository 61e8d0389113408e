//! What headers tell: names, shapes and types.

use super::TensorReport;
use super::place::Place;
use rankine_checkpoint::adapter::{Kind, ModuleName, modules_of};
use rankine_checkpoint::{Network, Opened, TensorInfo};
use std::collections::HashMap;

/// Every tensor as its header describes it.
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
    source.infos().iter().map(describe).collect()
}

/// The family of a model, where its files tell.
pub(super) fn architecture(model: &Opened) -> Option<String> {
    let name = match model {
        Opened::Texts(texts) => texts.config().architecture.name(),
        Opened::Images(images) => match images.network() {
            Network::Vit(_) => "vit",
            Network::MobileNetV2 => "mobilenet_v2",
            Network::ResNet => "resnet",
        },
        Opened::Bare(_) => return None,
    };
    Some(name.to_owned())
}
