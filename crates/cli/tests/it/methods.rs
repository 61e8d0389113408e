//! What a method would train of a model.

use crate::common::{done, folder_with_model, json, run, words};
use rankine_testkit::fixtures;

#[test]
fn what_is_counted_is_what_is_attached() {
    let folder = folder_with_model();
    let folder = folder.path();
    let settings = ["--rank", "4", "--target", "q_proj,up_proj"];
    for method in ["lora", "pissa", "flora", "svfit"] {
        let counted = json(folder, &[&["methods", method, "--model", "./model"], &settings[..]].concat());
        let count = &counted["count"];
        assert_eq!(count["settings"][method]["rank"], 4);
        let init = ["init", "./model", "--method", method, "--output", method];
        let made = json(folder, &[&init[..], &settings].concat());
        for key in ["weights", "trained"] {
            assert_eq!(count[key], made[key], "{method}: {key}");
        }
        let share = count["trained"].as_f64().unwrap() / count["numbers"].as_f64().unwrap();
        assert!((count["share"].as_f64().unwrap() - share).abs() < 1e-12);
        assert_eq!(count["groups"].as_array().unwrap().len(), 2, "{count}");
    }
    let counted = json(folder, &[&["methods", "lora", "--model", "./model"], &settings[..]].concat());
    let bytes = counted["count"]["adapter_bytes"].as_u64().unwrap();
    let file = std::fs::metadata(folder.join("lora/adapter_model.safetensors")).unwrap().len();
    // What is more than the numbers is the header.
    assert!(bytes < file && file < bytes + 2000, "{bytes} {file}");
}

#[test]
fn a_page_has_a_line_for_every_role() {
    let folder = folder_with_model();
    let folder = folder.path();
    let output = run(folder, &["methods", "lora", "--model", "./model", "--rank", "4"]);
    let said = words(&output.stdout);
    assert!(output.status.success(), "{}", words(&output.stderr));
    for part in ["self_attn.q_proj", "mlp.down_proj", "64 × 32", "a, b", "LoRA of the same rank", "share"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let page = |method, model: &str| {
        let said = done(folder, &["methods", method, "--model", model]);
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = page("diffora", "./model");
    assert!(
        said.contains("what the search trains: 50.0 % of the modules of every layer are picked"),
        "{said}"
    );
    let bert = fixtures::path("classifiers/bert");
    let said = page("full", bert.to_str().unwrap());
    assert!(said.contains("whole beside these, and not counted: `classifier`"), "{said}");
    assert!(said.contains("embeddings, norms and biases are not"), "{said}");
    let counted = json(folder, &["methods", "eva", "--model", "./model", "--rank", "4"]);
    assert_eq!(counted["count"]["averages"], true);
}

#[test]
fn every_method_has_a_page_with_all_of_it() {
    let folder = folder_with_model();
    let folder = folder.path();
    let all = json(folder, &["methods"]);
    for method in all.as_array().unwrap() {
        let word = |key: &str| method[key].as_str().unwrap();
        let (name, said) = (word("name"), done(folder, &["methods", word("name")]));
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(word("summary")), "{name}: {said}");
        let leaves = method["trains"].as_array().unwrap().iter().map(|leaf| leaf.as_str().unwrap());
        let (trained, settings) = (leaves.collect::<Vec<_>>().join(", "), format!("[method.{name}]"));
        let parts = [word("formula"), word("paper"), trained.as_str(), settings.as_str()];
        for part in parts.into_iter().chain(["takes over", "written as", "exact at the start"]) {
            assert!(!part.is_empty() && said.contains(part), "{name}: `{part}`: {said}");
        }
        done(folder, &["papers", word("paper")]);
        for key in method["defaults"][name].as_object().unwrap().keys() {
            assert!(said.contains(&format!("{key} = ")), "{name}: `{key}`: {said}");
        }
        // The model has no biases.
        if name != "bitfit" {
            let count = json(folder, &["methods", name, "--model", "./model"])["count"].take();
            assert!(0 < count["trained"].as_u64().unwrap(), "{name}: {count}");
            assert_eq!(count["adapter_bytes"].is_null(), word("export") == "wider", "{name}: {count}");
        }
    }
}

/// Of some methods the adapter has less than is trained, of others more: peft trains what it has.
#[test]
fn a_start_tells_what_peft_would_train_of_it() {
    let folder = folder_with_model();
    let folder = folder.path();
    for (method, note) in [
        ("sorsa", "with `core` beside the factors of a LoRA; the adapter has"),
        ("flora", "with `core` beside the factors of a LoRA; the adapter has"),
        ("diffora", "with `gate` beside the factors of a LoRA; the adapter has"),
        ("svfit", "peft would train all of them"),
        ("loldu", "peft would train all of them"),
    ] {
        let init = ["init", "./model", "--rank", "4", "--force", "--output", "start", "--method", method];
        let said = done(folder, &init).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(note), "{method}: {said}");
        let made = json(folder, &init);
        assert_eq!(
            note.contains("all of them"),
            made["trained"].as_u64() < made["exported"].as_u64(),
            "{made}"
        );
    }
    let lora = ["init", "./model", "--method", "lora", "--rank", "4", "--output", "lora"];
    assert!(!done(folder, &lora).contains("peft would train"));
}

#[test]
fn what_cannot_be_counted_is_told() {
    let folder = folder_with_model();
    let cases: [(&[&str], &str); 6] = [
        (&["methods", "bitfit", "--model", "./model"], "the model has no bias"),
        (&["methods", "pissa", "--model", "./model", "--rank", "1000"], "rank 1000"),
        (&["methods", "lora", "--model", "./model", "--target", "q_prj"], "q_prj"),
        (&["methods", "lora", "--rank", "4"], "--model"),
        (&["methods", "svfit", "--model", "./model", "--set", "alpha=3"], "unknown field `alpha`"),
        (
            &["init", "./model", "--method", "lora", "--alpha", "-3", "--output", "start"],
            "`alpha` should be above 0; found -3",
        ),
    ];
    for (arguments, fault) in cases {
        let output = run(folder.path(), arguments);
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(fault), "{said}");
        assert_eq!(said.matches("unknown field").count(), usize::from(fault.contains("field")), "{said}");
    }
}
