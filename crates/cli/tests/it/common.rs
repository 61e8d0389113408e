//! Running the program on a random model of the llama family.

use rankine_testkit::tiny;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

pub fn rankine(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rankine"));
    command.args(arguments).current_dir(folder).env("RANKINE_CACHE", folder.join("cache"));
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    rankine(folder, arguments).output().unwrap()
}

pub fn folder_with_model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny::llama(&folder.path().join("model"), &tiny::TinyLlama::default(), 1);
    folder
}

/// A model in `other`, whose tokenizer numbers two tokens the other way round.
pub fn add_other_tokens(folder: &Path) {
    tiny::llama(&folder.join("other"), &tiny::TinyLlama::default(), 2);
    let tokenizer = folder.join("other/tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&tokenizer).unwrap()).unwrap();
    let vocabulary = &mut json["model"]["vocab"];
    let [x, y] = ["x", "y"].map(|token| vocabulary[token].clone());
    (vocabulary["x"], vocabulary["y"]) = (y, x);
    std::fs::write(&tokenizer, json.to_string()).unwrap();
}

/// A `df` in `bin` that tells of one kibibyte, and notes in `df.log` that it was asked.
#[cfg(unix)]
pub fn small_disk(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(folder.join("bin")).unwrap();
    let script = "#!/bin/sh
echo asked >> df.log
echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'
echo '/dev/a 1000 999 1 99% /'
";
    std::fs::write(folder.join("bin/df"), script).unwrap();
    std::fs::set_permissions(folder.join("bin/df"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command that ends well says.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", words(&output.stderr));
    words(&output.stdout)
}

/// The same as JSON.
pub fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(folder, &[arguments, &["--json"]].concat())).unwrap()
}

/// Mean −ln p of `data.json` by a model, with what else is said of it.
pub fn nll(folder: &Path, model: &[&str]) -> f64 {
    let arguments = [&["evaluate"], model, &["--data", "data.json"]].concat();
    json(folder, &arguments)["nll"].as_f64().unwrap()
}

/// A command that is not done says why.
pub fn refused(folder: &Path, arguments: &[&str], why: &str) {
    refusal(folder, arguments, why);
}

/// The same, and what to do.
pub fn refused_with_hint(folder: &Path, arguments: &[&str], why: &str) {
    let said = refusal(folder, arguments, why);
    assert!(said.contains("hint: "), "{said}");
}

fn refusal(folder: &Path, arguments: &[&str], why: &str) -> String {
    let output = run(folder, arguments);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(why), "{said}");
    said
}
