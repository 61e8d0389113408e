//! The page: a title, a lead, and sections of blocks in the order they were added.

use crate::{Cell, Explorer, Plot, Table};

/// One page of a report. Blocks go to the section opened last; before the first one, to a section without heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What the page is called.
    pub title: String,
    /// One or two sentences under the title.
    pub lead: Option<String>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

/// A heading and what stands under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading; `None` for what stands before the first heading.
    pub heading: Option<String>,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
}

/// One piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Labels and their values.
    Facts(Vec<(String, Cell)>),
    /// A table.
    Table(Table),
    /// A plot.
    Plot(Plot),
    /// A map to walk about in.
    Explorer(Explorer),
    /// Lines to be copied or read as they are.
    Code(String),
    /// A remark that should be seen.
    Note(Level, String),
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something was checked and is as it should be.
    Success,
    /// Worth knowing.
    Note,
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
}

impl Level {
    /// The word in front of the note; also its name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lead: None, sections: Vec::new() }
    }

    /// Sets the sentences under the title.
    pub fn lead(&mut self, text: impl Into<String>) -> &mut Self {
        self.lead = Some(text.into());
        self
    }

    /// Opens a section.
    pub fn section(&mut self, heading: impl Into<String>) -> &mut Self {
        self.sections.push(Section { heading: Some(heading.into()), blocks: Vec::new() });
        self
    }

    /// Adds a paragraph.
    pub fn text(&mut self, paragraph: impl Into<String>) -> &mut Self {
        self.block(Block::Text(paragraph.into()))
    }

    /// Adds labels and their values; plain strings do, [`Cell`]s keep their numbers in JSON.
    pub fn facts<L: AsRef<str>, V: Clone + Into<Cell>>(&mut self, facts: &[(L, V)]) -> &mut Self {
        let facts = facts.iter().map(|(label, value)| (label.as_ref().to_owned(), value.clone().into()));
        self.block(Block::Facts(facts.collect()))
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) -> &mut Self {
        self.block(Block::Table(table))
    }

    /// Adds a plot.
    pub fn plot(&mut self, plot: impl Into<Plot>) -> &mut Self {
        self.block(Block::Plot(plot.into()))
    }

    /// Adds a map to walk about in.
    pub fn explorer(&mut self, explorer: Explorer) -> &mut Self {
        self.block(Block::Explorer(explorer))
    }

    /// Adds lines to be copied or read as they are.
    pub fn code(&mut self, text: impl Into<String>) -> &mut Self {
        self.block(Block::Code(text.into()))
    }

    /// Adds a remark that should be seen.
    pub fn note(&mut self, level: Level, text: impl Into<String>) -> &mut Self {
        self.block(Block::Note(level, text.into()))
    }

    fn block(&mut self, block: Block) -> &mut Self {
        match self.sections.last_mut() {
            Some(section) => section.blocks.push(block),
            None => self.sections.push(Section { heading: None, blocks: vec![block] }),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_to_the_section_opened_last() {
        let mut page = Page::new("t");
        page.text("before").section("A").text("in A").facts(&[("x", 1.0)]).section("B");
        let shape: Vec<_> = page.sections.iter().map(|s| (s.heading.as_deref(), s.blocks.len())).collect();
        assert_eq!(shape, [(None, 1), (Some("A"), 2), (Some("B"), 0)]);
    }
}
