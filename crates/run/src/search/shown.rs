//! What the report says of a search.

use indexmap::IndexSet;
use rankine_checkpoint::layer_and_role;
use rankine_method::diffora::Candidate;
use rankine_report::{Axis, Cell, Column, Heat, Page, Table};

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
        let (layer, role) = layer_and_role(&candidate.module);
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
