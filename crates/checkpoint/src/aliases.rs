//! Names that older programs gave to the tensors of a model, as transformers writes them now.
//!
//! | model | in the file | here |
//! | --- | --- | --- |
//! | gpt2 | `h.0.ln_1.weight`, `wte.weight`, `wpe.weight`, `ln_f.weight` | `transformer.h.0.ln_1.weight`, … |
//! | gpt2 | `h.0.attn.bias`, `h.0.attn.masked_bias`: the causal mask | nothing |
//! | opt | `decoder.layers.0.fc1.weight` | `model.decoder.layers.0.fc1.weight` |
//! | bert, roberta, distilbert | `embeddings.LayerNorm.gamma`, `encoder.layer.0.…`, `pooler.dense.weight` | `bert.embeddings.LayerNorm.weight`, … |
//! | the same | `bert.embeddings.position_ids`: whole numbers from 0 | nothing |
//! | vit | `encoder.layer.0.…`, `layernorm.weight` | `vit.encoder.layer.0.…`, … |
//! | vit | `vit.layers.0.attention.q_proj.weight`, those of [transformers 5](module_names) | `vit.encoder.layer.0.…`, … |
//! | vit | `pooler.dense.weight` | nothing |
//! | all | `module.conv1.weight`, all of them so: the state of torch's `DataParallel` | `conv1.weight` |

use crate::config::Architecture;
use crate::edit::Editable;
use crate::module_names;

/// Renames the tensors of a model, and passes over those that are none of its weights.
pub(crate) fn settle(architecture: Architecture, tensors: &mut impl Editable) {
    single(tensors);
    match architecture {
        Architecture::Gpt2 => tensors.rename(gpt2),
        Architecture::Opt => tensors.rename(|name| Some(prefixed("model.", &["decoder."], name))),
        encoder if encoder.is_encoder() => tensors.rename(|name| self::encoder(encoder.name(), name)),
        _ => {}
    }
}

/// Tensors without what `DataParallel` put before all names.
pub(crate) fn unwrapped<T: Editable>(mut tensors: T) -> T {
    single(&mut tensors);
    tensors
}

/// Takes off what `DataParallel` puts before all names.
fn single(tensors: &mut impl Editable) {
    const PARALLEL: &str = "module.";
    if tensors.infos().keys().all(|name| name.starts_with(PARALLEL)) {
        tensors.rename(|name| name.strip_prefix(PARALLEL).map(str::to_owned));
    }
}

/// What a tensor of a vision transformer is called here; no classifier looks at its pooler.
pub(crate) fn vit(name: &str) -> Option<String> {
    let bare = ["embeddings.", "encoder.", "layers.", "layernorm.", "pooler."];
    let name = module_names::of_files(&prefixed("vit.", &bare, name));
    (!name.starts_with("vit.pooler.")).then_some(name)
}

fn gpt2(name: &str) -> Option<String> {
    let is_mask = name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
    (!is_mask).then(|| prefixed("transformer.", &["h.", "wte.", "wpe.", "ln_f."], name))
}

/// Encoders without a head of their own are saved without their prefix; TensorFlow called weight and bias of a norm gamma
/// and beta.
fn encoder(prefix: &str, name: &str) -> Option<String> {
    let name = match name.rsplit_once('.') {
        Some((norm, "gamma")) => format!("{norm}.weight"),
        Some((norm, "beta")) => format!("{norm}.bias"),
        _ => name.to_owned(),
    };
    let bare = ["embeddings.", "encoder.", "transformer.", "pooler."];
    (!name.ends_with("embeddings.position_ids")).then(|| prefixed(&format!("{prefix}."), &bare, &name))
}

/// `prefix` before a name that begins as one without it does.
fn prefixed(prefix: &str, bare: &[&str], name: &str) -> String {
    let is_bare = bare.iter().any(|start| name.starts_with(start));
    if is_bare { format!("{prefix}{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_become_new_ones_and_new_ones_stay() {
        let cases = [
            ("h.0.attn.c_attn.bias", Some("transformer.h.0.attn.c_attn.bias")),
            ("wte.weight", Some("transformer.wte.weight")),
            ("transformer.h.0.attn.c_attn.bias", Some("transformer.h.0.attn.c_attn.bias")),
            ("lm_head.weight", Some("lm_head.weight")),
            ("h.0.attn.bias", None),
            ("transformer.h.11.attn.masked_bias", None),
        ];
        for (old, new) in cases {
            assert_eq!(gpt2(old).as_deref(), new, "{old}");
        }
        let cases = [
            ("embeddings.LayerNorm.gamma", Some("bert.embeddings.LayerNorm.weight")),
            ("bert.pooler.dense.bias", Some("bert.pooler.dense.bias")),
            ("encoder.layer.0.output.LayerNorm.beta", Some("bert.encoder.layer.0.output.LayerNorm.bias")),
            ("classifier.weight", Some("classifier.weight")),
            ("embeddings.position_ids", None),
        ];
        for (old, new) in cases {
            assert_eq!(encoder("bert", old).as_deref(), new, "{old}");
        }
        let cases = [
            ("embeddings.cls_token", Some("vit.embeddings.cls_token")),
            ("vit.layernorm.bias", Some("vit.layernorm.bias")),
            ("classifier.weight", Some("classifier.weight")),
            ("pooler.dense.weight", None),
            ("vit.pooler.dense.bias", None),
            ("layers.1.attention.v_proj.bias", Some("vit.encoder.layer.1.attention.attention.value.bias")),
            ("vit.layers.0.layernorm_after.bias", Some("vit.encoder.layer.0.layernorm_after.bias")),
        ];
        for (old, new) in cases {
            assert_eq!(vit(old).as_deref(), new, "{old}");
        }
    }

    #[test]
    fn vision_transformers_of_transformers_5_get_the_names_of_their_files() {
        let fixture = rankine_testkit::fixtures::json("vit_names.json");
        for kind in ["classifier", "bare"] {
            let names = |version: &str| rankine_testkit::fixtures::strings(&fixture[kind][version]);
            let settled = |version: &str| -> std::collections::BTreeSet<String> {
                names(version).iter().filter_map(|name| vit(name)).collect()
            };
            assert_eq!(settled("modules"), settled("files"), "{kind}");
            assert_ne!(names("modules"), names("files"));
        }
        let mut written: Vec<String> = rankine_testkit::fixtures::strings(&fixture["classifier"]["files"]);
        assert!(written.iter().all(|name| vit(name).as_ref() == Some(name)));
        written.iter_mut().for_each(|name| *name = module_names::of_transformers(name));
        written.sort();
        assert_eq!(written, rankine_testkit::fixtures::strings(&fixture["classifier"]["modules"]));
    }
}
