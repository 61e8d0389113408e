//! One page, four faces: terminal, JSON, self-contained HTML, Markdown with figures; TensorBoard event files.
//!
//! Whatever has something to say implements [`Show`] and writes headings, facts, tables and plots on a [`Page`];
//! it never knows which face the reader will see. [`tensorboard::EventFile`] records scalars while a run is going on.
//!
//! `examples/page.rs` writes a page with every kind of block.
//!
//! Nothing here prints, reads the clock or asks the environment: width and colour come from the caller, and the same
//! page always gives the same bytes. Every text is untrusted: the HTML face escapes it, the terminal face shows control
//! characters as `�`.

#![forbid(unsafe_code)]

pub mod format;
pub mod plot;
pub mod tensorboard;

mod error;
mod explorer;
mod html;
mod json;
mod markdown;
mod page;
mod spark;
mod svg;
mod table;
mod terminal;
mod text;

pub use error::{Error, Result};
pub use explorer::{Explorer, Metric};
pub use markdown::Markdown;
pub use page::{Block, Level, Page, Section};
pub use plot::{Axis, Bars, Group, Heat, Lines, Plot, Series, Style};
pub use table::{Align, Cell, Column, Table};

/// What can be shown on a page: every report of every crate.
pub trait Show {
    /// Adds its sections, facts, tables and plots at the end of `page`.
    fn show(&self, page: &mut Page);
}
