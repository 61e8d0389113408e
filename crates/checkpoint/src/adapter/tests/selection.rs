//! Which modules are meant by names, patterns and layers.

use super::*;
use crate::Error;
use serde_json::json;

#[test]
fn modules_are_selected_as_in_peft() {
    let base = fixture("plain").base;
    let modules = modules_of(&base);
    let cases = json_of(&fixtures().join("targets.json"));
    assert!(40 < cases.as_array().unwrap().len());
    for case in cases.as_array().unwrap() {
        let mut json = case["config"].clone();
        json["peft_type"] = "LORA".into();
        let selected = AdapterConfig::parse(Path::new("x"), &json)
            .and_then(|config| config.targets.with_defaults("llama")?.select(&modules));
        match (&selected, &case["selected"]) {
            (Ok(found), Value::Array(expected)) => assert_eq!(&json!(found), &json!(expected), "{json}"),
            (Err(error), Value::String(_)) => assert!(error.hint().is_some(), "{json}: {error}"),
            _ => panic!("{json}: {selected:?}, but peft: {}", case["selected"]),
        }
    }
}

#[test]
fn patterns_match_as_in_peft() {
    let patterns = json_of(&fixtures().join("patterns.json"));
    for case in patterns["cases"].as_array().unwrap() {
        let keys = case["keys"].as_array().unwrap();
        // Each key gives its own rank, and 100 is that of no key.
        let rank_pattern = keys.iter().enumerate().map(|(i, key)| (key.as_str().unwrap().to_owned(), i + 1));
        let config = AdapterConfig { rank: 100, rank_pattern: rank_pattern.collect(), ..Default::default() };
        let paths = patterns["paths"].as_array().unwrap();
        for (path, chosen) in paths.iter().zip(case["matches"].as_array().unwrap()) {
            let expected = keys.iter().position(|key| key == chosen).map_or(100, |i| i + 1);
            assert_eq!(config.rank_of(path.as_str().unwrap()).unwrap(), expected, "{case} {path}");
        }
    }
}

#[test]
fn a_target_that_matches_nothing_shows_the_nearest() {
    let modules = modules_of(&fixture("plain").base);
    let select = |modules_wanted| Targets { modules: modules_wanted, ..Default::default() }.select(&modules);
    let error = select(Selection::Names(vec!["q_prj".to_owned()])).unwrap_err();
    assert!(error.hint().unwrap().contains("`q_proj`"), "{:?}", error.hint());
    let error = select(Selection::Names(vec!["self_attn.qproj".to_owned()])).unwrap_err();
    assert!(error.hint().unwrap().contains("`self_attn.q_proj`"), "{:?}", error.hint());
    let error = select(Selection::Pattern("nothing".to_owned())).unwrap_err();
    assert!(error.hint().unwrap().contains("`down_proj`"), "{:?}", error.hint());
    let error = select(Selection::Names(vec!["nosuch".to_owned()])).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("the model's modules have ") && hint.contains("such as `down_proj`"), "{hint}");
    assert!(!hint.contains("nearest") && hint.matches('`').count() <= 10, "{hint}");
    let names = ["q_proj", "nope"].map(str::to_owned).to_vec();
    let partly = Targets { modules: Selection::Names(names), ..Default::default() };
    assert!(partly.select(&modules).is_ok());
    let layered = |layers: &[usize]| {
        let targets =
            Targets { modules: Selection::AllLinear, layers: layers.to_vec(), ..Default::default() };
        targets.select_strictly(&modules)
    };
    assert!(layered(&[0]).unwrap().iter().all(|path| path.contains("layers.0.")));
    let error = layered(&[99]).unwrap_err();
    assert!(error.to_string().contains("no layer 99"), "{error}");
    let error = partly.select_strictly(&modules).unwrap_err();
    assert!(error.to_string().contains("`nope`") && !error.to_string().contains("q_proj"), "{error}");
}

#[test]
fn convolutions_are_targeted_by_name_and_are_not_linear() {
    let shapes = json!({
        "conv1.weight": [4, 1, 3, 3], "bn1.weight": [4], "layer1.0.conv1.weight": [4, 4, 3, 3],
        "layer1.0.bn1.weight": [4], "fc.weight": [3, 4],
    });
    let modules = modules_of(&Shapes::new(&shapes));
    let targets = |modules| Targets { modules, ..Default::default() };
    assert_eq!(targets(Selection::AllLinear).select(&modules).unwrap(), ["fc"]);
    let named = targets(Selection::Names(vec!["conv1".to_owned()]));
    assert_eq!(named.select_strictly(&modules).unwrap(), ["conv1", "layer1.0.conv1"]);
    // The norms and the block itself match too: peft refuses them, and what is trained here passes them over.
    let expression = targets(Selection::Pattern("layer.*".to_owned()));
    assert!(matches!(expression.select(&modules), Err(Error::Targets(TargetFault::Unsupported { .. }))));
    assert_eq!(expression.select_strictly(&modules).unwrap(), ["layer1.0.conv1"]);
    let saved = Targets { saved: vec!["fc".to_owned()], ..targets(Selection::AllLinear) };
    let error = saved.select_strictly(&modules).unwrap_err();
    assert!(error.hint().unwrap().contains("convolutions"), "{error}");
}

#[test]
fn an_expression_without_end_is_given_up() {
    let targets = Targets { modules: Selection::Pattern(r"(?=(x+x+)+y)x".to_owned()), ..Default::default() };
    let modules = [ModuleName { path: "x".repeat(200), kind: Kind::Linear }];
    let error = targets.select(&modules).unwrap_err();
    assert!(
        matches!(error, Error::Targets(TargetFault::Pattern { .. } | TargetFault::NoMatch { .. })),
        "{error}"
    );
    for hostile in ["(".repeat(10_000), "((a{1000}){1000}){1000}".to_owned(), "x".repeat(100_000)] {
        let json = json!({ "peft_type": "LORA", "target_modules": &hostile });
        assert!(AdapterConfig::parse(Path::new("x"), &json).is_err(), "{hostile:.20}");
    }
}

#[test]
fn a_path_of_one_part_is_no_ending_of_others() {
    let paths = ["layer1.0.conv1", "lm_head"].map(str::to_owned);
    assert_eq!(Selection::of_paths(&paths), Selection::Names(paths.to_vec()));
    let modules = Selection::of_paths(&["conv1", "layer1.0.conv2"].map(str::to_owned));
    let targets = Targets { modules, ..Targets::default() };
    let there = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1x0.conv2"];
    let there = there.map(|path| ModuleName { path: path.to_owned(), kind: Kind::Convolution });
    assert_eq!(targets.select(&there).unwrap(), ["conv1", "layer1.0.conv2"]);
}
