//! Fisher information of two models, and the blend that it weighs.

use crate::common::{done, folder_with_model, json, nll, refused, refused_with_hint};
use rankine_checkpoint::Opened;
use rankine_testkit::assert_close;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;

const RECIPE: &str = "
merge_method: fisher
base_model: ./model
models: [{model: ./tuned}, {model: ./base.safetensors}, {model: ./tuned.safetensors}]
parameters: {alpha: 0.25}
";

fn numbers(model: &Path, name: &str) -> Vec<f64> {
    let opened = Opened::open(model).unwrap();
    let mut values = vec![0.0_f32; opened.tensors().infos()[name].elements()];
    opened.tensors().read_into(name, &mut values).unwrap();
    values.into_iter().map(f64::from).collect()
}

#[test]
fn two_models_are_weighed_by_what_is_known_of_their_numbers() {
    let root = folder_with_model();
    let folder = root.path();
    tiny::llama(&folder.join("tuned"), &TinyLlama::default(), 2);
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(3)).unwrap();
    for (model, file) in [("./model", "base.safetensors"), ("./tuned", "tuned.safetensors")] {
        let report = json(folder, &["fisher", model, "--data", "data.json", "--output", file]);
        assert_eq!((&report["examples"], report["silent"].as_array().unwrap().len()), (&3.into(), 0));
        assert_close!([report["nll"].as_f64().unwrap()], [nll(folder, &[model])], relative = 1e-5);
    }
    std::fs::write(folder.join("merge.yaml"), RECIPE).unwrap();
    done(folder, &["blend", "merge.yaml", "--output", "out"]);
    for name in ["model.embed_tokens.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight"] {
        let [before, after, base, tuned] = ["model", "tuned", "base.safetensors", "tuned.safetensors"]
            .map(|place| numbers(&folder.join(place), name));
        let expected: Vec<f64> = (0..before.len())
            .map(|at| {
                let [mine, other] = [0.75 * base[at].max(1e-8), 0.25 * tuned[at].max(1e-8)];
                (mine * before[at] + other * after[at]) / (mine + other)
            })
            .collect();
        assert_close!(numbers(&folder.join("out"), name), expected, absolute = 1e-6, "{name}");
    }
    let fisher = ["fisher", "./model", "--data", "data.json", "--output"];
    let shown = done(folder, &[&fisher[..], &["base.safetensors", "--force", "--samples", "1"]].concat());
    assert!(shown.contains("Fisher information in base.safetensors") && shown.contains("trace"), "{shown}");
    refused(folder, &[&fisher[..], &["base.safetensors"]].concat(), "exists already");
    let weights = std::fs::read(folder.join("tuned/model.safetensors")).unwrap();
    let on_weights = [&fisher[..], &["tuned/model.safetensors", "--force"]].concat();
    refused_with_hint(folder, &on_weights, "holds no Fisher information");
    assert!(std::fs::read(folder.join("tuned/model.safetensors")).unwrap() == weights);
    refused(folder, &[&fisher[..], &["x.safetensors", "--samples", "0"]].concat(), "0 is not in 1..");
    refused_with_hint(folder, &[&fisher[..], &["model/x.safetensors"]].concat(), "model/x.safetensors");
    assert!(!folder.join("model/x.safetensors").exists() && !folder.join("x.safetensors").exists());
}
