//! The search before a run of [diffora]: which modules are trained.
//!
//! ```text
//! runs/first/search/          everything a resume of the search needs, until the training has a state
//! runs/first/modules.json     every module that was looked at: its gate, its numbers, whether it was picked
//! ```
//!
//! It goes through the loop of every run, at a constant learning rate and without weight decay, which would open the gates.
//! The examples to learn from are halved for it, one half for the branches and one for the gates; those held out are not
//! looked at. A search that was stopped goes on from its state, and one that ended picks the same again from its last. A
//! resumed training takes what was picked from the file, and its weights from its own state.

mod shown;

pub(crate) use shown::show;

use crate::{
    Error, Recipe, Result, TrainSection,
    folder::{Folder, Reached},
    kind::Runnable,
    run::{Notice, Watch, batched},
};
use rankine_data::{Batches, Sample};
use rankine_method::{
    Attached, Choice,
    diffora::{Candidate, Diffora, Start, candidates, is_gate, settle},
};
use rankine_nn::Model;
use rankine_random::Rng;
use rankine_train::{
    Alternating, Data, Ending, Event, InTurn, Optimizer, Plan, Schedule, Shape, State, Turns,
};
use std::{ops::ControlFlow, path::Path};

/// Name of the file.
pub(crate) const FILE: &str = "modules.json";

/// A search that can begin.
pub(crate) struct Search<'a, S> {
    method: &'a Diffora,
    /// Of the branches.
    train: TrainSection,
    /// For the branches, and for the gates.
    halves: [Batches<S>; 2],
    turns: Turns,
    plan: Plan,
}

/// How a search ended.
pub(crate) enum Found {
    /// With every module that was looked at, none where there is no search, and what is trained.
    Picked(Vec<Candidate>, Attached),
    /// By the watcher, after so many steps; its state was saved.
    Stopped(usize),
}

/// What is left when the searching is done: the modules, or after how many steps it was stopped.
type Searched = ControlFlow<usize, Vec<Candidate>>;

impl<'a, S: Sample + Clone> Search<'a, S> {
    /// The search before a run by this plan on `train`; `None` where the recipe's method has none.
    ///
    /// # Errors
    /// When there are too few examples for two halves, or nothing could be picked of `model`.
    pub fn planned(
        recipe: &'a Recipe,
        model: &dyn Model,
        (train, plan): (&Batches<S>, &Plan),
    ) -> Result<Option<Self>> {
        let Choice::Diffora(method) = &recipe.method else { return Ok(None) };
        let rng = Rng::new(recipe.seed).fork("search");
        let halves = halves(recipe, train.examples(), &rng)?;
        // Whether there is room for a module does not depend on the gates.
        method.pick(&mut candidates(model))?;
        let turns = Turns { warmup: method.warmup_steps };
        let steps = turns.steps(method.steps_before(plan.schedule.steps));
        let plan = Plan {
            schedule: Schedule { warmup: 0, steps, shape: Shape::Constant, ..plan.schedule },
            evaluate_every: 0,
            patience: None,
            seed: rng.fork("seed").bits(),
            ..plan.clone()
        };
        let train = TrainSection { weight_decay: 0.0, ..recipe.train.clone() };
        Ok(Some(Self { method, train, halves, turns, plan }))
    }
}

/// Searches from where the run in `folder` is, or reads what was picked before its training, and leaves the model with the
/// picked modules. What the method was attached to is given and returned.
pub(crate) fn found<T: Runnable>(
    search: Option<Search<'_, T::Sample>>,
    task: &T,
    (model, attached): (&mut T::Model, Attached),
    (folder, reached): (&Folder, &Reached),
    watch: Watch<'_>,
) -> Result<Found> {
    let Some(search) = search else { return Ok(Found::Picked(Vec::new(), attached)) };
    let searched = match reached {
        Reached::Nothing => search.run(task, model, None, folder, watch)?,
        Reached::Search(state) => search.run(task, model, Some(state), folder, watch)?,
        Reached::Training(_) => Searched::Continue(read(&folder.path().join(FILE))?),
    };
    let candidates = match searched {
        Searched::Continue(candidates) => candidates,
        Searched::Break(steps) => return Ok(Found::Stopped(steps)),
    };
    let attached = settle(T::seen_mut(model), &candidates);
    let _ = watch(Notice::Picked(&candidates));
    Ok(Found::Picked(candidates, attached))
}

fn read(path: &Path) -> Result<Vec<Candidate>> {
    let text = fs_err::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let unreadable =
        |error: serde_json::Error| Error::Modules { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_str(&text).map_err(unreadable)
}

impl<S: Sample> Search<'_, S> {
    /// Trains branches and gates from `state` on, and picks.
    fn run<T: Runnable<Sample = S>>(
        &self,
        task: &T,
        model: &mut T::Model,
        state: Option<&State>,
        folder: &Folder,
        watch: Watch<'_>,
    ) -> Result<Searched> {
        let Self { method, turns, plan, halves: [lower, upper], .. } = self;
        let (turns, steps) = (*turns, plan.schedule.steps);
        let feed = Alternating { lower, upper, turns, accumulation: plan.accumulation };
        let inner = self.train.optimizer();
        let mut optimizer = InTurn { inner, turns, is_upper: is_gate, upper_rate: method.gate_rate };
        let before =
            (method.start == Start::Scratch).then(|| State::capture(&*model, &mut optimizer, 0, None, 0));
        let data: Data<'_, S> = Data { train: &feed, validation: None };
        let slots: (&T, &mut dyn Optimizer) = (task, &mut optimizer);
        let (mut made, mut fault) = (0, None);
        let ended = rankine_train::run::<T>(model, data, slots, plan, state, &mut |event, _| match event {
            Event::Step(step) => {
                made = step.step;
                watch(Notice::Searching(made, steps))
            }
            Event::Save(state) => match folder.write_search(state) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            },
            Event::Evaluated { .. } => ControlFlow::Continue(()),
        });
        if let Some(error) = fault {
            return Err(error);
        }
        if ended.map_err(|source| folder.stopped(source))? == Ending::Interrupted {
            return Ok(Searched::Break(made));
        }
        let mut found = candidates(T::seen(model));
        method.pick(&mut found)?;
        if let Some(before) = before {
            before.restore(model, &mut optimizer)?;
        }
        Ok(Searched::Continue(found))
    }
}

/// Two halves of the examples at random, for the branches and for the gates.
fn halves<S: Sample + Clone>(recipe: &Recipe, examples: &[S], rng: &Rng) -> Result<[Batches<S>; 2]> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    rng.fork("halves").shuffle(&mut order);
    let (lower, upper) = order.split_at(order.len().div_ceil(2));
    let [lower, upper] =
        [lower, upper].map(|half| half.iter().map(|&index| examples[index].clone()).collect::<Vec<_>>());
    match batched(recipe, lower, upper)? {
        (lower, Some(upper)) => Ok([lower, upper]),
        (_, None) => Err(Error::Setting {
            key: "data",
            expected: "2 examples to learn from or more, for a search",
            found: examples.len().to_string(),
        }),
    }
}
