use crate::support::Bench;
use rankine_nn::{Pass, Tokens, models::Storage};
use rankine_run::{Notice, Recipe, Source, fine_tune, load};
use rankine_testkit::tiny;
use rankine_train::Ending;
use std::{ops::ControlFlow, path::Path};

fn adapter(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("adapter_model.safetensors")).unwrap()
}

#[test]
fn a_resumed_run_ends_with_the_bytes_of_one_that_never_stopped() {
    for method in ["lora", "pissa"] {
        let bench = Bench::new(method);
        let whole = bench.output("whole");
        assert_eq!(bench.run(&whole, false, None).unwrap().ending, Ending::Finished);
        for stop in 1..6 {
            let parts = bench.output(&format!("parts-{stop}"));
            assert_eq!(bench.run(&parts, false, Some(stop)).unwrap().ending, Ending::Interrupted);
            let outcome = bench.run(&parts, true, None).unwrap();
            assert_eq!((outcome.ending, outcome.steps), (Ending::Finished, 6));
            assert_eq!(adapter(&parts), adapter(&whole), "{method}, stopped after {stop}");
            let steps = |folder: &Path| {
                let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
                text.lines().filter(|line| line.contains("\"kind\":\"step\"")).count()
            };
            assert_eq!((steps(&parts), steps(&whole)), (6, 6));
        }
    }
}

#[test]
fn a_run_leaves_everything_in_its_folder() {
    let bench = Bench::new("pissa");
    let output = bench.output("run");
    let outcome = bench.run(&output, false, None).unwrap();
    for name in
        ["adapter_config.json", "adapter_model.safetensors", "recipe.toml", "metrics.jsonl", "report.html"]
    {
        assert!(output.join(name).is_file(), "{name}");
    }
    assert!(output.join("best/adapter_config.json").is_file());
    assert!(output.join("state/state.safetensors").is_file());
    assert!(!output.join("adapter.partial").exists());
    let written =
        Recipe::parse(&std::fs::read_to_string(output.join("recipe.toml")).unwrap(), &output).unwrap();
    assert_eq!(written, bench.recipe);
    assert!(outcome.best.is_some());
    assert!(load(&bench.model, Some(&output), Storage::File).is_ok());
    let html = std::fs::read_to_string(output.join("report.html")).unwrap();
    assert!(html.contains("Held out") || html.contains("held out"));
}

#[test]
fn a_folder_is_not_overwritten_and_another_recipe_not_resumed() {
    let mut bench = Bench::new("lora");
    let output = bench.output("run");
    bench.run(&output, false, Some(2)).unwrap();
    let again = bench.run(&output, false, None).unwrap_err();
    assert!(again.to_string().contains("not empty") && again.hint().unwrap().contains("--force"), "{again}");
    bench.recipe.train.learning_rate = 0.5;
    let other = bench.run(&output, true, None).unwrap_err();
    assert!(other.to_string().contains("train.learning_rate"), "{other}");
    let nothing = bench.run(&bench.output("none"), true, None).unwrap_err();
    assert!(nothing.hint().unwrap().contains("without"), "{nothing}");
}

#[test]
fn wrong_recipes_leave_nothing_behind() {
    let mut bench = Bench::new("lora");
    bench.recipe.targets.modules = rankine_run::Modules::Names(vec!["q_prj".to_owned()]);
    let output = bench.output("run");
    let error = bench.run(&output, false, None).unwrap_err();
    assert!(
        error.hint().is_some_and(|hint| hint.contains("q_proj")) || error.to_string().contains("q_proj"),
        "{error}"
    );
    assert!(!output.exists());
    let mut bench = Bench::new("pissa");
    bench.recipe = bench.recipe.clone().with(&["method.pissa.rank=0".to_owned()]).unwrap();
    assert!(bench.run(&output, false, None).unwrap_err().to_string().contains("`rank` should be"));
    bench.recipe = bench
        .recipe
        .clone()
        .with(&["method.pissa.rank=2".to_owned(), "data.max_length=3".to_owned()])
        .unwrap();
    assert!(bench.run(&output, false, None).unwrap_err().hint().is_some());
    assert!(!bench.output("run").exists());
}

#[test]
fn a_ratio_of_learning_rates_needs_factors_and_is_part_of_the_run() {
    let mut bench = Bench::new("svfit");
    bench.recipe.train.lora_plus_ratio = Some(16.0);
    let output = bench.output("run");
    let error = bench.run(&output, false, None).unwrap_err();
    assert!(error.to_string().contains("factor `b`") && error.hint().is_some(), "{error}");
    assert!(!output.exists());
    let mut bench = Bench::new("lora");
    let (plain, rated) = (bench.output("plain"), bench.output("rated"));
    bench.run(&plain, false, None).unwrap();
    bench.recipe.train.lora_plus_ratio = Some(16.0);
    bench.run(&rated, false, None).unwrap();
    assert_ne!(adapter(&plain), adapter(&rated));
    bench.recipe.train.lora_plus_ratio = None;
    let other = bench.run(&rated, true, None).unwrap_err();
    assert!(other.to_string().contains("train.lora_plus_ratio"), "{other}");
}

#[test]
fn factors_on_the_kept_residual_are_the_adapter_on_the_original() {
    let mut bench = Bench::new("pissa");
    let (converted, kept) = (bench.output("converted"), bench.output("kept"));
    bench.run(&converted, false, None).unwrap();
    bench.recipe.keep_residual = true;
    bench.run(&kept, false, None).unwrap();
    let residual = kept.join("residual");
    let tokens = [1, 5, 9, 2];
    let logits = |model: &Path, adapter: &Path| {
        let model = load(model, Some(adapter), Storage::File).unwrap().model;
        let hidden = model.hidden(&Tokens::single(&tokens), &mut Pass::quiet()).unwrap();
        model.logits(&hidden).unwrap().to_vec()
    };
    for adapter in [kept.clone(), kept.join("best")] {
        let config = std::fs::read_to_string(adapter.join("adapter_config.json")).unwrap();
        assert!(config.contains("\"r\": 2,"), "{config}");
        let error = load(&bench.model, Some(&adapter), Storage::File).map(|_| ()).unwrap_err();
        assert!(error.hint().unwrap().contains("residual"), "{error}");
    }
    let expected = logits(&bench.model, &converted);
    rankine_testkit::assert_close(&logits(&residual, &kept), &expected, 1e-4, 1e-4);
}

#[test]
fn a_quantised_base_has_to_be_kept() {
    let mut bench = Bench::new("qpissa");
    let output = bench.output("run");
    let error = bench.run(&output, false, None).unwrap_err();
    assert!(error.hint().unwrap().contains("keep_residual"), "{error}");
    assert!(!output.exists());
    bench.recipe.keep_residual = true;
    bench.run(&output, false, None).unwrap();
    load(&output.join("residual"), Some(&output), Storage::File).unwrap();
}

#[test]
fn a_method_that_takes_nothing_out_keeps_no_residual() {
    let mut bench = Bench::new("lora");
    bench.recipe.keep_residual = true;
    let error = bench.run(&bench.output("kept"), false, None).unwrap_err();
    assert!(error.to_string().contains("keep_residual"), "{error}");
    assert!(!bench.output("kept").exists());
}

#[test]
fn a_run_is_not_gone_on_with_on_other_data() {
    let bench = Bench::new("lora");
    let output = bench.output("run");
    bench.run(&output, false, Some(2)).unwrap();
    std::fs::write(&bench.recipe.data.path, tiny::alpaca_json(20)).unwrap();
    let error = bench.run(&output, true, None).unwrap_err();
    assert!(matches!(error, rankine_run::Error::OtherData { .. }), "{error}");
}

#[test]
fn an_output_that_cannot_be_written_is_refused_at_once() {
    let mut bench = Bench::new("lora");
    std::fs::write(bench.output("file"), "").unwrap();
    // A model that cannot be opened: the output is looked at before.
    bench.model = bench.output("nothing");
    for output in ["file", "file/run"] {
        let error = bench.run(&bench.output(output), false, None).unwrap_err();
        assert!(matches!(error, rankine_run::Error::Unwritable { .. }), "{output}: {error}");
    }
}

#[test]
fn weights_that_give_no_finite_loss_are_not_saved() {
    let mut bench = Bench::new("lora");
    bench.recipe = bench
        .recipe
        .clone()
        .with(
            &["train.learning_rate=1e30", "train.warmup=0.0", "train.save_every=1", "train.clip=0.0"]
                .map(str::to_owned),
        )
        .unwrap();
    let output = bench.output("run");
    let error = bench.run(&output, false, None).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
    assert!(error.hint().unwrap().contains("best"), "{error}");
    assert!(!output.join("state").exists() && !output.join("adapter_model.safetensors").exists());
}

#[test]
fn a_method_that_must_see_the_data_sees_them_before_the_run() {
    let bench = Bench::new("eva");
    let (whole, parts) = (bench.output("whole"), bench.output("parts"));
    let mut shown = 0;
    let source = Source { model: &bench.model, resume: false, force: false };
    fine_tune(&bench.recipe, source, &whole, &mut |notice| {
        shown += usize::from(matches!(notice, Notice::Calibrating(..)));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(0 < shown);
    let ranks = rankine_checkpoint::Adapter::open(&whole).unwrap().low_rank;
    assert_eq!(ranks.values().map(|found| found.rank).sum::<usize>(), 2 * 14);
    bench.run(&parts, false, Some(3)).unwrap();
    bench.run(&parts, true, None).unwrap();
    assert_eq!(adapter(&parts), adapter(&whole), "resumed with the same calibration");
}

#[test]
fn a_run_is_not_begun_inside_its_model() {
    use rankine_surgery::Error::{OutputInInput, OutputIsInput};
    let bench = Bench::new("lora");
    let [inside, beside] = [bench.model.join("run"), bench.output("run")];
    for output in [&inside, &bench.model] {
        let error = bench.run(output, false, None).unwrap_err();
        let refused =
            matches!(error, rankine_run::Error::Surgery(OutputInInput { .. } | OutputIsInput { .. }));
        assert!(refused && error.hint().is_some(), "{error}");
    }
    assert!(!inside.exists());
    // One that an earlier version began there is finished.
    bench.run(&beside, false, Some(2)).unwrap();
    std::fs::rename(&beside, &inside).unwrap();
    assert_eq!(bench.run(&inside, true, None).unwrap().ending, Ending::Finished);
}
