//! The page of an experiment of this setting: the claim, the best of every sweep, the sweeps, and plots of them.

use super::{
    Course, Run, Sweep, mean,
    sweep::{Best, Contest},
};
use crate::{
    Claim,
    findings::{self, Finding, Story},
};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table, format};

/// The claim with its page; it holds where every finding does.
pub(crate) fn claim(story: &Story<'_>, findings: &[Finding], sweep: &Sweep) -> Claim {
    let (holds, mut page) = (findings::hold(findings), findings::page(story, findings));
    section(sweep, &mut page);
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "transfer": sweep });
    Claim { statement: story.statement.to_owned(), holds, page, numbers }
}

/// The section of a sweep of this setting.
pub(crate) fn section(sweep: &Sweep, page: &mut Page) {
    page.section("Transfer between classes of Fashion-MNIST").text(setting_words(sweep));
    show(sweep, page);
}

/// Tables and plots of a sweep.
pub(crate) fn show<S: Course>(sweep: &Sweep<String, S>, page: &mut Page) {
    page.table(best_table(sweep)).table(rates_table(sweep));
    page.plot(against_rate(sweep, "Early loss", Axis::log("loss in nats"), |run| run.early));
    page.plot(against_rate(sweep, "Accuracy", accuracy_axis::<S>(), |run| 100.0 * run.accuracy));
    page.plot(against_size(sweep));
}

fn accuracy_axis<S: Course>() -> Axis {
    Axis::linear(format!("accuracy on {} in %", S::SAMPLES))
}

fn setting_words(sweep: &Sweep) -> String {
    let setting = &sweep.setting;
    let (network, trained) = match setting.hidden.as_slice() {
        [] => ("A network of two convolutions and a hidden layer".to_owned(), "convolutions"),
        hidden => (format!("A network with hidden layers of {hidden:?}"), "hidden layers"),
    };
    format!(
        "{network} is pretrained on five classes for {} steps ({} of their test images are then \
         classified rightly) and moved to the other five: a new head at learning rate {:e}, and the {trained} by every \
         method at every learning rate of its own sweep. AdamW at constant rates, {} images a step, {} steps; seeds: {}. \
         Every method starts from the same network and sees the same batches. The best learning rate is chosen on \
         the test images, for every method alike. Noise is one standard error of a difference of accuracies: that of {} \
         test images, or that between seeds where it is larger.",
        setting.pretraining_steps,
        percent(mean(&sweep.pretrained_accuracy)),
        setting.head_rate,
        setting.batch,
        setting.steps,
        setting.seeds.len(),
        format::count(sweep.samples as u64),
    )
}

/// A fair comparison lets every method choose its learning rate.
fn best_table<S>(sweep: &Sweep<String, S>) -> Table {
    let columns = [
        Column::text("Method"),
        Column::number("Trained numbers"),
        Column::number("Lowest early loss").unit("nats"),
        Column::number("at rate"),
        Column::number("Lowest late loss").unit("nats"),
        Column::number("at rate"),
        Column::number("Highest accuracy").unit("%"),
        Column::number("at rate"),
    ];
    let caption =
        "The best of the sweep for each method; * the rate ends the sweep, a better one may lie beyond";
    let mut table = Table::new(columns).caption(caption);
    for label in sweep.arms.iter().map(|arm| arm.label.as_str()) {
        let (early, late) = (sweep.lowest(label, |run| run.early), sweep.lowest(label, |run| run.late));
        let accuracy = sweep.best_accuracy(label);
        let [early_rate, late_rate, accuracy_rate] =
            [early, late, accuracy].map(|best| Cell::text(best.rate_words()));
        table.row([
            Cell::text(label),
            Cell::from(sweep.trained(label)),
            Cell::fixed(early.value, 3),
            early_rate,
            Cell::fixed(late.value, 3),
            late_rate,
            Cell::fixed(100.0 * accuracy.value, 2),
            accuracy_rate,
        ]);
    }
    table
}

fn rates_table<S: Course>(sweep: &Sweep<String, S>) -> Table {
    let columns = [
        Column::text("Method"),
        Column::number("Learning rate"),
        Column::number("Early loss").unit("nats"),
        Column::number("Late loss").unit("nats"),
        Column::number("Accuracy").unit("%"),
    ];
    let window = sweep.setting.window();
    let mut table = Table::new(columns).caption(format!(
        "The sweeps: mean loss of the first and of the last {window} steps, accuracy on {}; means over the seeds",
        S::SAMPLES,
    ));
    for arm in &sweep.arms {
        for &rate in &arm.rates {
            let mean = |figure: fn(&Run) -> f64| sweep.mean(&arm.label, rate, figure);
            let loss = |value: f64| {
                if value.is_finite() { Cell::fixed(value, 3) } else { Cell::text("diverged") }
            };
            table.row([
                Cell::text(&arm.label),
                Cell::text(rate_words(rate)),
                loss(mean(|run| run.early)),
                loss(mean(|run| run.late)),
                Cell::fixed(100.0 * mean(|run| run.accuracy), 2),
            ]);
        }
    }
    table
}

fn against_rate<S>(sweep: &Sweep<String, S>, what: &str, axis: Axis, figure: fn(&Run) -> f64) -> Lines {
    let mut plot = Lines::new(format!("{what} against learning rate"), Axis::log("learning rate"), axis);
    for arm in &sweep.arms {
        let at = |&rate: &f32| (f64::from(rate), sweep.mean(&arm.label, rate, figure));
        plot = plot.series(Series::new(&arm.label, arm.rates.iter().map(at)).style(Style::Marked));
    }
    plot
}

/// The best accuracy of every arm; the ranks of one method are joined.
fn against_size<S: Course>(sweep: &Sweep<String, S>) -> Lines {
    let title = "Best accuracy against trained numbers";
    let mut plot = Lines::new(title, Axis::log("trained numbers beside the head"), accuracy_axis::<S>());
    for label in sweep.arms.iter().map(|arm| arm.label.as_str()) {
        let point = (sweep.trained(label) as f64, 100.0 * sweep.best_accuracy(label).value);
        let family = label.split_once(" r=").map_or(label, |(family, _)| family);
        match plot.series.iter_mut().find(|series| series.name == family) {
            Some(series) => series.points.push(point),
            None => plot.series.push(Series::new(family, [point]).style(Style::Marked)),
        }
    }
    plot
}

/// Mean loss curves over the seeds, one an arm, at one learning rate.
pub(crate) fn mean_losses<S>(sweep: &Sweep<String, S>, rate: f32) -> Lines {
    /// Smoothing: about ten steps.
    const SMOOTHING: f64 = 0.9;
    let title = format!("Loss at learning rate {}", rate_words(rate));
    let mut plot = Lines::new(title, Axis::linear("step"), Axis::log("loss in nats")).smoothing(SMOOTHING);
    for label in sweep.arms.iter().map(|arm| arm.label.as_str()) {
        let steps = sweep.of(label, rate).map(|run| run.losses.len()).min().unwrap_or(0);
        let points =
            (0..steps).map(|step| (step as f64 + 1.0, sweep.mean(label, rate, |run| run.losses[step])));
        plot = plot.series(Series::new(label, points));
    }
    plot
}

impl Best {
    /// The rate, with a `*` where it ends the sweep.
    fn rate_words(&self) -> String {
        format!("{}{}", rate_words(self.rate), if self.edge { "*" } else { "" })
    }
}

impl Contest {
    /// Both accuracies with their rates, the gap and its noise.
    pub(crate) fn words(&self) -> String {
        let [ours, theirs] =
            [self.ours, self.theirs].map(|best| format!("{} at {}", percent(best.value), best.rate_words()));
        format!("{ours} against {theirs}: {}", self.gap.points())
    }
}

/// `512 trained numbers against 12,416: 24.2 times fewer`.
pub(crate) fn size_words<S>(sweep: &Sweep<String, S>, ours: &str, theirs: &str) -> String {
    let count = |arm| format::count(sweep.trained(arm) as u64);
    format!("{} against {}: {:.1} times fewer", count(ours), count(theirs), sweep.times_fewer(ours, theirs))
}

/// A learning rate as it is written.
pub(crate) fn rate_words(rate: f32) -> String {
    format!("{rate:e}")
}

/// A share in per cent, to a hundredth: a gap of accuracies is a few of them.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
