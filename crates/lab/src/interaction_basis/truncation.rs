//! How many directions of a layer a trained network needs.

use super::{
    chain::{Chain, Link, Shown},
    twice::{self, Twice},
};
use crate::{
    Images, Result,
    findings::Finding,
    transfer::{Rates, classes, finite, train},
};
use rankine_analyze::interaction::{Coordinates, LayerFindings, Settings, layers};
use rankine_nn::models::Mlp;
use rankine_random::Rng;
use rankine_report::{Axis, Cell, Column, Lines, Page, Series, Style, Table, format};
use rankine_tensor::Tensor;
use std::ops::ControlFlow;

/// Ways to choose directions.
const WAYS: [(&str, Coordinates); 3] = [
    ("interaction basis", Coordinates::Interaction),
    ("principal directions", Coordinates::Principal),
    ("neurons of most variance", Coordinates::Neurons),
];
/// How many directions are kept where ways are compared.
const COMPARED: [usize; 4] = [4, 6, 8, 10];
/// Rows of a batch that is derived.
const ROWS: usize = 500;

/// How a network is trained and looked into.
pub(super) struct Training {
    pub hidden: Vec<usize>,
    pub steps: usize,
    /// Images from which the bases are made.
    pub shown: usize,
    /// Numbers of directions that are kept.
    pub kept: Vec<usize>,
}

/// A hidden layer of a trained network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Cut {
    /// From 1.
    layer: usize,
    width: usize,
    /// Directions that matter at all.
    functional: usize,
    /// Accuracy of the whole network.
    whole: f64,
    kept: Vec<usize>,
    /// For every way and number of directions that are kept.
    accuracies: Vec<Vec<f64>>,
    importance: Vec<f64>,
    variances: Vec<f64>,
}

/// One trained network.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct Trained {
    pub cuts: Vec<Cut>,
    pub twice: Twice,
}

impl Trained {
    pub fn measure(training: &Training, [images, judged]: [&Images; 2], rng: &Rng) -> Result<Self> {
        let sizes = [&[images.width], training.hidden.as_slice(), &[classes(images)]].concat();
        let mut model = Mlp::new(&sizes, &rng.fork("network"))?;
        let rates = Rates { hidden: 1e-3, head: 1e-3 };
        let losses = train(&mut model, images, &rng.fork("training"), (training.steps, 128), rates)?;
        finite(&losses, rates)?;
        let rows: Vec<usize> = (0..images.labels.len().min(training.shown)).collect();
        let batches = rows.chunks(ROWS).map(|rows| Ok(images.batch(rows)?.0)).collect::<Result<Vec<_>>>()?;
        let looked = |links: Vec<Link>, coordinates| -> Result<Vec<LayerFindings>> {
            let settings = Settings { coordinates, ..Settings::default() };
            let mut shown = Shown::new(Chain::new(links)?, batches.clone())?;
            Ok(layers(&mut shown, &settings, &mut |_| ControlFlow::Continue(()))?)
        };
        let mut found = Vec::new();
        for (_, coordinates) in WAYS {
            found.push(looked(Chain::links(&model)?, coordinates)?);
        }
        let chain = Chain::new(Chain::links(&model)?)?;
        let cut = |layer| Cut::measure(&chain, layer, &found, (judged, &training.kept));
        let cuts = (1..chain.depth()).map(cut).collect::<Result<_>>()?;
        let doubled = looked(twice::doubled(Chain::links(&model)?), Coordinates::Interaction)?;
        let added = twice::COUNT * training.hidden.get(1).copied().unwrap_or_else(|| classes(images));
        Ok(Self { cuts, twice: Twice::of([&found[0][1], &doubled[1]], added) })
    }
}

impl Cut {
    fn measure(
        chain: &Chain,
        layer: usize,
        found: &[Vec<LayerFindings>],
        (judged, kept): (&Images, &[usize]),
    ) -> Result<Self> {
        let rows: Vec<usize> = (0..judged.labels.len()).collect();
        let (x, labels) = judged.batch(&rows)?;
        let hidden = chain.run(0..layer, &x)?;
        let accuracy = |hidden: &Tensor| -> Result<f64> {
            let logits = chain.run(layer..chain.depth(), hidden)?;
            Ok(accuracy(&logits.to_vec(), &labels))
        };
        let (whole, shape, values) = (accuracy(&hidden)?, hidden.shape(), hidden.to_vec());
        let mut accuracies = Vec::new();
        for way in found {
            let LayerFindings { basis, mean, .. } = &way[layer];
            let left = kept.iter().map(|&kept| {
                let cut = basis.truncated(&values, mean, kept);
                accuracy(&Tensor::new(cut, &shape)?)
            });
            accuracies.push(left.collect::<Result<Vec<_>>>()?);
        }
        let first = &found[0][layer];
        Ok(Self {
            layer,
            width: first.layer.width,
            functional: first.functional(),
            whole,
            kept: kept.to_vec(),
            accuracies,
            importance: first.importance.clone(),
            variances: first.variances.clone(),
        })
    }

    /// Mean accuracy of a way over the compared numbers of directions.
    fn mean(&self, way: usize) -> f64 {
        let compared = self.kept.iter().zip(&self.accuracies[way]);
        let compared = compared.filter(|(kept, _)| COMPARED.contains(*kept)).map(|(_, accuracy)| *accuracy);
        compared.sum::<f64>() / COMPARED.len() as f64
    }

    /// The fewest directions with 99 % of the accuracy; `None` where the most that are tried are too few.
    fn needed(&self, way: usize) -> Option<usize> {
        let mut tried = self.kept.iter().zip(&self.accuracies[way]);
        tried.find(|(_, accuracy)| 0.99 * self.whole <= **accuracy).map(|(kept, _)| *kept)
    }

    fn plot(&self) -> Lines {
        let title = format!("Accuracy with few directions of hidden layer {}", self.layer);
        let mut plot = Lines::new(title, Axis::log("directions kept"), Axis::linear("accuracy"));
        for ((name, _), accuracies) in WAYS.iter().zip(&self.accuracies) {
            let points = self.kept.iter().zip(accuracies).map(|(&kept, &accuracy)| (kept as f64, accuracy));
            plot = plot.series(Series::new(*name, points).style(Style::Marked));
        }
        plot
    }

    fn spectra(&self) -> Lines {
        let title = format!("What hidden layer {} holds", self.layer);
        let series = |name: &str, values: &[f64]| {
            let largest = values.first().copied().unwrap_or(1.0);
            let points = values.iter().enumerate().map(|(at, value)| (at as f64 + 1.0, value / largest));
            Series::new(name, points.collect::<Vec<_>>())
        };
        Lines::new(title, Axis::linear("direction"), Axis::log("share of the largest"))
            .series(series("importance Λ", &self.importance))
            .series(series("variance D", &self.variances))
    }
}

/// Share of rows whose largest score is that of their class.
fn accuracy(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len().checked_div(labels.len()).unwrap_or(1).max(1);
    let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| class);
    let rows = logits.chunks(classes).zip(labels);
    let right = rows.filter(|&(row, &label)| best(row) == Some(label as usize)).count();
    right as f64 / labels.len().max(1) as f64
}

/// All hidden layers of all networks; the neurons that were doubled are those of the last network.
pub(super) fn findings(networks: &[Trained]) -> Vec<Finding> {
    let cuts: Vec<&Cut> = networks.iter().flat_map(|network| &network.cuts).collect();
    let mean = |way: usize| cuts.iter().map(|cut| cut.mean(way)).sum::<f64>() / cuts.len() as f64;
    let [interaction, principal, neurons] = [0, 1, 2].map(mean);
    let needed = |way: usize| {
        let words = cuts.iter().map(|cut| cut.needed(way).map_or("more".to_owned(), |kept| kept.to_string()));
        words.collect::<Vec<_>>().join(", ")
    };
    let fewer = |cut: &&Cut| {
        let [ours, theirs] = [0, 1].map(|way| cut.needed(way).unwrap_or(usize::MAX));
        ours < usize::MAX && ours <= theirs
    };
    let percent = format::percent;
    let mut findings = vec![
        Finding::new(
            "with 4 to 10 directions of a layer left, those of the interaction basis keep more accuracy than principal ones, \
             and these more than neurons",
            "more relevant for the function than principal directions (companion paper, abstract)",
            format!("{}, {} and {} on average", percent(interaction), percent(principal), percent(neurons)),
            principal <= interaction && neurons <= principal,
        ),
        Finding::new(
            "no layer needs more directions of the interaction basis for 99 % of its accuracy than principal ones",
            "not given in numbers",
            format!("{} against {}, layer by layer", needed(0), needed(1)),
            !cuts.is_empty() && cuts.iter().all(fewer),
        ),
    ];
    findings.extend(networks.last().map(|network| network.twice.finding()));
    findings
}

pub(super) fn show(networks: &[Trained], page: &mut Page) {
    page.section("A. Few directions of a layer").text(
        "Networks are trained, then one hidden layer is cut to its leading directions about its mean, by each way to choose \
         them. Bases are made on training data, accuracies are those on other data.",
    );
    let columns = [Column::text("Layer")]
        .into_iter()
        .chain(["neurons", "that matter", "kept for 99 %, basis", "principal"].map(Column::number));
    let mut table = Table::new(columns);
    for (network, trained) in networks.iter().enumerate() {
        for cut in &trained.cuts {
            table.row([
                Cell::text(format!("network {}, hidden layer {}", network + 1, cut.layer)),
                Cell::from(cut.width),
                Cell::from(cut.functional),
                Cell::from(cut.needed(0)),
                Cell::from(cut.needed(1)),
            ]);
        }
    }
    page.table(table);
    for cut in networks.first().iter().flat_map(|network| &network.cuts) {
        page.plot(cut.plot()).plot(cut.spectra());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_training_that_leaves_the_numbers_is_an_error() {
        let images =
            Images { pixels: vec![f32::NAN; 4 * 30], width: 4, labels: (0..30).map(|at| at % 2).collect() };
        let training = Training { hidden: Vec::new(), steps: 2, shown: 30, kept: vec![1] };
        let found = Trained::measure(&training, [&images, &images], &Rng::new(1));
        assert!(matches!(found, Err(Error::NotFinite { step: 1, .. })), "{found:?}");
    }
}
