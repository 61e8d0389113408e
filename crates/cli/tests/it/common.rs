//! Running the program on a random model of the llama family.

use rankine_testkit::tiny;
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

pub fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
