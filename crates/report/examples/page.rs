//! Writes a page with every kind of block to `page.html`, `page.md` (with its figures), `page.json`, `page.txt` and
//! `page.ansi` in a directory, with an event file beside them:
//! `cargo run -p rankine-report --example page -- /tmp/page [columns]`.

use std::path::PathBuf;

use rankine_report::tensorboard::EventFile;
use rankine_report::{
    Axis, Bars, Cell, Column, Explorer, Group, Heat, Level, Lines, Metric, Page, Series, Style, Table,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let dir = words.next().map_or_else(|| PathBuf::from("page"), PathBuf::from);
    let width = words.next().map_or(Ok(100), |word| word.parse())?;
    fs_err::create_dir_all(&dir)?;
    let page = page();
    fs_err::write(dir.join("page.html"), page.html())?;
    let markdown = page.markdown("page");
    fs_err::write(dir.join("page.md"), markdown.text)?;
    for (name, figure) in markdown.figures {
        fs_err::write(dir.join(name), figure)?;
    }
    fs_err::write(dir.join("page.json"), format!("{:#}\n", page.json()))?;
    fs_err::write(dir.join("page.txt"), page.terminal(width, false))?;
    fs_err::write(dir.join("page.ansi"), page.terminal(width, true))?;
    let mut events = EventFile::create(&dir, 1_795_000_000.0, "example")?;
    for (step, loss) in losses(400) {
        events.scalar("train/loss", step as u64, 1_795_000_000.0 + step, loss as f32)?;
    }
    events.flush()?;
    Ok(())
}

fn page() -> Page {
    let mut page = Page::new("Fine-tuning SmolLM2-135M-Instruct with PiSSA");
    page.lead("400 steps at rank 16 on 162 question–answer pairs; the held-out loss fell from 3.12 to 1.27.");
    page.section("Summary");
    page.facts(&[
        (
            "Base model",
            Cell::text("HuggingFaceTB/SmolLM2-135M-Instruct (llama, 134,515,008 parameters, bf16)"),
        ),
        ("Trained numbers", Cell::Count(4_884_480)),
        ("Share of the model", Cell::Percent(0.0363)),
        ("Time", Cell::Seconds(754.0)),
        ("Peak memory", Cell::Bytes(1_183_000_000)),
        ("Learning rate", Cell::number(2e-4, 3)),
        ("Adapter", Cell::text("runs/first/adapter_model.safetensors")),
    ]);
    page.note(
        Level::Success,
        "the adapter was read back and gives the same logits (largest difference 2.4e-6)",
    );
    page.note(Level::Note, "the last 3 examples were longer than 1,024 tokens and were cut at the end");
    page.note(Level::Warning, "the training loss is still falling: more steps may help");
    page.note(Level::Error, "2 examples could not be read; see `skipped.jsonl`");
    page.section("Loss").text("Mean negative log-likelihood of the answers' tokens, in nats.");
    page.plot(loss_plot()).plot(rate_plot());
    page.section("Layers")
        .table(layer_table())
        .plot(spectra_plot())
        .plot(energy_map(30, 7))
        .plot(correlations());
    page.section("Every matrix").explorer(explorer()).table(matrix_table(&explorer()));
    page.section("Methods").plot(method_bars()).plot(gain_bars()).plot(energy_map(60, 200));
    page.section("Edge cases");
    page.plot(
        Lines::new("A single point", Axis::linear("step"), Axis::linear("loss"))
            .series(Series::new("loss", [(3.0, 2.5)])),
    );
    page.plot(
        Lines::new("Nothing", Axis::linear("step"), Axis::log("loss"))
            .series(Series::new("a", []).style(Style::Points)),
    );
    page.plot(many_lines());
    page.section("Again")
        .text("To repeat this run:")
        .code("rankine train runs/first/recipe.toml --output runs/second");
    page
}

/// A falling, noisy curve; the noise is a folded irrational sequence.
fn losses(steps: usize) -> impl Iterator<Item = (f64, f64)> {
    (1..=steps).map(move |step| {
        let at = step as f64 / steps as f64;
        (step as f64, 1.1 + 2.0 * (-4.0 * at).exp() + 0.5 * ((step as f64 * 0.618_034).fract() - 0.5))
    })
}

fn loss_plot() -> Lines {
    let mut training: Vec<_> = losses(5000).collect();
    training[2500..2560].iter_mut().for_each(|point| point.1 = f64::NAN);
    let lora = losses(5000).map(|(step, loss)| (step, loss * 1.1 + 0.2));
    let held_out = (0..=10).map(|i| (f64::from(i) * 500.0, 1.2 + 2.0 * (-0.35 * f64::from(i)).exp()));
    Lines::new("Loss over the steps", Axis::linear("step"), Axis::linear("nats per token"))
        .series(Series::new("training, PiSSA", training))
        .series(Series::new("training, LoRA", lora))
        .series(Series::new("held-out", held_out).style(Style::Marked))
        .smoothing(0.98)
}

fn rate_plot() -> Lines {
    let rate = |step: u32| {
        let step = f64::from(step);
        if step < 40.0 {
            2e-4 * step / 40.0
        } else {
            1e-4 * (1.0 + ((step - 40.0) / 360.0 * std::f64::consts::PI).cos())
        }
    };
    Lines::new("Learning rate", Axis::linear("step"), Axis::linear("learning rate"))
        .series(Series::new("learning rate", (0..=400).map(|step| (f64::from(step), rate(step)))))
}

fn spectra_plot() -> Lines {
    let spectrum =
        |scale: f64, power: f64| (1..=64).map(move |i| (f64::from(i), scale * f64::from(i).powf(-power)));
    Lines::new("Singular values of the update, layer 12", Axis::log("index"), Axis::log("singular value"))
        .series(Series::new("q_proj", spectrum(3.0, 1.1)).style(Style::Marked))
        .series(Series::new("v_proj", spectrum(0.8, 2.4)).style(Style::Points))
        .series(Series::new("down_proj", spectrum(9.0, 3.6)))
}

fn many_lines() -> Lines {
    let wave = |phase: usize| {
        (0..120).map(move |i| (f64::from(i), (f64::from(i) * 0.05 + phase as f64 * 0.6).sin() + phase as f64))
    };
    (0..8).fold(
        Lines::new("Eight series", Axis::linear("time in seconds"), Axis::linear("value")),
        |lines, phase| {
            lines.series(Series::new(format!("model.layers.{phase}.self_attn.q_proj"), wave(phase)))
        },
    )
}

fn layer_table() -> Table {
    let columns = [
        Column::text("Layer"),
        Column::number("Rank"),
        Column::number("Norm of the update"),
        Column::number("Share of the weight"),
        Column::number("Stable rank"),
        Column::number("Loss without it").unit("nats"),
        Column::text("Remark"),
    ];
    let mut table = Table::new(columns).caption("The layers that changed most");
    for layer in 0..6 {
        let at = f64::from(layer);
        table.row([
            Cell::text(format!("model.layers.{layer}.self_attn.q_proj")),
            Cell::Count(16),
            Cell::number(3.21 / (at + 1.0), 3),
            Cell::Percent(0.042 / (at * at + 1.0)),
            Cell::fixed(5.5 - at, 2),
            if layer == 4 { Cell::Missing } else { Cell::fixed(1.27 + 0.1 * at, 4) },
            Cell::text(if layer == 2 { "its largest singular value is far above the others" } else { "" }),
        ]);
    }
    table
}

fn energy_map(rows: usize, columns: usize) -> Heat {
    let value = |row: usize, column: usize| {
        if row == 3 && column == 2 {
            f64::NAN
        } else {
            ((row * 3 + column * 5) % 17) as f64 / 17.0 + 0.01 * row as f64
        }
    };
    let values = (0..rows).map(|row| (0..columns).map(|column| value(row, column)).collect()).collect();
    let kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let name =
        |column: usize| if columns > kinds.len() { format!("{column}") } else { kinds[column].to_owned() };
    let names = ((0..rows).map(|row| format!("layer {row}")), (0..columns).map(name));
    Heat::new("Share of the energy in the first four directions", Axis::linear("share"), values)
        .names(names.0, names.1)
}

/// Thirty layers by seven kinds, as they are in small language models: early and late layers differ, one matrix is missing.
fn explorer() -> Explorer {
    let kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let places: Vec<(usize, usize)> =
        (0..30).flat_map(|layer| (0..7).map(move |kind| (layer, kind))).collect();
    // Between 0 and 1, as if by chance, and the same every time.
    let chance = |layer: usize, kind: usize| ((layer * 7 + kind) as f64 * 0.618_034).fract();
    let decay = |layer: usize, kind: usize| {
        let depth = layer as f64 / 29.0;
        0.55 + 0.12 * kind as f64 + 0.5 * (depth - 0.5).powi(2) + 0.12 * chance(layer, kind)
    };
    let spectrum = |layer: usize, kind: usize| -> Vec<f32> {
        let top = 8.0 + 9.0 * chance(kind, layer) + layer as f64 / 3.0;
        (1..=64).map(|i| (top * f64::from(i).powf(-decay(layer, kind))) as f32).collect()
    };
    let missing = |place: &(usize, usize)| *place == (17, 2);
    let metric = |name: &str, log: bool, value: &dyn Fn(&[f32]) -> f64| Metric {
        name: name.to_owned(),
        log,
        values: places
            .iter()
            .map(|place| if missing(place) { f64::NAN } else { value(&spectrum(place.0, place.1)) })
            .collect(),
    };
    let squares = |s: &[f32]| s.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
    Explorer {
        title: "Spectra of every matrix".to_owned(),
        rows: (0..30).map(|layer| format!("layer {layer}")).collect(),
        columns: kinds.map(str::to_owned).to_vec(),
        metrics: vec![
            metric("stable rank", false, &|s| squares(s) / f64::from(s[0]).powi(2)),
            metric("Frobenius norm", false, &|s| squares(s).sqrt()),
            metric("condition of the first 64", true, &|s| f64::from(s[0] / s[63])),
            metric("energy of the first 8", false, &|s| squares(&s[..8]) / squares(s)),
            metric("drift of the norm", false, &|s| squares(s).sqrt() - 20.0),
        ],
        spectra: places.iter().map(|place| (!missing(place)).then(|| spectrum(place.0, place.1))).collect(),
        labels: places
            .iter()
            .map(|place| match place.1 {
                _ if missing(place) => String::new(),
                0..4 => format!("model.layers.{}.self_attn.{}.weight", place.0, kinds[place.1]),
                _ => format!("model.layers.{}.mlp.{}.weight", place.0, kinds[place.1]),
            })
            .collect(),
        spectrum_axes: (Axis::linear("index"), Axis::log("singular value")),
    }
}

fn matrix_table(explorer: &Explorer) -> Table {
    let heads = explorer.metrics.iter().map(|metric| Column::number(&metric.name));
    let columns = [Column::text("Tensor"), Column::number("Spectrum")].into_iter().chain(heads);
    let mut table = Table::new(columns).caption("Every matrix");
    for (place, label) in explorer.labels.iter().enumerate() {
        let spectrum = explorer.spectra[place].iter().flatten().map(|value| f64::from(*value).ln()).collect();
        let value = |metric: &Metric| Cell::from(Some(metric.values[place]).filter(|value| !value.is_nan()));
        let values = explorer.metrics.iter().map(value);
        table.row([Cell::text(label), Cell::Spark(spectrum)].into_iter().chain(values));
    }
    table
}

fn correlations() -> Heat {
    let value = |row: i32, column: i32| 1.0 - 0.4 * f64::from((row - column).abs());
    let values = (0..6).map(|row| (0..6).map(|column| value(row, column)).collect()).collect();
    let names = || (0..6).map(|i| format!("model.layers.{i}.mlp"));
    Heat::new("Correlation of updates", Axis::linear("correlation"), values).names(names(), names())
}

fn method_bars() -> Bars {
    let group = |name: &str, values: [f64; 4]| Group { name: name.to_owned(), values: values.to_vec() };
    Bars {
        title: "Held-out loss by method".to_owned(),
        axis: Axis::linear("nats per token"),
        categories: ["full fine-tuning", "LoRA, rank 16", "PiSSA, rank 16", "base model"]
            .map(str::to_owned)
            .to_vec(),
        groups: vec![
            group("100 steps", [1.61, 1.93, 1.72, 3.12]),
            group("400 steps", [1.21, 1.44, 1.27, f64::NAN]),
        ],
    }
}

fn gain_bars() -> Bars {
    let layers = (0..5)
        .map(|i| (format!("model.layers.{i}.self_attn.q_proj.weight.update"), 0.8 - 0.35 * f64::from(i)));
    layers.fold(Bars::new("Gain by layer", Axis::linear("nats")), |bars, (name, gain)| bars.bar(name, gain))
}
