//! Every command's own help, not only the line of the list.

use crate::common::{rankine, words};

/// Of every command, words from below the first line of its help.
const OWN: [(&str, &str); 27] = [
    ("demo", "answers three questions about this program"),
    ("train", "Ctrl-C finishes the step, saves, and says how to go on"),
    ("pull", "What was interrupted goes on where it stopped"),
    ("generate", "The prompt is put into the model's chat template"),
    ("chat", "`/reset` forgets it"),
    ("evaluate", "Of conversations the answers are scored"),
    ("merge", "Weights are streamed"),
    ("blend", "merges a LoRA first"),
    ("align", "what it computes does not change"),
    ("interpolate", "high for networks from different starts"),
    ("compress", "A matrix whose factors would not be smaller is left alone"),
    ("compensate", "no other correction of that rank does better"),
    ("quantize", "bit for bit those of ggml's reference quantisers"),
    ("convert", "without running anything in them"),
    ("adapter", "Nothing is trained"),
    ("init", "The same seed gives the same files"),
    ("inspect", "how heavy its tail is"),
    ("diff", "which predict what is forgotten"),
    ("connect", "R = 1 for a model and itself"),
    ("interaction", "units of ReLUs that always fire together"),
    ("fisher", "is derived by itself"),
    ("extract", "found for every layer"),
    ("methods", "nothing is attached or written"),
    ("solve", "Ctrl-C returns the best that was found so far"),
    ("papers", "an experiment that shows its claim"),
    ("reproduce", "Exit code 1 when it does not hold"),
    ("completions", "completes commands and options"),
];

fn help(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rankine(folder.path(), &[arguments, &["--help"]].concat());
    let output = command.env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success(), "{}", words(&output.stderr));
    words(&output.stdout)
}

#[test]
fn every_command_shows_its_own_help_with_examples() {
    for (command, own) in OWN {
        let said = help(&[command]);
        let joined = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(own), "{command}: {said}");
        assert!(said.contains("\nExamples:\n  rankine "), "{command}: {said}");
    }
}

#[test]
fn the_list_is_of_these_commands_a_line_each() {
    let said = help(&[]);
    let list = said.split_once("\nCommands:\n").unwrap().1.split("\n\n").next().unwrap();
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    let expected: Vec<&str> = OWN.iter().map(|(command, _)| *command).chain(["help"]).collect();
    assert_eq!(names, expected, "{said}");
}
