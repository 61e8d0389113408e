//! Two groups of leaves in turn: a search of DiffoRA against torch, and one for modules that are known to matter.

use crate::support::plan;
use rankine_data::{Batches, Batching, Sample};
use rankine_method::{
    Choice, attach,
    diffora::{Diffora, Select, candidates, is_gate},
};
use rankine_nn::{Kind, Model, Parameter, Pass, Scope, weight::Gated};
use rankine_random::Rng;
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{
    AdamW, Alternating, Count, Data, Ending, Event, InTurn, Plan, Result, Score, Task, Turns, run,
};
use serde_json::Value;
use std::ops::ControlFlow;

/// Linear maps, and how they are put together.
struct Network {
    parameters: Vec<Parameter>,
    forward: fn(&[Parameter], &Tensor) -> Tensor,
}

impl Model for Network {
    fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }
}

fn through(parameter: &Parameter, x: &Tensor) -> Tensor {
    parameter.weight.apply(x, Scope::QUIET).unwrap()
}

/// One behind the other, a ReLU between.
fn stacked(parameters: &[Parameter], x: &Tensor) -> Tensor {
    through(&parameters[1], &through(&parameters[0], x).relu())
}

/// Each on columns of its own, and their sum.
fn side_by_side(parameters: &[Parameter], x: &Tensor) -> Tensor {
    let width = x.shape()[1] / parameters.len();
    let own = |index: usize| x.narrow(1, index * width, width).unwrap();
    let outputs = parameters.iter().enumerate().map(|(index, parameter)| through(parameter, &own(index)));
    outputs.reduce(|sum, y| sum.add(&y).unwrap()).unwrap()
}

struct Row {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Sample for Row {
    type Batch = [Tensor; 2];

    fn length(&self) -> usize {
        1
    }

    fn batch<'a>(samples: impl Iterator<Item = &'a Self>) -> [Tensor; 2]
    where
        Self: 'a,
    {
        let rows: Vec<&Self> = samples.collect();
        let matrix = |values: &dyn Fn(&Self) -> Vec<f32>| {
            let columns = values(rows[0]).len();
            Tensor::new(rows.iter().flat_map(|&row| values(row)).collect(), &[rows.len(), columns]).unwrap()
        };
        [matrix(&|row| row.x.clone()), matrix(&|row| row.y.clone())]
    }
}

/// Squared errors.
struct Fit;

impl Task for Fit {
    type Model = Network;
    type Sample = Row;
    type Score = Score;

    fn count(&self, [x, _]: &[Tensor; 2]) -> Count {
        Count { targets: x.shape()[0], tokens: 0 }
    }

    fn losses<'m>(&self, model: &'m Network, [x, y]: &[Tensor; 2], _: &mut Pass<'m>) -> Result<Tensor> {
        let off = (model.forward)(&model.parameters, x).sub(y)?;
        Ok(off.mul(&off)?.sum_axis(1)?.reshape(&[x.shape()[0]])?)
    }

    fn score(
        &self,
        _: &Network,
        _: &mut dyn Iterator<Item = [Tensor; 2]>,
        _: &mut dyn FnMut(usize),
    ) -> Result<Score> {
        Ok(Score::default())
    }
}

/// All rows in every batch.
fn whole(rows: Vec<Row>) -> Batches<Row> {
    let count = rows.len();
    Batches::new(rows, Batching::Examples(count), 0).unwrap()
}

/// The loss of every step.
fn search(
    model: &mut Network,
    [lower, upper]: [&Batches<Row>; 2],
    (turns, count): (Turns, usize),
    [rate, upper_rate]: [f32; 2],
) -> Vec<f64> {
    let feed = Alternating { lower, upper, turns, accumulation: 1 };
    let mut optimizer = InTurn { inner: AdamW::default(), turns, is_upper: is_gate, upper_rate };
    let plan = Plan { clip: None, ..plan(turns.steps(count), rate) };
    let mut losses = Vec::new();
    let data = Data { train: &feed, validation: None };
    let ending = run::<Fit>(model, data, (&Fit, &mut optimizer), &plan, None, &mut |event, _| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ending.unwrap(), Ending::Finished);
    losses
}

fn parameter(index: usize, base: &Tensor) -> Parameter {
    Parameter::frozen(format!("maps.{index}.weight"), Kind::Linear, base.clone())
}

#[test]
fn branches_and_gates_in_turn_are_those_of_torch() {
    let case = fixtures::json("diffora.json");
    let number = |key: &str| case[key].as_f64().unwrap() as f32;
    let count = |key: &str| case[key].as_u64().unwrap() as usize;
    let matrix = |rows: &Value| {
        let columns = fixtures::items(&fixtures::items(rows)[0]).len();
        Tensor::new(fixtures::floats(rows), &[fixtures::items(rows).len(), columns]).unwrap()
    };
    let layer = |(index, start): (usize, &Value)| {
        let [base, a, b] = ["base", "a", "b"].map(|name| matrix(&start[name]));
        let mut layer = parameter(index, &base);
        layer.weight = Box::new(Gated::new(base, &a, &b, number("scale")));
        layer
    };
    let parameters = fixtures::items(&case["start"]).iter().enumerate().map(layer).collect();
    let mut model = Network { parameters, forward: stacked };
    let [lower, upper] = ["lower", "upper"].map(|group| {
        let [x, y] = ["x", "y"].map(|name| fixtures::items(&case[group][name]));
        let row = |(x, y): (&Value, &Value)| Row { x: fixtures::floats(x), y: fixtures::floats(y) };
        whole(x.iter().zip(y).map(row).collect())
    });
    let turns = (Turns { warmup: count("warmup") }, count("turns"));
    let rates = [number("rate"), number("gate_rate")];
    let losses = search(&mut model, [&lower, &upper], turns, rates);
    assert_close!(losses, fixtures::doubles(&case["losses"]), absolute = 2e-5);
    for (parameter, end) in model.parameters.iter().zip(fixtures::items(&case["end"])) {
        parameter.weight.leaves(&mut |name, leaf| {
            if leaf.trained().is_some() {
                let found = leaf.tensor().to_vec();
                assert_close!(found, fixtures::floats(&end[name]), absolute = 2e-6, "{name}");
            }
        });
    }
}

const MAPS: usize = 12;
const PLANTED: usize = 4;
const SHAPE: [usize; 2] = [4, 6];

/// A network, rows of another one that differs in some of its maps by low rank, and which those are.
fn planted(seed: u64) -> (Network, [Batches<Row>; 2], Vec<usize>) {
    const ROWS: usize = 192;
    let (rng, [outputs, inputs]) = (Rng::new(seed), SHAPE);
    let draw = |name: &str, index: usize, shape: [usize; 2], deviation: f32| {
        let values = rng.fork_index(name, index).normals(shape[0] * shape[1], deviation);
        Tensor::new(values, &shape).unwrap()
    };
    let mut which: Vec<usize> = (0..MAPS).collect();
    rng.fork("which").shuffle(&mut which);
    which.truncate(PLANTED);
    let deviation = (inputs as f32).sqrt().recip();
    let base: Vec<Tensor> = (0..MAPS).map(|index| draw("w", index, SHAPE, deviation)).collect();
    let moved = |(index, base): (usize, &Tensor)| {
        if !which.contains(&index) {
            return parameter(index, base);
        }
        let (b, a) = (draw("b", index, [outputs, 2], 1.0), draw("a", index, [2, inputs], 0.5 * deviation));
        parameter(index, &base.add(&b.matmul(&a).unwrap()).unwrap())
    };
    let teacher: Vec<Parameter> = base.iter().enumerate().map(moved).collect();
    let rows = [0, 1].map(|half| {
        let x = draw("x", half, [ROWS, MAPS * inputs], 1.0);
        let y = side_by_side(&teacher, &x).to_vec();
        let x = x.to_vec();
        let rows = x.chunks(MAPS * inputs).zip(y.chunks(outputs));
        whole(rows.map(|(x, y)| Row { x: x.to_vec(), y: y.to_vec() }).collect())
    });
    let parameters = base.iter().enumerate().map(|(index, base)| parameter(index, base)).collect();
    which.sort_unstable();
    (Network { parameters, forward: side_by_side }, rows, which)
}

#[test]
fn gates_open_where_something_was_planted() {
    let (mut right, seeds) = (0, 10);
    for seed in 0..seeds {
        let (mut model, [lower, upper], which) = planted(seed);
        let settings = Diffora { rank: 2, ratio: 1.0 / 3.0, select: Select::Global, ..Diffora::default() };
        let modules: Vec<String> = (0..MAPS).map(|index| format!("maps.{index}")).collect();
        let choice = Choice::Diffora(settings.clone());
        attach(&mut model, choice.method(), &modules, &Rng::new(seed), &mut |_, _| ()).unwrap();
        let losses = search(&mut model, [&lower, &upper], (Turns { warmup: 10 }, 60), [1e-2, 3e-2]);
        assert!(losses[109] < 0.5 * losses[0], "{} to {}", losses[0], losses[109]);
        let mut found = candidates(&model);
        settings.pick(&mut found).unwrap();
        let picked: Vec<usize> = (0..MAPS).filter(|&index| found[index].picked).collect();
        right += usize::from(picked == which);
    }
    assert!(9 * seeds <= 10 * right as u64, "all of them found with {right} of {seeds} seeds");
}
