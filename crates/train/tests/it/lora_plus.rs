//! A learning rate of their own for the output-side factors.

use crate::support::adapted;
use rankine_nn::{Kind, Model, Parameter, Place, Scope, for_each_trained_mut, weight::LowRank};
use rankine_tensor::{Tensor, Var};
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{AdamW, Error, Optimizer as _};
use serde_json::Value;

/// The first step is η·g/(|g| + ε), whatever the decays of the moments: η along the sign of the slope.
#[test]
fn a_step_of_a_named_leaf_is_longer_by_its_factor() {
    let mut optimizer = AdamW::new(0.9, 0.999, 0.5).with_rate("b", 4.0);
    let cases = [
        // 1 − 0.1·0.5 − 0.1 and −2·(1 − 0.1·0.5) + 0.1.
        ("w.weight/a", Kind::Linear, [0.85, -1.8]),
        // 1 − 0.4·0.5 − 0.4 and −2·(1 − 0.4·0.5) + 0.4.
        ("w.weight/b", Kind::Linear, [0.4, -1.2]),
        // A parameter called `b`, whose leaf is not: without decay, by 0.1.
        ("b/value", Kind::Bias, [0.9, -1.9]),
    ];
    for (index, (name, kind, expected)) in cases.into_iter().enumerate() {
        let place = Place { index, name: name.to_owned(), kind };
        let mut variable = Var::new(vec![1.0, -2.0], &[2]).unwrap();
        optimizer.update(&place, &mut variable, &[3.0, -0.25], 1, 0.1);
        assert_close!(variable.tensor().to_vec(), expected, absolute = 1e-6, "{name}");
    }
}

struct One(Parameter);

impl Model for One {
    fn parameters(&self) -> Vec<&Parameter> {
        vec![&self.0]
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        vec![&mut self.0]
    }
}

fn matrix(value: &Value) -> Tensor {
    let rows = fixtures::items(value);
    Tensor::new(fixtures::floats(value), &[rows.len(), fixtures::items(&rows[0]).len()]).unwrap()
}

#[test]
fn steps_are_those_of_the_groups_of_peft() {
    let json: Value = serde_json::from_str(include_str!("../fixtures/lora_plus.json")).unwrap();
    let case = &json["case"];
    let number = |key: &str| case[key].as_f64().unwrap() as f32;
    let [weight, a, b, x, target] = ["weight", "a", "b", "x", "target"].map(|key| matrix(&case[key]));
    let mut model = One(Parameter::frozen("w.weight".to_owned(), Kind::Linear, weight.clone()));
    model.0.weight = Box::new(LowRank::new(weight, &a, &b, number("scale")));
    let betas = fixtures::floats(&case["betas"]);
    let mut optimizer =
        AdamW::new(betas[0], betas[1], number("weight_decay")).with_rate("b", number("ratio"));
    optimizer.check(&model).unwrap();
    let steps = fixtures::items(&case["steps"]);
    assert_eq!(steps.len(), 5);
    for (step, expected) in (1..).zip(steps) {
        let off = model.0.weight.apply(&x, Scope::QUIET).unwrap().sub(&target).unwrap();
        let loss = off.mul(&off).unwrap().mean();
        assert_close!([loss.item()], [expected["loss"].as_f64().unwrap()], relative = 1e-5);
        let gradients = loss.backward().unwrap();
        for_each_trained_mut(&mut model, &mut |place, variable| {
            let slope = gradients.of(variable).unwrap().to_vec();
            optimizer.update(&place, variable, &slope, step, number("learning_rate"));
            let leaf = place.name.rsplit('/').next().unwrap();
            let expected = fixtures::floats(&expected[leaf]);
            assert_close!(variable.tensor().to_vec(), expected, absolute = 1e-6, "{leaf}, step {step}");
        });
    }
}

#[test]
fn rates_that_fit_no_leaf_are_refused() {
    let rated = |factor| AdamW::default().with_rate("b", factor);
    for method in ["lora", "dora", "pissa", "flora", "sorsa"] {
        rated(16.0).check(&adapted(method, "rank = 3")).unwrap();
    }
    let error = rated(16.0).check(&adapted("svfit", "rank = 3")).unwrap_err();
    assert!(matches!(error, Error::NoLeaf { leaf: "b", .. }), "{error}");
    assert!(error.hint().unwrap().contains("`core`"));
    for factor in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let refused = rated(factor).check(&adapted("lora", "rank = 3"));
        assert!(matches!(refused, Err(Error::Setting { .. })), "{factor}");
    }
}
