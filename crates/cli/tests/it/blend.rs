//! Models blended by a recipe, and what came of it.

use crate::common::{add_other_tokens, done, folder_with_model, json, run, words};
use rankine_testkit::tiny;
use serde_json::Value;

const RECIPE: &str = "
merge_method: slerp
base_model: ./model
models: [{model: ./model}, {model: ./model+adapter}]
parameters:
  t: [{filter: mlp, value: [0.2, 0.5]}, {value: 0.5}]
dtype: bfloat16
";

#[test]
fn a_recipe_makes_a_model_for_every_command() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(folder.join("data.json"), tiny::alpaca_json(12)).unwrap();
    std::fs::write(folder.join("merge.yaml"), RECIPE).unwrap();
    let train = ["train", "./model", "--data", "data.json", "--method", "lora", "--rank", "2"];
    done(folder, &[&train[..], &["--steps", "2", "--output", "adapter"]].concat());
    let blend = ["blend", "merge.yaml", "--output", "out"];
    let planned = done(folder, &[&blend[..], &["--dry-run"]].concat());
    assert!(planned.contains("Would write out") && !folder.join("out").exists(), "{planned}");
    assert!(
        planned.contains("model.layers.*.mlp.up_proj.weight") && planned.contains("t 0.2 to 0.5"),
        "{planned}"
    );
    assert!(planned.contains("./model+adapter"), "{planned}");
    let report = json(folder, &blend);
    let tensors = report["tensors"].as_array().unwrap();
    let query = tensors.iter().find(|tensor| tensor["name"] == "model.layers.1.self_attn.q_proj.weight");
    let query = query.unwrap();
    assert_eq!((&query["settings"]["t"], &query["made"]), (&Value::from(0.5), &Value::from("whole")));
    assert_eq!(report["method"], "slerp");
    assert_eq!(report["models"][1]["model"], "./model+adapter");
    assert_eq!(report["bytes"].as_u64().unwrap(), 2 * report["parameters"].as_u64().unwrap());
    done(folder, &["generate", "./out", "--raw", "--prompt", "x", "--max-tokens", "1"]);
    let again = run(folder, &blend);
    assert!(!again.status.success() && words(&again.stderr).contains("exists already"));
}

#[test]
fn models_that_number_their_tokens_otherwise_are_not_mixed_unasked() {
    let root = folder_with_model();
    let folder = root.path();
    add_other_tokens(folder);
    let recipe = "merge_method: karcher\nmodels: [{model: ./model}, {model: ./other}]\n";
    std::fs::write(folder.join("merge.yaml"), recipe).unwrap();
    let blend = ["blend", "merge.yaml", "--output", "out"];
    let output = run(folder, &blend);
    let said = words(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("different tokenizers: token") && said.contains("tokenizer_source"), "{said}");
    assert!(!folder.join("out").exists());
    std::fs::write(folder.join("merge.yaml"), format!("{recipe}tokenizer_source: base\n")).unwrap();
    let output = run(folder, &blend);
    assert!(output.status.success() && words(&output.stderr).contains("different tokenizers"));
}

#[test]
fn a_wrong_word_is_shown_with_a_caret_and_the_nearest() {
    let root = folder_with_model();
    let folder = root.path();
    std::fs::write(
        folder.join("merge.toml"),
        "merge_method = \"liner\"\nmodels = [{ model = \"./model\" }]\n",
    )
    .unwrap();
    let output = run(folder, &["blend", "merge.toml", "--output", "out"]);
    let expected = "error: `merge.toml`: unknown method `liner` at line 1, column 16
  |
1 | merge_method = \"liner\"
  |                ^^^^^^^

hint: the nearest methods are `linear`
";
    assert_eq!((output.status.code(), words(&output.stderr).as_str()), (Some(2), expected));
    std::fs::write(folder.join("merge.yaml"), RECIPE.replace("+adapter", "+nothing")).unwrap();
    let output = run(folder, &["blend", "merge.yaml", "--output", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output.stderr).contains("nothing") && !folder.join("out").exists());
}
