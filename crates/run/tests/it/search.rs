//! The search for modules before a run: what it picks, and that it is resumed as any training.

use crate::support::Bench;
use rankine_checkpoint::Adapter;
use rankine_method::diffora::Candidate;
use rankine_run::{Notice, Outcome, Result, Source, fine_tune};
use rankine_train::Ending;
use std::{collections::BTreeSet, ops::ControlFlow, path::Path};

/// Steps of the search: 5 of the branches, and 3 of the gates.
const STEPS: usize = 8;

fn bench(start: &str) -> Bench {
    let mut bench = Bench::new("diffora");
    bench.set(&[
        "method.diffora.search_steps=5",
        "method.diffora.warmup_steps=2",
        "method.diffora.ratio=0.3",
        &format!("method.diffora.start={start}"),
    ]);
    bench
}

/// A run that is asked to stop after a step of its search, and the steps of the search that it made.
fn run(bench: &Bench, output: &Path, resume: bool, stop: Option<usize>) -> (Result<Outcome>, Vec<usize>) {
    let mut made = Vec::new();
    let source = Source { model: &bench.model, resume, force: false };
    let outcome = fine_tune(&bench.recipe, source, output, &mut |notice| {
        if let Notice::Searching(step, STEPS) = notice {
            made.push(step);
            if stop == Some(step) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    (outcome, made)
}

fn same(one: &Path, other: &Path) {
    let names = ["modules.json", "adapter_model.safetensors", "state/state.safetensors"];
    for name in names {
        let [one, other] = [one, other].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

#[test]
fn a_search_picks_the_modules_that_the_run_trains() {
    for start in ["warm", "scratch"] {
        let bench = bench(start);
        let output = bench.output("run");
        let mut picked = Vec::new();
        let source = Source { model: &bench.model, resume: false, force: false };
        fine_tune(&bench.recipe, source, &output, &mut |notice| {
            if let Notice::Picked(found) = notice {
                picked = found.to_vec();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let written: Vec<Candidate> =
            serde_json::from_slice(&std::fs::read(output.join("modules.json")).unwrap()).unwrap();
        assert_eq!(written, picked);
        assert_eq!(picked.len(), 14);
        assert!(picked.iter().any(|module| module.gate != 0.5), "the gates were trained");
        let modules: BTreeSet<String> =
            picked.into_iter().filter(|module| module.picked).map(|module| module.module).collect();
        assert_eq!(modules.len(), 2 * 3, "3 of the 7 modules of each layer");
        let adapter = Adapter::open(&output).unwrap();
        assert_eq!(adapter.low_rank.keys().cloned().collect::<BTreeSet<_>>(), modules);
        let html = std::fs::read_to_string(output.join("report.html")).unwrap();
        assert!(html.contains("Modules picked by their gates"));
    }
}

#[test]
fn a_resumed_search_is_one_that_never_stopped() {
    for start in ["warm", "scratch"] {
        let bench = bench(start);
        let whole = bench.output("whole");
        let (outcome, made) = run(&bench, &whole, false, None);
        assert_eq!((outcome.unwrap().searched, made), (None, (1..=STEPS).collect()));
        for stops in [&[1][..], &[4], &[7], &[2, 3, 6]] {
            let parts = bench.output(&format!("stopped-{}", stops[0]));
            let mut all = Vec::new();
            for &stop in stops {
                let (outcome, made) = run(&bench, &parts, !all.is_empty(), Some(stop));
                let outcome = outcome.unwrap();
                assert_eq!((outcome.ending, outcome.steps), (Ending::Interrupted, 0));
                assert_eq!(outcome.searched, Some(stop));
                assert!(!parts.join("modules.json").exists() && !parts.join("state").exists());
                all.extend(made);
            }
            assert!(rankine_run::is_run(&parts));
            let again = bench.run(&parts, false, None).unwrap_err();
            assert!(again.hint().unwrap().contains("--resume"), "{again}");
            let (outcome, made) = run(&bench, &parts, true, None);
            let outcome = outcome.unwrap();
            assert_eq!((outcome.ending, outcome.steps, outcome.searched), (Ending::Finished, 6, None));
            all.extend(made);
            assert_eq!(all, (1..=STEPS).collect::<Vec<_>>(), "no step is made twice");
            same(&parts, &whole);
            assert!(!parts.join("search").exists(), "the training has a state of its own");
        }
        let parts = bench.output("trained");
        bench.run(&parts, false, Some(3)).unwrap();
        let (outcome, made) = run(&bench, &parts, true, None);
        assert!(outcome.is_ok() && made.is_empty(), "what was picked is not searched for again");
        same(&parts, &whole);
    }
}

#[test]
fn a_run_without_a_state_behind_its_search_picks_the_same() {
    let bench = bench("warm");
    let [whole, killed] = ["whole", "killed"].map(|name| bench.output(name));
    let source = Source { model: &bench.model, resume: false, force: false };
    std::fs::create_dir_all(killed.join("search")).unwrap();
    // As a process that dies in the first steps leaves the folder.
    fine_tune(&bench.recipe, source, &whole, &mut |notice| {
        if let Notice::Step(..) = notice {
            let files = ["data.sha256", "recipe.toml", "modules.json", "metrics.jsonl"];
            for name in files.into_iter().chain(["search/state.json", "search/state.safetensors"]) {
                let _ = std::fs::copy(whole.join(name), killed.join(name));
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let (outcome, made) = run(&bench, &killed, true, None);
    assert!(outcome.is_ok() && made.is_empty(), "the search was at its end");
    same(&killed, &whole);
    let lines =
        |folder: &Path| std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap().lines().count();
    assert_eq!(lines(&killed), lines(&whole));
}

#[test]
fn a_search_that_can_pick_nothing_is_not_begun() {
    let mut bench = bench("warm");
    bench.set(&["method.diffora.select=budget", "method.diffora.ratio=0.001"]);
    let output = bench.output("run");
    let (outcome, made) = run(&bench, &output, false, None);
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("`ratio`"), "{error}");
    assert!(made.is_empty() && !output.exists());
}
