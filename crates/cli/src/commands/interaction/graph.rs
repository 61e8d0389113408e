//! The graph of features and its modules, in tables and plots.

use super::show::name;
use rankine_analyze::interaction::{Edges, Interaction, Modules};
use rankine_report::{Axis, Cell, Column, Heat, Lines, Series, Style, Table};
use std::{cmp::Reverse, collections::BTreeMap};

/// Edges in the table.
const EDGES: usize = 12;
/// Modules in the table.
const ROWS: usize = 8;
/// Modules with a colour of their own.
const COLOURS: usize = 4;
/// Edges that are drawn between two layers, at most, and the share of Ê that is enough.
const DRAWN: (usize, f64) = (24, 0.9);

/// Over all layers, by their share of what lies between two.
pub(super) fn strongest(found: &Interaction) -> Table {
    let mut edges = Vec::new();
    for pair in &found.edges {
        let total = pair.total();
        edges
            .extend(pair.strongest(EDGES).into_iter().map(|(to, from, edge)| (pair, to, from, edge / total)));
    }
    edges.sort_by(|one, other| other.3.total_cmp(&one.3));
    let columns = [
        Column::text("from"),
        Column::number("feature"),
        Column::text("to"),
        Column::number("feature"),
        Column::number("share"),
    ];
    let mut table = Table::new(columns).caption("The strongest edges");
    for (pair, to, from, share) in edges.into_iter().take(EDGES) {
        table.row([
            Cell::text(name(found, pair.from)),
            Cell::from(from + 1),
            Cell::text(name(found, pair.from + 1)),
            Cell::from(to + 1),
            Cell::Percent(share),
        ]);
    }
    table
}

/// Where the largest modules lie.
pub(super) fn modules(found: &Interaction, modules: &Modules) -> Table {
    let columns =
        [Column::number("module"), Column::number("features"), Column::text("from"), Column::text("to")];
    let mut table = Table::new(columns).caption("The largest modules: features that act on each other");
    for (at, members) in largest(modules).into_iter().take(ROWS) {
        let layers = || members.iter().map(|(layer, _)| *layer);
        let called = |layer: Option<usize>| Cell::from(layer.map(|layer| name(found, layer)));
        table.row([
            Cell::from(at + 1),
            Cell::from(members.len()),
            called(layers().min()),
            called(layers().max()),
        ]);
    }
    table
}

/// Layers from left to right, their features from the most important one up, the strongest edges by the modules that they join.
pub(super) fn graph(found: &Interaction, modules: &Modules) -> Lines {
    let nodes = modules.nodes.iter().copied().zip(modules.module.iter().copied());
    let places: BTreeMap<(usize, usize), usize> = nodes.collect();
    let coloured: Vec<usize> = largest(modules).into_iter().take(COLOURS).map(|(at, _)| at).collect();
    let mut points = vec![Vec::new(); coloured.len() + 2];
    for pair in &found.edges {
        for (to, from) in drawn(pair) {
            let ends = [(pair.from, from), (pair.from + 1, to)];
            let [one, other] = ends.map(|end| places.get(&end));
            let series = match coloured.iter().position(|module| Some(module) == one) {
                _ if one != other => coloured.len() + 1,
                Some(place) => place,
                None => coloured.len(),
            };
            points[series].extend(ends.map(|(layer, feature)| (layer as f64 + 1.0, feature as f64 + 1.0)));
            // The pen is lifted.
            points[series].push((f64::NAN, f64::NAN));
        }
    }
    let names = coloured.iter().map(|module| format!("module {}", module + 1));
    let names = names.chain(["other modules", "between modules"].map(str::to_owned));
    let mut plot = Lines::new("The graph of features", Axis::linear("layer"), Axis::linear("feature"));
    for (name, points) in names.zip(points).filter(|(_, points)| !points.is_empty()) {
        plot = plot.series(Series::new(name, points).style(Style::Marked));
    }
    plot
}

/// Ê of two layers, the most important features first.
pub(super) fn heat(found: &Interaction, edges: &Edges) -> Heat {
    let (from, to) = (name(found, edges.from), name(found, edges.from + 1));
    let numbered = |count: usize| (1..=count).map(|feature| feature.to_string());
    Heat::new(format!("{from} → {to}"), Axis::log("Ê"), edges.strengths.clone())
        .names(numbered(edges.strengths.len()), numbered(edges.features))
}

/// Modules with their members, the largest first.
fn largest(modules: &Modules) -> Vec<(usize, Vec<(usize, usize)>)> {
    let mut all: Vec<_> = modules.members().into_iter().enumerate().collect();
    all.sort_by_key(|(_, members)| Reverse(members.len()));
    all
}

/// The strongest edges of two layers: to, from.
fn drawn(pair: &Edges) -> Vec<(usize, usize)> {
    let (most, share) = DRAWN;
    let (enough, mut sum) = (share * pair.total(), 0.0);
    let strongest = pair.strongest(most).into_iter().take_while(|(.., edge)| {
        let before = sum;
        sum += edge;
        before < enough
    });
    strongest.map(|(to, from, _)| (to, from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two features of a layer and two outputs; the first acts on both.
    fn found() -> (Interaction, Modules) {
        let edges = Edges { from: 0, features: 2, strengths: vec![vec![6.0, 0.0], vec![1.5, 4.0]] };
        let nodes = vec![(0, 0), (0, 1), (1, 0), (1, 1)];
        let modules = Modules { nodes, module: vec![0, 1, 0, 1], modularity: 0.3 };
        (Interaction { layers: Vec::new(), edges: vec![edges], modules: None }, modules)
    }

    #[test]
    fn edges_are_drawn_by_their_modules() {
        let (found, modules) = found();
        let plot = graph(&found, &modules);
        let drawn = plot.series.iter().map(|series| {
            let ends = series.points.iter().filter(|point| point.0.is_finite()).copied();
            (series.name.as_str(), ends.collect::<Vec<_>>())
        });
        assert_eq!(
            drawn.collect::<Vec<_>>(),
            [
                ("module 1", vec![(1.0, 1.0), (2.0, 1.0)]),
                ("module 2", vec![(1.0, 2.0), (2.0, 2.0)]),
                ("between modules", vec![(1.0, 1.0), (2.0, 2.0)]),
            ]
        );
    }

    #[test]
    fn what_is_weak_is_not_drawn() {
        let (mut found, modules) = found();
        found.edges[0].strengths[1][0] = 0.5;
        assert_eq!(drawn(&found.edges[0]), [(0, 0), (1, 1)]);
        assert_eq!(graph(&found, &modules).series.len(), 2);
    }
}
