//! What every command is given: the cache of models, the two streams, how much to say.

use crate::stdout;
use rankine_hub::Hub;
use rankine_report::Page;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

/// Columns of a page that goes to a file or a pipe: nothing is wrapped for a reader that is no terminal.
const UNLIMITED_COLUMNS: usize = 1000;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well; exit code 0.
    Done,
    /// The work is done, but a check failed or an outcome is not what was asked for; exit code 1.
    CheckFailed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::CheckFailed => Self::from(1),
        }
    }
}

/// The surroundings of a command.
#[derive(Clone, Debug)]
pub struct Context {
    /// Say nothing but results and errors.
    pub quiet: bool,
    /// Whether stderr is a terminal: progress is drawn there, and written in plain lines elsewhere.
    pub interactive: bool,
    /// Whether stderr may be coloured.
    pub color: bool,
    /// Name and value of all settings of the command, on which what it writes depends.
    pub settings: BTreeMap<String, String>,
}

impl Context {
    /// The surroundings as the process finds them.
    pub fn new(quiet: bool, settings: BTreeMap<String, String>) -> Self {
        let stderr = std::io::stderr();
        Self { quiet, interactive: stderr.is_terminal(), color: wants_color(&stderr), settings }
    }

    /// The cache of models and its sources, as the environment says.
    pub fn hub(&self) -> anyhow::Result<Hub> {
        Ok(Hub::from_environment(&|name| std::env::var_os(name))?)
    }

    /// A line for the user on stderr.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            // Nobody can be told that stderr is closed.
            let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
        }
    }

    /// A page of results on stdout.
    pub fn show(&self, page: &Page) -> anyhow::Result<()> {
        let stdout = std::io::stdout();
        let width = match stdout.is_terminal() {
            true => terminal_size::terminal_size_of(&stdout).map_or(100, |(width, _)| usize::from(width.0)),
            false => UNLIMITED_COLUMNS,
        };
        stdout::write(&page.terminal(width, wants_color(&stdout)))
    }

    /// A result as JSON on stdout.
    pub fn show_json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        stdout::write(&(serde_json::to_string_pretty(value)? + "\n"))
    }
}

/// Colour only on a terminal and where nobody forbade it (<https://no-color.org>).
pub fn wants_color(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !forbidden && !dumb
}
