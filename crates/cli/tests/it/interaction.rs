//! What of a model does something, on data.

use crate::common::{done, folder_with_model, json, refused, run, words};
use rankine_testkit::{fixtures, tiny};
use serde_json::Value;
use std::path::Path;

fn interaction(folder: &Path, arguments: &[&str]) -> String {
    done(folder, &[&["interaction"][..], arguments].concat())
}

#[test]
fn a_language_model_is_shown_in_every_face() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("text.txt"), "The sky is blue and the sea is deep. ".repeat(30)).unwrap();
    let data = ["./model", "--data", "text.txt", "--max-length", "16", "--samples", "4", "--features", "3"];
    let part = ["--target", "model.layers.0.mlp.*", "--html", "page.html"];
    let said = interaction(folder, &[&data[..], &part].concat());
    for words in [
        "that matter for the outputs",
        "The strongest edges",
        "The largest modules",
        "gradients at the point itself",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("mlp.gate_proj → model.layers.0.mlp.down_proj"));
    assert!(page.contains("The graph of features") && page.contains("data-name=\"module "));
    let report: Value =
        serde_json::from_str(&interaction(folder, &[&data[..], &part, &["--json"]].concat())).unwrap();
    let [layers, edges] = ["layers", "edges"].map(|list| report[list].as_array().unwrap());
    assert_eq!((layers.len(), edges.len()), (2, 1));
    assert_eq!((&layers[0]["width"], layers[0]["maps"].as_array().unwrap().len()), (&32.into(), 2));
    assert_eq!(layers[1]["importance"].as_array().unwrap().len() as u64, layers[1]["functional"]);
    assert_eq!(edges[0]["strengths"].as_array().unwrap().len(), 3);
    assert_eq!(report["integration"]["method"], "gradient");
    assert_eq!(report["modules"]["module"].as_array().unwrap().len(), 6);
    let without = interaction(folder, &[&data[..7], &part, &["--features", "0"]].concat());
    assert!(!without.contains("The strongest edges"), "{without}");
    let wrong = run(folder, &["interaction", "./model", "--data", "text.txt", "--tolerance", "2"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(words(&wrong.stderr).contains("`tolerance` should be"), "{}", words(&wrong.stderr));
}

#[test]
fn an_image_classifier_acts_on_its_classes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    tiny::idx_images(folder, 6, 12, 3);
    let vit = fixtures::path("images/vit").display().to_string();
    for basis in ["pca", "local"] {
        let data =
            [vit.as_str(), "--data", "train-images-idx3-ubyte", "--basis", basis, "--edge-batches", "1"];
        let report: Value =
            serde_json::from_str(&interaction(folder, &[&data[..], &["--json"]].concat())).unwrap();
        let last = report["edges"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["to"], last["strengths"].as_array().unwrap().len()), (&"outputs".into(), 3));
        // What features matter is told in the coordinates that were asked for.
        let layer = &report["layers"][1];
        let found: Vec<f64> =
            layer["coordinates"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert!(found.is_sorted_by(|one, next| one >= next) && layer["coordinates"] != layer["importance"]);
        assert!(!found.is_empty(), "{basis}: {layer}");
        if basis == "pca" {
            assert_eq!(found.len() as u64, layer["activation_rank"]);
        }
    }
}

#[test]
fn edges_are_told_by_integrated_gradients() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    tiny::idx_images(folder, 6, 12, 3);
    let vit = fixtures::path("images/vit").display().to_string();
    let data = ["interaction", vit.as_str(), "--data", "train-images-idx3-ubyte", "--target", ".*layer.1.*"];
    let asked = [&data[..], &["--features", "2", "--edge-batches", "1"]].concat();
    let by = |rule: &[&str]| json(folder, &[&asked[..], rule].concat());
    let plain = by(&[]);
    let rules = ["trapezoidal", "gauss-legendre"];
    let [even, gauss] =
        rules.map(|rule| by(&["--integration-method", rule, "--intervals", "12", "--html", "page.html"]));
    assert_eq!(gauss["integration"], serde_json::json!({ "method": "gauss-legendre", "intervals": 12 }));
    assert_eq!(gauss["layers"], plain["layers"]);
    let strengths = |report: &Value| -> Vec<f64> {
        let first = report["edges"][0]["strengths"].as_array().unwrap();
        first.iter().flat_map(|row| row.as_array().unwrap()).map(|edge| edge.as_f64().unwrap()).collect()
    };
    let [plain, even, gauss] = [&plain, &even, &gauss].map(strengths);
    let most = gauss.iter().copied().fold(0.0, f64::max);
    assert_ne!(plain, gauss);
    assert!(
        even.iter().zip(&gauss).all(|(one, other)| (one - other).abs() < 0.02 * most),
        "{even:?} {gauss:?}"
    );
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("∫₀¹") && page.contains("13 points of Gauss and Legendre"));
    refused(folder, &[&asked[..], &["--intervals", "3"]].concat(), "--integration-method");
}
