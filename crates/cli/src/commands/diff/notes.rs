//! What `rankine diff` has to say of single tensors.

use super::Found;
use crate::units;
use rankine_analyze::NotCompared;
use rankine_report::{Level, Page};

/// Tensors of a kind that are named.
const NAMED: usize = 3;

/// Tensors with numbers that make every sum NaN.
pub(super) fn add_damage(page: &mut Page, found: &Found) {
    let damaged = found.changes.iter().filter(|change| !(change.before + change.moved).is_finite());
    let names: Vec<String> = damaged.map(|change| change.name.clone()).collect();
    if !names.is_empty() {
        let text =
            format!("one of the models has numbers that are not finite: {}", units::few(&names, NAMED));
        page.note(Level::Warning, text);
    }
}

/// Tensors of types that are not read.
pub(super) fn add_not_compared(page: &mut Page, found: &Found) {
    for NotCompared { dtype, tensors } in &found.not_compared {
        page.note(Level::Note, format!("not compared: dtype {dtype}, of {}", units::few(tensors, NAMED)));
    }
}
