//! Models aligned, walked between and connected.

use crate::common::{done, json, nll, refused, refused_with_hint};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::{self, TinyLlama};
use serde_json::Value;
use std::path::Path;

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
fn several_models_are_written_together_or_not_at_all() {
    let root = folder_with_models();
    let folder = root.path();
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let several = ["align", "./a", "./b", "./c", "--groups", "mlp", "--output", "several"];
    // The last of the outputs cannot be written where a file stands in its way.
    std::fs::create_dir(folder.join("several")).unwrap();
    std::fs::write(folder.join("several/c"), "here").unwrap();
    refused_with_hint(folder, &several, "exists already");
    assert_eq!(names(&folder.join("several")), ["c"]);
    std::fs::remove_dir_all(folder.join("several")).unwrap();
    let other = ["align", "./a", "./b", "./other", "--output", "several"];
    refused_with_hint(folder, &other, "do not have the same tensors");
    refused_with_hint(folder, &[&several[..], &["--resume"]].concat(), "together or not at all");
    let left = names(folder);
    assert!(left.iter().all(|name| name != "several" && !name.starts_with('.')), "{left:?}");
    done(folder, &several);
    assert_eq!(names(&folder.join("several")), ["b", "c"]);
    // Both are replaced.
    let kept = folder.join("several/b/kept");
    std::fs::write(&kept, "").unwrap();
    done(folder, &[&several[..], &["--force"]].concat());
    assert_eq!((names(&folder.join("several")).len(), kept.exists()), (2, false));
}

#[test]
fn language_models_are_matched_by_what_they_do_on_data() {
    let root = folder_with_models();
    let folder = root.path();
    let align = ["align", "./a", "./b", "--data", "data.json", "--output"];
    let by = |method: &[&str], output: &str| json(folder, &[&align[..], &[output], method].concat());
    let report = by(&["--method", "activations"], "seen");
    assert_eq!((&report[0]["method"], &report[0]["midpoint"]), (&"activations".into(), &Value::Null));
    let moved: u64 =
        report[0]["groups"].as_array().unwrap().iter().map(|group| group["moved"].as_u64().unwrap()).sum();
    assert!(0 < moved, "{report}");
    let search = ["--method", "straight-through", "--steps", "4", "--learning-rate", "0.1"];
    let report = by(&search, "trained");
    let middle = |key: &str| report[0]["midpoint"][key].as_f64().unwrap();
    assert!(middle("best") <= middle("weights") && middle("best") <= middle("naive"), "{report}");
    for output in ["./seen", "./trained"] {
        assert!((nll(folder, &[output]) - nll(folder, &["./b"])).abs() < 1e-4, "{output}");
    }
    let shown = done(folder, &[&align[..], &["again"], &search, &["--dry-run"]].concat());
    assert!(shown.contains("loss half-way, found") && !folder.join("again").exists(), "{shown}");
    let connect = ["connect", "./a", "./b", "--data", "data.json", "--steps", "3", "--align"];
    let connected =
        json(folder, &[&connect[..], &["--method", "straight-through", "--search-steps", "2"]].concat());
    let middle = connected["matching"]["midpoint"]["best"].as_f64().unwrap();
    assert!((connected["aligned"]["points"][1]["nll"].as_f64().unwrap() - middle).abs() < 1e-9);
    let without = ["align", "./a", "./b", "--output", "x", "--method", "activations"];
    refused_with_hint(folder, &without, "`activations` needs data");
    let idle = ["align", "./a", "./b", "--output", "x", "--data", "data.json"];
    refused_with_hint(folder, &idle, "`weights` reads no data");
    let unread = ["align", "./a", "./b", "--output", "x", "--max-length", "8"];
    refused(folder, &unread, "--data <FILE>");
    let write = ["interpolate", "./a", "./b", "--at", "0", "--output", "x"];
    for unread in [&["--reset-norms"][..], &["--steps", "5"]] {
        refused(folder, &[&write[..], unread].concat(), "--eval <FILE>");
    }
    let steps = ["align", "./a", "./b", "--output", "x", "--steps", "3"];
    refused_with_hint(folder, &steps, "`weights` takes no steps");
    refused(folder, &[&align[..], &["x"], &search[..2], &["--steps", "0"]].concat(), "0 is not in 1..");
    let fast = [&align[..], &["x"], &search[..2], &["--learning-rate", "inf"]].concat();
    refused_with_hint(folder, &fast, "`learning rate` should be above 0");
    assert!(!folder.join("x").exists());
}

#[test]
fn image_models_are_matched_by_what_they_do_on_data() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    std::fs::create_dir(folder.join("vit")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixtures::path("images/vit").join(file), folder.join("vit").join(file)).unwrap();
    }
    tiny::idx_images(folder, 12, 12, 3);
    let data = ["--data", "train-images-idx3-ubyte", "--output", "aligned", "--force"];
    for method in [&["activations"][..], &["straight-through", "--steps", "2"]] {
        // A model and itself: every unit stays.
        let align = [&["align", "./vit", "./vit", "--method"][..], method, &data].concat();
        let report = json(folder, &align);
        let groups = report[0]["groups"].as_array().unwrap();
        assert!(groups.len() == 5 && groups.iter().all(|group| group["moved"] == 0), "{report}");
        assert_eq!(report[0]["distance_after"], 0.0);
    }
    std::fs::copy(folder.join("vit/model.safetensors"), folder.join("bare.safetensors")).unwrap();
    let bare = ["align", "./bare.safetensors", "./bare.safetensors", "--method", "activations"];
    refused_with_hint(folder, &[&bare[..], &data].concat(), "no `config.json` says what these weights");
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
    for (option, value) in [
        ("--method", "activations"),
        ("--groups", "mlp"),
        ("--sweeps", "3"),
        ("--starts", "2"),
        ("--seed", "1"),
        ("--learning-rate", "0.1"),
        ("--search-steps", "2"),
    ] {
        refused(folder, &[&connect[..], &[option, value]].concat(), "not provided:\n  --align");
    }
    let report = json(folder, &[&connect[..], &["--align", "--html", "connect.html"]].concat());
    let ratio = |line: &str, at: usize| report[line]["vector_alignment"][at]["ratio"].as_f64().unwrap();
    assert_eq!(report["naive"], alone["naive"]);
    assert!(ratio("aligned", 0) > ratio("naive", 0) && ratio("naive", 0).abs() < 0.2, "{report}");
    assert!(report["matching"]["groups"].as_array().unwrap().len() == 5);
    let page = std::fs::read_to_string(folder.join("connect.html")).unwrap();
    assert!(page.contains("Singular vectors") && page.contains("barrier when aligned"));
}
