//! The page: claims, tables and plots, network by network.

use super::{LEVELS, Plan, claims, measured::Measured, shallow, trial::Contender, trial::Patch};
use crate::{
    Claim,
    damage::Damage,
    findings::{self, Story},
};
use rankine_report::{Axis, Bars, Cell, Column, Heat, Level, Lines, Page, Series, Style, Table};

const STORY: Story<'_> = Story {
    title: "Robust weight signatures: patches against damage",
    statement: "what training on damaged images teaches beyond training on clean ones, added to the shallow layers of a clean \
                network, makes it better on the damage; patches go together, stay when they are rounded and can be taken off",
    about: "A robust weight signature is the part of what training on damaged images changed that is at right angles to what \
            training on clean ones changed, tensor by tensor.",
};

/// Beyond such a drift the networks are hardly in one valley, and patches hurt.
const FAR: f64 = 0.3;

pub(super) fn claim(measured: &[Measured]) -> Claim {
    let findings: Vec<_> = measured.iter().flat_map(claims::findings).collect();
    let mut page = findings::page(&STORY, &findings);
    for measured in measured {
        show(measured, &mut page);
    }
    let holds = findings::hold(&findings);
    let numbers = serde_json::json!({ "holds": holds, "findings": findings, "networks": measured });
    Claim { statement: STORY.statement.to_owned(), holds, page, numbers }
}

fn show(measured: &Measured, page: &mut Page) {
    let setting = &measured.setting;
    page.section(format!("A network of {}", measured.network)).text(format!(
        "Pretrained for {} steps on images moved by up to two pixels and made darker or brighter; from there tuned for {} steps on \
         clean images and, every time anew, on images with one kind of damage. Shallow are the first {} of {} layers. Seeds: {}.",
        setting.pretraining_steps,
        setting.steps,
        shallow(measured.depth),
        measured.depth,
        setting.seeds.len(),
    ));
    if let Some(drift) = measured.drift.iter().find(|drift| FAR < **drift) {
        page.note(
            Level::Warning,
            format!("robust and clean networks are {drift:.2} of the length of the pretrained one apart: patches may hurt"),
        );
    }
    page.table(accuracies(measured)).plot(matrix(measured)).plot(over_layers(measured));
    page.plot(over_weight(measured)).plot(drift(measured));
}

/// Everything that is judged on its own damage and on clean images.
fn accuracies(measured: &Measured) -> Table {
    let mut columns = vec![Column::text("Network")];
    for damage in &measured.damages {
        columns.push(Column::number(format!("On {}", damage.name())).unit("%"));
        columns.push(Column::number("on clean images").unit("%"));
    }
    let mut table = Table::new(columns).caption("Accuracy on test images, means over the seeds");
    let whole = |damage: Damage| Plan::patch(damage, shallow(measured.depth));
    let mut row = |name: &str, contender: &dyn Fn(Damage) -> Contender| {
        let cells = measured.damages.iter().flat_map(|&damage| {
            let contender = contender(damage);
            [Some(damage), None].map(|test| Cell::fixed(100.0 * measured.accuracy(&contender, test), 2))
        });
        table.row([Cell::text(name)].into_iter().chain(cells));
    };
    row("clean", &|_| Contender::Clean);
    row("patched", &|damage| Contender::Patched(whole(damage)));
    row("patched in all layers", &|damage| Contender::Patched(Plan::patch(damage, measured.depth)));
    for levels in LEVELS {
        row(&format!("patched, {levels} values"), &|damage| {
            Contender::Patched(Patch { levels, ..whole(damage) })
        });
    }
    row("half clean, half robust", &Contender::Average);
    row("shallow layers of the robust one", &Contender::Grafted);
    row("robust: trained on the damage", &Contender::Robust);
    table
}

/// What every patch does on every damage.
fn matrix(measured: &Measured) -> Heat {
    let gains = |&patch: &Damage| {
        let patched = measured.patched(patch);
        measured.damages.iter().map(|&damage| 100.0 * measured.gain(&patched, damage)).collect()
    };
    let names = |word: &str| {
        let names = measured.damages.iter().map(|damage| format!("{word} {}", damage.name()));
        names.collect::<Vec<_>>()
    };
    let title = format!("What patches gain, {}", measured.network);
    Heat::new(title, Axis::linear("points"), measured.damages.iter().map(gains).collect())
        .names(names("patch"), names("on"))
}

fn over_layers(measured: &Measured) -> Lines {
    let title = format!("Accuracy on the damage over the layers patched, {}", measured.network);
    let mut plot = Lines::new(title, Axis::linear("layers from the input"), Axis::linear("accuracy in %"));
    for &damage in &measured.damages {
        let accuracy = |contender| 100.0 * measured.accuracy(&contender, Some(damage));
        let patched = (1..=measured.depth)
            .map(|layers| (layers as f64, accuracy(Contender::Patched(Plan::patch(damage, layers)))));
        let points = [(0.0, accuracy(Contender::Clean))].into_iter().chain(patched);
        plot = plot.series(Series::new(damage.name(), points).style(Style::Marked));
    }
    plot
}

fn over_weight(measured: &Measured) -> Lines {
    let title = format!("Accuracy over the weight of a patch, {}", measured.network);
    let mut plot = Lines::new(title, Axis::linear("weight"), Axis::linear("accuracy in %"));
    let mut weights: Vec<f64> = measured.weights.iter().copied().chain([1.0]).collect();
    weights.sort_by(f64::total_cmp);
    for &damage in &measured.damages {
        for (test, name) in [(Some(damage), "on it"), (None, "on clean images")] {
            let accuracy = |contender| 100.0 * measured.accuracy(&contender, test);
            let whole = Plan::patch(damage, shallow(measured.depth));
            let patched = weights
                .iter()
                .map(|&weight| (weight, accuracy(Contender::Patched(Patch { weight, ..whole.clone() }))));
            let points = [(0.0, accuracy(Contender::Clean))].into_iter().chain(patched);
            plot =
                plot.series(Series::new(format!("{}, {name}", damage.name()), points).style(Style::Marked));
        }
    }
    plot
}

fn drift(measured: &Measured) -> Bars {
    let title = format!("How far training on damage leads away, {}", measured.network);
    let plot = Bars::new(title, Axis::linear("‖robust − clean‖ / ‖pretrained‖"));
    let layers = measured.drift.iter().zip(1..);
    layers.fold(plot, |plot, (drift, layer)| plot.bar(format!("layer {layer}"), *drift))
}
