//! The face for a terminal: headings, aligned facts, tables, plots drawn with letters.
//!
//! No line but those of code is wider than asked for. Without colour there is not one escape sequence; with it, colour
//! only repeats what letters say.

mod bars;
mod explorer;
mod heat;
mod lines;
mod paint;
mod table;

use self::paint::{Paint, Tone};
use crate::text::{clean, clean_line, columns, pad_right, wrap};
use crate::{Block, Cell, Level, Page, Plot, Section};

/// Narrower terminals get lines of this width.
const NARROWEST: usize = 24;

/// Running text is not set wider: long lines are hard to read.
const WIDEST_TEXT: usize = 100;

/// Plots are not drawn wider: a page in a file has no width of its own.
const WIDEST_PLOT: usize = 120;

/// Labels of facts up to this width stand beside their values.
const WIDEST_LABEL: usize = 30;

impl Page {
    /// The page for a terminal of `width` columns; escape sequences only with `color`. Ends with a line end.
    pub fn terminal(&self, width: usize, color: bool) -> String {
        let mut screen = Screen { lines: Vec::new(), width: width.max(NARROWEST), paint: Paint { color } };
        screen.heading(&self.title, '═');
        if let Some(lead) = &self.lead {
            screen.words(lead, 0);
        }
        for section in &self.sections {
            screen.section(section);
        }
        screen.lines.push(String::new());
        screen.lines.join("\n")
    }
}

/// Lines so far, and what they are written for.
struct Screen {
    lines: Vec<String>,
    width: usize,
    paint: Paint,
}

impl Screen {
    fn section(&mut self, section: &Section) {
        if let Some(heading) = &section.heading {
            self.lines.push(String::new());
            self.heading(heading, '─');
        }
        for (index, block) in section.blocks.iter().enumerate() {
            // Notes stand together; what follows a heading stands under it.
            let notes = matches!(block, Block::Note(..))
                && matches!(
                    index.checked_sub(1).map(|before| &section.blocks[before]),
                    Some(Block::Note(..))
                );
            if !notes && (index > 0 || section.heading.is_none()) {
                self.lines.push(String::new());
            }
            self.block(block);
        }
    }

    fn heading(&mut self, words: &str, under: char) {
        let lines = wrap(&clean_line(words), self.width);
        let width = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        for line in lines {
            self.lines.push(self.paint.tone(Tone::Bold, &line));
        }
        self.lines.push(self.paint.tone(Tone::Dim, &under.to_string().repeat(width)));
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(words) => self.words(words, 0),
            Block::Facts(facts) => self.facts(facts),
            Block::Table(content) => self.lines.extend(table::show(content, self.width, self.paint)),
            Block::Plot(plot) => self.plot(plot),
            Block::Explorer(explorer) => {
                let map = explorer.first();
                let trends = explorer::trends(&map, self.width.min(WIDEST_PLOT), self.paint);
                self.plot(&map.into());
                self.lines.extend(trends);
            }
            Block::Code(code) => {
                self.lines
                    .extend(clean(code).trim_end_matches('\n').split('\n').map(|line| format!("    {line}")));
            }
            Block::Note(level, words) => self.note(*level, words),
        }
    }

    fn words(&mut self, words: &str, indent: usize) {
        let lines = wrap(&clean(words), self.width.min(WIDEST_TEXT).saturating_sub(indent));
        self.lines.extend(lines.into_iter().map(|line| format!("{}{line}", " ".repeat(indent))));
    }

    fn facts(&mut self, facts: &[(String, Cell)]) {
        let labels: Vec<String> = facts.iter().map(|(label, _)| clean_line(label)).collect();
        let widest = WIDEST_LABEL.min(self.width / 2);
        let beside =
            labels.iter().map(|label| columns(label)).filter(|width| *width <= widest).max().unwrap_or(0);
        for (label, (_, value)) in labels.into_iter().zip(facts) {
            let values = wrap(&value.shown(), self.width - beside - 2);
            let mut values = values.into_iter();
            if columns(&label) > beside {
                for line in wrap(&label, self.width) {
                    self.lines.push(self.paint.tone(Tone::Dim, &line));
                }
            } else {
                let label = self.paint.tone(Tone::Dim, &pad_right(&label, beside));
                self.lines.push(format!("{label}  {}", values.next().unwrap_or_default()));
            }
            self.lines.extend(values.map(|line| format!("{}{line}", " ".repeat(beside + 2))));
        }
    }

    fn note(&mut self, level: Level, words: &str) {
        let tone = match level {
            Level::Success => Tone::Green,
            Level::Note => Tone::Cyan,
            Level::Warning => Tone::Yellow,
            Level::Error => Tone::Red,
        };
        let word = format!("{}:", level.word());
        let first = self.lines.len();
        self.words(&format!("{word} {words}"), 0);
        if let Some(line) = self.lines.get_mut(first) {
            *line = line.replacen(&word, &self.paint.tone(tone, &word), 1);
        }
    }

    fn plot(&mut self, plot: &Plot) {
        for line in wrap(&clean_line(plot.title()), self.width) {
            self.lines.push(self.paint.tone(Tone::Bold, &line));
        }
        let width = self.width.min(WIDEST_PLOT);
        self.lines.extend(match plot {
            Plot::Lines(lines) => lines::show(lines, width, self.paint),
            Plot::Bars(bars) => bars::show(bars, width, self.paint),
            Plot::Heat(heat) => heat::show(heat, width, self.paint),
        });
    }
}

#[cfg(test)]
mod tests;
