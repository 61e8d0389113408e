use crate::support::{adapted, batches, fixture, leaves, plan, texts, train};
use rankine_data::Example;
use rankine_nn::{LanguageModel, Model as _, Pass, Tokens};
use rankine_testkit::assert_close;
use rankine_train::{AdamW, Data, Ending, Error, Plan, evaluate};

#[test]
fn a_rule_is_learnt() {
    for method in ["lora", "pissa", "sorsa"] {
        let texts = batches(texts(16, 0), 8);
        let mut model = adapted(method, "rank = 8");
        let data = Data { train: &texts, validation: None };
        let (ending, log) = train(&mut model, &mut AdamW::default(), data, &plan(60, 1e-2), (None, None));
        assert_eq!(ending.unwrap(), Ending::Finished);
        let mean = |steps: &[rankine_train::Step]| {
            steps.iter().map(|step| step.loss).sum::<f64>() / steps.len() as f64
        };
        let (first, last) = (mean(&log.steps[..5]), mean(&log.steps[55..]));
        assert!(last < 0.5 * first, "{method}: {first} to {last}");
    }
}

#[test]
fn a_loss_that_is_not_finite_names_step_and_rate_and_keeps_the_weights() {
    let texts = batches(texts(4, 0), 2);
    let data = Data { train: &texts, validation: None };
    let mut model = adapted("lora", "rank = 3");
    let rate = 1e30;
    let (ending, log) = train(&mut model, &mut AdamW::default(), data, &plan(20, rate), (None, None));
    let Err(Error::NotFinite { step, learning_rate, .. }) = ending else { panic!("{ending:?}") };
    assert_eq!((step, learning_rate), (log.steps.len() + 1, rate));
    let message = Error::NotFinite { what: "loss", step, learning_rate }.to_string();
    assert!(message.contains(&format!("step {step}")) && message.contains("1.00e30"), "{message}");
    let hint = |step| Error::NotFinite { what: "loss", step, learning_rate }.hint().unwrap();
    assert!(hint(1).contains("the model itself"), "no rate was used before the first step");
    assert!(hint(2).contains("lower the learning rate"));
    // The weights are those of the last good step.
    let mut again = adapted("lora", "rank = 3");
    let (ending, _) =
        train(&mut again, &mut AdamW::default(), data, &plan(log.steps.len(), rate), (None, None));
    assert!(matches!(ending, Err(Error::NotFinite { .. })), "the last weights are not worth keeping");
    assert_eq!(leaves(&model), leaves(&again));
}

#[test]
fn evaluation_is_the_mean_over_answers() {
    let model = fixture();
    let examples = texts(5, 3);
    let (mut sum, mut correct, mut tokens) = (0.0, 0, 0);
    let mut each = Vec::new();
    for Example { tokens: text, answers, .. } in &examples {
        let hidden = model.hidden(&Tokens::single(text), &mut Pass::quiet()).unwrap();
        let logits = model.logits(&hidden).unwrap().to_vec();
        let mut nll = 0.0;
        let scored: Vec<usize> = (1..text.len()).filter(|&place| answers[place]).collect();
        for &place in &scored {
            let row: Vec<f64> = logits[(place - 1) * 96..place * 96].iter().map(|&x| f64::from(x)).collect();
            let said = (0..96).max_by(|&i, &j| row[i].total_cmp(&row[j])).unwrap();
            correct += usize::from(said == text[place] as usize);
            nll += row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[text[place] as usize];
        }
        each.push(nll / scored.len() as f64);
        (sum, tokens) = (sum + nll, tokens + scored.len());
    }
    for size in [1, 2, 5] {
        let mut done = Vec::new();
        let score =
            evaluate(&model, &mut batches(examples.clone(), size).sequential(), &mut |n| done.push(n))
                .unwrap();
        assert_close!(
            [score.nll, score.perplexity],
            [sum / tokens as f64, (sum / tokens as f64).exp()],
            relative = 1e-5
        );
        assert_close!([score.accuracy], [correct as f64 / tokens as f64], absolute = 1e-12);
        assert_eq!((score.tokens, score.examples.len(), done.last()), (tokens, 5, Some(&5)));
        assert_close!(
            score.examples.iter().map(|example| example.nll).collect::<Vec<_>>(),
            each,
            absolute = 1e-5
        );
    }
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let norm_and_loss = |size: usize, accumulation: usize| {
        let texts = batches(texts(4, 0), size);
        let data = Data { train: &texts, validation: None };
        let plan = Plan { accumulation, ..plan(1, 1e-3) };
        let (_, log) =
            train(&mut adapted("pissa", "rank = 3"), &mut AdamW::default(), data, &plan, (None, None));
        [log.steps[0].loss, log.steps[0].gradient_norm]
    };
    assert_close!(norm_and_loss(2, 2), norm_and_loss(4, 1), relative = 1e-5);
    assert_close!(norm_and_loss(1, 4), norm_and_loss(4, 1), relative = 1e-5);
}

/// Mean penalty of the weights, over its factor, after some steps of a run.
fn defect(gamma: f32, steps: usize, accumulation: usize) -> f32 {
    let texts = batches(texts(8, 0), 4 / accumulation);
    let mut model = adapted("sorsa", &format!("rank = 4\ngamma = {gamma:?}"));
    let data = Data { train: &texts, validation: None };
    let plan = Plan { accumulation, ..plan(steps, 5e-3) };
    let (ending, log) = train(&mut model, &mut AdamW::default(), data, &plan, (None, None));
    ending.unwrap();
    assert!(log.steps.iter().all(|step| step.loss.is_finite()));
    let mut worst: f32 = 0.0;
    for parameter in model.parameters() {
        let mut factors = Vec::new();
        parameter.weight.leaves(&mut |name, leaf| {
            if matches!(name, "a" | "b") && leaf.trained().is_some() {
                factors.push((name == "a", leaf.tensor().detach()));
            }
        });
        for (wide, factor) in factors {
            let turned = factor.t().unwrap();
            let gram = if wide { factor.matmul(&turned) } else { turned.matmul(&factor) }.unwrap();
            let rank = gram.shape()[0];
            let off = gram.to_vec().iter().enumerate().fold(0.0, |worst: f32, (at, x)| {
                worst.max((x - if at / rank == at % rank { 1.0 } else { 0.0 }).abs())
            });
            worst = worst.max(off);
        }
    }
    worst
}

#[test]
fn penalties_of_the_weights_are_followed_once_a_step() {
    let (free, held) = (defect(0.0, 30, 1), defect(100.0, 30, 1));
    assert!(held < 0.5 * free, "{held} of {free}");
    let (one, two) = (defect(1.0, 3, 1), defect(1.0, 3, 2));
    assert!((one - two).abs() < 1e-3 * one, "{one} {two}");
}

#[test]
fn a_plan_that_cannot_work_is_refused_before_the_first_step() {
    let texts = batches(texts(4, 0), 2);
    let data = Data { train: &texts, validation: None };
    let good = plan(3, 1e-3);
    let mut rate = good.clone();
    rate.schedule.learning_rate = f32::NAN;
    for plan in [rate, Plan { accumulation: 0, ..good.clone() }, Plan { clip: Some(0.0), ..good.clone() }] {
        let (ending, log) =
            train(&mut adapted("lora", "rank = 3"), &mut AdamW::default(), data, &plan, (None, None));
        assert!(matches!(ending, Err(Error::Setting { .. })) && log.steps.is_empty());
    }
    let (ending, _) = train(&mut fixture(), &mut AdamW::default(), data, &good, (None, None));
    assert!(matches!(ending, Err(Error::NothingTrained)));
    let silent = vec![Example { tokens: vec![1, 2, 3], answers: vec![false; 3], source: 1 }];
    let silent = batches(silent, 1);
    let data = Data { train: &silent, validation: None };
    let (ending, _) =
        train(&mut adapted("lora", "rank = 3"), &mut AdamW::default(), data, &good, (None, None));
    assert!(matches!(ending, Err(Error::NoTargets { step: 1 })));
}

#[test]
fn states_are_saved_when_due_and_at_the_end() {
    let texts = batches(texts(4, 0), 2);
    let data = Data { train: &texts, validation: None };
    let plan = Plan { save_every: 2, ..plan(5, 1e-3) };
    let (_, log) = train(&mut adapted("lora", "rank = 3"), &mut AdamW::default(), data, &plan, (None, None));
    assert_eq!(log.states.iter().map(|state| state.step).collect::<Vec<_>>(), [2, 4, 5]);
}
