//! The same tests at every level that this processor has: each in a process of its own, which the limit holds for.

use rankine_kernels::cpu::{self, Level};
use std::process::Command;
use std::sync::Once;

/// Names the level for the processes that are started here.
const VARIABLE: &str = "RANKINE_CPU";

/// Sets the limit that the environment asks for. For the start of every test whose results depend on the level.
pub fn limited() {
    static START: Once = Once::new();
    START.call_once(|| {
        if let Ok(word) = std::env::var(VARIABLE) {
            cpu::limit(word.parse().unwrap()).unwrap();
        }
    });
}

/// Whether bf16 matrices are multiplied as bf16.
pub fn multiplies_bf16() -> bool {
    cpu::level() >= Level::Avx512Bf16
}

#[test]
fn every_level_below_the_best_passes_the_same_tests() {
    for level in Level::ALL.into_iter().filter(|&level| level < cpu::best()) {
        let mut tests = Command::new(std::env::current_exe().unwrap());
        tests.args(["stored::", "cross_entropy::", "threads::"]).env(VARIABLE, level.to_string());
        let output = tests.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains("running 0 tests"), "{level}: {text}");
    }
}

#[test]
fn a_limit_holds_for_the_process() {
    const CHILD: &str = "levels::the_limit_is_the_level";
    for level in Level::ALL {
        let mut test = Command::new(std::env::current_exe().unwrap());
        let output = test.args(["--exact", CHILD]).env(VARIABLE, level.to_string()).output().unwrap();
        assert_eq!(output.status.success(), level <= cpu::best(), "{level}");
    }
}

#[test]
fn the_limit_is_the_level() {
    let asked = std::env::var(VARIABLE).map_or(cpu::best(), |word| word.parse().unwrap());
    limited();
    assert_eq!(cpu::level(), asked);
}
