//! A fine-tune beside its base: what differs, what is new, and what a LoRA holds of it.

use crate::common::{done, folder_with_model, json, nll, refused};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, Opened, TensorInfo, Unread};
use rankine_random::Rng;
use rankine_testkit::{browser, tiny};
use serde_json::Value;
use std::path::Path;

fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

/// With a LoRA of rank 2 that was trained a little, in `run`, and the model that it makes, in `tuned`.
fn folder_with_fine_tune() -> tempfile::TempDir {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let train = ["train", "./model", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "3", "--output", "run"]].concat());
    done(folder, &["merge", "./model", "run", "--output", "tuned"]);
    root
}

#[test]
fn a_fine_tune_is_told_and_made_milder() {
    let root = folder_with_fine_tune();
    let folder = root.path();
    assert!(done(folder, &["diff", "./model", "./model", "--intruders"]).contains("nothing changed"));
    let whole = json(folder, &["diff", "./model", "./tuned", "--intruders", "--top", "3"]);
    let beside = json(folder, &["diff", "./model", "--adapter", "run", "--intruders", "--top", "3"]);
    for report in [&whole, &beside] {
        assert_eq!((count(&report["tensors"]), count(&report["matrices"])), (14, 14));
        let first = &report["matrices"][0];
        assert!(first["effective_rank"].as_f64().unwrap() < 2.2, "{first}");
        assert_eq!((count(&first["cosines"]), count(&first["similarity"][0])), (3, 3));
    }
    let relative = |report: &Value| report["relative_change"].as_f64().unwrap();
    assert!((relative(&whole) / relative(&beside) - 1.0).abs() < 1e-3);
    let page = ["diff", "./model", "./tuned", "--intruders", "--html", "diff.html"];
    let said = done(folder, &page);
    assert!(said.contains("self_attn.q_proj") && said.contains("effective rank"), "{said}");
    let html = std::fs::read_to_string(folder.join("diff.html")).unwrap();
    assert!(html.contains("Changes by layer and kind") && html.contains("tuned against base"));
    // Every vector is an intruder below a cosine of 1.
    let scale = ["--epsilon", "1", "--top", "1", "--mitigate", "0.5", "--output"];
    let model = done(folder, &[&["diff", "./model", "./tuned"], &scale[..], &["milder"]].concat());
    assert!(model.contains("Written to milder"), "{model}");
    done(folder, &["generate", "./milder", "--raw", "--prompt", "x", "--max-tokens", "1"]);
    let exact = ["diff", "./model", "--adapter", "run", "--exact"];
    done(folder, &[&exact[..], &scale[..], &["milder-lora"]].concat());
    let apart = json(folder, &["diff", "./model", "--adapter", "milder-lora"]);
    let other = json(folder, &["diff", "./model", "./milder"]);
    assert!((relative(&apart) / relative(&other) - 1.0).abs() < 1e-2, "{apart} {other}");
    refused(folder, &[&exact[..], &scale[..], &["milder-lora"]].concat(), "exists already");
    // Before anything is read.
    let late = ["diff", "./model", "--adapter", "nowhere"];
    refused(folder, &[&late[..], &scale[..], &["milder-lora"]].concat(), "exists already");
    refused(folder, &["diff", "./model"], "TUNED");
    refused(folder, &["diff", "./model", "./tuned", "--mitigate", "0.5"], "--output");
    refused(folder, &["diff", "./model", "./tuned", "--epsilon", "2"], "`epsilon` should be");
    let negative = ["diff", "./model", "./tuned", "--mitigate", "-1", "--output", "x"];
    refused(folder, &negative, "`mitigate` should be");
    let weights = folder.join("tuned/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, bytes).unwrap();
    let damaged = done(folder, &["diff", "./model", "./tuned"]);
    assert!(damaged.contains("numbers that are not finite: `"), "{damaged}");
}

/// The caption of a table of intruders.
const INTRUDERS: &str = "Intruders; triples";

#[test]
fn the_page_of_a_fine_tune_begins_with_a_map() {
    let root = folder_with_fine_tune();
    let folder = root.path();
    let page = ["diff", "./model", "./tuned", "--html", "diff.html"];
    let html = || std::fs::read_to_string(folder.join("diff.html")).unwrap();
    done(folder, &page);
    let brief = html();
    assert!(brief.contains("with <code>--intruders</code>") && !brief.contains("effective rank"), "{brief}");
    // The largest of 32 cosines is not as small.
    let none = ["--intruders", "--epsilon", "0.001"];
    assert!(!done(folder, &[&page[..], &none].concat()).contains(INTRUDERS));
    assert!(!html().contains(INTRUDERS));
    let all = ["--intruders", "--epsilon", "1", "--top", "2"];
    let said = done(folder, &[&page[..], &all].concat());
    for part in [INTRUDERS, "least similarity", "norm"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let report = json(folder, &[&page[..3], &all].concat());
    for matrix in report["matrices"].as_array().unwrap() {
        let number = |key: &str| matrix[key].as_f64().unwrap();
        let rows = matrix["similarity"].as_array().unwrap().iter();
        let largest =
            rows.map(|row| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).fold(0.0, f64::max));
        assert_eq!(number("least_similarity"), largest.fold(f64::INFINITY, f64::min), "{matrix}");
        let tensors = report["tensors"].as_array().unwrap();
        let tensor = tensors.iter().find(|tensor| tensor["name"] == matrix["name"]).unwrap();
        let norm = tensor["norm_of_change"].as_f64().unwrap();
        assert!((number("norm_of_change") / norm - 1.0).abs() < 1e-4, "{matrix}");
    }
    let html = html();
    assert!(html.contains(INTRUDERS) && html.len() < 300_000, "{} bytes", html.len());
    let Some(seen) = browser::visit(&html, include_str!("diff_page.js")) else { return };
    assert_eq!(seen.findings, include_str!("diff_page.txt").trim_end());
    assert_eq!(seen.console, [""; 0]);
}

/// Weights of a file: a matrix, a convolution, and numbers of a type that is not read.
fn write_weights(path: &Path, seed: u64) {
    let info = |shape: &[usize], dtype| TensorInfo { shape: shape.to_vec(), dtype, bytes: 0 };
    let codes = Dtype::Unread(Unread::U16);
    let infos = [
        ("fc.weight".to_owned(), info(&[6, 8], Dtype::F32)),
        ("conv.weight".to_owned(), info(&[6, 2, 2, 2], Dtype::F32)),
        ("codes.weight".to_owned(), info(&[2, 3], codes)),
    ];
    let writer = TensorsWriter::create(path, infos.iter().map(|(name, info)| (name, info))).unwrap();
    for name in ["fc.weight", "conv.weight"] {
        writer.write(name, &Rng::new(seed).fork(name).normals(48, 1.0)).unwrap();
    }
    writer.write_raw("codes.weight", &[seed as u8; 12]).unwrap();
    writer.finish().unwrap();
}

#[test]
fn convolutions_are_looked_into_and_types_that_are_not_read_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    for (name, seed) in [("a.safetensors", 1), ("b.safetensors", 2)] {
        write_weights(&folder.join(name), seed);
    }
    let diff = ["diff", "./a.safetensors", "./b.safetensors", "--intruders"];
    let said = done(folder, &diff);
    assert!(said.contains("not compared: dtype U16, of `codes.weight`"), "{said}");
    let report = json(folder, &diff);
    assert_eq!(report["not_compared"][0]["tensors"][0], "codes.weight");
    let names: Vec<&Value> =
        report["matrices"].as_array().unwrap().iter().map(|matrix| &matrix["name"]).collect();
    assert!(names.contains(&&Value::from("conv.weight")) && names.len() == 2, "{names:?}");
    let scale = ["--epsilon", "1", "--top", "1", "--mitigate", "0.5", "--output", "out"];
    let report = json(folder, &[&diff[..], &scale].concat());
    assert_eq!(count(&report["mitigated"]), 2);
    let same = done(folder, &["diff", "./a.safetensors", "./a.safetensors", "--intruders"]);
    assert!(same.contains("all 2 tensors that were compared are equal") && same.contains("U16"), "{same}");
    let written = Opened::open(folder.join("out")).unwrap();
    assert_eq!(written.tensors().raw("codes.weight").unwrap(), &[2; 12][..]);
}

#[test]
fn a_lora_is_taken_out_of_a_fine_tune() {
    let root = folder_with_fine_tune();
    let folder = root.path();
    let extract = ["extract", "./model", "./tuned", "--output", "lora"];
    let planned = done(folder, &[&extract[..], &["--rank", "2", "--dry-run"]].concat());
    assert!(planned.contains("Would write adapter lora") && !folder.join("lora").exists(), "{planned}");
    let report = json(folder, &[&extract[..], &["--rank", "2"]].concat());
    assert_eq!((count(&report["modules"]), &report["rank"], count(&report["left"])), (14, &2.into(), 0));
    assert!(report["relative_error"].as_f64().unwrap() < 1e-2, "{report}");
    let nll = |model: &[&str]| nll(folder, model);
    assert!((nll(&["./model", "--adapter", "lora"]) - nll(&["./tuned"])).abs() < 1e-3);
    std::fs::write(folder.join("text.txt"), "What color is the sky? The sky is blue. ".repeat(40)).unwrap();
    let calibrated =
        ["--error", "0.00001", "--calibration", "text.txt", "--calibration-length", "64", "--force"];
    let report = json(folder, &[&extract[..], &calibrated].concat());
    let errors = report["modules"].as_array().unwrap().iter().map(|module| &module["output_error"]);
    assert!(errors.into_iter().all(|error| error.as_f64().unwrap() <= 1.01e-5), "{report}");
    refused(folder, &extract, "--rank");
    refused(folder, &[&extract[..], &["--error", "0.1"]].concat(), "--calibration");
    refused(folder, &[&extract[..], &["--rank", "2"]].concat(), "exists already");
    let same = ["extract", "./model", "./model", "--rank", "2", "--output", "x"];
    refused(folder, &same, "no change of");
}
