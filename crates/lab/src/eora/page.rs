//! The page of the experiment.

use super::case::{Compressed, Measured};
use crate::{
    Claim,
    findings::{self, Finding, Story},
    transfer::percent,
};
use rankine_report::{Axis, Cell, Column, Level, Lines, Page, Series, Style, Table};

const STORY: Story<'_> = Story {
    title: "EoRA: making up for a compression without training",
    statement: "of corrections of equal rank EoRA's leave the lowest loss, then activation-weighed ones, then plain SVD, and all \
                are better than none",
    about: "EoRA adds to every compressed matrix the product of low rank that brings most of what the layer answered back, by \
            the second moment of its inputs; nothing is trained.",
};

pub(super) fn claim(measured: &[Measured]) -> Claim {
    let found: Vec<Finding> = measured.iter().flat_map(sentences).collect();
    let (holds, mut page) = (findings::hold(&found), findings::page(&STORY, &found));
    measured.iter().for_each(|measured| show(measured, &mut page));
    if measured.len() < 2 {
        page.section("A language model").note(
            Level::Note,
            "not run: no language model with data was given; `--full --model smollm2-135m --data texts.txt` does",
        );
    }
    let numbers = serde_json::json!({ "holds": holds, "findings": found, "measured": measured });
    Claim { statement: STORY.statement.to_owned(), holds, page, numbers }
}

/// What is claimed, said of one model.
fn sentences(measured: &Measured) -> Vec<Finding> {
    measured.compressed.iter().flat_map(|compressed| of_compression(measured, compressed)).collect()
}

/// The parts of the order, each for itself, the one about EoRA first.
fn of_compression(measured: &Measured, compressed: &Compressed) -> Vec<Finding> {
    let Compressed { smaller, none, curves } = compressed;
    let [svd, activation, _] = curves.as_slice() else { return Vec::new() };
    let said = |claim: &str| format!("{}, {}: {claim}", measured.name, smaller.name());
    let ranks = measured.ranks.len();
    let means: Vec<String> =
        curves.iter().map(|curve| format!("{} {:.3}", curve.way, curve.mean())).collect();
    let below = svd.nll.iter().zip(&activation.nll).filter(|(svd, activation)| activation < svd).count();
    vec![
        Finding::new(
            said("EoRA's loss is the lowest at every rank"),
            "at ranks 64 to 512",
            format!("at {} of {ranks} ranks", lowest(compressed)),
            lowest(compressed) == ranks,
        ),
        Finding::new(
            said("activation-weighed corrections are better than plain SVD, in the mean over the ranks"),
            "Act-S above SVD (LLaMA-3 8B)",
            format!("{}; at {below} of {ranks} ranks", means.join(", ")),
            activation.mean() < svd.mean(),
        ),
        Finding::new(
            said("every correction is better than none, in the mean over the ranks"),
            "all above none",
            format!("{} against {none:.3}", means.join(", ")),
            curves.iter().all(|curve| curve.mean() < *none),
        ),
    ]
}

/// At how many ranks the last way has the lowest loss of all.
fn lowest(compressed: &Compressed) -> usize {
    let Some((eora, others)) = compressed.curves.split_last() else { return 0 };
    let is_lowest = |&(at, nll): &(usize, &f64)| {
        *nll < compressed.none && others.iter().all(|other| *nll < other.nll[at])
    };
    eora.nll.iter().enumerate().filter(is_lowest).count()
}

fn show(measured: &Measured, page: &mut Page) {
    let name = &measured.name;
    page.section(format!("{name}: loss of the compressed model")).text(format!(
        "{} Pruned are two of every four weights along the input, by Wanda; three bits are of one scale a row. Mean −ln p of the \
         model as it was: {:.3}.",
        measured.about, measured.whole,
    ));
    page.table(table(measured));
    for compressed in &measured.compressed {
        page.plot(against_rank(measured, compressed));
    }
}

fn table(measured: &Measured) -> Table {
    let mut columns = vec![Column::text("Compression"), Column::text("Correction")];
    columns.extend(measured.ranks.iter().map(|rank| Column::number(format!("r = {rank}")).unit("nats")));
    columns.push(Column::text("Brought back"));
    let mut table = Table::new(columns).caption(format!(
        "Mean −ln p of held-out tokens with {} layers compressed; what the largest rank brings back of the loss that the \
         compression brought",
        measured.layers,
    ));
    for compressed in &measured.compressed {
        let gap = compressed.none - measured.whole;
        let mut add = |way: &str, nll: &[f64]| {
            let back = nll.last().map_or(f64::NAN, |last| (compressed.none - last) / gap);
            let losses = nll.iter().map(|nll| Cell::fixed(*nll, 4));
            let cells = [Cell::text(compressed.smaller.name()), Cell::text(way)].into_iter().chain(losses);
            table.row(cells.chain([Cell::text(percent(back))]));
        };
        add("none", &vec![compressed.none; measured.ranks.len()]);
        compressed.curves.iter().for_each(|curve| add(curve.way, &curve.nll));
    }
    table
}

fn against_rank(measured: &Measured, compressed: &Compressed) -> Lines {
    let title = format!("{}, {}: loss against rank", measured.name, compressed.smaller.name());
    let mut plot = Lines::new(title, Axis::log("rank of every correction"), Axis::linear("loss in nats"));
    let points = |nll: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        measured.ranks.iter().enumerate().map(|(at, &rank)| (rank as f64, nll(at))).collect()
    };
    for curve in &compressed.curves {
        plot = plot.series(Series::new(curve.way, points(&|at| curve.nll[at])).style(Style::Marked));
    }
    plot.series(Series::new("none", points(&|_| compressed.none)))
        .series(Series::new("the model as it was", points(&|_| measured.whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eora::{case::Curve, layer::Smaller};

    #[test]
    fn of_an_order_that_fails_in_part_the_part_is_named() {
        let curve = |way, nll: [f64; 3]| Curve { way, nll: nll.to_vec() };
        // SmolLM2, two of four weights pruned: activation is behind SVD at the lower ranks.
        let curves = vec![
            curve("SVD", [3.506, 3.272, 2.961]),
            curve("activation", [3.522, 3.393, 2.950]),
            curve("EoRA", [3.425, 3.173, 2.800]),
        ];
        let compressed = vec![Compressed { smaller: Smaller::Pruned, none: 3.611, curves }];
        let (name, ranks) = ("m".to_owned(), vec![8, 32, 128]);
        let measured = Measured { name, about: String::new(), layers: 1, ranks, whole: 2.59, compressed };
        let found = sentences(&measured);
        assert_eq!(found.iter().map(|finding| finding.holds).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(found[1].here, "SVD 3.246, activation 3.288, EoRA 3.133; at 1 of 3 ranks");
        let words = claim(&[measured]).page.html();
        assert!(words.contains("2 of 3 sentences hold here, not so “m, 2:4: activation-weighed corrections"));
    }
}
