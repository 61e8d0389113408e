//! What is amiss with models, adapters, data and disks, told by every command that operates on models before it writes.

use crate::common::{add_other_tokens, done, folder_with_model, rankine, refused_with_hint, run, words};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::{self, TinyLlama};
use std::path::Path;

/// A model in `model`, texts, and recipes `NAME.yaml` that blend it with `./NAME`.
fn folder(others: &[&str]) -> tempfile::TempDir {
    let root = folder_with_model();
    let text = "The sky is blue and the sea is deep. ";
    std::fs::write(root.path().join("text.txt"), text.repeat(20)).unwrap();
    for name in others {
        let recipe = format!("merge_method: karcher\nmodels: [{{model: ./model}}, {{model: ./{name}}}]\n");
        std::fs::write(root.path().join(format!("{name}.yaml")), recipe).unwrap();
    }
    root
}

const SEEING: [&str; 6] =
    ["--calibration", "text.txt", "--calibration-samples", "4", "--calibration-length", "32"];

/// The commands that take `model` and another.
fn pairs(other: &str) -> Vec<Vec<String>> {
    let path = format!("./{other}");
    let lists = [
        vec!["extract", "./model", &path, "--rank", "2", "--output", "x"],
        [&["compensate", "./model", &path, "--rank", "2", "--output", "x"][..], &SEEING].concat(),
    ];
    let recipe = vec!["blend".to_owned(), format!("{other}.yaml"), "--output".to_owned(), "x".to_owned()];
    lists.map(|list| list.into_iter().map(str::to_owned).collect()).into_iter().chain([recipe]).collect()
}

/// The commands that take one model.
fn alone(path: &str) -> Vec<Vec<String>> {
    let lists = [
        vec!["compress", path, "--ratio", "0.5", "--output", "x"],
        vec!["quantize", path, "--to", "q8_0", "--output", "x.gguf"],
        vec!["convert", path, "x"],
    ];
    lists.map(|list| list.into_iter().map(str::to_owned).collect()).into()
}

/// Every command says why and what to do, and leaves nothing.
fn all_refused(folder: &Path, commands: Vec<Vec<String>>, why: &str) {
    for command in commands {
        refused_with_hint(folder, &command.iter().map(String::as_str).collect::<Vec<_>>(), why);
        assert!(!folder.join("x").exists() && !folder.join("x.gguf").exists(), "{command:?}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let root = folder(&["sharded"]);
    let folder = root.path();
    tiny::llama(&folder.join("sharded"), &TinyLlama { shards: 3, ..TinyLlama::default() }, 2);
    std::fs::remove_file(folder.join("sharded/model-00002-of-00003.safetensors")).unwrap();
    let commands = [alone("./sharded"), pairs("sharded")].concat();
    all_refused(folder, commands, "the shard `model-00002-of-00003.safetensors` is missing");
}

#[test]
fn tensors_that_do_not_match_are_listed_with_the_nearest_names() {
    let root = folder(&["narrow", "renamed"]);
    let folder = root.path();
    tiny::llama(&folder.join("narrow"), &TinyLlama { inner: 48, ..TinyLlama::default() }, 2);
    let shapes = "`model.layers.0.mlp.gate_proj.weight` is [64, 32] in the first and [48, 32] in the second";
    all_refused(folder, pairs("narrow"), shapes);
    // Without a configuration nothing tells that a name is wrong but the other model.
    std::fs::create_dir(folder.join("renamed")).unwrap();
    let bytes = std::fs::read(folder.join("model/model.safetensors")).unwrap();
    let name = b"layers.0.self_attn.q_proj";
    let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let renamed = [&bytes[..at], b"layers.0.self_attn.q_prox", &bytes[at + name.len()..]].concat();
    std::fs::write(folder.join("renamed/model.safetensors"), renamed).unwrap();
    let names = "`model.layers.0.self_attn.q_proj.weight` is not in the second; nearest is `model.layers.0.self_attn.";
    all_refused(folder, pairs("renamed"), names);
}

#[test]
fn other_tokenizers_are_told() {
    let root = folder(&["other"]);
    let folder = root.path();
    add_other_tokens(folder);
    let align = ["align", "./model", "./other", "--output", "x"].map(str::to_owned).to_vec();
    for command in pairs("other").into_iter().chain([align]) {
        let output = run(folder, &command.iter().map(String::as_str).collect::<Vec<_>>());
        let said = words(&output.stderr);
        assert!(said.contains("have different tokenizers"), "{command:?}: {said}");
        // What mixes embeddings goes no further.
        assert_eq!(output.status.success(), command[0] != "blend", "{command:?}: {said}");
        let _ = std::fs::remove_dir_all(folder.join("x"));
    }
}

#[test]
fn a_tokenizer_that_is_none_is_named() {
    let root = folder(&["broken"]);
    let folder = root.path();
    tiny::llama(&folder.join("broken"), &TinyLlama::default(), 2);
    let interpolate = ["interpolate", "./model", "./broken", "--at", "0.5", "--output", "x"];
    let lists = [
        vec!["quantize", "./broken", "--to", "q8_0", "--output", "x.gguf"],
        vec!["align", "./model", "./broken", "--output", "x"],
        vec!["diff", "./model", "./broken"],
        vec!["connect", "./model", "./broken", "--data", "text.txt"],
        interpolate.to_vec(),
    ];
    let lists = lists.into_iter().map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let commands: Vec<Vec<String>> = lists.chain(pairs("broken")).collect();
    std::fs::write(folder.join("broken/tokenizer.json"), "{bad").unwrap();
    all_refused(folder, commands, "broken/tokenizer.json`: not valid JSON: key must be a string at line 1");
    std::fs::write(folder.join("broken/tokenizer.json"), "{}").unwrap();
    let quantize = ["quantize", "./broken", "--to", "q8_0", "--output", "x.gguf"];
    refused_with_hint(folder, &quantize, "broken/tokenizer.json`: tokenizer: `model`");
}

#[test]
fn an_adapter_of_another_base_is_not_blended() {
    let root = folder(&[]);
    let folder = root.path();
    let adapter = fixtures::path("adapters/plain");
    let models = format!("[{{model: ./model}}, {{model: ./model+{}}}]", adapter.display());
    std::fs::write(folder.join("merge.yaml"), format!("merge_method: karcher\nmodels: {models}\n")).unwrap();
    refused_with_hint(folder, &["blend", "merge.yaml", "--output", "x"], "down_proj");
    assert!(!folder.join("x").exists());
}

#[test]
fn a_parameter_that_is_none_has_a_caret_under_it() {
    let root = folder(&[]);
    let models = "[{model: ./model}, {model: ./model}]";
    let recipe = format!("merge_method: karcher\nmodels: {models}\nparameters: {{max_itre: 3}}\n");
    std::fs::write(root.path().join("merge.yaml"), recipe).unwrap();
    let said = run(root.path(), &["blend", "merge.yaml", "--output", "x"]).stderr;
    let expected = "error: `merge.yaml`: `karcher` has no parameter `max_itre` at line 3, column 14
  |
3 | parameters: {max_itre: 3}
  |              ^^^^^^^^
";
    assert!(words(&said).starts_with(expected), "{}", words(&said));
    assert!(words(&said).contains("hint: the nearest parameters are `max_iter`"), "{}", words(&said));
}

#[test]
fn a_quantisation_that_is_not_read_is_named() {
    let root = folder(&[]);
    let folder = root.path();
    assert!(run(folder, &["convert", "./model", "iq.gguf"]).status.success());
    let mut bytes = std::fs::read(folder.join("iq.gguf")).unwrap();
    let name = b"blk.0.attn_q.weight";
    // Behind the name stand the number of sides, two sides of eight bytes, and the type.
    let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap() + name.len() + 4 + 16;
    bytes[at..at + 4].copy_from_slice(&20_u32.to_le_bytes());
    std::fs::write(folder.join("iq.gguf"), bytes).unwrap();
    let why = "tensor `blk.0.attn_q.weight` is stored as IQ4_NL, which is not read";
    let mut commands = alone("./iq.gguf");
    commands.extend(pairs("iq.gguf").into_iter().filter(|command| command[0] != "blend"));
    all_refused(folder, commands, why);
}

#[test]
fn a_calibration_text_shorter_than_a_window_is_refused() {
    let root = folder(&[]);
    let folder = root.path();
    std::fs::write(folder.join("short.txt"), "The sky.").unwrap();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    let extract = ["extract", "./model", "./other", "--error", "0.1"];
    let compensate = ["compensate", "./model", "./other"];
    let compress = ["compress", "./model", "--method", "svd-activation", "--ratio", "0.5"];
    for command in [&extract[..], &compensate, &compress] {
        let command = [command, &["--calibration", "short.txt", "--output", "x"]].concat();
        refused_with_hint(folder, &command, "fewer than one window of 512");
        assert!(!folder.join("x").exists());
    }
}

#[test]
fn nothing_is_written_into_what_is_read() {
    let root = folder(&["other"]);
    let folder = root.path();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    let mut commands = [alone("./model"), pairs("other")].concat();
    let compensate = pairs("other").remove(1);
    commands.push([compensate, vec!["--merge".to_owned()]].concat());
    for command in &mut commands {
        let output = command.iter_mut().find(|word| ["x", "x.gguf"].contains(&word.as_str())).unwrap();
        *output = format!("model/{output}");
    }
    let before = std::fs::read_dir(folder.join("model")).unwrap().count();
    all_refused(folder, commands, "lies inside");
    assert_eq!(std::fs::read_dir(folder.join("model")).unwrap().count(), before);
}

#[test]
fn weights_without_a_configuration_are_no_model_to_merge_into() {
    let root = folder(&[]);
    let folder = root.path();
    tiny::llama(&folder.join("bare"), &TinyLlama::default(), 2);
    std::fs::remove_file(folder.join("bare/config.json")).unwrap();
    // Before the calibration data are looked for.
    let command =
        ["compensate", "./model", "./bare", "--merge", "--calibration", "none.txt", "--output", "x"];
    refused_with_hint(folder, &command, "`./bare` has no configuration, so it is no model to write");
    assert!(!folder.join("x").exists());
}

/// And the disk is asked once.
#[cfg(unix)]
#[test]
fn a_disk_without_room_is_noticed_before_anything_is_made() {
    let root = folder(&["other"]);
    let folder = root.path();
    tiny::llama(&folder.join("other"), &TinyLlama::default(), 2);
    crate::common::small_disk(folder);
    let [extract, compensate, blend] = pairs("other").try_into().unwrap();
    let [_, quantize, convert] = alone("./model").try_into().unwrap();
    let compress = ["compress", "./model", "--method", "magnitude", "--sparsity", "0.5", "--output", "x"];
    done(folder, &["compress", "./model", "--ratio", "0.5", "--output", "thin"]);
    let merge = ["merge", "./thin", "--output", "x"];
    let align = ["align", "./model", "./other", "--output", "x"];
    let interpolate = ["interpolate", "./model", "./other", "--at", "0.5", "--output", "x"];
    let diff = ["diff", "./model", "./other", "--mitigate", "0.5", "--output", "x"];
    for command in [
        [compensate.clone(), vec!["--merge".to_owned()]].concat(),
        compensate,
        extract,
        blend,
        quantize,
        convert,
        compress.map(str::to_owned).to_vec(),
        merge.map(str::to_owned).to_vec(),
        align.map(str::to_owned).to_vec(),
        interpolate.map(str::to_owned).to_vec(),
        diff.map(str::to_owned).to_vec(),
    ] {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = rankine(folder, &arguments).env("PATH", folder.join("bin")).output().unwrap();
        let said = words(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("the disk of `x") && said.contains("hint: make room"), "{command:?}: {said}");
        assert!(!folder.join("x").exists() && !folder.join("x.gguf").exists(), "{command:?}");
        assert_eq!(std::fs::read_to_string(folder.join("df.log")).unwrap(), "asked\n", "{command:?}");
        std::fs::remove_file(folder.join("df.log")).unwrap();
    }
}

#[test]
fn nothing_is_begun_inside_the_model() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(8)).unwrap();
    let entries = || std::fs::read_dir(folder.join("model")).unwrap().count();
    let before = entries();
    let commands: [&[&str]; 3] = [
        &["init", "./model", "--rank", "2", "--force"],
        &["train", "./model", "--data", "data.json", "--method", "lora", "--rank", "2", "--force"],
        &["demo", "--model", "./model"],
    ];
    for command in commands {
        for (output, why) in [("model/new", "`model/new` lies inside `"), ("model", "is read from it")] {
            refused_with_hint(folder, &[command, &["--output", output]].concat(), why);
        }
    }
    assert_eq!(entries(), before);
}
