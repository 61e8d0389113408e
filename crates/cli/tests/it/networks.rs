//! Image networks under other names, of kinds that are not known, and plain ones that a file beside them describes.

use crate::common::{done, json, nll, refused_with_hint, run, words};
use rankine_testkit::{fixtures, tiny};
use std::path::Path;

const DATA: &str = "train-images-idx3-ubyte";

fn copied(from: &str, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let from = fixtures::path(from).join(file);
        if from.is_file() {
            std::fs::copy(from, folder.join(file)).unwrap();
        }
    }
}

fn image_nll(folder: &Path, model: &str) -> f64 {
    json(folder, &["evaluate", model, "--data", DATA])["nll"].as_f64().unwrap()
}

#[test]
fn a_vision_transformer_is_the_same_under_the_names_of_either_version() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    copied("images/vit", &folder.join("vit"));
    tiny::idx_images(folder, 12, 12, 3);
    done(folder, &["convert", "./vit", "new", "--names", "5"]);
    let text = |model: &str| {
        let bytes = std::fs::read(folder.join(model).join("model.safetensors")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(text("new").contains("vit.layers.1.mlp.fc2.bias") && !text("new").contains("vit.encoder"));
    assert_eq!(image_nll(folder, "./new"), image_nll(folder, "./vit"));
    done(folder, &["diff", "./vit", "./new"]);
    done(folder, &["convert", "./new", "old"]);
    assert!(text("old").contains("vit.encoder.layer.1.output.dense.bias"));
    done(folder, &["align", "./old", "./new", "--output", "aligned"]);
    let train = ["train", "./new", "--data", DATA, "--method", "lora", "--rank", "2", "--steps", "3"];
    done(folder, &[&train[..], &["--output", "run", "--set", "data.validation=0.25"]].concat());
    done(folder, &["merge", "./new", "run", "--output", "merged"]);
    // A model of texts has the same names in both, a file of weights alone nobody knows.
    tiny::llama(&folder.join("llama"), &tiny::TinyLlama::default(), 1);
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(4)).unwrap();
    done(folder, &["convert", "./llama", "again", "--names", "5"]);
    assert_eq!(nll(folder, &["./again"]), nll(folder, &["./llama"]));
    for (model, output, why) in [
        ("./llama", "llama.gguf", "names in a .gguf file"),
        ("./vit/model.safetensors", "x", "what transformers 5 calls these tensors"),
    ] {
        refused_with_hint(folder, &["convert", model, output, "--names", "5"], why);
        assert!(!folder.join(output).exists());
    }
}

#[test]
fn what_is_not_known_is_looked_at_and_not_run() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    copied("images/resnet", &folder.join("resnet"));
    std::fs::write(folder.join("resnet/config.json"), r#"{"model_type": "resnet"}"#).unwrap();
    tiny::idx_images(folder, 6, 12, 3);
    let noted = |arguments: &[&str]| {
        let output = run(folder, arguments);
        let said = words(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(said.contains("note: `") && said.contains("`resnet` is not supported"), "{said}");
        words(&output.stdout)
    };
    let inspected = noted(&["inspect", "./resnet", "--json"]);
    assert!(inspected.contains(r#""architecture": "resnet""#), "{inspected}");
    noted(&["convert", "./resnet", "half", "--dtype", "f16"]);
    assert!(std::fs::read_to_string(folder.join("half/config.json")).unwrap().contains("resnet"));
    noted(&["diff", "./resnet", "./half"]);
    noted(&["interpolate", "./resnet", "./half", "--at", "0.5", "--output", "between"]);
    let recipe =
        "merge_method: linear\nmodels: [{model: ./resnet}, {model: ./between}]\nparameters: {weight: 1}\n";
    std::fs::write(folder.join("mean.yaml"), recipe).unwrap();
    noted(&["blend", "mean.yaml", "--output", "blended"]);
    assert!(std::fs::read_to_string(folder.join("blended/config.json")).unwrap().contains("resnet"));
    let evaluate = ["evaluate", "./resnet", "--data", DATA];
    refused_with_hint(folder, &evaluate, "architecture `resnet` is not supported");
    let said = words(&run(folder, &evaluate).stderr);
    assert!(said.contains("mlp and lenet") && said.contains("`rankine inspect`"), "{said}");
    let align = ["align", "./resnet", "./half", "--output", "x"];
    refused_with_hint(folder, &align, "so what these weights compute is not known");
}

#[test]
fn a_plain_network_is_run_once_a_file_describes_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    for name in ["a.pth", "b.pth"] {
        std::fs::copy(fixtures::path("images/mlp/model.pth"), folder.join(name)).unwrap();
    }
    tiny::idx_images(folder, 12, 6, 3);
    let connect = ["connect", "./a.pth", "./b.pth", "--data", DATA, "--steps", "3"];
    for command in [&["evaluate", "./a.pth", "--data", DATA][..], &connect] {
        refused_with_hint(folder, command, "no `config.json` says what these weights compute");
        let said = words(&run(folder, command).stderr);
        assert!(said.contains(r#"{"model_type":"mlp","activation":"relu"}"#), "{said}");
    }
    std::fs::write(folder.join("config.json"), r#"{"model_type": "mlp", "activation": "gelu"}"#).unwrap();
    let own = image_nll(folder, "./a.pth");
    let both = json(folder, &[&connect[..], &["--align", "--method", "activations"]].concat());
    let points = both["aligned"]["points"].as_array().unwrap();
    assert!(points.iter().all(|point| (point["nll"].as_f64().unwrap() - own).abs() < 1e-6), "{both}");
    let walk = ["interpolate", "./a.pth", "./b.pth", "--eval", DATA, "--steps", "2", "--output", "between"];
    done(folder, &walk);
    let search = ["--method", "straight-through", "--steps", "2", "--data", DATA, "--output", "aligned"];
    done(folder, &[&["align", "./a.pth", "./b.pth"][..], &search].concat());
    for model in ["./between", "./aligned"] {
        assert!((image_nll(folder, model) - own).abs() < 1e-6, "{model}");
        let config = std::fs::read_to_string(folder.join(model).join("config.json")).unwrap();
        assert!(config.contains("gelu") && config.contains("layers"), "{config}");
    }
    let train = ["train", "./a.pth", "--data", DATA, "--method", "lora", "--rank", "2", "--steps", "3"];
    done(folder, &[&train[..], &["--output", "run", "--set", "data.validation=0.25"]].concat());
    done(folder, &["evaluate", "./a.pth", "--adapter", "run", "--data", DATA]);
    // A setting that nobody reads would change what is computed.
    std::fs::write(folder.join("config.json"), r#"{"model_type": "mlp", "activaton": "gelu"}"#).unwrap();
    refused_with_hint(folder, &["evaluate", "./a.pth", "--data", DATA], "`activaton` is no key");
}
