//! A rank above what some matrices can have: refused, and cut on request.

use crate::adapters::assert_same;
use crate::common::{done, folder_with_model, json, nll, refused, refused_with_hint, run, words};
use rankine_testkit::tiny;

const RANK: [&str; 4] = ["--method", "pissa", "--rank", "20"];
const TOLD: &str = "4 of 14 weights cannot have rank 20: they get the most they can, 16";

/// On one line.
fn flat(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_start_of_capped_ranks_is_checked_converted_and_merged() {
    let root = folder_with_model();
    let folder = root.path();
    let init = [&["init", "./model", "--output", "start"], &RANK[..]].concat();
    refused_with_hint(folder, &init, "`--cap-rank`");
    assert!(!folder.join("start").exists());
    let init = [&init[..], &["--cap-rank"]].concat();
    assert!(flat(&done(folder, &[&init[..], &["--seed", "1"]].concat())).contains(TOLD));
    let made = json(folder, &[&init[..], &["--force"]].concat());
    let cut = serde_json::json!({ "weights": 4, "of": 14, "rank": 20, "given": [16, 16] });
    assert_eq!(made["capped"], cut, "{made}");
    let check = json(folder, &["adapter", "check", "start", "--base", "start/residual"]);
    let (usable, configuration) = (&check["usable"], &check["configuration"]);
    // Four ranks and as many alphas.
    assert_eq!((usable, &configuration["patterns"]), (&true.into(), &8.into()), "{check}");
    json(folder, &["adapter", "convert", "start", "--base", "start/residual", "--output", "plain"]);
    for adapter in ["start", "plain"] {
        done(folder, &["merge", "start/residual", adapter, "--output", "merged", "--force"]);
        assert_same(folder, ["model", "merged"], 1e-5);
    }
}

#[test]
fn a_run_of_capped_ranks_is_merged() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(8)).unwrap();
    let train = ["train", "./model", "--data", "data.json", "--output", "run", "--cap-rank"];
    let course = ["--steps", "2", "--learning-rate", "0.01"];
    let output = run(folder, &[&train[..], &RANK, &course].concat());
    let said = words(&output.stderr);
    assert!(output.status.success() && said.matches(TOLD).count() == 1, "{said}");
    assert!(std::fs::read_to_string(folder.join("run/recipe.toml")).unwrap().contains("cap_rank = true"));
    json(folder, &["adapter", "check", "run", "--base", "./model"]);
    done(folder, &["merge", "./model", "run", "--output", "merged"]);
    let [merged, adapted] = [&["./merged"][..], &["./model", "--adapter", "run"]].map(|m| nll(folder, m));
    assert!((merged - adapted).abs() < 1e-4, "{merged} {adapted}");
    assert!(1e-4 < (merged - nll(folder, &["./model"])).abs(), "{merged}");
}

#[test]
fn capped_ranks_are_counted() {
    let root = folder_with_model();
    let folder = root.path();
    for method in ["loldu", "eva"] {
        let methods = ["methods", method, "--model", "./model", "--rank", "20", "--cap-rank"];
        let count = json(folder, &methods)["count"].take();
        assert_eq!((&count["capped"]["weights"], &count["weights"]), (&4.into(), &14.into()), "{count}");
        for group in count["groups"].as_array().unwrap() {
            let role = group["role"].as_str().unwrap();
            let rank = if role.contains("k_proj") || role.contains("v_proj") { 16 } else { 20 };
            assert_eq!(group["ranks"], serde_json::json!([rank, rank]), "{method}: {role}");
        }
        assert!(flat(&done(folder, &methods)).contains(TOLD));
    }
    let unranked = ["--method", "svfit", "--cap-rank", "--output", "made"];
    refused(folder, &[&["init", "./model"], &unranked[..]].concat(), "given no rank");
    refused(folder, &["methods", "lora", "--cap-rank"], "--model");
}
