//! Every method on every linear layer, each in a process of its own: seconds, memory, and how many numbers it trains.
//!
//! Settings are those of the papers, with rank 16 where there is a rank. A method that must see the inputs of its weights is
//! shown two batches of 2 × 256 random tokens, which is part of its seconds.

use crate::{Result, alone, figure::Figure, machine, subject};
use rankine_method::{Calibration, Choice, Fields, Method, Shown, attach, calibrate};
use rankine_nn::{
    Kind, LanguageModel as _, Pass, Tokens,
    models::{Llama, Storage},
};
use rankine_random::Rng;
use rankine_tensor::untaped;
use std::time::Instant;

const RANK: i64 = 16;
/// Batches that are shown, at most.
const BATCHES: usize = 2;
/// Examples of a batch.
const EXAMPLES: usize = 2;
/// Tokens of an example.
const LENGTH: usize = 256;
/// What a case measures, and its units.
const FIGURES: [(&str, &str); 4] =
    [("attach", "s"), ("peak resident", "MB"), ("trained", "numbers"), ("random tokens shown", "")];

/// One method, named by the environment.
pub fn case() -> Result<Vec<Figure>> {
    let choice = at_rank(Choice::named(&std::env::var("METHOD").unwrap_or_else(|_| "lora".to_owned()))?);
    let method = choice.method();
    let mut model = subject::model(Storage::F32)?;
    let modules: Vec<String> = subject::linear(&model).into_iter().map(|(module, _)| module).collect();
    machine::forget_peak()?;
    let started = Instant::now();
    let seen = seen(&mut model, method, &modules)?;
    let attached = attach(&mut model, &seen.inform(method), &modules, &Rng::new(0), &mut |_, _| {})?;
    let mut figures = vec![Figure::new("attach", started.elapsed().as_secs_f64(), "s")];
    figures.extend(machine::peak());
    figures.push(Figure::new("trained", attached.trained as f64, "numbers"));
    if method.needs().any() {
        let tokens = seen.batches * EXAMPLES * LENGTH;
        figures.push(Figure::new("random tokens shown", tokens as f64, ""));
    }
    Ok(figures)
}

/// All methods; of one that takes over no linear layers, that it does not.
pub fn run() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for choice in Choice::all() {
        let name = choice.card().name;
        if !choice.method().takes(Kind::Linear) {
            figures.push(Figure::new(format!("{name}: skipped, takes over no linear layer"), 0.0, "numbers"));
            continue;
        }
        let found = alone("methods-case", &[("METHOD", name.to_owned())])
            .map_err(|error| format!("`{name}`: {error}"))?;
        for (what, unit) in FIGURES {
            let value = found.get(what).map(|&value| Figure::new(format!("{name}: {what}"), value, unit));
            figures.extend(value);
        }
    }
    Ok(figures)
}

/// A method that has no rank refuses one, and stays as it is.
fn at_rank(choice: Choice) -> Choice {
    let rank = Fields::from_iter([("rank".to_owned(), RANK.into())]);
    choice.clone().with(&rank).unwrap_or(choice)
}

/// What the method must see of the inputs of the modules; of most, nothing.
fn seen(model: &mut Llama, method: &dyn Method, modules: &[String]) -> Result<Calibration> {
    let mut batches = (0..BATCHES).map(batch);
    calibrate(model, modules, &method.needs(), &Rng::new(0), &mut |model| {
        let Some(tokens) = batches.next() else { return Ok(Shown::Nothing) };
        untaped(|| model.hidden(&tokens, &mut Pass::quiet()))?;
        Ok(Shown::All)
    })
}

fn batch(index: usize) -> Tokens {
    let mut rng = Rng::new(7).fork_index("batch", index);
    let ids: Vec<u32> = (0..EXAMPLES * LENGTH).map(|_| rng.below(subject::VOCABULARY) as u32).collect();
    Tokens::packed(&ids, &[LENGTH; EXAMPLES])
}
