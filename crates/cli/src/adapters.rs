//! What is told of an adapter before it is used: settings without effect, and that it names another base.

use crate::Context;
use rankine_checkpoint::{Adapter, AdapterConfig};
use rankine_hub::{KNOWN, Known};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// Tells all of it; of the base, what the user called it, and where it lies.
pub fn warn(context: &Context, base: (&str, &Path), folder: &Path, adapter: &Adapter) {
    rankine_run::warning(folder, adapter).iter().for_each(|warning| context.say(warning));
    warn_of_base(context, base, folder, &adapter.config);
}

/// Tells where the adapter in `folder`, with this configuration, names another base.
pub fn warn_of_base(context: &Context, base: (&str, &Path), folder: &Path, config: &AdapterConfig) {
    if let Some(note) = other_base(base, folder, config) {
        context.say(format!("warning: {note}"));
    }
}

/// That the adapter in `folder` names another base. Whether two models are the same is not asked of their numbers: a name that is
/// the same at its end, however it is written, will do, and so will the same folder.
pub fn other_base((spec, path): (&str, &Path), folder: &Path, config: &AdapterConfig) -> Option<String> {
    let named = config.base_model.as_deref()?.trim();
    let place = path.to_string_lossy();
    let (ours, theirs) = (&names(spec) | &names(&place), names(named));
    let is_quantised = |name: &String| {
        let mut rests = theirs.iter().filter_map(|theirs| name.strip_prefix(theirs.as_str()));
        is_gguf(path) && rests.any(is_type)
    };
    let is_known = theirs.is_empty() || is_same_place(named, &place) || !theirs.is_disjoint(&ours);
    if is_known || ours.iter().any(is_quantised) {
        return None;
    }
    let folder = folder.display();
    Some(format!(
        "`{folder}` was made for `{named}`, and the base here is `{spec}`: that it fits by names and shapes does not tell that it \
         is the same model"
    ))
}

/// Of the bases that adapters name, the first of each that are the same.
pub fn bases(adapters: &[Adapter]) -> Vec<&str> {
    let mut bases: Vec<&str> = Vec::new();
    for named in adapters.iter().filter_map(|adapter| adapter.config.base_model.as_deref()) {
        if !named.trim().is_empty() && !bases.iter().any(|base| is_same(base, named)) {
            bases.push(named);
        }
    }
    bases
}

/// Whether these are one model by its place or its name.
fn is_same(left: &str, right: &str) -> bool {
    is_same_place(left, right) || !names(left).is_disjoint(&names(right))
}

fn is_same_place(left: &str, right: &str) -> bool {
    let place = |text: &str| Path::new(text).canonicalize().ok();
    place(left).zip(place(right)).is_some_and(|(left, right)| left == right)
}

/// What a model is called by a path, the name of a repository or a known name: its last part, that of a snapshot's repository, that
/// of the folder around a file; letters and digits only.
fn names(text: &str) -> BTreeSet<String> {
    let is_path = Path::new(text).exists();
    // `owner/name@revision:part`.
    let bare = if is_path { text } else { text.split(['@', ':']).next().unwrap_or_default() };
    let path = Path::new(bare);
    let mut found = BTreeSet::new();
    let mut add = |part: Option<&OsStr>| {
        let part = part.unwrap_or_default().to_string_lossy();
        // `models--owner--name`, as the cache of the hub calls folders.
        let name = normal(part.rsplit("--").next().unwrap_or_default());
        for known in KNOWN {
            let all = [known.name, known.title, last(known)].map(normal);
            if all.contains(&name) {
                found.extend(all);
            }
        }
        found.extend([name, normal(&part)]);
    };
    if path.is_file() || is_weights(path) {
        add(path.file_stem());
    } else {
        add(path.file_name());
    }
    let above = path.parent();
    if path.is_file() {
        add(above.and_then(Path::file_name));
    }
    if let Some(snapshots) = above.filter(|above| above.file_name().is_some_and(|name| name == "snapshots")) {
        add(snapshots.parent().and_then(Path::file_name));
    }
    found.remove("");
    found
}

fn last(known: &Known) -> &str {
    known.repository.rsplit('/').next().unwrap_or_default()
}

fn normal(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// Whether this is called like a file of weights, wherever it may be.
fn is_weights(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["gguf", "safetensors", "pth", "pt", "bin"].into_iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether this is how files call a type of weights behind a model's name: `q4_k_m`, `f16`.
fn is_type(rest: &str) -> bool {
    ["q", "iq", "f16", "f32", "bf16", "fp16"].iter().any(|word| rest.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(base: (&str, &str), named: &str) -> bool {
        let config = AdapterConfig { base_model: Some(named.to_owned()), ..AdapterConfig::default() };
        other_base((base.0, Path::new(base.1)), Path::new("lora"), &config).is_some()
    }

    #[test]
    fn one_name_of_a_model_is_as_good_as_another() {
        let snapshot = "/c/models--HuggingFaceTB--SmolLM2-135M/snapshots/0123456789abcdef";
        for (base, named) in [
            (("/x/smollm2-135m", "/x/smollm2-135m"), "HuggingFaceTB/SmolLM2-135M"),
            (("HuggingFaceTB/SmolLM2-135M@main", "/cache/x"), "HuggingFaceTB/SmolLM2-135M"),
            (("smollm2-135m", "/cache/x"), "HuggingFaceTB/SmolLM2-135M-Instruct"),
            (("./SmolLM2-135M-Instruct/", "./SmolLM2-135M-Instruct/"), "smollm2-135m"),
            (("smollm2-135m", "/cache/x"), "smollm2-135m"),
            (("all-minilm-l6-v2", "/cache/x"), "/home/a/all_MiniLM_L6_v2/"),
            ((snapshot, snapshot), "HuggingFaceTB/SmolLM2-135M"),
            (("a", "/x/a"), snapshot.replace("SmolLM2-135M", "a").as_str()),
            (("llama-7b.Q4_K_M.gguf", "llama-7b.Q4_K_M.gguf"), "meta/Llama-7B"),
            (("src", "src"), "./src/../src"),
            (("mobilenet.pth", "mobilenet.pth"), "/elsewhere/mobilenet.safetensors"),
            (("anything", "/x/anything"), ""),
        ] {
            assert!(!told(base, named), "{base:?} {named}");
        }
        let config = AdapterConfig::default();
        assert_eq!(other_base(("a", Path::new("a")), Path::new("lora"), &config), None);
    }

    #[test]
    fn bases_of_one_name_are_one() {
        let of = |named: &str| {
            let config = AdapterConfig { base_model: Some(named.to_owned()), ..AdapterConfig::default() };
            Adapter { config, ..Adapter::default() }
        };
        let adapters = ["models/a", "/x/models/a/", "", "b", "owner/B@main", "a"].map(of);
        assert_eq!(bases(&adapters), ["models/a", "b"]);
    }

    #[test]
    fn another_model_is_told() {
        for (base, named) in [
            (("./other", "./other"), "HuggingFaceTB/SmolLM2-135M"),
            (("./smollm2-360m", "./smollm2-360m"), "HuggingFaceTB/SmolLM2-135M"),
            (("llama-7b-instruct.Q8_0.gguf", "llama-7b-instruct.Q8_0.gguf"), "meta/Llama-7B"),
            (("tests", "tests"), "src"),
        ] {
            assert!(told(base, named), "{base:?} {named}");
        }
    }
}
