//! A model looked into.

use crate::common::{done, folder_with_model, json, refused, refused_with_hint};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, TensorInfo};
use rankine_random::Rng;
use rankine_testkit::fixtures;
use serde_json::Value;
use std::path::Path;

fn inspect(folder: &Path, arguments: &[&str]) -> String {
    done(folder, &[&["inspect", "./model"][..], arguments].concat())
}

#[test]
fn a_model_is_shown_in_every_face() {
    let root = folder_with_model();
    let folder = root.path();
    let said = inspect(folder, &["--html", "model.html"]);
    for part in ["Inspected ./model", "parameters", "query", "stable rank"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("noise edge"), "{said}");
    let page = std::fs::read_to_string(folder.join("model.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("model.layers.1.mlp.up_proj.weight"));
    assert!(page.contains("<caption>All tensors</caption>") && page.contains("&quot;dead rows&quot;"));
    // Nothing is measured in part.
    assert!(!page.contains("error bound") && !page.contains("≥"), "{page}");
    let all = inspect(folder, &["--all"]);
    assert!(all.contains("noise edge") && all.contains("model.layers.1.mlp.up_proj.weight"), "{all}");
    let report: Value =
        serde_json::from_str(&inspect(folder, &["--json", "--tensor", "*.q_proj.weight"])).unwrap();
    let tensors = report["tensors"].as_array().unwrap();
    assert_eq!((tensors.len(), &tensors[1]["layer"]), (2, &Value::from("model.layers.1")));
    assert_eq!(tensors[0]["spectrum"]["singular_values"].as_array().unwrap().len(), 32);
    assert_eq!(report["kinds"]["query"]["spectra"], 2);
    let leading: Value = serde_json::from_str(&inspect(folder, &["--json", "--rank", "4"])).unwrap();
    let query = |tensor: &&Value| tensor["name"] == "model.layers.0.self_attn.q_proj.weight";
    let query = leading["tensors"].as_array().unwrap().iter().find(query).unwrap();
    assert!(query["spectrum"]["bound"].as_f64().unwrap() > 0.0, "{query}");
    let cut = ["--rank", "4", "--all", "--html", "cut.html"];
    let said = inspect(folder, &cut);
    let html = std::fs::read_to_string(folder.join("cut.html")).unwrap();
    for part in ["error bound", "only the leading singular values are known"] {
        assert!(said.contains(part) && html.contains(part), "{part}: {said}");
    }
}

/// Twenty directions stand out of noise, of which eight are looked for.
#[test]
fn what_leading_values_bound_is_shown_as_a_bound() {
    const SIDE: usize = 120;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let mut values = Rng::new(7).normals(SIDE * SIDE, 0.1);
    (0..20).for_each(|at| values[at * (SIDE + 1)] += 10.0);
    let info = TensorInfo { shape: vec![SIDE; 2], dtype: Dtype::F32, bytes: 0 };
    let infos = [("h.0.fc1.weight".to_owned(), info)];
    let path = folder.join("spikes.safetensors");
    let writer = TensorsWriter::create(&path, infos.iter().map(|(name, info)| (name, info))).unwrap();
    writer.write("h.0.fc1.weight", &values).unwrap();
    writer.finish().unwrap();
    let inspect = ["inspect", "./spikes.safetensors", "--all", "--html", "spikes.html"];
    let html = || std::fs::read_to_string(folder.join("spikes.html")).unwrap();
    let whole = done(folder, &inspect);
    assert!(whole.contains("α̂") && !whole.contains('≥') && !html().contains('≥'), "{whole}");
    assert!(whole.contains("not known: no configuration"), "{whole}");
    let cut = done(folder, &[&inspect[..], &["--rank", "8"]].concat());
    assert!(cut.contains("≥ 8") && cut.contains('≤') && !cut.contains("α̂"), "{cut}");
    assert!(
        html().contains("data-value=\"8\">≥ 8<") && html().contains("above the noise, at least"),
        "{cut}"
    );
}

#[test]
fn headers_are_read_of_damaged_weights_too() {
    let root = folder_with_model();
    let folder = root.path();
    let path = folder.join("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let headers = inspect(folder, &["--headers"]);
    assert!(headers.contains("parameters") && !headers.contains("not finite"), "{headers}");
    assert!(inspect(folder, &[]).contains("numbers that are not finite: 1"));
    for (arguments, why) in [
        (["--tensor", "q_prj"], "`tensor` should be"),
        (["--tensor", "q_proj"], "hint: `*q_proj*` fits `model.layers.0.self_attn.q_proj.weight`"),
        (["--rank", "0"], "`rank` should be"),
    ] {
        refused(folder, &[&["inspect", "./model"][..], &arguments].concat(), why);
    }
}

#[test]
fn types_that_are_not_read_keep_nothing_from_being_shown() {
    let root = tempfile::tempdir().unwrap();
    let path = fixtures::path("float8/model.safetensors");
    let path = path.to_str().unwrap();
    let said = done(root.path(), &["inspect", path, "--all", "--html", "page.html"]);
    for part in ["F8_E4M3", "not analysed: dtype U16, of `counts`", "their scales are not applied"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let html = std::fs::read_to_string(root.path().join("page.html")).unwrap();
    assert!(html.contains("dtype U16, of <code>counts</code>"), "{html}");
    let headers = done(root.path(), &["inspect", path, "--headers", "--all"]);
    assert!(headers.contains("U16") && headers.contains("size"), "{headers}");
    // Nothing is.
    assert!(!headers.contains("not analysed"), "{headers}");
    assert!(!headers.contains('–') && !headers.contains("spectral norm"), "{headers}");
    let report = json(root.path(), &["inspect", path]);
    assert!(report["tensors"].as_array().unwrap().iter().any(|tensor| tensor["dtype"] == "U16"), "{report}");
}

#[test]
fn an_adapter_is_told_from_a_model() {
    let root = tempfile::tempdir().unwrap();
    let path = fixtures::path("adapters/plain");
    refused_with_hint(root.path(), &["inspect", path.to_str().unwrap()], "this is an adapter");
    refused(root.path(), &["inspect", path.to_str().unwrap()], "rankine diff BASE --adapter");
}
