//! The section of a page about an encoder.

use super::{Setting, Tuning};
use crate::{
    Claim,
    transfer::{self, mean, rate_words},
};
use rankine_checkpoint::layer_and_role;
use rankine_report::{Axis, Cell, Column, Heat, Level, Table, format};

/// Adds what was measured to a claim, or how to have it measured.
pub(crate) fn show(tuning: Option<&Tuning>, claim: &mut Claim) {
    let page = &mut claim.page;
    match tuning {
        Some(tuning) => {
            page.section(format!("{} on labelled texts", tuning.model)).text(setting_words(tuning));
            transfer::show(&tuning.sweep, page);
            page.table(matthews(tuning));
        }
        None => {
            page.section("A text encoder on labelled texts").note(
                Level::Note,
                "not run: no encoder was given; `--model all-minilm-l6-v2 --data mails.jsonl` gives one with texts, in fields \
                 `text` and `label`",
            );
        }
    }
    claim.numbers["encoder"] = serde_json::json!(tuning);
}

fn setting_words(tuning: &Tuning) -> String {
    let Setting { steps, batch, max_length, head_rate, seeds, .. } = &tuning.sweep.setting;
    format!(
        "{} becomes a classifier of the texts of `{}` ({}): a new head at learning rate {}, and by every method the query and \
         value maps of all layers, or the modules that are named below, at every learning rate of its own sweep. AdamW, \
         learning rates along a line to 0, gradients cut at length 1, {batch} texts of at most {max_length} tokens a step, \
         {steps} steps; {} texts to learn from, {} held out in blocks of neighbours; seeds: {}. Every method starts from \
         the same encoder and head and sees the same batches. The best learning rate is chosen on the held-out texts, for \
         every method alike. Noise is one standard error of a difference of accuracies: that of the held-out texts, or \
         that between seeds where it is larger. Trained numbers are those beside the head.",
        tuning.model,
        tuning.data,
        tuning.classes.join(", "),
        rate_words(*head_rate),
        format::count(tuning.texts as u64),
        format::count(tuning.sweep.samples as u64),
        seeds.len(),
    )
}

/// Where the accuracy is best.
fn matthews(tuning: &Tuning) -> Table {
    let columns = [
        Column::text("Method"),
        Column::number("Accuracy").unit("%"),
        Column::number("Matthews"),
        Column::number("at rate"),
    ];
    let caption =
        "Accuracy and Matthews' correlation at the rate of the highest accuracy; means over the seeds";
    let mut table = Table::new(columns).caption(caption);
    for label in tuning.sweep.arms.iter().map(|arm| arm.label.as_str()) {
        let best = tuning.sweep.best_accuracy(label);
        let runs = tuning.sweep.runs.iter().zip(&tuning.matthews);
        let own = runs.filter(|(run, _)| run.arm == label && run.rate == best.rate);
        let values: Vec<f64> = own.map(|(_, matthews)| *matthews).collect();
        table.row([
            Cell::text(label),
            Cell::fixed(100.0 * best.value, 2),
            if values.is_empty() { Cell::Missing } else { Cell::fixed(mean(&values), 3) },
            Cell::text(rate_words(best.rate)),
        ]);
    }
    table
}

/// A number for each of some modules or weights: layers from top to bottom, what they are there from left to right.
pub(crate) fn heat<'a>(title: &str, value: &str, numbers: impl Iterator<Item = (&'a str, f64)>) -> Heat {
    let (mut layers, mut roles): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for (path, number) in numbers {
        let (layer, role) = layer_and_role(path);
        places.push((index(&mut layers, layer), index(&mut roles, role), number));
    }
    let mut values = vec![vec![f64::NAN; roles.len()]; layers.len()];
    for (layer, role, number) in places {
        values[layer][role] = number;
    }
    Heat::new(title, Axis::linear(value), values)
        .names(layers.into_iter().map(str::to_owned), roles.into_iter().map(str::to_owned))
}

/// The place of a name, at the end where it is new.
fn index<'a>(names: &mut Vec<&'a str>, name: &'a str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}
