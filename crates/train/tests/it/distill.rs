//! Features of a teacher: their loss against torch, and what training on them does.

use crate::support::{adapted, batches, fixture, leaves, plan, texts};
use rankine_data::{Batches, Example};
use rankine_nn::{Model as _, Pass, models::Llama};
use rankine_random::Rng;
use rankine_tensor::{Tensor, Var};
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{
    AdamW, Data, Distill, Error, Event, NextToken, Plan, Task as _, feature_loss, gradient, run,
};
use std::ops::ControlFlow;

fn student() -> Llama {
    adapted("pela", "ratio = 2.0")
}

fn distill(teacher: &Llama, features: f32, own: f32) -> Distill<'_, NextToken> {
    Distill { task: NextToken, teacher, features, own, blocks: Vec::new() }
}

/// Losses of the steps.
fn train(student: &mut Llama, task: &Distill<'_, NextToken>, texts: &Batches, plan: &Plan) -> Vec<f64> {
    let mut losses = Vec::new();
    let (data, mut optimizer) = (Data { train: texts, validation: None }, AdamW::default());
    run::<Distill<'_, NextToken>>(student, data, (task, &mut optimizer), plan, None, &mut |event, _| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    losses
}

#[test]
fn the_loss_of_features_is_that_of_torch() {
    let case = &fixtures::json("pela.json")["features"];
    let shapes: Vec<Vec<usize>> = fixtures::items(&case["shapes"])
        .iter()
        .map(|shape| fixtures::tokens(shape).into_iter().map(|size| size as usize).collect())
        .collect();
    let blocks = |name: &str| {
        let values = fixtures::items(&case[name]).iter().map(fixtures::floats);
        values.zip(&shapes).map(|(values, shape)| Tensor::new(values, shape).unwrap()).collect::<Vec<_>>()
    };
    let student: Vec<Var> = blocks("student").iter().map(Var::from_tensor).collect();
    let found: Vec<Tensor> = student.iter().map(Var::tensor).collect();
    let loss = feature_loss(&found, &blocks("teacher")).unwrap();
    assert_close!([f64::from(loss.item())], fixtures::doubles(&case["loss"]), relative = 1e-5);
    let gradients = loss.backward().unwrap();
    for (block, expected) in student.iter().zip(blocks("gradients")) {
        assert_close!(gradients.of(block).unwrap().to_vec(), expected.to_vec());
    }
    let same = feature_loss(&found, &blocks("student")).unwrap();
    assert_eq!(same.item(), 0.0);
    let gradients = same.backward().unwrap();
    assert!(student.iter().all(|block| gradients.of(block).unwrap().to_vec().iter().all(|g| *g == 0.0)));
}

#[test]
fn features_that_cannot_be_compared_are_named() {
    let block = |shape: [usize; 2]| Tensor::zeros(&shape);
    assert!(matches!(feature_loss(&[], &[]), Err(Error::NoFeatures)));
    let one = [block([4, 6])];
    for other in [vec![], vec![block([4, 1])], vec![block([4, 6]), block([4, 6])]] {
        let error = feature_loss(&one, &other).unwrap_err();
        assert!(matches!(error, Error::Features { .. }) && error.hint().is_some(), "{error}");
    }
}

/// Mean loss of one step over all texts.
fn loss(student: &Llama, task: &Distill<'_, NextToken>, texts: &Batches) -> f64 {
    let all = [texts.get(0)];
    gradient::<Distill<'_, NextToken>>(student, task, &all, &Rng::new(0), false).unwrap().loss
}

#[test]
fn own_loss_and_features_are_weighed() {
    let (teacher, student, texts) = (fixture(), student(), batches(texts(4, 0), 4));
    let [own, features] = [(0.0, 1.0), (1.0, 0.0)]
        .map(|(features, own)| loss(&student, &distill(&teacher, features, own), &texts));
    assert!(own > 0.1 && features > 1e-3, "{own} {features}");
    let both = loss(&student, &distill(&teacher, 0.5, 2.0), &texts);
    assert_close!([both], [2.0 * own + 0.5 * features], relative = 1e-5);
    // By hand: block by block, all tokens and channels.
    let batch = texts.get(0);
    let of = |model: &Llama| {
        let mut pass = Pass::quiet();
        pass.keep_features();
        NextToken.features(model, &batch, &mut pass).unwrap();
        pass.take_features().iter().map(Tensor::to_vec).collect::<Vec<_>>()
    };
    let (found, goal) = (of(&student), of(&teacher));
    let mean = |found: &[f32], goal: &[f32]| {
        let squares = found.iter().zip(goal).map(|(x, y)| f64::from(x - y).powi(2));
        squares.sum::<f64>() / found.len() as f64
    };
    let by_block: Vec<f64> = found.iter().zip(&goal).map(|(found, goal)| mean(found, goal)).collect();
    assert_close!([features], [(by_block[0] + by_block[1]) / 2.0], relative = 1e-5);
    let last = Distill { blocks: vec![1], ..distill(&teacher, 1.0, 0.0) };
    assert_close!([loss(&student, &last, &texts)], [by_block[1]], relative = 1e-5);
    let none = Distill { blocks: vec![2], ..distill(&teacher, 1.0, 0.0) };
    let error = none.losses(&student, &batch, &mut Pass::quiet()).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "blocks", .. }), "{error}");
}

#[test]
fn a_copy_of_the_teacher_has_nothing_to_learn() {
    let (teacher, texts) = (fixture(), batches(texts(4, 0), 4));
    // LoRA starts as the model itself.
    let copy = adapted("lora", "rank = 3");
    let task = distill(&teacher, 1.0, 0.0);
    let found =
        gradient::<Distill<'_, NextToken>>(&copy, &task, &[texts.get(0)], &Rng::new(0), false).unwrap();
    assert!(found.loss < 1e-9 && found.norm() < 1e-3, "{} {}", found.loss, found.norm());
}

#[test]
fn a_student_comes_back_to_its_teacher_without_labels() {
    let teacher = fixture();
    let bits = |model: &Llama| -> Vec<Vec<f32>> {
        model.parameters().iter().map(|parameter| parameter.weight.dense().unwrap().to_vec()).collect()
    };
    let before = bits(&teacher);
    // Nothing in these texts is an answer.
    let silent = |text: Example| Example { answers: vec![false; text.tokens.len()], ..text };
    let silent = batches(texts(16, 0).into_iter().map(silent).collect(), 8);
    let task = distill(&teacher, 1.0, 0.0);
    let mut ends = Vec::new();
    for recompute in [false, true] {
        let mut student = student();
        let losses = train(&mut student, &task, &silent, &Plan { recompute, ..plan(60, 1e-2) });
        let (first, last) = (losses[0], losses[losses.len() - 1]);
        assert!(last < 0.5 * first, "{first} to {last}");
        ends.push(last);
    }
    assert_close!([ends[0]], [ends[1]], relative = 5e-2);
    assert_eq!(bits(&teacher), before, "the teacher is not changed");
}

#[test]
fn blocks_computed_again_give_the_same_gradient() {
    let (teacher, student, texts) = (fixture(), student(), batches(texts(4, 0), 4));
    let task = distill(&teacher, 3.0, 1.0);
    let [kept, again] = [false, true].map(|recompute| {
        gradient::<Distill<'_, NextToken>>(&student, &task, &[texts.get(0)], &Rng::new(0), recompute).unwrap()
    });
    assert_eq!(kept.loss, again.loss);
    assert_eq!((kept.leaves.len(), again.leaves.len()), (28, 28));
    for (kept, again) in kept.leaves.iter().zip(&again.leaves) {
        let [kept, again] = [kept, again].map(|leaf| leaf.as_ref().unwrap().to_vec());
        let largest = kept.iter().fold(0.0f32, |largest, slope| largest.max(slope.abs()));
        assert_close!(again, kept, absolute = f64::from(2e-5 * largest));
    }
}

#[test]
fn the_penalty_acts_beside_the_features() {
    let (teacher, texts) = (fixture(), batches(texts(8, 0), 8));
    let end = |perturbation: f32| {
        let mut student = adapted("pela", &format!("ratio = 2.0\nperturbation = {perturbation:?}"));
        train(&mut student, &distill(&teacher, 1.0, 0.0), &texts, &plan(20, 5e-3));
        leaves(&student)
    };
    assert_eq!(end(0.0), end(0.0));
    assert_ne!(end(0.0), end(1.0));
}
