//! The face for repositories: Markdown as GitHub reads it, every plot an SVG file beside it.
//!
//! The same page always gives the same bytes, so that a page under version control changes only with its numbers.

use crate::{Align, Block, Page, Plot, Section, Table, svg, text};

/// A page as Markdown, and the files that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Markdown {
    /// The text; ends with a line end.
    pub text: String,
    /// Name and content of every figure.
    pub figures: Vec<(String, String)>,
}

impl Page {
    /// The page as Markdown; its figures are called `stem-1.svg`, `stem-2.svg`, … and lie beside it.
    pub fn markdown(&self, stem: &str) -> Markdown {
        let mut writer =
            Writer { stem, parts: vec![format!("# {}", words(&self.title))], figures: Vec::new() };
        writer.parts.extend(self.lead.iter().map(|lead| words(lead)));
        self.sections.iter().for_each(|section| writer.section(section));
        Markdown { text: format!("{}\n", writer.parts.join("\n\n")), figures: writer.figures }
    }
}

/// What stands between empty lines so far, and the figures.
struct Writer<'a> {
    stem: &'a str,
    parts: Vec<String>,
    figures: Vec<(String, String)>,
}

impl Writer<'_> {
    fn section(&mut self, section: &Section) {
        self.parts.extend(section.heading.iter().map(|heading| format!("## {}", words(heading))));
        for block in &section.blocks {
            let part = match block {
                Block::Text(paragraph) => words(paragraph),
                Block::Facts(facts) => {
                    let fact = |(label, value): &(String, crate::Cell)| {
                        format!("- {}: {}", words(label), words(&value.shown()))
                    };
                    facts.iter().map(fact).collect::<Vec<_>>().join("\n")
                }
                Block::Table(content) => table(content),
                Block::Plot(plot) => self.figure(plot),
                Block::Explorer(explorer) => self.figure(&explorer.first().into()),
                Block::Code(lines) => code(lines),
                Block::Note(level, remark) => format!("> **{}:** {}", level.word(), words(remark)),
            };
            self.parts.push(part);
        }
    }

    fn figure(&mut self, plot: &Plot) -> String {
        let name = format!("{}-{}.svg", self.stem, self.figures.len() + 1);
        let seen = format!("![{}]({name})", words(&plot.summary()));
        self.figures.push((name, svg::file(plot)));
        seen
    }
}

fn table(table: &Table) -> String {
    let table = &table.measured();
    let columns = 0..table.width();
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines: Vec<String> =
        table.caption.iter().map(|caption| format!("{}\n", words(caption))).collect();
    lines.push(row(columns.clone().map(|column| words(&table.head(column))).collect()));
    let ruler = |column| match table.align(column) {
        Align::Left => "---".to_owned(),
        Align::Right => "---:".to_owned(),
    };
    lines.push(row(columns.clone().map(ruler).collect()));
    for index in 0..table.rows.len() {
        lines.push(row(columns.clone().map(|column| words(&table.shown(index, column))).collect()));
    }
    lines.join("\n")
}

/// A fence that the lines cannot close.
fn code(lines: &str) -> String {
    let longest = lines.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text::clean(lines).trim_end())
}

/// Words that are only words: on one line, what Markdown would read as a sign of its own behind a backslash.
fn words(text: &str) -> String {
    let mut out = String::new();
    for (index, letter) in text::clean_line(text).chars().enumerate() {
        let sign = matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$');
        if sign || (index == 0 && matches!(letter, '#' | '-' | '+' | '=')) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Cell, Column, Explorer, Level, Lines, Metric, Series};

    #[test]
    fn every_block_has_its_place() {
        let mut page = Page::new("SVFit: *values*");
        page.lead("One a|b.").text("# no heading").section("Found").facts(&[("rank", Cell::Count(8))]);
        let mut content =
            Table::new([Column::text("arm"), Column::number("loss").unit("nats")]).caption("Losses");
        content.row([Cell::text("a_b"), Cell::fixed(0.5, 2)]);
        let curve = Lines::new("curve", Axis::linear("step"), Axis::linear("loss"));
        page.table(content).plot(curve.series(Series::new("x", [(0.0, 1.0), (1.0, 2.0)])));
        page.code("let x = ```1```;").note(Level::Warning, "few\nseeds");
        let Markdown { text, figures } = page.markdown("01-svfit");
        let expected = "# SVFit: \\*values\\*\n\nOne a\\|b.\n\n\\# no heading\n\n## Found\n\n- rank: 8\n\n\
            Losses\n\n| arm | loss (nats) |\n| --- | ---: |\n| a\\_b | 0.50 |\n\n![";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.ends_with(
                "](01-svfit-1.svg)\n\n````text\nlet x = ```1```;\n````\n\n> **warning:** few seeds\n"
            ),
            "{text}"
        );
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].0, "01-svfit-1.svg");
        assert!(figures[0].1.starts_with("<svg xmlns"));
    }

    #[test]
    fn an_explorer_is_a_figure_of_its_first_metric() {
        let mut page = Page::new("t");
        let metric = |name: &str| Metric { name: name.to_owned(), log: false, values: vec![2.0] };
        page.explorer(Explorer {
            rows: vec!["layer 0".to_owned()],
            columns: vec!["q".to_owned()],
            metrics: vec![metric("rank"), metric("norm")],
            ..Explorer::default()
        });
        let Markdown { text, figures } = page.markdown("x");
        assert_eq!(text, "# t\n\n![1 rows by 1 columns of rank: lowest 2, highest 2.](x-1.svg)\n");
        assert!(figures.len() == 1 && figures[0].1.contains("layer 0, q: 2"));
    }

    #[test]
    fn hostile_text_is_only_text() {
        let mut page = Page::new("<script>alert(1)</script>");
        page.text("[x](javascript:1) <img src=x> &amp; \u{1b}[0m").code("```\n````\nrm");
        let text = page.markdown("x").text;
        assert!(
            text.contains("\\<script\\>") && text.contains("\\[x\\]") && text.contains("\\&amp;"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}') && text.contains("`````text\n"), "{text}");
    }
}
