//! What goes wrong is told with the file, the work and the remedy; what may go wrong is warned of.

use crate::common::{done, folder_with_model, refused, refused_with_hint, run, words};
use rankine_testkit::tiny::{self, TinyLlama};

#[test]
fn a_text_that_is_not_there_is_named_once() {
    let root = folder_with_model();
    let folder = root.path();
    let wanda = ["compress", "./model", "--method", "wanda", "--sparsity", "0.5", "--output", "x"];
    let wanda = [&wanda[..], &["--calibration", "nope.txt"]].concat();
    refused_with_hint(folder, &wanda, "error: `nope.txt`: No such file");
    let evaluate = ["evaluate", "./model", "--data", "nope.txt"];
    refused_with_hint(folder, &evaluate, "error: `nope.txt`: No such file");
}

#[test]
fn what_was_being_done_is_said() {
    let root = folder_with_model();
    let folder = root.path();
    let compensate = ["compensate", "./model", "./absent", "--method", "svd", "--output", "x"];
    refused(folder, &compensate, "  while compensating `./absent`\n");
    let interpolate = ["interpolate", "./model", "./absent", "--at", "0.5", "--output", "x"];
    refused(folder, &interpolate, "  while going from `./model` to `./absent`\n");
    refused(folder, &["extract", "./model", "./absent", "--mp", "--output", "x"], "  while extracting from");
}

#[test]
fn an_adapter_that_names_another_base_is_warned_of() {
    let root = folder_with_model();
    let folder = root.path();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    let train = ["train", "./model", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "2", "--output", "lora"]].concat());
    let combine = ["adapter", "combine", "lora", "--weights", "1", "--output", "x", "--dry-run", "--base"];
    let commands = |base: &'static str| {
        [
            vec!["merge", base, "lora", "--output", "x", "--dry-run"],
            vec!["diff", base, "--adapter", "lora"],
            vec!["evaluate", base, "--adapter", "lora", "--data", "data.json"],
            vec!["adapter", "check", "lora", "--base", base],
            vec!["adapter", "convert", "lora", "--base", base, "--output", "x", "--dry-run"],
            vec!["adapter", "export", "lora", "--base", base, "--gguf", "x.gguf", "--dry-run"],
            [&combine[..], &[base]].concat(),
        ]
    };
    for (base, is_told) in [("./other", true), ("./model", false), ("model/../model", false)] {
        for command in commands(base) {
            let output = run(folder, &command);
            let said = words(&output.stderr) + &words(&output.stdout);
            assert!(output.status.success(), "{command:?}: {said}");
            assert_eq!(said.contains("`lora` was made for `"), is_told, "{command:?}: {said}");
        }
    }
}
