//! What is written takes the place of nothing that is read.

use super::refused;
use std::path::Path;

/// What all files hold here: a command that is refused in time has not even read it.
const KEPT: &str = "1\n";

fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    names.iter().for_each(|name| std::fs::write(folder.path().join(name), KEPT).unwrap());
    folder
}

fn kept(folder: &Path, names: &[&str]) {
    for name in names {
        assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), KEPT, "{name}");
    }
}

#[test]
fn no_answer_is_written_over_an_input() {
    let names = ["a.csv", "b.csv", "c.csv", "d.npz"];
    let root = folder(&names);
    let questions: [(&[&str], &[&str]); 11] = [
        (&["transport", "--cost", "a.csv"], &["a.csv", "./a.csv", "sub/../a.csv"]),
        (&["transport", "--points", "a.csv", "b.csv"], &["a.csv", "b.csv"]),
        (&["transport", "--cost", "c.csv", "--source", "a.csv", "--target", "b.csv"], &["a.csv", "b.csv"]),
        (&["complete", "d.npz"], &["d.npz"]),
        (&["sense", "--operator", "a.csv", "--measured", "b.csv", "--rank", "1"], &["a.csv", "b.csv"]),
        (&["recover", "d.npz"], &["d.npz"]),
        (&["regress", "--design", "a.csv", "--target", "b.csv"], &["a.csv", "b.csv"]),
        (&["regress", "--table", "a.csv", "--column", "1"], &["a.csv"]),
        (
            &["regress-kronecker", "--factors", "a.csv", "b.csv", "--target", "c.csv"],
            &["a.csv", "b.csv", "c.csv"],
        ),
        (
            &["linear", "--matrix", "a.csv", "--right", "b.csv", "--start", "c.csv"],
            &["a.csv", "b.csv", "c.csv"],
        ),
        (&["theory", "distillation", "--spectrum", "d.npz", "--ridge", "1"], &["d.npz"]),
    ];
    for (question, inputs) in questions {
        for &input in inputs {
            for option in ["--output", "--html"] {
                refused(root.path(), &[question, &[option, input]].concat(), "is read from it");
            }
        }
    }
    for compared in [&["compare", "transport", "--cost", "a.csv"][..], &["compare", "complete", "a.csv"]] {
        refused(root.path(), &[compared, &["--html", "a.csv"]].concat(), "is read from it");
    }
    let features =
        ["theory", "random-features", "--spectrum", "a.csv", "--energies", "b.csv", "--samples", "1"];
    refused(root.path(), &[&features[..], &["--html", "b.csv"]].concat(), "is read from it");
    kept(root.path(), &names);
}

#[cfg(unix)]
#[test]
fn links_to_an_input_are_known() {
    let root = folder(&["a.csv"]);
    std::os::unix::fs::symlink("a.csv", root.path().join("link.csv")).unwrap();
    for (cost, output) in [("a.csv", "link.csv"), ("link.csv", "a.csv"), ("link.csv", "link.csv")] {
        refused(root.path(), &["transport", "--cost", cost, "--output", output], "is read from it");
    }
    kept(root.path(), &["a.csv"]);
}

#[test]
fn an_answer_and_its_page_are_two_files() {
    let root = folder(&["a.csv"]);
    for page in ["new.npz", "./new.npz", "sub/../new.npz"] {
        let both = ["--output", "new.npz", "--html", page];
        let why = "the answer and its page would both be written to `new.npz`";
        refused(root.path(), &[&["transport", "--cost", "a.csv"][..], &both].concat(), why);
        let theory = ["theory", "distillation", "--power", "1", "--ridge", "1"];
        refused(root.path(), &[&theory[..], &both].concat(), why);
    }
    assert!(!root.path().join("new.npz").exists());
}
