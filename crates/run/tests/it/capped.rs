//! Ranks above what some matrices can have, cut where that is asked for.

use crate::{
    starts::{logits, on, start},
    support::Bench,
};
use rankine_checkpoint::{Adapter, Existing};
use rankine_method::{Choice, Cut};
use rankine_run::{DataSection, Notice, Recipe, Source, Start, TargetSection, fine_tune, init};
use rankine_testkit::{assert_close, tiny};
use std::ops::ControlFlow;
use std::path::Path;

/// Keys and values have 16 rows.
const CUT: Cut = Cut { weights: 4, of: 14, rank: 20, given: [16, 16] };

fn of_rank(method: &str, rank: i64, cap_rank: bool) -> Start {
    let (rank, start) = ([("rank".to_owned(), rank.into())].into_iter().collect(), start(method));
    let targets = TargetSection { cap_rank, ..TargetSection::default() };
    Start { method: start.method.with(&rank).unwrap(), targets, ..start }
}

/// The adapter in a folder has that rank, and the other one where it is cut.
fn assert_ranks(folder: &Path, [rank, cut]: [usize; 2]) {
    let adapter = Adapter::open(folder).unwrap();
    assert_eq!((adapter.config.rank, adapter.config.rank_pattern.len()), (rank, CUT.weights));
    for (module, found) in &adapter.low_rank {
        let narrow = module.contains("k_proj") || module.contains("v_proj");
        assert_eq!(found.rank, if narrow { cut } else { rank }, "{module}");
        assert_eq!(found.scaling, 1.0, "{module}");
    }
}

#[test]
fn a_start_is_cut_on_request_and_still_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    for method in ["lora", "pissa"] {
        let output = folder.path().join(method);
        let refused = init(&of_rank(method, 20, false), &model, &output, Existing::Refuse, &mut on);
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("k_proj") && !output.exists(), "{refused}");
        assert!(refused.hint().unwrap().contains("`--cap-rank` (`targets.cap_rank = true`)"));
        let started = init(&of_rank(method, 20, true), &model, &output, Existing::Refuse, &mut on).unwrap();
        assert_eq!(started.capped, Some(CUT), "{method}");
        assert_ranks(&output, [20, 16]);
        let base = started.residual.unwrap_or_else(|| model.clone());
        assert_close!(logits(&base, Some(&output)), logits(&model, None), absolute = 1e-4, "{method}");
    }
}

#[test]
fn where_all_have_the_rank_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    let bytes = |cap: bool| {
        let output = folder.path().join(cap.to_string());
        let started = init(&of_rank("pissa", 16, cap), &model, &output, Existing::Refuse, &mut on).unwrap();
        assert_eq!(started.capped, None);
        std::fs::read(output.join("adapter_model.safetensors")).unwrap()
    };
    assert!(bytes(true) == bytes(false));
}

#[test]
fn ranks_that_data_move_stay_below_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let [model, data, output] = ["model", "data.json", "start"].map(|name| folder.path().join(name));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    tiny::tokenizer(&model);
    std::fs::write(&data, tiny::alpaca_json(24)).unwrap();
    let start = Start { data: Some(DataSection::new(&data)), ..of_rank("eva", 20, true) };
    let started = init(&start, &model, &output, Existing::Refuse, &mut on).unwrap();
    assert_eq!(started.capped, Some(CUT));
    for (path, rank) in &started.attached.sites {
        let narrow = path.contains("k_proj") || path.contains("v_proj");
        assert!(*rank <= if narrow { 16 } else { 32 }, "{path}: {rank}");
    }
    assert!(started.attached.sites.iter().any(|(_, rank)| 20 <= *rank));
    assert_close!(logits(&model, Some(&output)), logits(&model, None), absolute = 1e-6);
}

#[test]
fn a_run_is_cut_tells_it_once_and_is_another_run() {
    let mut bench = Bench::new("pissa");
    bench.set(&["method.pissa.rank=20", "targets.cap_rank=true"]);
    let [converted, kept] = ["converted", "kept"].map(|name| bench.output(name));
    let mut told = Vec::new();
    let source = Source { model: &bench.model, resume: false, force: false };
    fine_tune(&bench.recipe, source, &converted, &mut |notice| {
        if let Notice::Capped(cut) = notice {
            told.push(*cut);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(told, [CUT]);
    assert_ranks(&converted, [40, 32]);
    bench.recipe.keep_residual = true;
    bench.run(&kept, false, None).unwrap();
    assert_ranks(&kept, [20, 16]);
    let expected = logits(&bench.model, Some(&converted));
    assert_close!(logits(&kept.join("residual"), Some(&kept)), expected, relative = 1e-4, absolute = 1e-4);
    assert!(expected != logits(&bench.model, None));
    bench.set(&["targets.cap_rank=false"]);
    let other = bench.run(&kept, true, None).unwrap_err();
    assert!(other.to_string().contains("`targets.cap_rank` differs"), "{other}");
}

#[test]
fn a_method_without_a_rank_has_nothing_to_cut() {
    let folder = tempfile::tempdir().unwrap();
    let [model, output] = ["model", "start"].map(|name| folder.path().join(name));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    let unranked = Start { method: Choice::named("svfit").unwrap(), ..of_rank("svfit", 20, true) };
    let error = init(&unranked, &model, &output, Existing::Refuse, &mut on).unwrap_err();
    assert!(error.to_string().contains("`targets.cap_rank` should be left out"), "{error}");
    assert!(!output.exists());
    let text = "model = 'm'\n[data]\npath = 'd'\n[method.svfit]\n[targets]\ncap_rank = true\n";
    let said = Recipe::parse(text, Path::new("recipe.toml")).unwrap_err().to_string();
    assert!(said.contains("line 6, column 12") && said.contains("^^^^"), "{said}");
}
