//! The face for a browser: one HTML file that needs nothing else; without its own script it shows the same, but standing still.
//!
//! Colours follow the reader's light or dark setting; a plot on a narrow screen is scrolled, not shrunk. The policy in
//! the head lets nothing be loaded from anywhere. Everything is written through [`Markup`], which escapes.

mod explorer;
pub(crate) mod markup;
mod table;

use self::markup::Markup;
use crate::{Block, Cell, Level, Page, Plot, Section, svg};

/// Fonts, spacing, colours; figures that are files of their own have it too.
pub(crate) const STYLE: &str = include_str!("page.css");

/// Heads that stay and sort, the panes of an explorer.
const STYLES: [&str; 3] = [STYLE, include_str!("table.css"), include_str!("explorer.css")];

/// Values under the pointer, sorting, walking through an explorer; the page reads as well without them.
const SCRIPTS: [&str; 5] = [
    include_str!("common.js"),
    include_str!("hover.js"),
    include_str!("table.js"),
    include_str!("spectrum.js"),
    include_str!("explorer.js"),
];

/// Headings from which on a page gets a list of them.
const CONTENTS_FROM: usize = 4;

impl Page {
    /// The page as one self-contained HTML file.
    pub fn html(&self) -> String {
        let mut out = Markup::new();
        out.raw("<!DOCTYPE html>\n");
        out.open("html", &[("lang", "en")]);
        head(&mut out, &self.title);
        out.open("body", &[]).open("main", &[]);
        out.open("header", &[]).element("h1", &[], &self.title);
        if let Some(lead) = &self.lead {
            out.element("p", &[("class", "lead")], lead);
        }
        out.close();
        contents(&mut out, &self.sections);
        let mut drawings = 0;
        for (index, section) in self.sections.iter().enumerate() {
            show_section(&mut out, index, section, &mut drawings);
        }
        out.close().element_raw("script", &SCRIPTS);
        out.finish()
    }
}

fn head(out: &mut Markup, title: &str) {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    out.open("head", &[]);
    out.empty("meta", &[("charset", "utf-8")]);
    out.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", policy)]);
    out.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    out.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    out.empty("meta", &[("name", "generator"), ("content", "rankine")]);
    out.element("title", &[], title);
    out.element_raw("style", &STYLES);
    out.close();
}

fn contents(out: &mut Markup, sections: &[Section]) {
    let headings =
        sections.iter().enumerate().filter_map(|(index, section)| Some((index, section.heading.as_ref()?)));
    if headings.clone().count() < CONTENTS_FROM {
        return;
    }
    out.open("nav", &[("aria-label", "Contents")]).open("ul", &[]);
    for (index, heading) in headings {
        let target = format!("#section-{}", index + 1);
        out.open("li", &[]).element("a", &[("href", &target)], heading).close();
    }
    out.close().close();
}

fn show_section(out: &mut Markup, index: usize, section: &Section, drawings: &mut usize) {
    let id = format!("section-{}", index + 1);
    match &section.heading {
        Some(heading) => {
            out.open("section", &[("aria-labelledby", &id)]);
            out.element("h2", &[("id", &id)], heading);
        }
        None => {
            out.open("section", &[]);
        }
    }
    for block in &section.blocks {
        show_block(out, block, drawings);
    }
    out.close();
}

fn show_block(out: &mut Markup, block: &Block, drawings: &mut usize) {
    match block {
        Block::Text(words) => {
            out.open("p", &[]).prose(words).close();
        }
        Block::Facts(facts) => show_facts(out, facts),
        Block::Table(content) => table::show(out, content),
        Block::Plot(plot) => {
            *drawings += 1;
            show_plot(out, plot, *drawings);
        }
        Block::Explorer(content) => {
            *drawings += 1;
            explorer::show(out, content, *drawings);
        }
        Block::Code(lines) => {
            out.open("pre", &[("tabindex", "0")]).element("code", &[], lines).close();
        }
        Block::Note(level, words) => show_note(out, *level, words),
    }
}

fn show_facts(out: &mut Markup, facts: &[(String, Cell)]) {
    out.open("dl", &[]);
    for (label, value) in facts {
        out.open("div", &[]);
        out.element("dt", &[], label).open("dd", &[]);
        table::value(out, value);
        out.close().close();
    }
    out.close();
}

fn show_note(out: &mut Markup, level: Level, words: &str) {
    out.open("p", &[("class", &format!("remark {}", level.word())), ("role", "note")]);
    out.element("strong", &[], &format!("{}:", level.word())).text(" ").prose(words);
    out.close();
}

fn show_plot(out: &mut Markup, plot: &Plot, number: usize) {
    out.open("figure", &[]).element("figcaption", &[], plot.title());
    svg::legend(out, plot);
    let label = format!("Plot: {}", plot.title());
    out.open("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "group"), ("aria-label", &label)]);
    svg::draw(out, plot, &format!("plot-{number}"));
    out.close().close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Bars, Column, Explorer, Heat, Lines, Metric, Series, Table};

    /// Every text of a page is `text`.
    fn page_of(text: &str) -> Page {
        let mut page = Page::new(text);
        page.lead(text).text(text).section(text).text(text).facts(&[(text, text)]).code(text);
        page.note(Level::Warning, text);
        let mut table = Table::new([Column::text(text).unit(text)]).caption(text);
        table.row([Cell::text(text), Cell::Spark(vec![1.0, 2.0])]);
        page.table(table);
        let names = || vec![text.to_owned(); 2];
        page.explorer(Explorer {
            title: text.to_owned(),
            rows: names(),
            columns: names(),
            metrics: vec![Metric { name: text.to_owned(), log: false, values: vec![1.0, 2.0, 3.0] }],
            spectra: vec![Some(vec![1.0, 0.5])],
            labels: names(),
            spectrum_axes: (Axis::linear(text), Axis::log(text)),
        });
        let series = || Series::new(text, [(0.0, 1.0), (1.0, 2.0)]);
        let axis = || Axis::linear(text);
        page.plot(Lines::new(text, axis(), axis()).series(series()).series(series()));
        page.plot(Bars::new(text, axis()).bar(text, 1.0));
        page.plot(Heat::new(text, axis(), vec![vec![1.0, 2.0]]).names([text.to_owned()], [text.to_owned()]));
        for heading in ["b", "c", "d"] {
            page.section(format!("{text}{heading}"));
        }
        page
    }

    #[test]
    fn hostile_text_is_only_text() {
        let hostile =
            "</style></script><script>alert(1)</script>\"' onload='x' &amp; <!-- ]]> \u{0}\u{1b}\u{202e}";
        // As wide, so that labels stand in the same places.
        let plain = "x".repeat(crate::text::columns(&crate::text::clean_line(hostile)));
        let (hostile, plain) = (page_of(hostile).html(), page_of(&plain).html());
        let tags = |html: &str| html.matches('<').count();
        assert_eq!(tags(&hostile), tags(&plain), "no text opens a tag");
        assert_eq!(hostile.matches("<script").count(), 1);
        assert_eq!(hostile.matches('"').count(), plain.matches('"').count(), "no text ends an attribute");
        assert!(!hostile.contains("onload='"));
        assert!(!hostile.contains(['\u{0}', '\u{1b}', '\u{202e}']));
        assert!(hostile.contains(
            "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=&#39;x&#39; &amp;amp; &lt;!--"
        ));
    }

    #[test]
    fn the_file_needs_nothing_else() {
        let html = page_of("x").html();
        for outside in
            ["http://", "https://", "src=", "@import", "url(http", "<link", "<iframe", "innerHTML", "eval("]
        {
            assert!(!html.replace("-src ", "").contains(outside), "{outside}");
        }
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        assert!(html.contains("<title>x</title>") && html.contains("prefers-color-scheme: dark"));
        assert!(html.trim_end().ends_with("</html>"));
    }

    #[test]
    fn long_pages_list_their_sections() {
        let mut page = Page::new("t");
        page.section("a").section("b").section("c");
        assert!(!page.html().contains("<nav"));
        page.section("d");
        assert!(page.html().contains("<a href=\"#section-4\">d</a>"));
        assert!(page.html().contains("<h2 id=\"section-4\">d</h2>"));
    }
}
