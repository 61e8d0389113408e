//! What holds for every method, and for chance.

use super::{Kitchen, fixture, recipe};
use crate::common::{names, read};
use rankine_checkpoint::Checkpoint;
use rankine_surgery::{Error, WriteOptions};
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Method, models, parameters of each and of all, and whether a model blended with itself is itself to the last bit.
const METHODS: [(&str, usize, &str, &str, bool); 19] = [
    ("linear", 3, "weight: 0.3", "", true),
    ("slerp", 1, "", "t: 0.3", true),
    ("nuslerp", 2, "weight: 0.3", "", false),
    ("multislerp", 3, "weight: 0.3", "", false),
    ("karcher", 3, "", "", false),
    ("task_arithmetic", 2, "weight: 0.6", "lambda: 0.7", true),
    ("ties", 2, "weight: 0.6, density: 0.5", "", true),
    ("dare_linear", 2, "weight: 0.6, density: 0.5", "", true),
    ("dare_ties", 2, "weight: 0.6, density: 0.5", "rescale_by_density: true", true),
    ("breadcrumbs", 2, "weight: 0.6, density: 0.5", "", true),
    ("breadcrumbs_ties", 2, "weight: 0.6, density: 0.5", "", true),
    ("della", 2, "weight: 0.6, density: 0.5", "", true),
    ("della_linear", 2, "weight: 0.6, density: 0.5", "", true),
    ("model_stock", 2, "", "", true),
    ("passthrough", 1, "", "", true),
    ("wise_ft", 1, "", "alpha: 0.3", true),
    ("fisher", 3, "", "alpha: 0.3", true),
    ("signature", 2, "", "levels: 4", true),
    ("signature", 2, "", "levels: 8, logarithmic: true", true),
];

#[test]
fn a_model_with_itself_is_itself() {
    let one = |_: &str| fixture("b");
    let model = Checkpoint::open(fixture("b")).unwrap();
    for (method, count, each, all, exact) in METHODS {
        let root = TempDir::new().unwrap();
        let text = recipe(method, &["x", "y", "z"][..count], each, all);
        Kitchen::at(&text, &one).blend(&root.path().join("out")).unwrap_or_else(|error| panic!("{error}"));
        let blended = Checkpoint::open(root.path().join("out")).unwrap();
        for name in model.tensors().infos().keys() {
            let (found, expected) = (read(blended.tensors(), name), read(model.tensors(), name));
            match exact {
                true => assert_eq!(found, expected, "{method}: {name}"),
                false => assert_close!(found, expected, relative = 1e-6, absolute = 1e-6, "{method}: {name}"),
            }
        }
    }
}

/// The bytes of the one weight file.
fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

#[test]
fn results_do_not_depend_on_threads() {
    for (method, count, each, all, _) in METHODS {
        let text = recipe(method, &["a", "b", "c"][..count], each, all);
        let bytes = |threads: usize| {
            let root = TempDir::new().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Kitchen::new(&text).blend(&root.path().join("out")).map(drop)).unwrap();
            weights(&root.path().join("out"))
        };
        assert!(bytes(1) == bytes(3), "{method}");
    }
}

#[test]
fn chance_is_that_of_the_seed() {
    let text = recipe("dare_linear", &["a", "b"], "weight: 0.6, density: 0.5", "");
    let bytes = |seed| {
        let root = TempDir::new().unwrap();
        Kitchen { seed, ..Kitchen::new(&text) }.blend(&root.path().join("out")).unwrap();
        weights(&root.path().join("out"))
    };
    assert!(bytes(1) == bytes(1) && bytes(1) != bytes(2));
}

#[test]
fn ends_are_kept_to_the_last_bit() {
    let root = TempDir::new().unwrap();
    let tiny = TinyLlama { dtype: TinyType::Bf16, tied: false, ..TinyLlama::default() };
    for (seed, name) in [(1, "base"), (2, "a"), (3, "b"), (4, "c")] {
        tiny::llama(&root.path().join(name), &tiny, seed);
    }
    let place = |name: &str| root.path().join(name);
    let models = |first: &str, second: &str| {
        format!(
            "models:\n  - {{model: a, parameters: {{{first}}}}}\n  - {{model: b, parameters: {{{second}}}}}\n"
        )
    };
    for (text, end) in [
        (format!("merge_method: linear\n{}", models("weight: 1", "weight: 0")), "a"),
        (format!("merge_method: linear\n{}", models("weight: 0", "weight: -3")), "b"),
        (recipe("wise_ft", &["a"], "", "alpha: 0"), "base"),
        (recipe("wise_ft", &["a"], "", "alpha: 1"), "a"),
        (recipe("fisher", &["a", "b", "c"], "", "alpha: 1"), "a"),
        (recipe("slerp", &["a"], "", "t: 1"), "a"),
        (recipe("ties", &["b"], "weight: 1", ""), "b"),
        (recipe("task_arithmetic", &["b"], "weight: 1", ""), "b"),
        (recipe("dare_linear", &["a", "b"], "weight: 0, density: 0.5", ""), "base"),
        (recipe("signature", &["a", "b"], "", "layers: 0"), "a"),
        ("merge_method: passthrough\nmodels: [{model: b}]\n".to_owned(), "b"),
    ] {
        let target = root.path().join("out");
        Kitchen::at(&text, &place).blend(&target).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (found, expected) = (Checkpoint::open(&target).unwrap(), Checkpoint::open(place(end)).unwrap());
        for (name, info) in expected.tensors().infos() {
            assert_eq!(found.tensors().infos()[name].dtype, info.dtype, "{name}");
            let [found, expected] = [&found, &expected].map(|model| model.tensors().raw(name).unwrap());
            assert!(found == expected, "{text}: {name}");
        }
        std::fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn the_order_of_models_is_of_no_matter() {
    for (method, count, each, all, _) in METHODS.into_iter().filter(|method| 2 <= method.1) {
        // Chance, the first model of a signature and what is known of numbers belong to a place.
        if method.starts_with("da") || method.starts_with("de") || ["signature", "fisher"].contains(&method) {
            continue;
        }
        let blended = |models: &[&str]| {
            let root = TempDir::new().unwrap();
            Kitchen::new(&recipe(method, models, each, all)).blend(&root.path().join("out")).unwrap();
            let model = Checkpoint::open(root.path().join("out")).unwrap();
            read(model.tensors(), "model.layers.1.mlp.down_proj.weight")
        };
        let (mut models, forth) = (["a", "b", "c"][..count].to_vec(), blended(&["a", "b", "c"][..count]));
        models.reverse();
        assert_close!(blended(&models), forth, absolute = 5e-6, "{method}");
    }
}

#[test]
fn what_cannot_be_done_leaves_nothing() {
    let root = TempDir::new().unwrap();
    tiny::llama(&root.path().join("narrow"), &TinyLlama { hidden: 16, ..TinyLlama::default() }, 1);
    tiny::llama(&root.path().join("base"), &TinyLlama::default(), 1);
    tiny::llama(&root.path().join("low"), &TinyLlama { layers: 1, ..TinyLlama::default() }, 1);
    let place = |name: &str| -> PathBuf { root.path().join(name) };
    let target = root.path().join("out");
    let failed = |text: &str| Kitchen::at(text, &place).blend(&target).unwrap_err();
    let linear = |model: &str| recipe("linear", &["base", model], "weight: 1", "");
    let error = failed(&linear("narrow"));
    assert!(matches!(error, Error::Unlike { .. }), "{error}");
    assert!(error.to_string().contains("[32] in the first and [16] in the second"), "{error}");
    let error = failed(&linear("low"));
    let (said, name) = (error.to_string(), "`model.layers.1.input_layernorm.weight` is not in the second");
    assert!(said.contains(name) && said.contains("nearest is `model.layers.0"), "{said}");
    // Not the lower half of it, either.
    let said = failed(
        &recipe("task_arithmetic", &["base"], "weight: 1", "").replace("base_model: base", "base_model: low"),
    )
    .to_string();
    assert!(said.contains("`model.layers.1.input_layernorm.weight` is not in the first"), "{said}");
    let filtered = "weight: [{filter: mlp, value: 1}]";
    let said = failed(&recipe("linear", &["base", "base"], filtered, "")).to_string();
    assert!(said.contains("nothing gives `weight` of `base` for `model.embed_tokens.weight`"), "{said}");
    let chances = recipe("della", &["a"], "weight: 1, density: 0.9, epsilon: 0.2", "");
    let said = Kitchen::new(&chances).blend(&target).unwrap_err().to_string();
    assert!(said.contains("`epsilon` should be so small that"), "{said}");
    let stack = "merge_method: passthrough\nslices: [{sources: [{model: base, layer_range: [1, 4]}]}]\n";
    assert!(failed(stack).to_string().contains("`base` has 2 layers; layer 3 was asked for"));
    assert_eq!(names(root.path()), ["base", "low", "narrow"]);
    let here = WriteOptions { existing: rankine_checkpoint::Existing::Replace, ..WriteOptions::default() };
    let text = linear("base");
    let kitchen = Kitchen { options: here, ..Kitchen::at(&text, &place) };
    assert!(matches!(kitchen.blend(&place("base")), Err(Error::OutputIsInput { .. })));
    let inside = place("base").join("x");
    assert!(matches!(kitchen.blend(&inside), Err(Error::OutputInInput { .. })) && !inside.exists());
}
