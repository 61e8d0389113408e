//! Models aligned, walked between and connected.

use crate::common::{done, json, nll, refused_with_hint};
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::Value;

fn folder_with_models() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        tiny::llama(&root.path().join(name), &TinyLlama::default(), seed);
    }
    let other = TinyLlama { inner: 48, ..TinyLlama::default() };
    tiny::llama(&root.path().join("other"), &other, 1);
    std::fs::write(root.path().join("data.json"), tiny::alpaca_json(6)).unwrap();
    root
}

#[test]
fn models_are_aligned_and_stay_the_same_model() {
    let root = folder_with_models();
    let folder = root.path();
    let planned = done(folder, &["align", "./a", "./b", "--output", "aligned", "--dry-run"]);
    assert!(planned.contains("Would write aligned") && !folder.join("aligned").exists(), "{planned}");
    assert!(planned.contains("residual stream") && planned.contains("model.layers.1.self_attn"), "{planned}");
    let report = json(folder, &["align", "./a", "./b", "--output", "aligned"]);
    let (report, far) = (&report[0], |key: &str| report[0][key].as_f64().unwrap());
    assert!(far("distance_after") < far("distance_before"), "{report}");
    assert_eq!(report["groups"].as_array().unwrap().len(), 5);
    let nll = |model: &str| nll(folder, &[model]);
    assert!((nll("./aligned") - nll("./b")).abs() < 1e-4);
    let heads = ["align", "./a", "./b", "./c", "--groups", "heads,mlp", "--output", "several"];
    let report = json(folder, &heads);
    assert_eq!((&report[1]["model"], report[1]["groups"].as_array().unwrap().len()), (&"./c".into(), 4));
    assert!(folder.join("several/b/model.safetensors").exists() && folder.join("several/c").exists());
    refused_with_hint(folder, &["align", "./a", "./other", "--output", "x"], "do not have the same tensors");
    refused_with_hint(
        folder,
        &["align", "./a", "./b", "./b", "--output", "x"],
        "two models would be written",
    );
    refused_with_hint(
        folder,
        &["align", "./a", "./b", "--starts", "0", "--output", "x"],
        "`starts` should be",
    );
    assert!(!folder.join("x").exists());
}

#[test]
fn the_line_between_two_models_is_measured_and_written() {
    let root = folder_with_models();
    let folder = root.path();
    let walk = ["interpolate", "./a", "./b", "--eval", "data.json", "--steps", "3"];
    let shown = done(folder, &[&walk[..], &["--html", "path.html"]].concat());
    assert!(shown.contains("barrier") && shown.contains("share of the second"), "{shown}");
    assert!(std::fs::read_to_string(folder.join("path.html")).unwrap().contains("Loss between"));
    let report = json(folder, &[&walk[..], &["--output", "best"]].concat());
    let points = report["points"].as_array().unwrap();
    let nll = |model: &str| nll(folder, &[model]);
    assert_eq!(
        (points.len(), points[0]["nll"].as_f64(), points[2]["nll"].as_f64()),
        (3, Some(nll("./a")), Some(nll("./b")))
    );
    let lowest = points.iter().map(|point| point["nll"].as_f64().unwrap()).fold(f64::MAX, f64::min);
    assert!((nll("./best") - lowest).abs() < 1e-6);
    done(folder, &["interpolate", "./a", "./b", "--at", "0", "--output", "first"]);
    assert_eq!(nll("./first"), nll("./a"));
    // Refused before anything is measured.
    let first = ["interpolate", "./a", "./b", "--eval", "missing.json", "--output", "first"];
    refused_with_hint(folder, &first, "exists already");
    refused_with_hint(
        folder,
        &["interpolate", "./a", "./b", "--at", "nan", "--output", "x"],
        "`at` should be a finite",
    );
    assert!(!folder.join("x").exists());
    refused_with_hint(
        folder,
        &["interpolate", "./a", "./other", "--eval", "data.json"],
        "do not have the same tensors",
    );
    let norms = [&walk[..], &["--reset-norms"]].concat();
    refused_with_hint(folder, &norms, "no norms whose statistics");
}

#[test]
fn models_are_connected_before_and_after_alignment() {
    let root = folder_with_models();
    let folder = root.path();
    let connect = ["connect", "./a", "./b", "--data", "data.json", "--steps", "3"];
    let alone = json(folder, &connect);
    assert_eq!((&alone["aligned"], alone["naive"]["points"].as_array().unwrap().len()), (&Value::Null, 3));
    let report = json(folder, &[&connect[..], &["--align", "--html", "connect.html"]].concat());
    let ratio = |line: &str, at: usize| report[line]["vector_alignment"][at]["ratio"].as_f64().unwrap();
    assert_eq!(report["naive"], alone["naive"]);
    assert!(ratio("aligned", 0) > ratio("naive", 0) && ratio("naive", 0).abs() < 0.2, "{report}");
    assert!(report["matching"]["groups"].as_array().unwrap().len() == 5);
    let page = std::fs::read_to_string(folder.join("connect.html")).unwrap();
    assert!(page.contains("Singular vectors") && page.contains("barrier when aligned"));
}
