//! A fine-tune beside its base: what differs, what is new, and what a LoRA holds of it.

use crate::common::{done, folder_with_model, json, nll, refused};
use rankine_testkit::tiny;
use serde_json::Value;

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
    assert!(html.contains("Relative change by layer and kind") && html.contains("tuned against base"));
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
