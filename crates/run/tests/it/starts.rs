//! Adapters before training.

use rankine_checkpoint::Existing;
use rankine_method::Choice;
use rankine_nn::{LanguageModel as _, Pass, Tokens, models::Storage};
use rankine_run::{Error, Start, TargetSection, init, load};
use rankine_surgery::{Progress, Stage};
use rankine_testkit::{assert_close, tiny};
use std::ops::ControlFlow;
use std::path::Path;

fn start(method: &str) -> Start {
    let method = Choice::named(method).unwrap();
    let rank = [("rank".to_owned(), 3.into())].into_iter().collect();
    Start {
        model: "tiny".to_owned(),
        method: method.with(&rank).unwrap(),
        targets: TargetSection::default(),
        seed: 5,
        weights: Storage::File,
    }
}

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    let model = load(model, adapter, Storage::File).unwrap().model;
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
