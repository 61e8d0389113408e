//! The search for modules: branches and gates in turn, each on half of the new images; and what follows on it from there.

use super::{Pick, Plan, WARM, label};
use crate::{
    Images, Result,
    transfer::{self, Rates, Run, Split, Start, Treatment},
};
use rankine_method::{
    Choice,
    diffora::{Candidate, Diffora, candidates, is_gate, settle},
};
use rankine_random::Rng;
use rankine_train::{AdamW, InTurn, Turn, Turns};

/// What is picked at a learning rate, and how the picked modules do that go on from what they learnt.
pub(super) fn search(
    plan: &Plan,
    start: &Start,
    images: &Split,
    (seed, rate): (u64, f32),
) -> Result<(Pick, Run)> {
    let (method, setting) = (plan.method(), &plan.setting);
    let rng = Rng::new(seed).fork("diffora");
    let rates = Rates { hidden: rate, head: setting.head_rate };
    let treatment = Treatment::Part(Choice::Diffora(method.clone()), plan.candidates());
    let (mut model, _) = start.attached(&treatment)?;
    let turns = Turns { warmup: method.warmup_steps };
    let steps = method.steps_before(setting.steps);
    let (halves, streams) = (halves(&images.train), ["lower", "upper"].map(|name| rng.fork(name)));
    let [mut lower, mut upper] = [0, 1].map(|half| halves[half].steps(setting.batch, &streams[half]));
    let batches = (1..=turns.steps(steps)).filter_map(|step| match turns.at(step) {
        Turn::Lower(_) => lower.next().map(|rows| halves[0].batch(&rows)),
        Turn::Upper(_) => upper.next().map(|rows| halves[1].batch(&rows)),
    });
    let inner = AdamW::default();
    let mut optimizer = InTurn { inner, turns, is_upper: is_gate, upper_rate: method.gate_rate };
    transfer::follow(&mut model, batches, &mut optimizer, rates)?;
    let mut found = candidates(&model);
    method.pick(&mut found)?;
    let pick = pick(&method, &found, (seed, rate))?;
    let trained = settle(&mut model, &found).trained;
    let rest = (setting.steps.saturating_sub(steps), setting.batch);
    let losses = transfer::train(&mut model, &images.train, &rng.fork("warm"), rest, rates)?;
    let window = setting.window.min(losses.len());
    let (early, late) = (transfer::mean(&losses[..window]), transfer::mean(&losses[losses.len() - window..]));
    let accuracy = transfer::accuracy(&model, &images.test)?;
    Ok((pick, Run { arm: WARM.to_owned(), rate, seed, trained, losses, early, late, accuracy }))
}

fn pick(method: &Diffora, found: &[Candidate], (seed, rate): (u64, f32)) -> Result<Pick> {
    let mut reversed: Vec<Candidate> =
        found.iter().map(|candidate| Candidate { gate: 1.0 - candidate.gate, ..candidate.clone() }).collect();
    method.pick(&mut reversed)?;
    let picked = |all: &[Candidate]| {
        let modules =
            all.iter().filter(|candidate| candidate.picked).map(|candidate| candidate.module.clone());
        label(&modules.collect::<Vec<_>>())
    };
    let gates = found.iter().map(|candidate| candidate.gate).collect();
    Ok(Pick { seed, rate, gates, choice: picked(found), bottom: picked(&reversed) })
}

/// Every other image, from the first and from the second on.
fn halves(images: &Images) -> [Images; 2] {
    [0, 1].map(|first| {
        let mut half = Images { pixels: Vec::new(), width: images.width, labels: Vec::new() };
        let rows = images.pixels.chunks_exact(images.width).zip(&images.labels);
        for (row, &label) in rows.skip(first).step_by(2) {
            half.pixels.extend_from_slice(row);
            half.labels.push(label);
        }
        half
    })
}
