//! `docs/cli.md`: the reference of the command line, from the help texts of the built program.

use super::Document;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Columns that help texts are wrapped to, whatever the terminal.
const COLUMNS: &str = "100";

/// Beginnings of the environment variables that the program may read.
const OURS: [&str; 2] = ["RANKINE_", "HF_"];

pub fn document(root: &Path) -> Result<Document> {
    let program = build(root)?;
    let mut text =
        "<!-- Written by `cargo xtask generate` from the program's help. -->\n\n# Command line\n".to_owned();
    let mut waiting = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let help = help(&program, &command)?;
        let below = subcommands(&help);
        ensure!(!command.is_empty() || !below.is_empty(), "`rankine --help` lists no commands");
        text += &section(&command, &help);
        waiting.extend(below.into_iter().rev().map(|word| [command.clone(), vec![word]].concat()));
    }
    Ok(Document { path: "docs/cli.md", text })
}

/// Builds what the tests need, the program among it: dependencies are not compiled twice for the two.
fn build(root: &Path) -> Result<PathBuf> {
    let mut build = Command::new(env!("CARGO"));
    let built =
        build.args(["test", "--quiet", "--workspace", "--no-run"]).current_dir(root).stdout(Stdio::null());
    ensure!(built.status().context("cannot run cargo")?.success(), "the workspace does not compile");
    let own = std::env::current_exe().context("cannot find the target folder")?;
    Ok(own.with_file_name(format!("rankine{}", std::env::consts::EXE_SUFFIX)))
}

/// What `rankine <command> --help` says.
fn help(program: &Path, command: &[String]) -> Result<String> {
    let mut program = Command::new(program);
    program.args(command).arg("--help");
    // Help shows the values of environment variables and the width of a terminal: neither belongs into the file.
    for (name, _) in std::env::vars_os() {
        if OURS.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            program.env_remove(name);
        }
    }
    program.env("COLUMNS", COLUMNS).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    let output = program.stdin(Stdio::null()).output().context("cannot run the built program")?;
    if !output.status.success() {
        bail!(
            "`rankine {} --help` failed: {}",
            command.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The commands that a help text lists, without `help` itself.
fn subcommands(help: &str) -> Vec<String> {
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A command stands two columns in; its description goes on further in.
    let words = list.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    words
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

fn section(command: &[String], help: &str) -> String {
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let words =
        ["rankine"].into_iter().chain(command.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    format!("\n{} `{words}`\n\n```text\n{}\n```\n", "#".repeat(command.len().min(3) + 2), help.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Fine-tunes models\n\nUsage: rankine <COMMAND>\n\nCommands:\n  pull      Fetch a model\n  \
                        train     Train an adapter\n            on a data set\n  help      Print this\n\n\
                        Options:\n  -h, --help  Print help   \n\n";

    #[test]
    fn commands_are_read_from_the_help() {
        assert_eq!(subcommands(HELP), ["pull", "train"]);
        assert_eq!(subcommands("Usage: rankine pull\n\nOptions:\n  -h  Print help\n"), [""; 0]);
    }

    #[test]
    fn a_section_holds_the_help_without_trailing_blanks() {
        let text = section(&["pull".to_owned()], "a  \n\nb\n\n");
        assert_eq!(text, "\n### `rankine pull`\n\n```text\na\n\nb\n```\n");
    }
}
