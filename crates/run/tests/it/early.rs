//! What recipe and shapes tell is told before the data are read.

use crate::{
    starts::{on, start},
    support::Bench,
};
use rankine_checkpoint::Existing;
use rankine_method::Choice;
use rankine_run::{DataSection, Recipe, Start, init};
use rankine_testkit::fixtures;

/// A run on data that are not there, with some keys changed: what is said.
fn said(bench: &mut Bench, good: &Recipe, change: &str) -> String {
    bench.recipe = good.clone();
    bench.set(&[change]);
    let output = bench.output("run");
    let error = bench.run(&output, false, None).unwrap_err();
    assert!(!output.exists());
    format!("{error} {}", error.hint().unwrap_or_default())
}

#[test]
fn faults_of_settings_names_and_ranks_come_before_those_of_the_data() {
    let mut bench = Bench::new("lora");
    bench.set(&["data.path=nowhere.json"]);
    let good = bench.recipe.clone();
    assert!(said(&mut bench, &good, "seed=1").contains("nowhere.json"), "nothing but the data is wrong");
    let ranks_and_names = [
        ("method.lora.rank=1000", "rank 1000"),
        ("targets.modules=[\"q_prj\"]", "q_proj"),
        ("targets.layers=[99]", "99"),
    ];
    for (change, part) in ranks_and_names {
        let said = said(&mut bench, &good, change);
        assert!(said.contains(part) && !said.contains("nowhere"), "{change}: {said}");
    }
    let wide = good.clone().with(&["method.lora.rank=1000".to_owned()]).unwrap();
    assert!(said(&mut bench, &wide, "targets.cap_rank=true").contains("nowhere.json"), "a cut rank fits");
    // These ask for no model either.
    bench.model = bench.output("nothing");
    let settings = [
        ("train.steps=0", "train.steps"),
        ("train.batch_size=0", "train.batch_size"),
        ("train.learning_rate=-0.5", "train.learning_rate"),
        ("data.validation=1.5", "data.validation"),
        ("method.lora.rank=0", "`rank`"),
        ("method.lora.alpha=-2.0", "`alpha`"),
    ];
    for (change, key) in settings {
        let said = said(&mut bench, &good, change);
        assert!(said.contains(key) && said.contains("should be"), "{change}: {said}");
    }
}

#[test]
fn the_head_of_a_classifier_has_no_part_in_it() {
    let mut bench = Bench::new("lora");
    bench.model = fixtures::path("classifiers/roberta");
    bench.set(&["data.path=nowhere.csv", "data.label_column=kind"]);
    let good = bench.recipe.clone();
    // Above the number of its classes.
    assert!(said(&mut bench, &good, "method.lora.rank=8").contains("nowhere.csv"));
    assert!(said(&mut bench, &good, "method.lora.rank=33").contains("rank 33"));
}

#[test]
fn a_start_says_so_before_it_reads_data() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("start");
    let rank = [("rank".to_owned(), 1000.into())].into_iter().collect();
    let method = Choice::named("eva").unwrap().with(&rank).unwrap();
    let wide = Start { method, data: Some(DataSection::new("nowhere.json")), ..start("lora") };
    for model in ["models/llama_untied", "classifiers/roberta", "images/vit"] {
        let error = init(&wide, &fixtures::path(model), &output, Existing::Refuse, &mut on).unwrap_err();
        assert!(error.to_string().contains("rank 1000"), "{model}: {error}");
    }
}
