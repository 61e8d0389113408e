//! What was found in a model, as a page: the brief one of the terminal, and the whole one.

use super::tables;
use rankine_analyze::inspect::{Finding, LayerMap, ModelReport, Spectrum, TensorReport};
use rankine_report::{Axis, Cell, Explorer, Heat, Level, Lines, Metric, Page, Series, format};

/// Points of a drawn spectrum at most.
const POINTS: usize = 64;

/// Singular values of at most this share of the largest are rounding, and would stretch a log axis over nothing.
const ROUNDING: f32 = 1e-6;

/// Tensors that the brief page names.
const NOTABLE: usize = 10;

/// Findings of a kind of remark that the brief page tells one by one.
const TOLD: usize = 8;

/// What a map can show: its name, whether on a log scale, the number.
type Measure = (&'static str, bool, fn(&Spectrum) -> Option<f64>);

const MEASURES: [Measure; 7] = [
    ("stable rank", true, |spectrum| Some(spectrum.stable_rank)),
    ("tail exponent α", false, |spectrum| Some(spectrum.tail?.alpha)),
    ("spectral norm", true, |spectrum| Some(spectrum.spectral_norm)),
    ("effective rank", true, |spectrum| spectrum.effective_rank),
    ("rank of 90 % of the energy", true, |spectrum| Some(spectrum.energy_ranks[1]? as f64)),
    ("outliers above the noise", false, |spectrum| Some(spectrum.noise?.outliers as f64)),
    ("energy above the noise", false, |spectrum| Some(spectrum.noise?.energy)),
];

/// For the terminal; with `all` every tensor.
pub fn brief(report: &ModelReport, model: &str, all: bool) -> Page {
    let mut page = overview(report, model, TOLD);
    page.section("By kind").table(tables::kinds(report));
    let map = report.map();
    if !map.cells.is_empty() {
        page.section("Layers").plot(heat(&map, MEASURES[0]));
    }
    let notable = report.notable(NOTABLE);
    if !notable.is_empty() && !all {
        page.section("Most unlike others of their kind").table(tables::unlike(&notable));
    }
    if all {
        page.section("Tensors").table(tables::tensors(report));
    }
    page
}

/// For a browser.
pub fn whole(report: &ModelReport, model: &str) -> Page {
    let mut page = overview(report, model, usize::MAX);
    let map = report.map();
    if !map.cells.is_empty() {
        page.section("Layers").explorer(explorer(&map));
    }
    let alone = outside(report);
    if !alone.series.is_empty() {
        page.section("Outside the layers").plot(alone);
    }
    page.section("By kind").table(tables::kinds(report));
    if !report.layers.is_empty() {
        page.section("By layer").table(tables::layers(report));
    }
    let notable = report.notable(NOTABLE);
    if !notable.is_empty() {
        page.section("Most unlike others of their kind").table(tables::unlike(&notable));
    }
    page.section("Tensors").table(tables::tensors(report));
    page
}

fn overview(report: &ModelReport, model: &str, told: usize) -> Page {
    let mut page = Page::new(format!("Inspected {model}"));
    let storage = report.storage.iter().map(|(dtype, storage)| {
        format!("{} {dtype} ({})", format::count(storage.parameters), format::bytes(storage.bytes))
    });
    let mut facts = vec![
        ("tensors", Cell::Count(report.tensors.len() as u64)),
        ("parameters", Cell::Count(report.parameters)),
        ("stored", Cell::Bytes(report.bytes)),
        ("as", Cell::text(storage.collect::<Vec<_>>().join(", "))),
    ];
    facts.extend(report.architecture.as_deref().map(|name| ("architecture", Cell::text(name))));
    if let Some(compute) = &report.compute {
        facts.push(("operations a token, in matrices", Cell::Count(compute.operations_per_token)));
        facts.extend(
            compute.cache_bytes_per_token.map(|bytes| ("cache a token, in 16 bits", Cell::Bytes(bytes))),
        );
    }
    page.facts(&facts);
    let (warnings, remarks): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.is_warning());
    for (level, findings) in [(Level::Warning, warnings), (Level::Note, remarks)] {
        for finding in findings.iter().take(told) {
            page.note(level, finding.to_string());
        }
        if told < findings.len() {
            page.note(
                level,
                format!(
                    "{} more such findings are on the page of `--html` and in `--json`",
                    findings.len() - told
                ),
            );
        }
    }
    page
}

/// A measure of every cell of a map; NaN where there is none.
fn values(map: &LayerMap<'_>, value: fn(&Spectrum) -> Option<f64>) -> Vec<f64> {
    let one =
        |tensor: &Option<&TensorReport>| tensor.and_then(|tensor| tensor.spectrum.as_ref()).and_then(value);
    map.cells.iter().map(|cell| one(cell).unwrap_or(f64::NAN)).collect()
}

fn heat(map: &LayerMap<'_>, (name, log, value): Measure) -> Heat {
    let values = values(map, value);
    let rows = values.chunks(map.columns.len().max(1)).map(<[f64]>::to_vec).collect();
    let axis = if log { Axis::log(name) } else { Axis::linear(name) };
    let columns = map.columns.iter().map(|column| (*column).to_owned());
    Heat::new(format!("The {name} of every matrix"), axis, rows).names(map.rows.iter().cloned(), columns)
}

fn explorer(map: &LayerMap<'_>) -> Explorer {
    let metric =
        |(name, log, value): Measure| Metric { name: name.to_owned(), log, values: values(map, value) };
    let spectrum = |cell: &Option<&TensorReport>| {
        let values = drawn(&cell.as_ref()?.spectrum.as_ref()?.singular_values);
        (!values.is_empty()).then(|| thinned(values))
    };
    Explorer {
        title: "Matrices by layer and kind".to_owned(),
        rows: map.rows.clone(),
        columns: map.columns.iter().map(|column| (*column).to_owned()).collect(),
        metrics: MEASURES.into_iter().map(metric).collect(),
        spectra: map.cells.iter().map(spectrum).collect(),
        labels: map
            .cells
            .iter()
            .map(|cell| cell.map_or_else(String::new, |tensor| tensor.name.clone()))
            .collect(),
        spectrum_axes: (
            Axis::linear("from the largest to the smallest that is known"),
            Axis::log("singular value"),
        ),
    }
}

/// The spectra of matrices that stand in no layer, as many as a plot tells apart.
fn outside(report: &ModelReport) -> Lines {
    const SERIES: usize = 6;
    let alone = report.tensors.iter().filter(|tensor| tensor.layer.is_none());
    let spectra =
        alone.filter_map(|tensor| Some((&tensor.name, drawn(&tensor.spectrum.as_ref()?.singular_values))));
    let mut lines = Lines::new("Spectra", Axis::log("index"), Axis::log("singular value"));
    for (name, values) in spectra.take(SERIES) {
        let points = places(values.len()).map(|at| (at as f64 + 1.0, f64::from(values[at])));
        lines = lines.series(Series::new(name, points));
    }
    lines
}

/// The values that are more than rounding; values: descending.
fn drawn(values: &[f32]) -> &[f32] {
    let least = values.first().map_or(0.0, |first| first * ROUNDING);
    &values[..values.partition_point(|&value| least < value)]
}

/// Some of the values, equally far apart, the first and the last among them.
fn thinned(values: &[f32]) -> Vec<f32> {
    places(values.len()).map(|at| values[at]).collect()
}

/// Places of at most [`POINTS`] of so many values.
fn places(count: usize) -> impl Iterator<Item = usize> {
    let points = count.min(POINTS);
    (0..points).map(move |point| point * count.saturating_sub(1) / points.saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_spectrum_keeps_its_ends() {
        let values: Vec<f32> = (0..1000).map(|at| at as f32).collect();
        let thin = thinned(&values);
        assert_eq!((thin.len(), thin[0], thin[POINTS - 1]), (POINTS, 0.0, 999.0));
        assert_eq!(thinned(&values[..3]), [0.0, 1.0, 2.0]);
        assert!(thinned(&values[..1]) == [0.0] && thinned(&[]).is_empty());
    }

    #[test]
    fn rounding_is_not_drawn() {
        assert_eq!(drawn(&[2.0, 1.0, 1e-7, 0.0]), [2.0, 1.0]);
        assert!(drawn(&[0.0, 0.0]).is_empty() && drawn(&[]).is_empty());
    }
}
