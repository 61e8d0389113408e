//! What `rankine interaction` found, for people and for programs.

use super::{InteractionCommand, graph};
use rankine_analyze::interaction::{Integration, Interaction, LayerFindings, Modules, Synchronised};
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Table};
use serde::Serialize;
use std::path::Path;

/// Layers and pairs of layers that are drawn.
const DRAWN: usize = 12;

/// The result in JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    model: &'a str,
    data: &'a Path,
    layers: Vec<LayerReport<'a>>,
    integration: Integration,
    edges: Vec<EdgeReport<'a>>,
    modules: Option<&'a Modules>,
}

#[derive(Serialize)]
struct LayerReport<'a> {
    name: &'a str,
    width: usize,
    rows: usize,
    activation_rank: usize,
    gradient_rank: usize,
    functional: usize,
    importance: &'a [f64],
    /// What the features matter in the coordinates that were asked for; [h].
    coordinates: &'a [f64],
    variances: &'a [f64],
    gradients: &'a [f64],
    synchronised: Option<&'a Synchronised>,
    maps: Vec<MapReport<'a>>,
}

#[derive(Serialize)]
struct MapReport<'a> {
    name: &'a str,
    parameters: usize,
    activation_rank: usize,
    gradient_rank: usize,
    free: usize,
}

/// Ê, a row for each feature of the second layer.
#[derive(Serialize)]
struct EdgeReport<'a> {
    from: &'a str,
    to: &'a str,
    strengths: &'a [Vec<f64>],
}

impl InteractionCommand {
    pub(super) fn report<'a>(&'a self, found: &'a Interaction) -> Report<'a> {
        let edges = found.edges.iter().map(|edges| EdgeReport {
            from: name(found, edges.from),
            to: name(found, edges.from + 1),
            strengths: &edges.strengths,
        });
        Report {
            model: &self.model,
            data: &self.data,
            layers: found.layers.iter().map(LayerReport::of).collect(),
            integration: self.integration(),
            edges: edges.collect(),
            modules: found.modules.as_ref(),
        }
    }

    /// What fits on a terminal.
    pub(super) fn brief(&self, found: &Interaction) -> Page {
        let mut page = Page::new(format!("Interactions in {}", self.model));
        let sum = |number: fn(&LayerFindings) -> usize| found.layers.iter().map(number).sum::<usize>();
        let maps = || found.layers.iter().flat_map(|layer| &layer.maps);
        let parameters: usize = maps().map(|map| map.parameters).sum();
        let free: usize = maps().map(|map| map.free()).sum();
        let mut facts = vec![
            ("measured on", Cell::text(self.data.display().to_string())),
            ("layers", Cell::from(found.layers.len())),
            ("directions", Cell::from(sum(|layer| layer.layer.width))),
            ("that matter for the outputs", Cell::from(sum(LayerFindings::functional))),
            ("weights of linear maps", Cell::from(parameters)),
            ("directions of them that change nothing, at least", Cell::from(free)),
        ];
        if !found.edges.is_empty() {
            facts.push(("slopes of edges", Cell::text(slopes(self.integration()))));
        }
        if let Some(modules) = &found.modules {
            facts.push(("modules", Cell::from(modules.count())));
            facts.push(("modularity", Cell::fixed(modules.modularity, 3)));
        }
        page.facts(&facts).table(layers(found));
        if !found.edges.is_empty() {
            page.table(graph::strongest(found));
        }
        if let Some(modules) = &found.modules {
            page.table(graph::modules(found, modules));
        }
        page
    }

    /// With everything that is worth a look in a browser.
    pub(super) fn whole(&self, found: &Interaction) -> Page {
        let mut page = self.brief(found);
        page.section("Spectra").text(
            "Eigenvalues over the largest of their layer: Λ, what a direction matters for the outputs, and D, its variance.",
        );
        for layer in found.layers.iter().take(DRAWN) {
            page.plot(spectra(layer));
        }
        if !found.edges.is_empty() {
            page.section("Edges").text(format!(
                "How much feature j of a layer acts on feature i of the next: the mean of ({})² over the data, the most important \
                 features first. Slopes are {}.",
                match self.integration() {
                    Integration::Gradient => "∂f̂ᵢ/∂f̂ⱼ · f̂ⱼ",
                    Integration::Trapezoidal { .. } | Integration::GaussLegendre { .. } =>
                        "f̂ⱼ · ∫₀¹ ∂f̂ᵢ/∂f̂ⱼ(α·f̂) dα",
                },
                slopes(self.integration()),
            ));
        }
        if let Some(modules) = &found.modules {
            page.text(
                "In the graph layers stand from left to right in the order of the table, the outputs last, and the features of a layer \
                 from the most important one up; the strongest edges are drawn.",
            );
            page.plot(graph::graph(found, modules));
        }
        for edges in found.edges.iter().take(DRAWN) {
            page.plot(graph::heat(found, edges));
        }
        page
    }
}

impl<'a> LayerReport<'a> {
    fn of(found: &'a LayerFindings) -> Self {
        let map = |map: &'a rankine_analyze::interaction::Degeneracy| MapReport {
            name: &map.name,
            parameters: map.parameters,
            activation_rank: map.activation_rank,
            gradient_rank: map.gradient_rank,
            free: map.free(),
        };
        Self {
            name: &found.layer.name,
            width: found.layer.width,
            rows: found.rows,
            activation_rank: found.activation_rank,
            gradient_rank: found.gradient_rank,
            functional: found.functional(),
            importance: &found.importance,
            coordinates: &found.basis.importance,
            variances: &found.variances,
            gradients: &found.gradients,
            synchronised: found.synchronised.as_ref(),
            maps: found.maps.iter().map(map).collect(),
        }
    }
}

/// Where slopes are taken.
fn slopes(integration: Integration) -> String {
    let along =
        |rule: &str| format!("integrated from the mean, {} points of {rule}", integration.points().len());
    match integration {
        Integration::Gradient => "gradients at the point itself".to_owned(),
        Integration::Trapezoidal { .. } => along("the trapezoidal rule"),
        Integration::GaussLegendre { .. } => along("Gauss and Legendre's rule"),
    }
}

/// Of a layer; behind the last are the outputs.
pub(super) fn name(found: &Interaction, layer: usize) -> &str {
    found.layers.get(layer).map_or("outputs", |layer| layer.layer.name.as_str())
}

fn layers(found: &Interaction) -> Table {
    let numbers = [
        "directions",
        "spanned",
        "with gradient",
        "that matter",
        "for 99 %",
        "synchronised pairs",
        "never on",
        "free weights",
    ];
    let columns = [Column::text("layer")].into_iter().chain(numbers.map(Column::number));
    let mut table = Table::new(columns).caption("Layers, each by the first map that reads it");
    for layer in &found.layers {
        let parameters: usize = layer.maps.iter().map(|map| map.parameters).sum();
        let free: usize = layer.maps.iter().map(|map| map.free()).sum();
        let synchronised = layer.synchronised.as_ref();
        table.row([
            Cell::text(&layer.layer.name),
            Cell::from(layer.layer.width),
            Cell::from(layer.activation_rank),
            Cell::from(layer.gradient_rank),
            Cell::from(layer.functional()),
            Cell::from(layer.basis.energy(0.99)),
            Cell::from(synchronised.map(Synchronised::pairs)),
            Cell::from(synchronised.map(|units| units.off.len())),
            if 0 < parameters { Cell::Percent(free as f64 / parameters as f64) } else { Cell::Missing },
        ]);
    }
    table
}

fn spectra(layer: &LayerFindings) -> Lines {
    let title = format!("What {} holds", layer.layer.name);
    let series = |label: &str, values: &[f64]| {
        let largest = values.first().copied().unwrap_or(1.0);
        let shares = values.iter().enumerate().map(move |(at, value)| (at as f64 + 1.0, value / largest));
        Series::new(label, shares.filter(|(_, share)| 1e-16 < *share).collect::<Vec<_>>())
    };
    Lines::new(title, Axis::linear("direction"), Axis::log("share of the largest"))
        .series(series("Λ", &layer.importance))
        .series(series("D", &layer.variances))
}
