//! The commands end to end on a random model of the llama family.

use crate::common::{folder_with_model, rankine, run, words};
use std::io::Write as _;
use std::process::Stdio;

#[test]
fn the_same_seed_says_the_same() {
    let folder = folder_with_model();
    let say = |seed: &str| {
        let draw = ["--temperature", "1.5", "--max-tokens", "24", "--seed", seed];
        let output = run(
            folder.path(),
            &[&["generate", "./model", "--prompt", "What color is the sky?"], &draw[..]].concat(),
        );
        assert!(output.status.success(), "{}", words(&output.stderr));
        output.stdout
    };
    assert_eq!(say("3"), say("3"));
    assert_ne!(say("3"), say("4"));
}

#[test]
fn an_evaluation_counts_every_example() {
    let folder = folder_with_model();
    let lines = "{\"instruction\":\"What color is the sky?\",\"output\":\"The sky is blue.\"}\n".repeat(3);
    std::fs::write(folder.path().join("data.jsonl"), lines).unwrap();
    let evaluate = |size| {
        let arguments = ["evaluate", "./model", "--data", "data.jsonl", "--json", "--batch-size", size];
        let output = run(folder.path(), &arguments);
        assert!(output.status.success(), "{}", words(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let (one, all) = (evaluate("1"), evaluate("3"));
    assert_eq!(one["examples"].as_array().unwrap().len(), 3);
    assert_eq!(one["examples"][2]["line"], 3);
    let nll = |value: &serde_json::Value| value["nll"].as_f64().unwrap();
    assert!((nll(&one) - nll(&all)).abs() < 1e-5);
    assert!((nll(&one).exp() - one["perplexity"].as_f64().unwrap()).abs() < 1e-9);
}

#[test]
fn an_evaluation_of_damaged_weights_is_an_error() {
    let folder = folder_with_model();
    let line = "{\"instruction\":\"What color is the sky?\",\"output\":\"The sky is blue.\"}\n";
    std::fs::write(folder.path().join("data.jsonl"), line).unwrap();
    let path = folder.path().join("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let start = bytes.len() / 8 * 6;
    // NaN in f32 as in bf16.
    bytes[start..].chunks_exact_mut(2).for_each(|half| half.copy_from_slice(&[0xc0, 0x7f]));
    std::fs::write(&path, bytes).unwrap();
    let output = run(folder.path(), &["evaluate", "./model", "--data", "data.jsonl"]);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no finite loss") && said.contains("hint: its weights are damaged"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_conversation_can_be_piped() {
    let folder = folder_with_model();
    let mut command = rankine(folder.path(), &["chat", "./model", "--max-tokens", "8"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"/system Be kind.\nHello\n/nonsense\n/reset\nHello\n/exit\nnever\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = words(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("system message set") && said.contains("`/nonsense`"), "{said}");
    // Greedy answers to equal conversations are equal.
    assert!(!output.stdout.is_empty());
}

#[test]
fn what_cannot_be_done_has_exit_code_2_and_a_hint() {
    let folder = folder_with_model();
    std::fs::write(
        folder.path().join("broken.jsonl"),
        "{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instr\n",
    )
    .unwrap();
    let cases: [(&[&str], &str, &str); 4] = [
        (&["generate", "./absent", "--prompt", "x"], "there is no file or directory `./absent`", "hint: "),
        (&["generate", "smolm2-135m", "--prompt", "x"], "no model is called", "did you mean `smollm2-135m`"),
        (&["evaluate", "./model", "--data", "broken.jsonl"], "broken.jsonl", "hint: "),
        (
            &["generate", "./model", "--adapter", "./none", "--prompt", "x"],
            "while loading `./model` with",
            "none",
        ),
    ];
    for (arguments, fault, hint) in cases {
        let output = run(folder.path(), arguments);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(fault) && said.contains(hint), "{said}");
        assert!(output.stdout.is_empty());
        assert!(!said.contains('\x1b'), "{said}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        rankine(folder.path(), &["papers"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", words(&output.stderr));
}
