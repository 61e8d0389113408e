//! What was found in a model, as a page: the brief one of the terminal, and the whole one.

use super::tables;
use crate::{curve, units};
use rankine_analyze::inspect::{Compute, Finding, LayerMap, ModelReport, TensorReport};
use rankine_report::{Axis, Cell, Explorer, Heat, Level, Lines, Metric, Page, Series, format};

/// Tensors that the brief page names.
const NOTABLE: usize = 10;

/// Findings of a kind of remark that the brief page tells one by one.
const TOLD: usize = 8;

/// What a map can show: its name, whether on a log scale, the number.
type Measure = (&'static str, bool, fn(&TensorReport) -> Option<f64>);

const MEASURES: [Measure; 10] = [
    ("stable rank", true, |tensor| Some(tensor.spectrum.as_ref()?.stable_rank)),
    ("tail exponent α", false, |tensor| Some(tensor.spectrum.as_ref()?.tail?.alpha)),
    ("spectral norm", true, |tensor| Some(tensor.spectrum.as_ref()?.spectral_norm)),
    ("effective rank", true, |tensor| tensor.spectrum.as_ref()?.effective_rank),
    ("rank of 90 % of the energy", true, |tensor| Some(tensor.spectrum.as_ref()?.energy_ranks[1]? as f64)),
    ("outliers above the noise", false, |tensor| Some(tensor.spectrum.as_ref()?.noise?.outliers as f64)),
    ("energy above the noise", false, |tensor| Some(tensor.spectrum.as_ref()?.noise?.energy)),
    ("dead rows", false, |tensor| Some(tensor.numbers.as_ref()?.dead_rows as f64)),
    ("dead columns", false, |tensor| Some(tensor.numbers.as_ref()?.dead_columns as f64)),
    ("error bound of the leading values", true, |tensor| tensor.spectrum.as_ref()?.bound),
];

/// How measures end of which there may be more where only the leading values are known.
const ABOVE: &str = "above the noise";

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
    facts.extend(costs(report.compute));
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

/// What running it costs.
fn costs(compute: Compute) -> Vec<(&'static str, Cell)> {
    match compute {
        Compute::Token { operations_per_token, cache_bytes_per_token } => {
            let cache = cache_bytes_per_token.map(|bytes| ("cache a token, in 16 bits", Cell::Bytes(bytes)));
            let operations = ("operations a token, in matrices", Cell::Count(operations_per_token));
            [operations].into_iter().chain(cache).collect()
        }
        Compute::Image { operations_per_image, image_size } => {
            let image = image_size.map(|sides| ("image", Cell::text(units::shape(&sides))));
            [("operations an image", Cell::Count(operations_per_image))].into_iter().chain(image).collect()
        }
        Compute::Pixel { operations_per_pixel, operations_of_head } => vec![
            ("operations a pixel, in convolutions", Cell::number(operations_per_pixel, 6)),
            ("operations an image, in the head", Cell::Count(operations_of_head)),
        ],
        Compute::Unknown { unknown } => vec![("operations", Cell::text(format!("not known: {unknown}")))],
    }
}

/// A measure of every cell of a map; NaN where there is none.
fn values(map: &LayerMap<'_>, value: fn(&TensorReport) -> Option<f64>) -> Vec<f64> {
    map.cells.iter().map(|cell| cell.and_then(value).unwrap_or(f64::NAN)).collect()
}

fn heat(map: &LayerMap<'_>, (name, log, value): Measure) -> Heat {
    let values = values(map, value);
    let rows = values.chunks(map.columns.len().max(1)).map(<[f64]>::to_vec).collect();
    let axis = if log { Axis::log(name) } else { Axis::linear(name) };
    let columns = map.columns.iter().map(|column| (*column).to_owned());
    Heat::new(format!("The {name} of every matrix"), axis, rows).names(map.rows.iter().cloned(), columns)
}

fn explorer(map: &LayerMap<'_>) -> Explorer {
    let is_cut = |tensor: &TensorReport| tensor.spectrum.as_ref()?.noise.map(|noise| noise.at_least);
    let is_cut = map.cells.iter().flatten().any(|tensor| is_cut(tensor) == Some(true));
    let metric = |(name, log, value): Measure| {
        let more = if is_cut && name.ends_with(ABOVE) { ", at least" } else { "" };
        Metric { name: format!("{name}{more}"), log, values: values(map, value) }
    };
    let metrics = MEASURES.into_iter().map(metric);
    let is_known = |metric: &Metric| metric.values.iter().any(|value| value.is_finite());
    let spectrum =
        |cell: &Option<&TensorReport>| curve::thinned(&cell.as_ref()?.spectrum.as_ref()?.singular_values);
    Explorer {
        title: "Matrices by layer and kind".to_owned(),
        rows: map.rows.clone(),
        columns: map.columns.iter().map(|column| (*column).to_owned()).collect(),
        metrics: metrics.filter(is_known).collect(),
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
    let spectra = alone
        .filter_map(|tensor| Some((&tensor.name, curve::drawn(&tensor.spectrum.as_ref()?.singular_values))));
    let mut lines = Lines::new("Spectra", Axis::log("index"), Axis::log("singular value"));
    for (name, values) in spectra.take(SERIES) {
        let points = curve::places(values.len()).map(|at| (at as f64 + 1.0, f64::from(values[at])));
        lines = lines.series(Series::new(name, points));
    }
    lines
}
