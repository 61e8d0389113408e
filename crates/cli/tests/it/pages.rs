//! `--html` and `--markdown` take the place of nothing but pages, and say so before the work begins.

use crate::common::{done, folder_with_model, refused_with_hint};
use rankine_testkit::tiny::{self, TinyLlama};

/// Every command that writes a page, but for the option.
fn commands() -> [Vec<&'static str>; 9] {
    [
        vec!["inspect", "./model"],
        vec!["diff", "./model", "./other"],
        vec!["connect", "./model", "./other", "--data", "data.json"],
        vec!["interpolate", "./model", "./other", "--eval", "data.json"],
        vec!["interaction", "./model", "--data", "data.json"],
        vec!["reproduce", "svfit", "--quick", "--fashion-mnist", "none"],
        vec!["solve", "linear", "--random", "shape=[8,8]"],
        vec!["solve", "compare", "linear", "--random", "shape=[8,8]"],
        vec!["solve", "theory", "fitting", "--powers", "1.17", "1.14", "--noise", "1"],
    ]
}

#[test]
fn no_page_is_written_over_anything_else() {
    let root = folder_with_model();
    let folder = root.path();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(2)).unwrap();
    std::fs::write(folder.join("mine.txt"), "mine").unwrap();
    let weights = std::fs::read(folder.join("model/model.safetensors")).unwrap();
    for command in commands() {
        refused_with_hint(folder, &[&command[..], &["--html", "mine.txt"]].concat(), "no HTML page");
        let on_weights = [&command[..], &["--html", "model/model.safetensors"]].concat();
        let reads_model = command.contains(&"./model");
        refused_with_hint(folder, &on_weights, if reads_model { "lies inside" } else { "no HTML page" });
        if reads_model {
            refused_with_hint(folder, &[&command[..], &["--html", "model/new.html"]].concat(), "lies inside");
        }
        if command.contains(&"data.json") {
            let on_data = [&command[..], &["--html", "data.json"]].concat();
            refused_with_hint(folder, &on_data, "`data.json` is read from it");
        }
    }
    refused_with_hint(
        folder,
        &[&commands()[5][..], &["--markdown", "mine.txt"]].concat(),
        "no Markdown page",
    );
    std::fs::write(folder.join("README.md"), "# Mine\n").unwrap();
    let on_readme = [&commands()[5][..], &["--markdown", "README.md"]].concat();
    refused_with_hint(folder, &on_readme, "`README.md` is there and no Markdown page of `rankine`");
    assert_eq!(std::fs::read(folder.join("README.md")).unwrap(), b"# Mine\n");
    assert_eq!(std::fs::read(folder.join("mine.txt")).unwrap(), b"mine");
    assert!(std::fs::read(folder.join("model/model.safetensors")).unwrap() == weights);
    assert!(!folder.join("model/new.html").exists());
}

#[test]
fn a_page_takes_the_place_of_a_page() {
    let root = folder_with_model();
    let folder = root.path();
    let inspect = ["inspect", "./model", "--headers", "--html", "page.html"];
    std::fs::write(folder.join("page.html"), "").unwrap();
    for _ in 0..2 {
        done(folder, &inspect);
        let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("Old"), "{page}");
        std::fs::write(folder.join("page.html"), page + "Old").unwrap();
    }
    std::fs::write(folder.join("page.html"), "<!doctype html><p>Of another program").unwrap();
    refused_with_hint(folder, &inspect, "no HTML page");
}
