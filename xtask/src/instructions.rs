//! Instruction counts: runs `crates/instructions` under valgrind and fails where a kernel is over its budget.
//!
//! Needs valgrind and the runner of gungraun in the version of `Cargo.toml`; both are installed where they are
//! missing. Where there can be no counts, one line says why and the chore succeeds.

use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use toml::Value;

/// Counts and compares; false when a budget is exceeded or the bench does not compile.
pub fn run() -> Result<bool> {
    if let Some(obstacle) = obstacle() {
        println!("instruction counts were skipped: {obstacle}");
        return Ok(true);
    }
    let runner = runner(workspace::root()?)?;
    let bench = ["bench", "--quiet", "--package", "rankine-instructions", "--bench", "instructions"];
    let status = cargo().args(bench).env("GUNGRAUN_RUNNER", runner).status();
    Ok(status.context("while starting cargo")?.success())
}

/// Why nothing can be counted here.
fn obstacle() -> Option<&'static str> {
    if !has_avx2() {
        return Some("the budgets are those of an x86-64 processor with AVX2, which this one is not");
    }
    if !has_valgrind() {
        install_valgrind();
    }
    (!has_valgrind()).then_some("valgrind is not there, and apt-get could not install it")
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("fma") && has!("f16c")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

fn has_valgrind() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Tries to, the second time with a new list of packages. Without apt-get, the rights or a network, nothing happens.
fn install_valgrind() {
    let apt = |words: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "Acquire::http::Timeout=20"]).args(words);
        let status = apt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let install = || apt(&["install", "--yes", "valgrind"]);
    let _there = install() || (apt(&["update"]) && install());
}

/// The runner, installed below `target` when it is absent or of another version.
fn runner(root: &Path) -> Result<PathBuf> {
    let version = exact_version(&fs_err::read_to_string(root.join("Cargo.toml"))?)?;
    let tools = root.join("target/tools");
    let runner = tools.join("bin/gungraun-runner");
    // Cargo keeps a list of what it has installed; the runner itself does not tell its version.
    let installed = fs_err::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    if runner.is_file() && names(&installed, &version) {
        return Ok(runner);
    }
    println!("installing gungraun-runner {version} into `{}`", tools.display());
    // Without optimisation: it reads what valgrind wrote, and building it is what takes time.
    let mut install = cargo();
    install.args(["install", "gungraun-runner", "--quiet", "--locked", "--debug", "--version"]);
    install.arg(format!("={version}")).arg("--root").arg(&tools).env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = install.status().context("while starting cargo")?;
    ensure!(status.success(), "gungraun-runner {version} could not be installed");
    Ok(runner)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether cargo's list of installed programs holds the runner of this version.
fn names(list: &str, version: &str) -> bool {
    list.contains(&format!("\"gungraun-runner {version} ("))
}

/// The version of gungraun in the workspace's manifest.
fn exact_version(manifest: &str) -> Result<String> {
    let manifest: Value = toml::from_str(manifest).context("while reading `Cargo.toml`")?;
    let path = ["workspace", "dependencies", "gungraun"];
    let version = path.iter().try_fold(&manifest, |table, key| table.get(key)).and_then(Value::as_str);
    let exact = version.and_then(|version| version.strip_prefix('='));
    Ok(exact.context("`Cargo.toml` names no exact version of gungraun, such as `=0.20.0`")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_an_exact_version() {
        let manifest = |version| format!("[workspace.dependencies]\ngungraun = '{version}'");
        assert_eq!(exact_version(&manifest("=1.2.3")).unwrap(), "1.2.3");
        assert!(exact_version(&manifest("1.2.3")).is_err());
        assert!(exact_version("[package]").is_err());
    }

    #[test]
    fn another_version_of_the_runner_is_no_runner() {
        let list = "[v1]\n\"gungraun-runner 1.2.30 (registry+https://a)\" = [\"gungraun-runner\"]\n";
        assert!(names(list, "1.2.30") && !names(list, "1.2.3") && !names("", "1.2.3"));
    }
}
