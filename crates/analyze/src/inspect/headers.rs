//! What headers tell: names, shapes and types, and which tensors fit a pattern.

use super::TensorReport;
use super::place::Place;
use rankine_checkpoint::adapter::{Kind, ModuleName, modules_of};
use rankine_checkpoint::{Dtype, Network, Opened, TensorInfo};
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
            dtype: dtype(info.dtype),
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

/// The name of a type, as its format has it.
fn dtype(dtype: Dtype) -> String {
    match dtype {
        Dtype::Quantized(format) => format.name().to_owned(),
        plain => format!("{plain:?}").to_uppercase(),
    }
}

/// Whether the numbers of this type are no floats.
pub(super) fn is_whole(dtype: &str) -> bool {
    matches!(dtype, "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL")
}

/// Whether a name fits a pattern, in which `*` stands for anything and `?` for one character.
pub(super) fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    // Where to go on when what follows the last star does not fit: the star takes one character more.
    let (mut at, mut next, mut retry) = (0, 0, None);
    while at < name.len() {
        match pattern.get(next) {
            Some(b'*') => {
                retry = Some((at, next));
                next += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == name[at] => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((start, star)) = retry else { return false };
                retry = Some((start + 1, star));
                (at, next) = (start + 1, star + 1);
            }
        }
    }
    pattern[next..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_by_name() {
        assert!([Dtype::I64, Dtype::U8, Dtype::Bool].into_iter().all(|whole| is_whole(&dtype(whole))));
        assert!(![Dtype::F32, Dtype::F16, Dtype::Bf16].into_iter().any(|float| is_whole(&dtype(float))));
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (name, pattern, fits) in [
            ("model.layers.3.q_proj.weight", "*q_proj*", true),
            ("model.layers.3.q_proj.weight", "model.layers.?.*.weight", true),
            ("model.layers.13.q_proj.weight", "model.layers.?.*.weight", false),
            ("a.b.a.c", "a*a.c", true),
            ("a.b", "a", false),
            ("a", "a**", true),
            ("", "", true),
            ("", "?", false),
        ] {
            assert_eq!(is_like(name.as_bytes(), pattern.as_bytes()), fits, "{name} {pattern}");
        }
    }
}
