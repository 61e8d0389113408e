//! The page of the experiment.

use super::{
    runs::{EPSILON, EPSILONS, Losses, Run, Scaled, TOP},
    study::Study,
};
use crate::{
    Claim,
    findings::{self, Finding, Story},
    transfer::{FULL, percent, rate_words},
};
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Style, Table};

const STORY: Story<'_> = Story {
    title: "Intruder dimensions: what LoRA adds, and what it forgets by it",
    statement: "tuned to the same loss, LoRA of low rank has intruder dimensions where full fine-tuning has fewer, and scaling \
                them back brings forgotten knowledge back",
    about: "An intruder dimension is a leading singular vector of a tuned matrix that is nearly orthogonal to all of its base's. \
            It is looked for without data, and made smaller without training.",
};

/// λ of the finding: peft's.
const FACTOR: f64 = 0.75;

/// By how much a run may miss the training loss of full fine-tuning.
const SLACK: f64 = 0.02;

/// The share of what was forgotten that should come back, and the share by which the loss of what was learnt may rise for it.
const BACK: f64 = 0.1;
const COST: f64 = 0.1;

pub(super) fn claim(studies: &[Study]) -> Claim {
    let found: Vec<Finding> = studies.iter().flat_map(sentences).collect();
    let (holds, mut page) = (findings::hold(&found), findings::page(&STORY, &found));
    studies.iter().for_each(|study| show(study, &mut page));
    if studies.len() < 2 {
        page.section("A language model").note(
            Level::Note,
            "not run: no language model with data was given; `--full --model smollm2-135m --data texts.txt` does",
        );
    }
    let numbers = serde_json::json!({
        "holds": holds,
        "findings": found,
        "epsilons": EPSILONS,
        "studies": studies,
    });
    Claim { statement: STORY.statement.to_owned(), holds, page, numbers }
}

/// What is claimed, said of one model.
fn sentences(study: &Study) -> Vec<Finding> {
    let lora: Vec<&str> = study.labels().into_iter().filter(|label| label.starts_with("LoRA")).collect();
    let (Some(&low), Some(&high)) = (lora.first(), lora.last()) else { return Vec::new() };
    let of = |figure: fn(&Run) -> f64| [FULL, low, high].map(|label| study.mean(label, figure));
    let [full_count, low_count, high_count] = of(Run::count);
    let [full_loss, ..] = of(|run| run.loss);
    let losses = lora.iter().map(|label| study.mean(label, |run| run.loss));
    let worst = findings::largest(losses);
    let [full_forgot, low_forgot, _] = of(Run::forgot);
    let counted = format!("triples below ε = {EPSILON}, the first {TOP} of {} matrices", study.matrices);
    let mut found = vec![
        Finding::new(
            "LoRA of every rank comes to the training loss of full fine-tuning",
            "the same accuracy on six tasks",
            format!("{worst:.3} at most against {full_loss:.3}"),
            worst <= full_loss * (1.0 + SLACK),
        ),
        Finding::new(
            format!("{low} has more intruders than full fine-tuning"),
            "many at ranks up to 16, of full fine-tuning hardly any",
            format!("{low_count:.1} against {full_count:.1} {counted}"),
            full_count < low_count,
        ),
        Finding::new(
            format!("{high} has fewer intruders than {low}"),
            "none at rank 2048 (LLaMA-2 7B)",
            format!("{high_count:.1} against {low_count:.1} {counted}"),
            high_count < low_count,
        ),
        Finding::new(
            format!("{low} forgets more than full fine-tuning"),
            "Spearman's correlation of intruders and forgetting 0.97",
            format!("{low_forgot:+.3} against {full_forgot:+.3} nats on what was known before"),
            full_forgot < low_forgot,
        ),
    ];
    found.extend(mitigation(study, low));
    found
        .into_iter()
        .map(|found| Finding { claim: format!("{}: {}", study.name, found.claim), ..found })
        .collect()
}

/// What scaling the intruders of one arm does.
fn mitigation(study: &Study, label: &str) -> [Finding; 2] {
    let mean = |figure: fn(&Run, Losses) -> f64, which: Which| {
        study.mean(label, |run| {
            let scaled = run.scaled.iter().find(|scaled| scaled.factor == FACTOR);
            scaled.map_or(f64::NAN, |scaled| figure(run, which(scaled)))
        })
    };
    let (back, cost) =
        (mean(Run::back, |scaled| scaled.intruders), mean(Run::cost, |scaled| scaled.intruders));
    let control = mean(Run::back, |scaled| scaled.neighbours);
    let forgot = study.mean(label, Run::forgot);
    [
        Finding::new(
            format!(
                "intruders of {label} times {FACTOR}: a tenth or more of what was forgotten is back, and the loss of what was \
                 learnt rises by less than a tenth"
            ),
            "33 % of the forgetting gone at λ = 0.7, accuracy as before (RoBERTa, r = 8)",
            format!("{} back, the other loss {:+.2} %", percent(back), 100.0 * cost),
            0.0 < forgot && BACK <= back && cost < COST,
        ),
        Finding::new(
            "their neighbours that the base had too, times the same, bring less back",
            "forgetting grows",
            format!("{} back", percent(control)),
            control < back,
        ),
    ]
}

fn show(study: &Study, page: &mut Page) {
    let setting = &study.setting;
    page.section(format!("{}: what tuning adds", study.name)).text(format!(
        "{} AdamW at constant rates, gradients cut at length 1. Full fine-tuning at {} takes {} steps; all other runs go on until \
         the mean loss of their last steps is as low. LoRA has α = 2r and learning rate {}/r.",
        study.about,
        setting.full_rates.first().map_or_else(String::new, |&rate| rate_words(rate)),
        setting.steps,
        rate_words(setting.lora_rate),
    ));
    page.table(table(study)).plot(against_epsilon(study));
    page.section(format!("{}: intruders scaled back", study.name)).text(
        "The singular values of all intruders are multiplied by λ, and for comparison those of as many triples near them that \
         the base had too. What was known before is lost by tuning; at λ = 1 all of it is.",
    );
    for label in study.labels() {
        if study.runs.iter().any(|run| run.label == label && !run.scaled.is_empty()) {
            page.plot(against_factor(study, label));
        }
    }
}

fn table(study: &Study) -> Table {
    let columns = [
        Column::text("Method"),
        Column::number("Steps"),
        Column::number("Training loss").unit("nats"),
        Column::number("Learnt, held out").unit("nats"),
        Column::number("Forgotten").unit("nats"),
        Column::number("Change").unit("% of ‖W‖"),
        Column::number("Effective rank"),
        Column::number("Intruders"),
    ];
    let mut table = Table::new(columns).caption(format!(
        "Means over the seeds; intruders among the first {TOP} triples of {} matrices at ε = {EPSILON}, the effective rank is that \
         of the change",
        study.matrices,
    ));
    for label in study.labels() {
        let mean = |figure: fn(&Run) -> f64| study.mean(label, figure);
        table.row([
            Cell::text(label),
            Cell::fixed(mean(|run| run.steps as f64), 0),
            Cell::fixed(mean(|run| run.loss), 3),
            Cell::fixed(mean(|run| run.after.tuned), 3),
            Cell::fixed(mean(Run::forgot), 3),
            Cell::fixed(100.0 * mean(|run| run.relative), 1),
            Cell::fixed(mean(|run| run.effective_rank), 1),
            Cell::fixed(mean(Run::count), 1),
        ]);
    }
    table
}

fn against_epsilon(study: &Study) -> Lines {
    let title = format!("{}: intruder dimensions against ε", study.name);
    let mut plot = Lines::new(title, Axis::linear("ε"), Axis::linear("intruders in all matrices"));
    for label in study.labels() {
        let count = |at: usize| study.mean(label, |run| run.intruders[at] as f64);
        let points = EPSILONS.iter().enumerate().map(|(at, &epsilon)| (epsilon, count(at)));
        plot = plot.series(Series::new(label, points).style(Style::Marked));
    }
    plot
}

/// What was forgotten, and what was learnt, beside λ.
fn against_factor(study: &Study, label: &str) -> Lines {
    let title = format!("{}, {label}: losses with scaled triples", study.name);
    let mut plot = Lines::new(title, Axis::linear("λ"), Axis::linear("loss in nats"));
    for (name, which, figure) in LINES {
        let whole = study.mean(label, |run| figure(run.after));
        // A seed without intruders has nothing to scale.
        let at =
            |place: usize| study.mean(label, |run| figure(run.scaled.get(place).map_or(run.after, which)));
        let scaled = study.setting.factors.iter().enumerate().map(|(place, &factor)| (factor, at(place)));
        let points = [(1.0, whole)].into_iter().chain(scaled);
        plot = plot.series(Series::new(name, points).style(Style::Marked));
    }
    plot
}

type Which = fn(&Scaled) -> Losses;
type Figure = fn(Losses) -> f64;

const LINES: [(&str, Which, Figure); 4] = [
    ("known before, intruders scaled", |scaled| scaled.intruders, |losses| losses.base),
    ("known before, neighbours scaled", |scaled| scaled.neighbours, |losses| losses.base),
    ("learnt, intruders scaled", |scaled| scaled.intruders, |losses| losses.tuned),
    ("learnt, neighbours scaled", |scaled| scaled.neighbours, |losses| losses.tuned),
];
