//! Recipes in both formats, and what is wrong with them.

use super::{Kitchen, fixture};
use crate::common::read;
use rankine_checkpoint::{Checkpoint, Opened};
use rankine_surgery::{BlendRecipe, Blending, Ingredient, Subject, WriteOptions};
use std::path::Path;
use tempfile::TempDir;

/// The message, and the hint or nothing.
fn refused(text: &str, name: &str) -> (String, String) {
    match BlendRecipe::parse(text, Path::new(name)) {
        Ok(_) => panic!("{text}"),
        Err(error) => (error.to_string(), error.hint().unwrap_or_default()),
    }
}

#[test]
fn yaml_and_toml_are_one() {
    let yaml = "
merge_method: ties
base_model: base
models:
  - model: a
    parameters: {weight: [0, 0.5, 1.0], density: 0.4}
  - model: b
    parameters:
      weight:
        - filter: mlp
          value: 3.0e-1
        - value: 1
parameters: {normalize: true, lambda: 0.9}
out_dtype: bfloat16
dtype: float32
tokenizer_source: base
";
    let toml = r#"
merge_method = "ties"
base_model = "base"
parameters = { normalize = true, lambda = 0.9 }
out_dtype = "bfloat16"
dtype = "float32"
tokenizer_source = "base"

[[models]]
model = "a"
parameters = { weight = [0, 0.5, 1.0], density = 0.4 }

[[models]]
model = "b"
[models.parameters]
weight = [{ filter = "mlp", value = 0.3 }, { value = 1 }]
"#;
    let plans = [(yaml, "merge.yml"), (toml, "merge.TOML")].map(|(text, name)| {
        let recipe = BlendRecipe::parse(text, Path::new(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((recipe.method(), recipe.models().len(), recipe.tokenizer()), ("ties", 3, 0));
        let opened: Vec<Opened> =
            recipe.models().iter().map(|model| Opened::open(fixture(&model.model)).unwrap()).collect();
        let ingredients: Vec<Ingredient> =
            opened.iter().map(|model| Ingredient { subject: Subject::from(model), adapter: None }).collect();
        let blending = Blending::new(&recipe, &ingredients, 0, &mut crate::common::on).unwrap();
        blending.plan(&WriteOptions::default()).unwrap()
    });
    assert_eq!(plans[0], plans[1]);
    let report = &plans[0];
    let settings = |name: &str| {
        report.tensors.iter().find(|tensor| tensor.name.ends_with(name)).unwrap().settings.clone()
    };
    let expected = vec![("weight", vec![1.0, 0.3]), ("density", vec![0.4, 1.0]), ("lambda", vec![0.9])];
    assert_eq!(settings("layers.1.mlp.up_proj.weight"), expected);
    assert_eq!(settings("layers.0.self_attn.q_proj.weight")[0], ("weight", vec![0.0, 1.0]));
    // Two bytes a number.
    assert_eq!(report.plan.bytes, 2 * report.plan.parameters);
    let group = report.groups().into_iter().find(|group| group.name.contains("mlp.up_proj")).unwrap();
    assert_eq!((group.name.as_str(), group.tensors), ("model.layers.*.mlp.up_proj.weight", 2));
    assert_eq!(group.settings[0], ("weight", vec![[0.0, 1.0], [0.3, 0.3]]));
}

/// The values of a blend of the fixture's models, by name.
fn numbers(text: &str) -> Vec<(String, Vec<f32>)> {
    let root = TempDir::new().unwrap();
    let target = root.path().join("out");
    Kitchen::new(text).blend(&target).unwrap_or_else(|error| panic!("{text}: {error}"));
    let blended = Checkpoint::open(&target).unwrap();
    let mut names: Vec<String> = blended.tensors().infos().keys().cloned().collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(blended.tensors(), &name))).collect()
}

/// mergekit adds a base that is not listed to the models, of whatever method.
#[test]
fn a_base_that_is_not_listed_is_a_model_where_nothing_else_is_made_of_it() {
    for (method, all) in [("karcher", ""), ("linear", "weight: 0.3")] {
        let text = |models: &str| format!("merge_method: {method}\n{models}\nparameters: {{{all}}}\n");
        let implied = numbers(&text("base_model: base\nmodels: [{model: a}, {model: b}]"));
        assert!(implied == numbers(&text("models: [{model: a}, {model: b}, {model: base}]")), "{method}");
        assert!(implied != numbers(&text("models: [{model: a}, {model: b}]")), "{method}");
    }
    // Without a weight, and with methods of one model, it gives the configuration alone.
    for (method, models) in
        [("linear", "[{model: a, parameters: {weight: 0.3}}]"), ("passthrough", "[{model: a}]")]
    {
        let text = |base: &str| format!("merge_method: {method}\n{base}models: {models}\n");
        assert!(numbers(&text("base_model: base\n")) == numbers(&text("")), "{method}");
    }
}

#[test]
fn a_slice_may_have_its_own_base() {
    let slice = |base: &str, other: &str, from: usize| {
        let range = format!("layer_range: [{from}, {}]", from + 1);
        format!(
            "  - base_model: {base}\n    sources: [{{model: {base}, {range}}}, {{model: {other}, {range}}}]\n"
        )
    };
    let all = "merge_method: slerp\nparameters: {t: 0.25}\nslices:\n";
    let own = numbers(&format!("{all}{}{}", slice("a", "b", 0), slice("b", "a", 1)));
    let turned = numbers(&format!("base_model: c\n{all}{}{}", slice("a", "b", 0), slice("a", "b", 1)));
    for ((name, own), (_, turned)) in own.iter().zip(&turned) {
        let in_first = name.contains(".0.") || name.contains("embed");
        assert_eq!(own == turned, in_first, "{name}");
    }
    let (said, _) = refused(&format!("{all}  - sources: [{{model: a, layer_range: [0, 1]}}]\n"), "m.yaml");
    assert!(said.contains("`slerp` starts from a base") && said.contains('^'), "{said}");
}

#[test]
fn what_is_said_once_can_be_taken_over() {
    let all = "merge_method: ties\nbase_model: base\nmodels:\n";
    let whole = "  - {model: a, parameters: {weight: 0.5, density: 0.4}}\n  - {model: b, parameters: {weight: 0.5, density: 0.8}}\n";
    let merged = "  - model: a\n    parameters: &a {weight: 0.5, density: 0.4}\n  - {model: b, parameters: {<<: *a, density: 0.8}}\n";
    assert!(numbers(&format!("{all}{whole}")) == numbers(&format!("{all}{merged}")));
    let (said, hint) = refused(&format!("{all}{}", merged.replacen("density", "densty", 1)), "m.yaml");
    assert!(said.contains("no parameter `densty` at line 5, column 34"), "{said}");
    assert!(hint.contains("`density`"), "{hint}");
}

#[test]
fn keys_may_stand_beside_the_recipe_for_their_anchors() {
    let models = |parameters: &str| {
        let one = |model: &str| format!("  - {{model: {model}, parameters: {parameters}}}\n");
        format!("merge_method: linear\nmodels:\n{}{}", one("a"), one("b"))
    };
    let (plain, through) = (numbers(&models("{weight: 0.3}")), models("*c"));
    for (key, value) in [
        ("x-common", "&c {weight: 0.3}"),
        (".anchors", "[&c {weight: 0.3}]"),
        ("common", "&c {weight: 0.3}"),
        ("common", "&c\n  weight: 0.3"),
        ("common", "{one: {two: &c {weight: 0.3}}}"),
    ] {
        assert!(numbers(&format!("{key}: {value}\n{through}")) == plain, "{key}: {value}");
    }
    // A number of its own, one that nobody uses, and one that says nothing.
    let number = format!("share: &s 0.3\nx-note: 7\n{}", models("{weight: *s}"));
    assert!(numbers(&number) == plain);
    let mended = models("{weight: 0.3}");
    for (line, found) in
        [("paramters: &c {normalize: false}", "paramters"), ("x: {}", "x"), ("dtpe: f32", "dtpe")]
    {
        let (said, _) = refused(&format!("{line}\n{mended}"), "m.yaml");
        assert!(said.contains(&format!("unknown key `{found}` at line 1, column 1")), "{said}");
    }
    // Below the top nothing stands beside.
    let below = mended.replacen("parameters:", "x-more: 1, parameters:", 1);
    assert!(refused(&below, "m.yaml").0.contains("unknown key `x-more` at line 3"));
    let toml =
        "x-note = 7\nmerge_method = \"linear\"\nmodels = [{ model = \"a\", parameters = { weight = 1 } }]\n";
    assert!(BlendRecipe::parse(toml, Path::new("m.toml")).is_ok());
}

/// Python's YAML and pydantic read them.
#[test]
fn words_and_quoted_numbers_are_values_too() {
    let text = |weight: &str, normalize: &str| {
        let models = format!("[{{model: a, parameters: {{weight: {weight}}}}}, {{model: b}}]");
        format!("merge_method: linear\nmodels: {models}\nparameters: {{weight: 2, normalize: {normalize}}}\n")
    };
    let [normal, sum] = ["true", "false"].map(|flag| numbers(&text("0.5", flag)));
    assert!(normal != sum);
    for flag in ["True", "TRUE", "yes", "on", "'true'", "1", "1.0", "[1, yes]"] {
        assert!(numbers(&text("'0.5'", flag)) == normal, "{flag}");
    }
    for flag in ["False", "no", "Off", "0", "[0, 0]"] {
        assert!(numbers(&text("[\"0.5\", 5e-1]", flag)) == sum, "{flag}");
    }
}

#[test]
fn what_is_closer_counts_more() {
    let text = "
merge_method: linear
slices:
  - sources:
      - {model: a, layer_range: [0, 1], parameters: {weight: 0.1}}
      - {model: b, layer_range: [1, 2], parameters: {weight: [{filter: q_proj, value: 0.2}]}}
      - {model: c, layer_range: [0, 1]}
    parameters: {weight: [{filter: mlp, value: 0.3}]}
parameters: {weight: 0.4, normalize: false}
";
    let report = Kitchen::new(text).with(|blending, options| blending.plan(options)).unwrap();
    let weights = |name: &str| {
        let name = format!("model.layers.0.{name}.weight");
        let tensor = report.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        tensor.settings[0].1.clone()
    };
    assert_eq!(weights("self_attn.q_proj"), [0.1, 0.2, 0.4]);
    assert_eq!(weights("mlp.up_proj"), [0.1, 0.3, 0.3]);
    assert_eq!(weights("input_layernorm"), [0.1, 0.4, 0.4]);
}

#[test]
fn a_word_that_is_none_has_a_caret_under_it() {
    let head = "merge_method: ties\nbase_model: base\n";
    let models = "models:\n  - model: a\n    parameters: {weight: 1}\n";
    let (said, hint) = refused("merge_method: tise\nmodels: []\n", "m.yaml");
    let expected = "`m.yaml`: unknown method `tise` at line 1, column 15\n  |\n1 | merge_method: tise\n  |               ^^^^";
    assert_eq!(said, expected);
    assert!(hint.starts_with("the nearest methods are `ties`"), "{hint}");
    let (_, hint) = refused("merge_method: dare\nmodels: []\n", "m.yaml");
    assert_eq!(hint, "the nearest methods are `dare_linear`, `dare_ties`");
    let twice = "merge_method: linear\nmodels: [{model: a}]\nmerge_method: ties\n";
    let (said, hint) = refused(twice, "m.yaml");
    let caret = "3 | merge_method: ties\n  | ^^^^^^^^^^^^";
    assert!(said.contains("`merge_method` stands here a second time at line 3, column 1"), "{said}");
    assert!(said.ends_with(caret) && hint == "leave one of the two out", "{said} / {hint}");
    let (said, hint) = refused("merge_method = \"ties\"\nbase_model = \"b\"\nparameterz = {}\n", "m.toml");
    let caret = "3 | parameterz = {}\n  | ^^^^^^^^^^";
    assert!(said.contains("unknown key `parameterz` at line 3, column 1") && said.ends_with(caret), "{said}");
    assert_eq!(hint, "the nearest keys are `parameters`");
    let (said, hint) = refused(&format!("{head}{models}parameters:\n  densty: 0.5\n"), "m.yaml");
    assert!(said.contains("`ties` has no parameter `densty` at line 7, column 3"), "{said}");
    assert!(said.ends_with("7 |   densty: 0.5\n  |   ^^^^^^"), "{said}");
    assert!(hint.contains("`density`"), "{hint}");
    let (said, hint) = refused(&format!("{head}{models}parameters: {{zzzzzzzz: 1}}\n"), "m.yaml");
    assert!(said.contains("`zzzzzzzz`") && hint.starts_with("the parameters here are `weight`, "), "{hint}");
}

#[test]
fn values_that_are_none_are_refused_at_their_place() {
    let one = "  - {model: a, parameters: {weight: 1}}\n";
    let cases = [
        ("merge_method: ties\n", "`ties` starts from a base", "base_model"),
        ("models: []\n", "there is no `merge_method`", "merge_method: linear"),
        ("merge_method: linear\n", "there is no `models`", "models"),
        ("merge_method: linear\nmodels: []\n", "`linear` takes 1 or more models; found 0", ""),
        ("merge_method: linear\nmodels: {a: 1}\n", "`models` should be a list", ""),
        ("merge_method: linear\nmodels: [{modl: a}]\n", "unknown key `modl`", "`model`"),
        ("merge_method: linear\nmodels: [{model: a+b+c}]\n", "`model` or `model+adapter`", ""),
        ("merge_method: linear\nmodules: {x: 1}\n", "a recipe by `modules` is not built", "slices"),
        ("merge_method: linear\nmodels: []\nslices: []\n", "either `models` or `slices`", ""),
        ("merge_method: linear\nmodels: [1\n", "at line ", ""),
        (
            "base_model: b\nmerge_method: slerp\nmodels: [{model: a}, {model: c}]\n",
            "takes one model besides the base; found 2",
            "",
        ),
        ("MODELS dtype: int8\n", "`dtype` should be `float32`, `float16` or `bfloat16`", ""),
        (
            "MODELS tokenizer_source: union\n",
            "the union of vocabularies is not built",
            "`tokenizer_source: base`",
        ),
        ("MODELS tokenizer: {source: base, tokens: {x: 1}}\n", "changing the tokens", "tokenizer_source"),
        ("MODELS chat_template: chatml\n", "a chat template by its name is not built", "text"),
        ("MODELS parameters: {weight: yes}\n", "`weight` should be a number, a list", ""),
        ("MODELS parameters: {weight: .nan}\n", "`weight` should be a finite number; found NaN", ""),
        ("MODELS parameters: {normalize: 3}\n", "`normalize` should be true or false", ""),
        ("MODELS parameters: {weight: [{filter: a}]}\n", "there is no `value`", ""),
        ("MODELS parameters: {weight: [1, a]}\n", "`weight` should be a number", ""),
        ("MODELS parameters: {weight: [1, [2]]}\n", "`weight` should be one value", ""),
        (
            "MODELS parameters: {normalize: [true, 2]}\n",
            "`normalize` should be true or false, a list of them",
            "",
        ),
        (
            "MODELS parameters: {<<: 3}\n",
            "`<<` should be a mapping, or a list of mappings at line 4, column 18",
            "",
        ),
    ];
    for (text, said, hint) in cases {
        let text = text.replace("MODELS ", &format!("merge_method: linear\nmodels:\n{one}"));
        let (found, hinted) = refused(&text, "m.yaml");
        assert!(found.contains(said) && hinted.contains(hint), "{text}: {found} / {hinted}");
    }
    for (parameters, said) in [
        ("density: -0.5", "`density` should be 0 to 1; found -0.5"),
        ("density: [1, 0.5, 1.5]", "found 1.5 at line 5, column 36\n"),
        ("normalize: false", "`normalize` is a parameter of the whole blend, not of one model"),
    ] {
        let text = format!(
            "merge_method: ties\nbase_model: b\nmodels:\n  - model: a\n    parameters: {{{parameters}}}\n"
        );
        let (found, _) = refused(&text, "m.yaml");
        assert!(found.contains(said) && found.contains('^'), "{found}");
    }
    let uneven = "merge_method: linear\nslices:\n  - sources:\n      - {model: a, layer_range: [0, 2]}\n      - {model: b, layer_range: [1, 2]}\n";
    assert!(refused(uneven, "m.yaml").0.contains("equally many layers; found 1 and 2"));
    let backwards = "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [2, 2]}]}]\n";
    assert!(refused(backwards, "m.yaml").0.contains("`layer_range` should be two numbers"));
}

#[test]
fn layers_that_a_model_does_not_have_have_a_caret_under_them() {
    let text = "merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 9]}]\n";
    let error = Kitchen::new(text).with(|blending, options| blending.plan(options)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("`a` has 2 layers; layer 8 was asked for at line 3, column 43\n"), "{said}");
    assert!(said.ends_with(&format!("\n  | {}^", " ".repeat(42))), "{said}");
    assert!(error.hint().unwrap().contains("`[0, 2]` are all of them"));
}
