//! A page as an inspection of a model of 135M parameters writes it.

use rankine_report::{Axis, Cell, Column, Explorer, Metric, Page, Table};

const LAYERS: usize = 30;
const KINDS: [&str; 9] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "input_layernorm",
    "post_attention_layernorm",
];

/// How many of the kinds are matrices.
const MATRICES: usize = 7;

/// A cell of the map without a tensor: layer and kind.
const GAP: (usize, usize) = (3, 2);

pub fn model() -> Page {
    let mut page = Page::new("SmolLM2-135M");
    page.lead("270 tensors, 134,515,008 parameters.").section("Map").explorer(explorer());
    page.section("Tensors").table(tensors());
    page
}

/// Something for every cell but one, row by row.
fn cells<T>(value: impl Fn(usize, usize) -> T, gap: T) -> Vec<T>
where
    T: Clone,
{
    let of = |layer, kind| if (layer, kind) == GAP { gap.clone() } else { value(layer, kind) };
    (0..LAYERS)
        .flat_map(|layer| (0..MATRICES).map(move |kind| (layer, kind)))
        .map(|(l, k)| of(l, k))
        .collect()
}

fn name(layer: usize, kind: usize) -> String {
    format!("model.layers.{layer}.{}.weight", KINDS[kind])
}

fn norm(layer: usize, kind: usize) -> f64 {
    10.0 * (kind as f64 + 1.0) * (layer as f64 / 10.0).exp2()
}

fn spectrum(layer: usize, kind: usize) -> Vec<f64> {
    (1..=64).map(|index| norm(layer, kind) * f64::from(index).powf(-0.3 - 0.1 * kind as f64)).collect()
}

fn explorer() -> Explorer {
    let metric = |name: &str, log: bool, value: &dyn Fn(usize, usize) -> f64| Metric {
        name: name.to_owned(),
        log,
        values: cells(value, f64::NAN),
    };
    let mut metrics = vec![
        metric("stable rank", false, &|layer, kind| 1.0 + layer as f64 + kind as f64 / 10.0),
        metric("norm", true, &norm),
        metric("drift", false, &|layer, kind| (layer as f64 - 10.0 + kind as f64) / 10.0),
    ];
    for (index, name) in
        ["effective rank", "tail exponent", "outliers", "dead rows", "energy rank"].into_iter().enumerate()
    {
        metrics.push(metric(name, false, &|layer, kind| ((layer * MATRICES + kind) * (index + 1)) as f64));
    }
    let curve = |layer, kind| Some(spectrum(layer, kind).into_iter().map(|value| value as f32).collect());
    Explorer {
        title: "Every matrix".to_owned(),
        rows: (0..LAYERS).map(|layer| format!("layer {layer}")).collect(),
        columns: KINDS[..MATRICES].iter().map(|kind| kind.rsplit('.').next().unwrap().to_owned()).collect(),
        metrics,
        spectra: cells(curve, None),
        labels: cells(name, String::new()),
        spectrum_axes: (Axis::linear("index"), Axis::log("singular value")),
    }
}

fn tensors() -> Table {
    let columns = [
        Column::text("Tensor"),
        Column::number("Rank"),
        Column::text("Shape"),
        Column::number("Stable rank"),
        Column::number("Norm"),
        Column::number("Energy").unit("first 4"),
        Column::number("Size"),
        Column::number("Spectrum"),
    ];
    let mut table = Table::new(columns).caption("All tensors");
    for index in 0..LAYERS * KINDS.len() {
        let (layer, kind) = (index / KINDS.len(), index % KINDS.len());
        // Prime to the number of rows: every rank from 0 to 269 once, but for one that is missing.
        let rank = (index * 7919 % (LAYERS * KINDS.len())) as f64;
        table.row([
            Cell::text(name(layer, kind)),
            if index == 100 { Cell::Missing } else { Cell::number(rank, 4) },
            Cell::text("[576, 1536]"),
            Cell::fixed(1.0 + index as f64 / 7.0, 2),
            Cell::number(norm(layer, kind), 4),
            Cell::Percent(1.0 / (index as f64 + 2.0)),
            Cell::Bytes(1_769_472),
            Cell::Spark(spectrum(layer, kind)),
        ]);
    }
    table
}

#[test]
fn a_page_of_a_model_is_small() {
    let html = model().html();
    assert!((100_000..1_000_000).contains(&html.len()), "{} bytes", html.len());
    assert_eq!(html.matches("class=\"cell\"").count(), LAYERS * MATRICES);
}
