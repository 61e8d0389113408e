use crate::support::{leaves, plan};
use rankine_checkpoint::Checkpoint;
use rankine_data::{Batches, Batching, LabelledExample};
use rankine_method::{Choice, attach, train_whole};
use rankine_nn::{
    Classifier, Pass, Tokens,
    models::{Storage, load_classifier, missing_head},
};
use rankine_random::Rng;
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{
    AdamW, ClassScore, Classify, Data, Ending, Event, Measured as _, Plan, State, Task as _, run,
};
use std::ops::ControlFlow;

/// A bare encoder with a new head and low-rank branches.
fn model() -> Box<dyn Classifier> {
    let mut opened = Checkpoint::open(fixtures::path("classifiers/bert_bare")).unwrap();
    let names = ["low", "high", "none"].map(str::to_owned);
    let head = missing_head(opened.config(), opened.tensors(), names.len(), &Rng::new(0));
    opened.make_classifier(&names, head);
    let mut model = load_classifier(opened.config(), opened.tensors(), Storage::File).unwrap();
    let modules: Vec<String> = ["self.query", "self.value", "output.dense"]
        .map(|name| format!("bert.encoder.layer.0.attention.{name}"))
        .to_vec();
    let lora = Choice::named("lora").unwrap().with(&"rank = 4".parse().unwrap()).unwrap();
    attach(model.as_mut(), lora.method(), &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
    assert_eq!(train_whole(model.as_mut(), &["classifier".to_owned()]).unwrap(), 3 * 32 + 3);
    model
}

/// Texts whose class is told by one token among others.
fn texts(count: usize) -> Vec<LabelledExample> {
    let text = |source: usize| {
        let (label, mut rng) = (source % 3, Rng::new(5).fork_index("text", source));
        let mut tokens: Vec<u32> = (0..5 + source % 4).map(|_| 50 + rng.below(40) as u32).collect();
        tokens[1 + source % 3] = [10, 20, 30][label];
        LabelledExample { types: vec![0; tokens.len()], tokens, label: label as u32, source }
    };
    (0..count).map(text).collect()
}

fn batches(count: usize) -> Batches<LabelledExample> {
    Batches::new(texts(count), Batching::Tokens(80), 1).unwrap()
}

/// The losses of the steps and the last state; asks to stop after step `stop`.
fn train(
    model: &mut (dyn Classifier + 'static),
    data: Data<'_, LabelledExample>,
    plan: &Plan,
    (state, stop): (Option<&State>, Option<usize>),
) -> (Vec<f64>, Option<State>) {
    let (mut losses, mut last) = (Vec::new(), None);
    let mut optimizer = AdamW::default();
    let ending = run::<Classify>(model, data, (&Classify, &mut optimizer), plan, state, &mut |event, _| {
        match event {
            Event::Step(step) => {
                losses.push(step.loss);
                if stop == Some(step.step) {
                    return ControlFlow::Break(());
                }
            }
            Event::Evaluated { score, .. } => assert!(score.scored() > 0),
            Event::Save(state) => last = Some((*state).clone()),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ending.unwrap(), if stop.is_some() { Ending::Interrupted } else { Ending::Finished });
    (losses, last)
}

#[test]
fn classes_are_learnt() {
    let (train_texts, held_out) = (batches(48), batches(12));
    let data = Data { train: &train_texts, validation: Some(&held_out) };
    let mut model = model();
    let score = |model: &(dyn Classifier + 'static)| -> ClassScore {
        Classify.score(model, &mut held_out.sequential(), &mut |_| {}).unwrap()
    };
    let before = score(model.as_ref());
    let (losses, _) = train(model.as_mut(), data, &plan(100, 1e-2), (None, None));
    let after = score(model.as_ref());
    assert!(
        losses.iter().rev().take(5).sum::<f64>() < 0.5 * losses.iter().take(5).sum::<f64>(),
        "{losses:?}"
    );
    assert!(after.nll < 0.5 * before.nll, "{before:?} {after:?}");
    let accuracy = after.confusion.accuracy();
    assert!(accuracy > 0.8 && after.metrics()[0] == ("accuracy", accuracy));
    assert_eq!(after.metrics().len(), 3, "F1 of one class is for two classes");
}

#[test]
fn losses_and_scores_are_those_of_the_softmax() {
    let model = model();
    let mut done = 0;
    let score =
        Classify.score(model.as_ref(), &mut batches(7).sequential(), &mut |count| done = count).unwrap();
    assert_eq!((done, score.scored(), score.confusion.total()), (7, 7, 7));
    let mut sum = 0.0;
    for (text, scored) in texts(7).iter().zip(&score.examples) {
        let logits = model.logits(&Tokens::single(&text.tokens), &mut Pass::quiet()).unwrap().to_vec();
        let all: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        let nll = all.ln() - f64::from(logits[text.label as usize]);
        assert_close!([scored.nll], [nll], absolute = 1e-5);
        assert!(logits.iter().all(|&x| x <= logits[scored.guess as usize]));
        sum += nll;
    }
    assert_close!([score.nll], [sum / 7.0], absolute = 1e-5);
    let batch = batches(7).get(0);
    let losses = Classify.losses(model.as_ref(), &batch, &mut Pass::quiet()).unwrap();
    assert_eq!(losses.shape(), [batch.labels.len()]);
    let mut wrong = batch;
    wrong.labels[0] = 3;
    assert!(Classify.losses(model.as_ref(), &wrong, &mut Pass::quiet()).is_err());
}

#[test]
fn resuming_is_never_having_stopped() {
    let (train_texts, held_out) = (batches(20), batches(6));
    let data = Data { train: &train_texts, validation: Some(&held_out) };
    for recompute in [false, true] {
        let plan = Plan { accumulation: 2, recompute, ..plan(5, 1e-2) };
        let mut whole = model();
        let (losses, _) = train(whole.as_mut(), data, &plan, (None, None));
        let mut first = model();
        let (before, state) = train(first.as_mut(), data, &plan, (None, Some(2)));
        let mut second = model();
        let (after, _) = train(second.as_mut(), data, &plan, (state.as_ref(), None));
        assert_eq!([before, after].concat(), losses);
        assert_eq!(leaves(whole.as_ref()), leaves(second.as_ref()));
    }
}
