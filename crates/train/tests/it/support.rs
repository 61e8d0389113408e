use rankine_checkpoint::Checkpoint;
use rankine_data::{Batches, Batching, Example};
use rankine_method::{Choice, attach};
use rankine_nn::{
    Kind, LanguageModel, Model, for_each_trained,
    models::{Llama, Storage},
};
use rankine_random::Rng;
use rankine_train::{
    AdamW, Data, Ending, Event, NextToken, Optimizer, Plan, Result, Schedule, Shape, State, Step, run,
};
use std::ops::ControlFlow;

pub fn fixture() -> Llama {
    let opened = Checkpoint::open(rankine_testkit::fixtures::path("models/llama_untied")).unwrap();
    Llama::load(opened.config(), opened.tensors(), Storage::File).unwrap()
}

/// The fixture with a method on every linear map.
pub fn adapted(method: &str, settings: &str) -> Llama {
    let mut model = fixture();
    let linear = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    let modules: Vec<String> = linear.map(|parameter| parameter.module().to_owned()).collect();
    let choice = Choice::named(method).unwrap().with(&settings.parse().unwrap()).unwrap();
    attach(&mut model, choice.method(), &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
    model
}

/// Texts that follow a rule: every token is 7 more than the one before.
pub fn texts(count: usize, start: u32) -> Vec<Example> {
    let text = |index: usize| {
        let length = 6 + index % 4;
        let first = start + 5 * index as u32;
        let tokens = (0..length as u32).map(|place| (first + 7 * place) % 96).collect();
        Example { tokens, answers: (0..length).map(|place| 2 <= place).collect(), source: index + 1 }
    };
    (0..count).map(text).collect()
}

pub fn batches(examples: Vec<Example>, size: usize) -> Batches {
    Batches::new(examples, Batching::Examples(size), 1).unwrap()
}

pub fn plan(steps: usize, learning_rate: f32) -> Plan {
    Plan::plain(Schedule { learning_rate, warmup: 0, steps, shape: Shape::Constant }, 0)
}

/// Bits of every trained leaf.
pub fn leaves(model: &(impl Model + ?Sized)) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    for_each_trained(model, &mut |_, variable| {
        all.push(variable.tensor().to_vec().iter().map(|x| x.to_bits()).collect())
    });
    all
}

pub fn memory(optimizer: &mut AdamW) -> Vec<Vec<Vec<f32>>> {
    optimizer.memory().into_iter().map(|(_, memory)| memory.clone()).collect()
}

/// What a run told its watcher.
#[derive(Default)]
pub struct Log {
    pub steps: Vec<Step>,
    /// (step, nll, best).
    pub evaluations: Vec<(usize, f64, bool)>,
    pub states: Vec<State>,
}

/// Runs, and asks to stop after step `stop`.
pub fn train(
    model: &mut Llama,
    optimizer: &mut AdamW,
    data: Data<'_>,
    plan: &Plan,
    (state, stop): (Option<&State>, Option<usize>),
) -> (Result<Ending>, Log) {
    let mut log = Log::default();
    let mut watch = |event: &Event<'_>, _: &(dyn LanguageModel + 'static)| {
        match event {
            Event::Step(step) => {
                log.steps.push(*step);
                if stop == Some(step.step) {
                    return ControlFlow::Break(());
                }
            }
            Event::Evaluated { step, score, best } => log.evaluations.push((*step, score.nll(), *best)),
            Event::Save(state) => log.states.push((*state).clone()),
        }
        ControlFlow::Continue(())
    };
    let ending = run::<NextToken>(model, data, (&NextToken, optimizer), plan, state, &mut watch);
    (ending, log)
}
