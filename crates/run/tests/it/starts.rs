//! Adapters before training.

use rankine_checkpoint::{Checkpoint, Existing};
use rankine_method::{Choice, attach};
use rankine_nn::{
    Kind, LanguageModel, Pass, Tokens,
    models::{self, Storage},
};
use rankine_random::Rng;
use rankine_run::{DataSection, Error, Start, TargetSection, init, load};
use rankine_surgery::{Progress, Stage};
use rankine_testkit::{assert_close, tiny};
use std::ops::ControlFlow;
use std::path::Path;

/// Of rank 3, for every linear map.
pub fn start(method: &str) -> Start {
    let method = Choice::named(method).unwrap();
    let rank = [("rank".to_owned(), 3.into())].into_iter().collect();
    Start {
        model: "tiny".to_owned(),
        method: method.with(&rank).unwrap(),
        targets: TargetSection::default(),
        seed: 5,
        weights: Storage::File,
        data: None,
    }
}

/// Goes on whatever the progress.
pub fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub fn logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    logits_of(load(model, adapter, Storage::File).unwrap().model.as_ref())
}

fn logits_of(model: &dyn LanguageModel) -> Vec<f32> {
    let hidden = model.hidden(&Tokens::single(&[1, 5, 9, 2]), &mut Pass::quiet()).unwrap();
    model.logits(&hidden).unwrap().to_vec()
}

#[test]
fn a_start_on_its_base_is_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    for (method, taken_out) in [("lora", false), ("pissa", true)] {
        let output = folder.path().join(method);
        let started = init(&start(method), &model, &output, Existing::Refuse, &mut on).unwrap();
        assert_eq!(started.residual.is_some(), taken_out, "{method}");
        assert_eq!(started.attached.sites.len(), 14);
        let base = started.residual.unwrap_or_else(|| model.clone());
        assert_close!(logits(&base, Some(&output)), logits(&model, None), absolute = 1e-4, "{method}");
        let again = init(&start(method), &model, &output, Existing::Refuse, &mut on);
        assert!(again.is_err(), "{method}");
    }
}

#[test]
fn a_quantised_start_on_its_base_is_what_training_starts_with() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    let checkpoint = Checkpoint::open(&model).unwrap();
    for method in ["qpissa", "loftq", "qlora"] {
        let (start, output) = (start(method), folder.path().join(method));
        let base = init(&start, &model, &output, Existing::Refuse, &mut on).unwrap().residual.unwrap();
        let mut attached = models::load(checkpoint.config(), checkpoint.tensors(), Storage::File).unwrap();
        let parameters = attached.parameters().into_iter();
        let linear = parameters.filter(|parameter| parameter.kind() == Kind::Linear);
        let modules: Vec<String> = linear.map(|parameter| parameter.module().to_owned()).collect();
        let rng = Rng::new(start.seed).fork("attach");
        attach(attached.as_mut(), start.method.method(), &modules, &rng, &mut |_, _| ()).unwrap();
        let expected = logits_of(attached.as_ref());
        assert_close!(logits(&base, Some(&output)), expected, absolute = 1e-4, "{method}");
        assert!(expected != logits(&model, None), "{method}: in four bits");
    }
}

#[test]
fn what_peft_would_train_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    for (method, more) in [("lora", false), ("svfit", true)] {
        let output = folder.path().join(method);
        let started = init(&start(method), &model, &output, Existing::Refuse, &mut on).unwrap();
        let trained = started.attached.trained;
        assert!(trained <= started.exported, "{method}");
        assert_eq!(trained != started.exported, more, "{method}");
    }
}

#[test]
fn breaking_off_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (folder.path().join("model"), folder.path().join("start"));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    for last in [Stage::Decomposing, Stage::Writing] {
        let mut stop = |progress: Progress| match progress.stage == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let error = init(&start("pissa"), &model, &output, Existing::Refuse, &mut stop).unwrap_err();
        assert!(matches!(error, Error::Surgery(rankine_surgery::Error::Interrupted)), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_start_that_must_see_data_says_so_and_keeps_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let [model, output, again] = ["model", "start", "again"].map(|name| folder.path().join(name));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    tiny::tokenizer(&model);
    let mut start = start("eva");
    let missing = init(&start, &model, &output, Existing::Refuse, &mut on).unwrap_err();
    assert!(matches!(missing, Error::NoCalibrationData { method: "eva" }), "{missing}");
    assert!(missing.hint().unwrap().contains("--data"));
    let data = folder.path().join("data.json");
    std::fs::write(&data, tiny::alpaca_json(24)).unwrap();
    start.data = Some(DataSection::new(&data));
    let mut shown = 0;
    let mut count = |progress: Progress| {
        shown += usize::from(progress.stage == Stage::Calibrating);
        ControlFlow::Continue(())
    };
    let started = init(&start, &model, &output, Existing::Refuse, &mut count).unwrap();
    assert!(0 < shown && started.residual.is_none());
    assert_eq!(started.attached.sites.iter().map(|(_, rank)| rank).sum::<usize>(), 3 * 14);
    assert_close!(logits(&model, Some(&output)), logits(&model, None), absolute = 1e-6);
    init(&start, &model, &again, Existing::Refuse, &mut on).unwrap();
    let factors = |folder: &Path| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert!(factors(&output) == factors(&again));
    std::fs::write(&data, tiny::alpaca_json(1)).unwrap();
    start.method = start.method.with(&[("rho".to_owned(), 20.0.into())].into_iter().collect()).unwrap();
    let none = folder.path().join("none");
    let short = init(&start, &model, &none, Existing::Refuse, &mut on).unwrap_err();
    let too_few = |error: &Error| matches!(error, Error::Method(error) if matches!(**error, rankine_method::Error::TooFewRows { .. }));
    assert!(too_few(&short), "{short}");
    assert!(short.hint().unwrap().contains("longer calibration text") && !none.exists());
}
