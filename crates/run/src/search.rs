//! The search before a run of [diffora]: which modules are trained.
//!
//! ```text
//! runs/first/modules.json     every module that was looked at: its gate, its numbers, whether it was picked
//! ```
//!
//! It goes through the loop of every run, at a constant learning rate and without weight decay, which would open the gates.
//! The examples to learn from are halved for it, one half for the branches and one for the gates; those held out are not
//! looked at. A resumed run takes what was picked from the file, and its weights from its state.

use crate::{
    Error, Recipe, Result, TrainSection,
    kind::Runnable,
    run::{Notice, Watch, batched},
};
use indexmap::IndexSet;
use rankine_data::{Batches, Sample};
use rankine_method::{
    Attached, Choice,
    diffora::{Candidate, Diffora, Start, candidates, is_gate, place, settle},
};
use rankine_random::Rng;
use rankine_report::{Axis, Cell, Column, Heat, Page, Table};
use rankine_train::{
    Alternating, Data, Ending, Event, InTurn, Optimizer, Plan, Schedule, Shape, State, Turns,
};
use std::{ops::ControlFlow, path::Path};

/// Name of the file.
pub(crate) const FILE: &str = "modules.json";

/// What was found.
pub(crate) struct Found {
    /// Every module that was looked at; none where there is no search.
    pub candidates: Vec<Candidate>,
    /// What is trained.
    pub attached: Attached,
}

/// Searches where the recipe's method does, or reads what was `kept` of that, and leaves the model with the picked modules.
/// What the method was attached to is given and returned.
pub(crate) fn found<T: Runnable>(
    recipe: &Recipe,
    (task, train, plan): (&T, &Batches<T::Sample>, &Plan),
    (model, attached): (&mut T::Model, Attached),
    kept: Option<&Path>,
    watch: Watch<'_>,
) -> Result<Found>
where
    T::Sample: Clone,
{
    let Choice::Diffora(method) = &recipe.method else {
        return Ok(Found { candidates: Vec::new(), attached });
    };
    let candidates = match kept {
        Some(path) => read(path)?,
        None => search(recipe, method, (task, train, plan), model, watch)?,
    };
    let attached = settle(T::seen_mut(model), &candidates);
    let _ = watch(Notice::Picked(&candidates));
    Ok(Found { candidates, attached })
}

fn read(path: &Path) -> Result<Vec<Candidate>> {
    let text = fs_err::read_to_string(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let unreadable =
        |error: serde_json::Error| Error::Modules { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_str(&text).map_err(unreadable)
}

fn search<T: Runnable>(
    recipe: &Recipe,
    method: &Diffora,
    (task, train, plan): (&T, &Batches<T::Sample>, &Plan),
    model: &mut T::Model,
    watch: Watch<'_>,
) -> Result<Vec<Candidate>>
where
    T::Sample: Clone,
{
    let rng = Rng::new(recipe.seed).fork("search");
    let [lower, upper] = halves(recipe, train.examples(), &rng)?;
    let turns = Turns { warmup: method.warmup_steps };
    let steps = turns.steps(method.steps_before(plan.schedule.steps));
    let feed = Alternating { lower: &lower, upper: &upper, turns, accumulation: plan.accumulation };
    let inner = TrainSection { weight_decay: 0.0, ..recipe.train.clone() }.optimizer();
    let mut optimizer = InTurn { inner, turns, is_upper: is_gate, upper_rate: method.gate_rate };
    let before = State::capture(&*model, &mut optimizer, 0, None, 0);
    let plan = Plan {
        schedule: Schedule { warmup: 0, steps, shape: Shape::Constant, ..plan.schedule },
        evaluate_every: 0,
        save_every: 0,
        patience: None,
        seed: rng.fork("seed").bits(),
        ..plan.clone()
    };
    let data: Data<'_, T::Sample> = Data { train: &feed, validation: None };
    let slots: (&T, &mut dyn Optimizer) = (task, &mut optimizer);
    let ending = rankine_train::run::<T>(model, data, slots, &plan, None, &mut |event, _| match event {
        Event::Step(step) => watch(Notice::Searching(step.step, steps)),
        _ => ControlFlow::Continue(()),
    })?;
    if ending == Ending::Interrupted {
        return Err(Error::Surgery(rankine_surgery::Error::Interrupted));
    }
    let mut candidates = candidates(T::seen(model));
    method.pick(&mut candidates)?;
    if method.start == Start::Scratch {
        before.restore(model, &mut optimizer)?;
    }
    Ok(candidates)
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

/// Which modules were picked, and the gates that this was decided by.
pub(crate) fn show(candidates: &[Candidate], page: &mut Page) {
    if candidates.is_empty() {
        return;
    }
    let picked = candidates.iter().filter(|candidate| candidate.picked).count();
    let mut table = Table::new([
        Column::text("module"),
        Column::number("gate"),
        Column::number("numbers"),
        Column::text("picked"),
    ]);
    for Candidate { module, gate, numbers, picked } in candidates {
        table.row([
            Cell::text(module),
            Cell::fixed(*gate, 4),
            Cell::from(*numbers),
            Cell::text(if *picked { "yes" } else { "" }),
        ]);
    }
    page.section("Modules picked by their gates")
        .text(format!("{picked} of {} modules are trained; the others are as they were.", candidates.len()))
        .plot(heat("Gates at the end of the search", "gate", candidates, |found| f64::from(found.gate)))
        .plot(heat("Modules that are trained: 1", "picked", candidates, |found| {
            f64::from(u8::from(found.picked))
        }))
        .table(table);
}

/// Layers from top to bottom, and from left to right what modules are in them.
fn heat(title: &str, value: &str, candidates: &[Candidate], of: impl Fn(&Candidate) -> f64) -> Heat {
    let (mut layers, mut roles) = (IndexSet::new(), IndexSet::new());
    let mut places = Vec::new();
    for candidate in candidates {
        let (layer, role) = place(&candidate.module);
        places.push((layers.insert_full(layer).0, roles.insert_full(role).0));
    }
    let mut values = vec![vec![f64::NAN; roles.len()]; layers.len()];
    for ((layer, role), candidate) in places.into_iter().zip(candidates) {
        values[layer][role] = of(candidate);
    }
    Heat::new(title, Axis::linear(value), values)
        .names(layers.into_iter().map(str::to_owned), roles.into_iter().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picked_are_shown_where_they_stand() {
        let candidate =
            |module: &str, gate, picked| Candidate { module: module.to_owned(), gate, numbers: 8, picked };
        let found =
            [candidate("h.0.q", 0.25, false), candidate("h.0.k", 0.75, true), candidate("h.1.k", 0.5, true)];
        let heat = heat("gates", "gate", &found, |candidate| f64::from(candidate.gate));
        assert_eq!(
            (heat.rows, heat.columns),
            (vec!["h.0".to_owned(), "h.1".to_owned()], vec!["q".to_owned(), "k".to_owned()])
        );
        assert_eq!(heat.values[0], [0.25, 0.75]);
        assert!(heat.values[1][0].is_nan() && heat.values[1][1] == 0.5);
        let mut page = Page::new("run");
        show(&found, &mut page);
        let html = page.html();
        assert!(html.contains("2 of 3 modules are trained") && html.contains("h.1.k"), "{html}");
        let mut empty = Page::new("run");
        show(&[], &mut empty);
        assert!(empty.sections.is_empty());
    }
}
