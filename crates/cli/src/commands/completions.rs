//! `rankine completions`: a script for the user's shell.

use crate::{Context, Exit, stdout};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a script that completes commands and options in a shell
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  rankine completions bash > ~/.local/share/bash-completion/completions/rankine
  rankine completions zsh > ~/.zfunc/_rankine
  rankine completions fish > ~/.config/fish/completions/rankine.fish";

impl Completions {
    /// Prints the script.
    pub fn run(self, _: &Context) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "rankine", &mut script);
        stdout::write(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
