//! Going on with work that broke off.

use crate::Context;
use clap::{ArgMatches, Command};
use rankine_surgery::Resume;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

/// Options on which no number depends that is written.
const ASIDE: [&str; 10] =
    ["resume", "force", "json", "quiet", "threads", "dry_run", "verify", "report", "html", "output"];

/// Whether to go on.
#[derive(clap::Args)]
pub struct ResumeArgs {
    /// Go on with what the same command left unfinished
    ///
    /// After Ctrl-C, an error, a full disk or a crash, the files of weights that were finished stay in a hidden directory beside
    /// the output, `.OUTPUT.partial`. They are not made again if settings, version and everything that is read are as they were.
    /// The file that was under way is made from its beginning: a .gguf file, an adapter and a model in a single file start over;
    /// a smaller --shard-size, where there is one, makes more files.
    #[arg(long, requires = "output")]
    resume: bool,
}

impl ResumeArgs {
    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.resume
    }

    /// Says, where it was asked for, that an output of one file cannot be gone on with.
    pub fn note_one_file(&self, context: &Context) {
        if self.resume {
            context.say("note: an output of one file starts over");
        }
    }

    /// How the writer goes on, with all settings of the command.
    pub fn resume(&self, context: &Context) -> Resume {
        Resume { again: self.resume, settings: context.settings.clone() }
    }
}

/// All settings of the command that was found, those of defaults too: names and values.
pub fn settings(program: &Command, found: &ArgMatches) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let (mut command, mut found) = (program, found);
    while let Some((name, below)) = found.subcommand() {
        let Some(inner) = command.find_subcommand(name) else { break };
        (command, found) = (inner, below);
        settings.insert("command".to_owned(), name.to_owned());
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if let Some(values) = found.get_raw(id).filter(|_| !ASIDE.contains(&id)) {
                let name = argument.get_long().map_or_else(|| id.to_owned(), |long| format!("--{long}"));
                let values: Vec<_> = values.map(place).collect();
                settings.insert(name, values.join(" "));
            }
        }
    }
    settings
}

/// A value; what is there, by one name however it was called.
fn place(value: &OsStr) -> String {
    let whole = std::fs::canonicalize(value);
    whole.as_deref().unwrap_or(Path::new(value)).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction};

    fn settings_of(words: &[&str]) -> BTreeMap<String, String> {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        let merge = Command::new("merge")
            .arg(Arg::new("model"))
            .arg(Arg::new("output").long("output"))
            .arg(Arg::new("rank").long("rank").default_value("8"))
            .args([flag("resume"), flag("dense")]);
        let mut program = Command::new("rankine").subcommand(merge);
        let found = program.try_get_matches_from_mut(words).unwrap();
        settings(&program, &found)
    }

    #[test]
    fn settings_are_those_that_change_what_is_written() {
        let expected = [("--dense", "false"), ("--rank", "8"), ("command", "merge"), ("model", "base")];
        let expected: BTreeMap<String, String> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(settings_of(&["rankine", "merge", "base"]), expected);
        // Given or not, written so or so.
        assert_eq!(settings_of(&["rankine", "merge", "--rank=8", "base", "--resume"]), expected);
        assert_eq!(settings_of(&["rankine", "merge", "base", "--output", "anywhere"]), expected);
        // What is there.
        assert_eq!(settings_of(&["rankine", "merge", "src"]), settings_of(&["rankine", "merge", "./src/"]));
        assert_ne!(settings_of(&["rankine", "merge", "base", "--rank", "9"]), expected);
        assert_ne!(settings_of(&["rankine", "merge", "base", "--dense"]), expected);
    }
}
