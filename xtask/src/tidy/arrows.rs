//! Manifests: which crate may use which (the arrows of ARCHITECTURE.md), and dependencies of one crate only.

use super::Finding;
use crate::workspace::Package;
use anyhow::{Context, Result};
use std::path::Path;
use toml::{Table, Value};

/// What the code of a crate may use of ours. `random` is for all; tests may use whatever they like.
const ARROWS: [(&str, Uses); 21] = [
    ("random", Uses::Only(&[])),
    ("kernels", Uses::Only(&[])),
    ("report", Uses::Only(&[])),
    ("hub", Uses::Only(&[])),
    ("data", Uses::Only(&[])),
    ("testkit", Uses::Only(&[])),
    ("xtask", Uses::Only(&[])),
    ("instructions", Uses::Only(&["kernels"])),
    ("linalg", Uses::Only(&["kernels"])),
    ("solve", Uses::Only(&["kernels", "linalg"])),
    ("tensor", Uses::Only(&["kernels"])),
    ("checkpoint", Uses::Only(&["kernels"])),
    ("nn", Uses::Only(&["tensor", "checkpoint"])),
    ("method", Uses::Only(&["nn", "tensor", "linalg", "checkpoint"])),
    ("train", Uses::Only(&["nn", "tensor", "checkpoint", "data", "kernels", "linalg", "report"])),
    ("analyze", Uses::Only(&["checkpoint", "kernels", "linalg", "report"])),
    ("surgery", Uses::Only(&["checkpoint", "kernels", "linalg", "report"])),
    (
        "run",
        Uses::Only(&[
            "analyze",
            "checkpoint",
            "data",
            "linalg",
            "method",
            "nn",
            "report",
            "surgery",
            "tensor",
            "train",
        ]),
    ),
    ("lab", Uses::Everything),
    ("cli", Uses::Everything),
    ("bench", Uses::Everything),
];

/// What a crate may use.
enum Uses {
    Only(&'static [&'static str]),
    Everything,
}

/// Dependencies behind one wall: who may name them.
const WALLS: [(&str, &[&str]); 7] = [
    ("burn", &["tensor"]),
    ("faer", &["linalg", "solve"]),
    ("gemm", &["kernels"]),
    ("rand", &["random"]),
    ("rand_chacha", &["random"]),
    ("rand_distr", &["random"]),
    ("anyhow", &["cli", "xtask"]),
];

const PREFIX: &str = "rankine-";

/// The arrows and walls of one package.
pub fn check(root: &Path, package: &Package) -> Result<Vec<Finding>> {
    let path = package.folder.join("Cargo.toml");
    let text = fs_err::read_to_string(root.join(&path))?;
    let manifest: Table = text.parse().with_context(|| format!("while reading `{}`", path.display()))?;
    let mut found = messages(&package.name, &manifest);
    if root.join(&package.folder).join("src/lib.rs").is_file() && tests_documentation(&manifest) {
        // Formulas stand indented in the documentation, and rustdoc takes an indented block for Rust.
        found.push("formulas in the documentation would be compiled: add `[lib] doctest = false`".to_owned());
    }
    Ok(found.into_iter().map(|message| Finding::new(&path, 0, message)).collect())
}

fn messages(name: &str, manifest: &Table) -> Vec<String> {
    let mut messages = Vec::new();
    let Some((_, uses)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!("the crate `{name}` has no arrows yet: add it to `xtask/src/tidy/arrows.rs`")];
    };
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        messages.push("the workspace's lints are not inherited: add `[lints] workspace = true`".to_owned());
    }
    let code = dependencies(manifest, &["dependencies", "build-dependencies"]);
    messages.extend(code.iter().filter_map(|dependency| wrong_arrow(name, uses, dependency)));
    for dependency in code.iter().chain(&dependencies(manifest, &["dev-dependencies"])) {
        if let Some((_, owners)) = WALLS.iter().find(|(wall, _)| wall == dependency)
            && !owners.contains(&name)
        {
            messages.push(format!("`{dependency}` is named in {} only", in_words(owners)));
        }
    }
    messages
}

fn tests_documentation(manifest: &Table) -> bool {
    manifest.get("lib").and_then(|library| library.get("doctest")) != Some(&Value::Boolean(false))
}

fn wrong_arrow(name: &str, uses: &Uses, dependency: &str) -> Option<String> {
    match (dependency.strip_prefix(PREFIX)?, uses) {
        // Not shipped: it measures models that the testkit makes.
        ("testkit", _) if name == "bench" => None,
        ("testkit", _) => Some("`rankine-testkit` is for tests: move it to `[dev-dependencies]`".to_owned()),
        ("random", _) | (_, Uses::Everything) => None,
        (other, Uses::Only(allowed)) if allowed.contains(&other) => None,
        (other, Uses::Only(_)) => Some(format!("no arrow leads from `{name}` to `{other}`")),
    }
}

/// The packages named in these tables, those of single targets included.
fn dependencies(manifest: &Table, kinds: &[&str]) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let tables = places.flat_map(|place| kinds.iter().filter_map(|kind| place.get(*kind)?.as_table()));
    let package = |(key, value): (&String, &Value)| {
        value.get("package").and_then(Value::as_str).map_or_else(|| key.clone(), str::to_owned)
    };
    tables.flat_map(|table| table.iter().map(package)).collect()
}

fn in_words(crates: &[&str]) -> String {
    crates.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, manifest: &str) -> Vec<String> {
        messages(name, &format!("lints.workspace = true\n{manifest}").parse().unwrap())
    }

    #[test]
    fn allowed_arrows_pass() {
        let text = "[dependencies]\nrankine-kernels.workspace = true\nrankine-random.workspace = true\n\
                    faer = '1'\n[dev-dependencies]\nrankine-testkit.workspace = true";
        assert_eq!(found("linalg", text), [""; 0]);
        assert_eq!(found("cli", "[dependencies]\nrankine-lab = '1'\nanyhow = '1'"), [""; 0]);
    }

    #[test]
    fn an_arrow_against_the_order_is_found() {
        let text = "[dependencies]\nrankine-train.workspace = true";
        assert_eq!(found("method", text), ["no arrow leads from `method` to `train`"]);
        let renamed =
            "[target.'cfg(unix)'.dependencies]\nbackend = { package = 'rankine-nn', version = '1' }";
        assert_eq!(found("kernels", renamed), ["no arrow leads from `kernels` to `nn`"]);
    }

    #[test]
    fn testkit_and_walls_are_kept() {
        assert_eq!(found("lab", "[dependencies]\nrankine-testkit = '1'").len(), 1);
        assert!(found("bench", "[dependencies]\nrankine-testkit = '1'").is_empty());
        assert_eq!(found("nn", "[dev-dependencies]\nburn = '1'"), ["`burn` is named in `tensor` only"]);
        assert_eq!(
            found("nn", "[dependencies]\nanyhow = '1'"),
            ["`anyhow` is named in `cli` and `xtask` only"]
        );
    }

    #[test]
    fn lints_and_new_crates_are_noticed() {
        assert_eq!(messages("nn", &Table::new()).len(), 1);
        assert!(found("newcomer", "")[0].contains("no arrows yet"));
    }

    #[test]
    fn documentation_is_not_compiled() {
        let tested = |text: &str| tests_documentation(&text.parse().unwrap());
        assert!(tested("") && tested("lib.name = 'a'") && !tested("lib.doctest = false"));
    }
}
