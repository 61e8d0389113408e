//! A model is made smaller, taught by the one that it was, and kept with its thin layers.

use crate::support::run;
use rankine_checkpoint::{Adapter, Tensors, open_tensors};
use rankine_method::Choice;
use rankine_nn::{LanguageModel, Pass, Tokens, models::Storage};
use rankine_run::{Error, Recipe, load};
use rankine_testkit::{assert_close, tiny};
use rankine_train::Ending;
use std::path::{Path, PathBuf};

/// A model, and a recipe that teaches a smaller one its features without reading the answers.
fn prepared(folder: &Path) -> (PathBuf, Recipe) {
    let (model, data) = (folder.join("model"), folder.join("data.json"));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    tiny::tokenizer(&model);
    std::fs::write(&data, tiny::alpaca_json(24)).unwrap();
    let changes = [
        "train.steps=8",
        "train.batch_size=4",
        "train.learning_rate=0.01",
        "data.validation=0.2",
        "data.max_length=200",
        "method.pela.ratio=1.5",
        "distill.own=0.0",
    ];
    let mut recipe = Recipe::new(model.display().to_string(), data);
    recipe.method = Choice::named("pela").unwrap();
    (model, recipe.with(&changes.map(str::to_owned)).unwrap())
}

fn logits(model: &dyn LanguageModel) -> Vec<f32> {
    let hidden = model.hidden(&Tokens::single(&[3, 14, 15, 9]), &mut Pass::quiet()).unwrap();
    model.logits(&hidden).unwrap().to_vec()
}

#[test]
fn a_smaller_model_is_taught_and_written_thin_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (model, recipe) = prepared(folder.path());
    let output = folder.path().join("run");
    let outcome = run(&model, &recipe, &output, false, None).unwrap();
    let (first, last) = outcome.losses.unwrap();
    assert!(last < first, "{first} to {last}");
    let adapter = Adapter::open(&output).unwrap();
    assert!(adapter.low_rank.is_empty() && !adapter.replaced.is_empty());
    let whole = load(&model, Some(&output), Storage::File).unwrap().model;
    let thin = output.join("thin");
    let again = load(&thin, None, Storage::File).unwrap().model;
    assert_close!(logits(again.as_ref()), logits(whole.as_ref()), relative = 1e-4, absolute = 1e-4);
    let [small, large] = [&thin, &model].map(|folder| open_tensors(folder).unwrap());
    assert_eq!(ranks(small.as_ref()).len(), adapter.replaced.len());
    let numbers = |tensors: &dyn Tensors| tensors.infos().values().map(|info| info.elements()).sum::<usize>();
    assert!(numbers(small.as_ref()) < numbers(large.as_ref()));
    // A model as any other: it is trained on, and stays as thin.
    let (recipe, second) =
        (recipe.with(&["train.steps=2".to_owned()]).unwrap(), folder.path().join("second"));
    run(&thin, &recipe, &second, false, None).unwrap();
    assert_eq!(ranks(open_tensors(&second.join("thin")).unwrap().as_ref()), ranks(small.as_ref()));
}

/// Names and ranks of the first layers of two in a row.
fn ranks(tensors: &dyn Tensors) -> Vec<(String, usize)> {
    let first = tensors.infos().iter().filter(|(name, _)| name.ends_with(".0.weight"));
    first.map(|(name, info)| (name.clone(), info.rows())).collect()
}

#[test]
fn a_resumed_run_with_a_teacher_ends_with_the_bytes_of_one_that_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (model, recipe) = prepared(folder.path());
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    assert_eq!(run(&model, &recipe, &whole, false, None).unwrap().ending, Ending::Finished);
    assert_eq!(run(&model, &recipe, &parts, false, Some(3)).unwrap().ending, Ending::Interrupted);
    run(&model, &recipe, &parts, true, None).unwrap();
    let bytes = |output: &Path| std::fs::read(output.join("thin/model.safetensors")).unwrap();
    assert_eq!(bytes(&whole), bytes(&parts));
}

#[test]
fn a_block_that_is_not_there_is_told_before_the_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (model, recipe) = prepared(folder.path());
    let output = folder.path().join("run");
    let recipe = recipe.with(&["distill.blocks=[0, 99]".to_owned()]).unwrap();
    let error = run(&model, &recipe, &output, false, None).unwrap_err();
    assert!(matches!(error, Error::Setting { key: "distill.blocks", .. }), "{error}");
    assert!(!output.exists());
}
