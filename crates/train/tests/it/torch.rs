use crate::support::{fixture, plan, train};
use rankine_checkpoint::Adapter;
use rankine_data::{Batches, Batching, Example};
use rankine_nn::{Kind, Leaf, Model, Place, models::Llama, weight::LowRank};
use rankine_tensor::{Tensor, Var};
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{AdamW, Data, Optimizer, Schedule, Shape};

#[test]
fn learning_rates_are_those_of_transformers() {
    let json = fixtures::json("training.json");
    let cases = fixtures::items(&json["schedules"]);
    assert_eq!(cases.len(), 15);
    for case in cases {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let shape = match case["schedule"].as_str().unwrap() {
            "cosine" => Shape::Cosine,
            "linear" => Shape::Linear,
            _ => Shape::Constant,
        };
        let peak = case["peak"].as_f64().unwrap();
        let schedule = Schedule {
            learning_rate: peak as f32,
            warmup: count("warmup_steps"),
            steps: count("steps"),
            shape,
        };
        let expected = fixtures::doubles(&case["learning_rates"]);
        // The last entry belongs to a step after the end.
        let found: Vec<f32> = (0..schedule.steps).map(|step| schedule.at(step)).collect();
        assert_close!(found, expected[..schedule.steps], absolute = 2e-7 * peak, "{case}");
    }
}

/// The formula in double precision, checked against torch below with torch's constants.
fn formula(
    [beta1, beta2, epsilon, decay, rate]: [f64; 5],
    start: &[f64],
    gradients: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let (mut p, mut m, mut v) = (start.to_vec(), vec![0.0; start.len()], vec![0.0; start.len()]);
    let mut values = Vec::new();
    for (step, gradient) in gradients.iter().enumerate() {
        let power = step as i32 + 1;
        for (index, &g) in gradient.iter().enumerate() {
            m[index] = beta1 * m[index] + (1.0 - beta1) * g;
            v[index] = beta2 * v[index] + (1.0 - beta2) * g * g;
            let (mean, square) = (m[index] / (1.0 - beta1.powi(power)), v[index] / (1.0 - beta2.powi(power)));
            p[index] = p[index] * (1.0 - rate * decay) - rate * mean / (square.sqrt() + epsilon);
        }
        values.push(p.clone());
    }
    values
}

#[test]
fn adamw_is_that_of_torch() {
    let json = fixtures::json("training.json");
    let case = &json["adamw"];
    let start = fixtures::doubles(&case["start"]);
    let gradients: Vec<Vec<f64>> =
        fixtures::items(&case["gradients"]).iter().map(fixtures::doubles).collect();
    let number = |key: &str| case[key].as_f64().unwrap();
    let [beta1, beta2]: [f64; 2] = fixtures::doubles(&case["betas"]).try_into().unwrap();
    let (rate, decay) = (number("learning_rate"), number("weight_decay"));
    let torch = formula([beta1, beta2, number("epsilon"), decay, rate], &start, &gradients);
    assert_close!(torch.concat(), fixtures::doubles(&case["values"]), absolute = 1e-6);
    // Ours has torch's default ε; norms and biases do not decay.
    for (kind, decayed) in
        [(Kind::Linear, true), (Kind::Head, true), (Kind::Norm, false), (Kind::Bias, false)]
    {
        let decay = if decayed { decay } else { 0.0 };
        let expected = formula([beta1, beta2, 1e-8, decay, rate], &start, &gradients);
        let mut optimizer = AdamW::new(beta1 as f32, beta2 as f32, number("weight_decay") as f32);
        let mut variable = Var::new(start.iter().map(|&x| x as f32).collect(), &[start.len()]).unwrap();
        let place = Place { index: 0, name: "w/value".to_owned(), kind };
        for (step, gradient) in gradients.iter().enumerate() {
            let gradient: Vec<f32> = gradient.iter().map(|&x| x as f32).collect();
            optimizer.update(&place, &mut variable, &gradient, step as u64 + 1, rate as f32);
            assert_close!(
                variable.tensor().to_vec(),
                expected[step],
                absolute = 2e-6,
                "{kind:?}, step {step}"
            );
        }
    }
}

fn adapter(name: &str) -> Adapter {
    Adapter::open(&fixtures::path(&format!("adapters/{name}"))).unwrap()
}

/// The base with peft's adapter as trained branches.
fn start() -> Llama {
    let (mut model, adapter) = (fixture(), adapter("training_start"));
    assert_eq!(adapter.low_rank.len(), 14);
    for parameter in model.parameters_mut() {
        if parameter.kind() != Kind::Linear {
            continue;
        }
        let factors = &adapter.low_rank[parameter.module()];
        let a = Tensor::new(factors.a.clone(), &[factors.rank, factors.inputs]).unwrap();
        let b = Tensor::new(factors.b.clone(), &[factors.outputs, factors.rank]).unwrap();
        let weight = parameter.weight.dense().unwrap();
        parameter.weight = Box::new(LowRank::new(weight, &a, &b, factors.scaling));
    }
    model
}

#[test]
fn ten_steps_are_those_of_torch_and_peft() {
    let json = fixtures::json("training.json");
    let case = &json["trajectory"];
    let texts = fixtures::items(&case["input_ids"]).iter().map(fixtures::tokens);
    let labels = fixtures::items(&case["labels"]).iter().map(fixtures::labels);
    let examples: Vec<Example> = texts
        .zip(labels)
        .map(|(tokens, labels)| Example {
            tokens,
            answers: labels.iter().map(|&label| label >= 0).collect(),
            source: 1,
        })
        .collect();
    let batches = Batches::new(examples, Batching::Examples(2), 0).unwrap();
    let number = |key: &str| case[key].as_f64().unwrap() as f32;
    let betas = fixtures::floats(&case["betas"]);
    let (losses, norms) = (fixtures::doubles(&case["losses"]), fixtures::doubles(&case["gradient_norms"]));
    for recompute in [false, true] {
        let mut plan = plan(norms.len(), number("learning_rate"));
        (plan.clip, plan.recompute) = (Some(number("clip_norm")), recompute);
        let mut model = start();
        let mut optimizer = AdamW::new(betas[0], betas[1], number("weight_decay"));
        let data = Data { train: &batches, validation: Some(&batches) };
        let (ending, log) = train(&mut model, &mut optimizer, data, &plan, (None, None));
        ending.unwrap();
        let found: Vec<f64> = log.steps.iter().map(|step| step.loss).chain([log.evaluations[1].1]).collect();
        assert_close!(found, losses, absolute = 1e-5);
        let found: Vec<f64> = log.steps.iter().map(|step| step.gradient_norm).collect();
        assert_close!(found, norms, absolute = 1e-4);
        let end = adapter("training_end");
        for parameter in model.parameters() {
            let Some(expected) =
                end.low_rank.get(parameter.module()).filter(|_| parameter.kind() == Kind::Linear)
            else {
                continue;
            };
            parameter.weight.leaves(&mut |name, leaf| match (name, leaf) {
                ("a", Leaf::Trained(a)) => assert_close!(a.tensor().to_vec(), expected.a, absolute = 5e-5),
                ("b", Leaf::Trained(b)) => assert_close!(b.tensor().to_vec(), expected.b, absolute = 5e-5),
                _ => (),
            });
        }
    }
}
