//! The tables of an inspected model.

use crate::units;
use rankine_analyze::inspect::{Group, ModelReport, Notable, TensorReport};
use rankine_report::{Cell, Column, Table};

/// What tensors do.
pub fn kinds(report: &ModelReport) -> Table {
    groups("kind", report.kinds.iter().map(|(part, group)| (part.word().to_owned(), group)))
}

/// The layers.
pub fn layers(report: &ModelReport) -> Table {
    groups("layer", report.layers.iter().map(|(layer, group)| (layer.to_string(), group)))
}

fn groups<'a>(what: &str, groups: impl Iterator<Item = (String, &'a Group)>) -> Table {
    let numbers = [
        "tensors",
        "parameters",
        "size",
        "spectral norm",
        "stable rank",
        "effective rank",
        "outliers",
        "their energy",
        "α",
    ];
    let columns = std::iter::once(Column::text(what)).chain(numbers.map(Column::number));
    let mut table = Table::new(columns).caption("Medians of what was measured; numbers and sizes are sums");
    for (name, group) in groups {
        table.row([
            Cell::text(name),
            Cell::Count(group.tensors as u64),
            Cell::Count(group.parameters),
            Cell::Bytes(group.bytes),
            group.spectral_norm.into(),
            group.stable_rank.into(),
            group.effective_rank.into(),
            at_least(group.outliers.into(), group.outliers_at_least),
            at_least(share(group.outlier_energy), group.outliers_at_least),
            number(group.alpha, 3),
        ]);
    }
    table
}

/// Tensors that differ from their like.
pub fn unlike(notable: &[Notable<'_>]) -> Table {
    let names = ["tensor", "kind", "differs in"].map(Column::text);
    let numbers = ["deviations", "spectral norm", "stable rank", "α"].map(Column::number);
    let mut table = Table::new(names.into_iter().chain(numbers)).caption(
        "Deviations are from the median of the kind, by the median absolute deviation of logarithms",
    );
    for Notable { tensor, measure, deviations } in notable {
        let spectrum = tensor.spectrum.as_ref();
        table.row([
            Cell::text(&tensor.name),
            Cell::text(tensor.kind.word()),
            Cell::text(*measure),
            number(Some(*deviations), 3),
            spectrum.map(|spectrum| spectrum.spectral_norm).into(),
            spectrum.map(|spectrum| spectrum.stable_rank).into(),
            number(spectrum.and_then(|spectrum| Some(spectrum.tail?.alpha)), 3),
        ]);
    }
    table
}

/// Every tensor.
pub fn tensors(report: &ModelReport) -> Table {
    let names = ["tensor", "kind", "shape", "type"].map(Column::text);
    let numbers = [
        "size",
        "deviation",
        "largest",
        "zeros",
        "dead rows",
        "dead columns",
        "norm",
        "spectral norm",
        "error bound",
        "stable rank",
        "effective rank",
        "rank of 90 %",
        "noise edge",
        "outliers",
        "their energy",
        "α",
        "D",
        "α̂",
    ];
    let columns = names.into_iter().chain(numbers.map(Column::number));
    let mut table = Table::new(columns).caption("All tensors");
    for tensor in &report.tensors {
        table.row(row(tensor));
    }
    table
}

fn row(tensor: &TensorReport) -> Vec<Cell> {
    let (numbers, spectrum) = (tensor.numbers.as_ref(), tensor.spectrum.as_ref());
    let zeros = numbers.map(|numbers| numbers.zeros as f64 / tensor.parameters.max(1) as f64);
    let dead = numbers.filter(|_| 2 <= tensor.shape.len());
    let noise = spectrum.and_then(|spectrum| spectrum.noise);
    let is_cut = noise.is_some_and(|noise| noise.at_least);
    let edge: Cell = noise.map(|noise| noise.edge).into();
    let tail = spectrum.and_then(|spectrum| spectrum.tail);
    vec![
        Cell::text(&tensor.name),
        Cell::text(tensor.kind.word()),
        Cell::text(units::shape(&tensor.shape)),
        Cell::text(&tensor.dtype),
        Cell::Bytes(tensor.bytes),
        numbers.map(|numbers| numbers.deviation).into(),
        numbers.map(|numbers| numbers.largest).into(),
        share(zeros),
        dead.map(|numbers| numbers.dead_rows).into(),
        dead.map(|numbers| numbers.dead_columns).into(),
        numbers.map(|numbers| numbers.norm).into(),
        spectrum.map(|spectrum| spectrum.spectral_norm).into(),
        number(spectrum.and_then(|spectrum| spectrum.bound), 3),
        spectrum.map(|spectrum| spectrum.stable_rank).into(),
        spectrum.and_then(|spectrum| spectrum.effective_rank).into(),
        spectrum.and_then(|spectrum| spectrum.energy_ranks[1]).into(),
        if is_cut { Cell::AtMost(Box::new(edge)) } else { edge },
        at_least(noise.map(|noise| noise.outliers).into(), is_cut),
        at_least(share(noise.map(|noise| noise.energy)), is_cut),
        number(tail.map(|tail| tail.alpha), 3),
        number(tail.map(|tail| tail.distance), 2),
        number(spectrum.and_then(|spectrum| spectrum.weighted_alpha), 3),
    ]
}

/// A value that the true one is perhaps above.
fn at_least(value: Cell, is_so: bool) -> Cell {
    if is_so { Cell::AtLeast(Box::new(value)) } else { value }
}

fn number(value: Option<f64>, digits: usize) -> Cell {
    value.map_or(Cell::Missing, |value| Cell::Number { value, digits })
}

fn share(value: Option<f64>) -> Cell {
    value.map_or(Cell::Missing, Cell::Percent)
}
