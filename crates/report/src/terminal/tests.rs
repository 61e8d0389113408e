use proptest::prelude::*;

use crate::text::columns;
use crate::{Axis, Bars, Cell, Column, Explorer, Heat, Level, Lines, Metric, Page, Series, Style, Table};

/// A page with everything on it; `extra` goes into every text.
fn full(extra: &str) -> Page {
    let say = |words: &str| format!("{words}{extra}");
    let mut page = Page::new(say("A run"));
    page.lead(say("SmolLM2 with PiSSA, rank 16.")).section(say("Summary"));
    page.facts(&[(say("Model"), Cell::text(say("smollm2-135m"))), (say("Steps"), Cell::Count(12_345))]);
    page.note(Level::Success, say("the held-out loss fell")).note(Level::Warning, say("rank is high"));
    let mut table =
        Table::new([Column::text("Layer"), Column::number("Loss").unit("nats"), Column::number("Size")])
            .caption(say("By layer"));
    table.row([
        Cell::text(say("model.layers.0.self_attn.q_proj")),
        Cell::fixed(2.5, 4),
        Cell::Bytes(1_234_567),
    ]);
    table.row([Cell::text("short"), Cell::fixed(f64::NAN, 4)]);
    page.section("Numbers").table(table).code(say("rankine train x"));
    let loss = (0..400)
        .map(|i| (f64::from(i), 3.0 * (-f64::from(i) / 90.0).exp() + (f64::from(i) * 0.7).sin() * 0.2));
    let held = [(0.0, 3.1), (100.0, 1.3), (200.0, f64::NAN), (300.0, 0.6), (399.0, 0.5)];
    let lines = Lines::new(say("Loss"), Axis::linear(say("step")), Axis::linear(say("nats per token")));
    let lines = lines.series(Series::new(say("training"), loss)).smoothing(0.9);
    page.plot(lines.series(Series::new(say("held-out"), held).style(Style::Marked)));
    page.plot(
        Bars::new(say("Gain"), Axis::linear(say("nats")))
            .bar(say("q_proj"), 2.0)
            .bar("k", -0.5)
            .bar("v", f64::NAN),
    );
    let values = (0..4).map(|row| (0..6).map(|column| f64::from(row * column)).collect()).collect();
    page.plot(Heat::new(say("Energy"), Axis::linear(say("share")), values));
    let wide = (0..80).map(|row| (0..300).map(|column| f64::from(row * column).sin()).collect()).collect();
    page.plot(Heat::new(say("Wide"), Axis::linear("share"), wide));
    page
}

#[test]
fn a_page_reads_well() {
    insta::assert_snapshot!(full("").terminal(76, false));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for extra in [
        "",
        " and a good many more words to be wrapped",
        "averyverylongwordwithoutanyblanksinitatall",
        "狐の色",
    ] {
        for width in [0, 24, 30, 41, 60, 80, 100, 133, 250] {
            for line in
                full(extra).terminal(width, false).lines().filter(|line| !line.starts_with("    rankine"))
            {
                assert!(columns(line) <= width.max(24), "{width}: {} {line:?}", columns(line));
            }
        }
    }
}

#[test]
fn without_color_there_is_no_escape_sequence_and_with_it_the_same_words() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{7}\u{202e}";
    let plain = full(hostile).terminal(80, false);
    assert!(!plain.contains(['\u{1b}', '\u{9b}', '\u{7}', '\u{202e}']));
    let colored = full(hostile).terminal(80, true);
    assert!(colored.contains("\u{1b}[1mA run"));
    let sequences = colored.matches('\u{1b}').count();
    let ours = colored.matches("\u{1b}[").count();
    assert_eq!(sequences, ours);
    assert_eq!(colored.matches("\u{1b}[0m").count() * 2, sequences, "every colour ends");
}

#[test]
fn a_narrow_table_becomes_a_list() {
    let mut table = Table::new([Column::text("Layer"), Column::number("Loss"), Column::number("Parameters")]);
    table.row([Cell::text("model.layers.0"), Cell::fixed(2.5, 4), Cell::Count(1_234_567)]);
    let mut page = Page::new("t");
    page.table(table);
    assert!(page.terminal(80, false).contains("Layer              Loss   Parameters\n"));
    assert!(page.terminal(26, false).contains("Parameters  1,234,567\n"));
}

#[test]
fn empty_plots_say_so() {
    let mut page = Page::new("t");
    page.plot(Lines::default()).plot(Bars::default()).plot(Heat::default());
    assert_eq!(page.terminal(80, false).matches("no data").count(), 3);
}

#[test]
fn columns_that_cannot_be_told_apart_are_numbered() {
    let heat = |columns: [&str; 3]| {
        let values = vec![vec![1.25, 2.5, 3.75]; 2];
        let heat = Heat::new("heat", Axis::linear("share"), values);
        let mut page = Page::new("t");
        page.plot(heat.names(["0", "1"].map(str::to_owned), columns.map(str::to_owned)));
        page.terminal(40, false)
    };
    let shown = heat(["mlp.down_proj", "mlp.gate_proj", "norm"]);
    assert!(shown.contains("columns: 1 mlp.down_proj, 2") && !shown.contains('…'), "{shown}");
    assert!(!heat(["down_proj", "gate_proj", "norm"]).contains("columns:"));
}

/// Rows and columns are named by their numbers.
fn explorer(rows: usize, columns: usize, metrics: Vec<Metric>) -> Explorer {
    let names = |count: usize| (1..=count).map(|name| name.to_string()).collect();
    Explorer { rows: names(rows), columns: names(columns), metrics, ..Explorer::default() }
}

#[test]
fn an_explorer_shows_its_first_metric_and_what_each_column_does() {
    let mut values: Vec<f64> = (0u8..12).map(f64::from).collect();
    values[5] = f64::NAN;
    let metric = |name: &str| Metric { name: name.to_owned(), log: false, values: values.clone() };
    let mut page = Page::new("t");
    page.explorer(explorer(6, 2, vec![metric("stable rank"), metric("norm")]));
    let shown = page.terminal(60, false);
    assert!(shown.contains("stable rank, 0 to 11, ? missing\n") && !shown.contains("norm"), "{shown}");
    let trends = "down the rows, lowest to highest:\n1 ▁▂▄▅▇█  0 to 10\n2 ▁▂·▅▇█  1 to 11\n";
    assert!(shown.ends_with(trends), "{shown}");
    let narrow = page.terminal(0, true);
    assert!(narrow.contains("\u{1b}[36m▁▂▄▅▇█\u{1b}[0m"), "{narrow}");
}

#[test]
fn odd_tables_are_shown() {
    let mut page = Page::new("t");
    let mut nameless = Table::new([]);
    nameless.row([]).row([Cell::text(""), Cell::text("x")]);
    page.table(Table::default()).table(Table::new([Column::text(""), Column::number("n")])).table(nameless);
    for width in [0, 24, 80, 100_000] {
        assert!(page.terminal(width, true).contains('x'));
    }
}

proptest! {
    #[test]
    fn any_numbers_can_be_plotted(
        points in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY), 0..40),
        values in prop::collection::vec(prop::collection::vec(prop::num::f64::ANY, 0..6), 0..6),
        logs in (any::<bool>(), any::<bool>()),
        weight in prop::num::f64::ANY,
        width in 0usize..200,
    ) {
        let axis = |log| Axis { label: "axis".to_owned(), log };
        let mut page = Page::new("t");
        let series = || Series::new("s", points.clone());
        let lines = Lines::new("lines", axis(logs.0), axis(logs.1)).series(series().style(Style::Points)).series(series());
        page.plot(lines.smoothing(weight));
        page.plot(points.iter().fold(Bars::new("bars", axis(logs.0)), |bars, (_, value)| bars.bar("b", *value)));
        let metric = Metric { name: "metric".to_owned(), log: logs.0, values: values.concat() };
        page.explorer(explorer(values.len(), 3, vec![metric]));
        page.plot(Heat::new("heat", axis(logs.1), values));
        let html = page.html();
        let drawn = html.split("<main").nth(1).unwrap_or_default().split("<script").next().unwrap_or_default();
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{}", drawn);
        for line in page.terminal(width, false).lines() {
            prop_assert!(columns(line) <= width.max(24), "{} {:?}", width, line);
        }
    }
}
