//! The page of the PiSSA experiment.

use super::{
    Arm, claims,
    language::Tuning,
    mean,
    rounding::Rounding,
    spectra::Spectra,
    transfer::{Run, Transfer},
};
use crate::{
    Claim,
    findings::{hold, page_of_part},
};
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Table};

const ARMS: [Arm; 3] = [Arm::Full, Arm::Pissa, Arm::Lora];

/// Smoothing of the loss curves: about ten steps.
const SMOOTHING: f64 = 0.9;

pub(super) fn claim(transfer: &Transfer, tuning: Option<&Tuning>, rounded: &[Rounding]) -> Claim {
    let findings = claims::findings(transfer, tuning, rounded);
    let (holds, missing) = (hold(&findings), claims::not_run(tuning, rounded));
    let mut page = page_of_part(&claims::STORY, &findings, &missing);
    show_transfer(transfer, &mut page);
    match tuning {
        Some(tuning) => show_tuning(tuning, &mut page),
        None => {
            page.section("B. Fine-tuning a language model");
            page.note(Level::Note, "not run: no language model with data was given; `--model smollm2-135m --data alpaca.json` does");
        }
    }
    page.section("C. The base in four bits").text(
        "Matrices are rounded to NF4 in blocks of 64, beside a branch. The share of the rounding error that the branch makes up \
         for, in the nuclear norm, after 1 and after 5 turns; QLoRA's, which starts at zero, makes up for nothing. LoftQ \
         rounds first, QPiSSA takes the principal part out first: where the spectrum is flat, LoftQ can be ahead after 1 turn.",
    );
    rounded.iter().for_each(|rounding| rounding.show(&mut page));
    let numbers = serde_json::json!({
        "holds": holds, "findings": findings, "transfer": transfer, "language_model": tuning, "four_bits": rounded,
    });
    Claim { statement: claims::STORY.statement.to_owned(), holds, page, numbers }
}

fn show_transfer(transfer: &Transfer, page: &mut Page) {
    let settings = &transfer.settings;
    page.section("A. Transfer between classes of Fashion-MNIST");
    page.text(format!(
        "A network with hidden layers of {:?} is pretrained on five classes for {} steps, then moved to the other five: a \
         new head at learning rate {:e}, and the hidden layers trained in full, by PiSSA and by LoRA of rank {}. AdamW, \
         {} images a step, {} steps; every method sees the same batches and starts at the same loss.",
        settings.hidden, settings.pretraining_steps, settings.head_rate, settings.rank, settings.batch, settings.steps,
    ));
    page.facts(&[(
        "Accuracy of the pretrained network on its own classes",
        Cell::Percent(mean(&transfer.pretrained_accuracy)),
    )]);
    page.table(rates_table(transfer)).table(best_table(transfer));
    for &rate in &settings.rates {
        page.plot(transfer_plot(transfer, rate));
    }
    transfer.spectra.iter().for_each(|spectra| show_spectra(spectra, settings.rank, page));
}

fn rates_table(transfer: &Transfer) -> Table {
    let window = transfer.settings.window;
    let columns = [
        Column::number("Learning rate"),
        Column::text("Method"),
        Column::number("Trained numbers"),
        Column::number("Early loss").unit("nats"),
        Column::number("Late loss").unit("nats"),
        Column::number("Accuracy"),
        Column::text("PiSSA's early loss below LoRA's"),
    ];
    let caption = format!(
        "Mean loss of the first and of the last {window} steps, accuracy on test images; means over the seeds"
    );
    let mut table = Table::new(columns).caption(caption);
    for &rate in &transfer.settings.rates {
        for arm in ARMS {
            let mean = |figure: fn(&Run) -> f64| transfer.mean(arm, rate, figure);
            let order = transfer.ordered(rate);
            let below = order.iter().filter(|below| **below).count();
            table.row([
                Cell::text(format!("{rate:e}")),
                Cell::text(arm.name()),
                Cell::from(transfer.of(arm, rate).first().map(|run| run.trained)),
                Cell::fixed(mean(|run| run.early), 3),
                Cell::fixed(mean(|run| run.late), 3),
                Cell::Percent(mean(|run| run.accuracy)),
                match arm {
                    Arm::Pissa => Cell::text(format!("in {below} of {} seeds", order.len())),
                    Arm::Full | Arm::Lora => Cell::text(""),
                },
            ]);
        }
    }
    table
}

/// Best of the sweep: a fair comparison lets every method choose its learning rate.
fn best_table(transfer: &Transfer) -> Table {
    let columns = [
        Column::text("Method"),
        Column::number("Lowest early loss").unit("nats"),
        Column::number("at rate"),
        Column::number("Lowest late loss").unit("nats"),
        Column::number("at rate"),
        Column::number("Highest accuracy"),
        Column::number("at rate"),
    ];
    let mut table = Table::new(columns).caption("The best of the sweep for each method");
    for arm in ARMS {
        let best = |figure: fn(&Run) -> f64| {
            let candidates =
                transfer.settings.rates.iter().map(|&rate| (transfer.mean(arm, rate, figure), rate));
            candidates.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::NAN, f32::NAN))
        };
        let (early, late, error) =
            (best(|run| run.early), best(|run| run.late), best(|run| 1.0 - run.accuracy));
        let rate = |rate: f32| Cell::text(format!("{rate:e}"));
        table.row([
            Cell::text(arm.name()),
            Cell::fixed(early.0, 3),
            rate(early.1),
            Cell::fixed(late.0, 3),
            rate(late.1),
            Cell::Percent(1.0 - error.0),
            rate(error.1),
        ]);
    }
    table
}

fn transfer_plot(transfer: &Transfer, rate: f32) -> Lines {
    let title = format!("Loss at learning rate {rate:e}");
    let mut plot = Lines::new(title, Axis::linear("step"), Axis::log("loss in nats"));
    for arm in ARMS {
        let runs = transfer.of(arm, rate);
        let steps = runs.iter().map(|run| run.losses.len()).min().unwrap_or(0);
        let at = |step: usize| mean(&runs.iter().map(|run| run.losses[step]).collect::<Vec<_>>());
        plot = plot.series(Series::new(arm.name(), (0..steps).map(|step| (step as f64 + 1.0, at(step)))));
    }
    plot.smoothing = Some(SMOOTHING);
    plot
}

fn show_tuning(tuning: &Tuning, page: &mut Page) {
    let settings = &tuning.settings;
    page.section("B. Fine-tuning a language model");
    page.text(format!(
        "{} on `{}`: rank {} on every linear layer, AdamW at {:e}, {} examples a step, {} steps, loss on answers. Both \
         methods see the same batches.",
        tuning.model, tuning.data, settings.rank, settings.learning_rate, settings.batch, settings.steps,
    ));
    let columns = [
        Column::text("Method"),
        Column::number("Trained numbers"),
        Column::number("Loss, first third").unit("nats"),
        Column::number("Loss, last third").unit("nats"),
        Column::number("Held out, at the end").unit("nats"),
    ];
    let mut table = Table::new(columns).caption("Mean loss of answer tokens");
    let mut plot = Lines::new("Training loss", Axis::linear("step"), Axis::linear("loss in nats"));
    for run in &tuning.runs {
        table.row([
            Cell::text(run.arm.name()),
            Cell::from(run.trained),
            Cell::fixed(run.early, 4),
            Cell::fixed(run.late, 4),
            run.held_out.map_or(Cell::Missing, |nll| Cell::fixed(nll, 4)),
        ]);
        let points = run.losses.iter().enumerate().map(|(step, &loss)| (step as f64 + 1.0, loss));
        plot = plot.series(Series::new(run.arm.name(), points));
    }
    plot.smoothing = Some(SMOOTHING);
    page.table(table).plot(plot);
    tuning.spectra.iter().for_each(|spectra| show_spectra(spectra, settings.rank, page));
}

fn show_spectra(spectra: &Spectra, rank: usize, page: &mut Page) {
    let points = |values: &[f32], skipped: usize| {
        let numbered =
            values.iter().enumerate().skip(skipped).map(|(index, &s)| (index as f64 + 1.0, f64::from(s)));
        numbered.collect::<Vec<_>>()
    };
    // The residual has lost its first `rank` directions: aligned with the weight's, its values lie on the same curve.
    let residual: Vec<(f64, f64)> = points(&spectra.residual, 0)
        .into_iter()
        .take(spectra.residual.len().saturating_sub(rank))
        .map(|(index, s)| (index + rank as f64, s))
        .collect();
    let title = format!("Singular values of {}", spectra.path);
    let plot = Lines::new(title, Axis::linear("index"), Axis::log("singular value"))
        .series(Series::new("weight", points(&spectra.weight, 0)))
        .series(Series::new(format!("frozen residual, from index {}", rank + 1), residual));
    page.plot(plot);
}
