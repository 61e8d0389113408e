//! Adapters of encoders and image models become a LoRA that makes the weights that peft makes; `fixtures/PROVENANCE.md`.

use crate::common::{on, read};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::Selection;
use rankine_checkpoint::module_names::{Named, is_old, of_files, of_transformers};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Adapter, Checkpoint, Dtype, Existing, ImageCheckpoint, TensorInfo, Tensors};
use rankine_surgery::{
    AdapterOutput, Combination, Conversion, Error, GgufOutput, Keep, Merged, Obstacle, OtherKind, Share,
    WriteOptions, combine, convert, export, merge_images,
};
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// With the module that no LoRA is made of, and what it is.
const REFUSED: [(&str, &str, &str); 2] = [
    ("resnet_hra", "layer1.0.conv2", "a convolution"),
    ("mobilenet_loha", "features.2.conv.1.0", "a depthwise convolution"),
];

fn cases() -> Map<String, Value> {
    serde_json::from_str(include_str!("../fixtures/families.json")).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families").join(name)
}

enum Base {
    Texts(Checkpoint),
    Images(ImageCheckpoint),
}

impl Base {
    fn of(case: &Value) -> Self {
        let name = match case["base"].as_str().unwrap() {
            "mobilenet" => "images/mobilenet/model.pth".to_owned(),
            // Made for the model without its head, which the files have.
            "vit_bare" => "images/vit".to_owned(),
            name @ ("vit" | "resnet") => format!("images/{name}"),
            name => format!("classifiers/{name}"),
        };
        let path = fixtures::path(&name);
        match ImageCheckpoint::open(&path).unwrap() {
            Some(base) => Self::Images(base),
            None => Self::Texts(Checkpoint::open(&path).unwrap()),
        }
    }

    fn tensors(&self) -> &dyn Tensors {
        match self {
            Self::Texts(base) => base.tensors(),
            Self::Images(base) => base.tensors(),
        }
    }
}

fn names(adapter: &Adapter) -> impl Iterator<Item = &str> {
    adapter.low_rank.keys().chain(adapter.replaced.keys()).map(String::as_str)
}

fn converted(base: &Base, name: &str, keep: Keep) -> Result<Conversion, Error> {
    let base = base.tensors();
    match OtherKind::open(&folder(name))? {
        Some(other) => {
            let seen = Named::like(base, other.modules().chain(names(other.rest())));
            other.convert(&seen, keep, &mut on)
        }
        None => {
            let adapter = Adapter::open(&folder(name))?;
            convert(&Named::like(base, names(&adapter)), &adapter, keep, &mut on)
        }
    }
}

fn reread(adapter: &Adapter) -> Adapter {
    let root = TempDir::new().unwrap();
    let target = root.path().join("lora");
    let output = AdapterOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new() };
    output.write(adapter).unwrap();
    Adapter::open(&target).unwrap()
}

fn assert_changes(
    name: &str,
    case: &Value,
    base: &dyn Tensors,
    adapter: &Adapter,
    called: fn(&str) -> String,
) {
    let merged = Merged::new(base, adapter).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected: IndexMap<String, &Value> =
        case["changed"].as_object().unwrap().iter().map(|(tensor, case)| (called(tensor), case)).collect();
    for tensor in expected.keys() {
        assert!(merged.is_changed(tensor), "{name}: {tensor}");
    }
    for tensor in merged.changed() {
        let pairs = read(&merged, tensor).into_iter().zip(read(base, tensor));
        let change: Vec<f64> = pairs.map(|(after, before)| f64::from(after) - f64::from(before)).collect();
        let norm = change.iter().map(|x| x * x).sum::<f64>().sqrt();
        let Some(case) = expected.get(tensor) else {
            assert!(norm < 1e-5, "{name}: {tensor}: {norm}");
            continue;
        };
        let length = case["norm"].as_f64().unwrap();
        assert!((norm - length).abs() <= 2e-5 * length, "{name}: {tensor}: {norm}, {length}");
        let width = merged.infos()[tensor].row_elements();
        for (row, expected) in case["rows"].as_object().unwrap() {
            let at = row.parse::<usize>().unwrap() * width;
            let context = format!("{name}: {tensor}, row {row}");
            assert_close!(
                change[at..at + width],
                fixtures::doubles(expected),
                absolute = 2e-5 * length,
                "{context}"
            );
        }
    }
}

/// All directions, so that the factors are the whole change.
#[test]
fn weights_change_as_in_peft() {
    let cases = cases();
    assert_eq!(cases.len(), 24);
    for (name, case) in cases.iter().filter(|(name, _)| REFUSED.iter().all(|(refused, ..)| refused != name)) {
        let base = Base::of(case);
        let made =
            converted(&base, name, Keep::Energy(1.0)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lora = reread(&made.adapter);
        assert_eq!(
            (&lora.low_rank, &lora.replaced),
            (&made.adapter.low_rank, &made.adapter.replaced),
            "{name}"
        );
        assert!(made.modules.iter().all(|module| module.relative < 5e-6), "{name}: {:?}", made.modules);
        assert_changes(name, case, &Named::like(base.tensors(), names(&lora)), &lora, str::to_owned);
    }
}

#[test]
fn whole_modules_stay_whole() {
    let cases = cases();
    for (name, head) in [("bert_loha", "classifier.weight"), ("roberta_pissa", "classifier.dense.weight")] {
        let source = OtherKind::open(&folder(name)).unwrap();
        let source =
            source.map_or_else(|| Adapter::open(&folder(name)).unwrap(), |other| other.rest().clone());
        let made = converted(&Base::of(&cases[name]), name, Keep::Rank(1)).unwrap().adapter;
        assert!(made.replaced.contains_key(head) && made.replaced == source.replaced, "{name}");
        assert_eq!(made.config.targets.saved, source.config.targets.saved, "{name}");
    }
    for name in ["bert_ln", "vit_ln"] {
        let made = converted(&Base::of(&cases[name]), name, Keep::Exact).unwrap();
        assert!(made.modules.is_empty() && made.relative == 0.0, "{name}");
        assert_eq!(made.adapter.config.targets.modules, Selection::Names(Vec::new()), "{name}");
        let config = made.adapter.config.to_json();
        assert_eq!(
            (&config["peft_type"], &config["target_modules"]),
            (&"LORA".into(), &"dummy-target-modules".into())
        );
    }
}

#[test]
fn what_no_lora_is_made_of_is_named() {
    let cases = cases();
    for (name, module, what) in REFUSED {
        let error = converted(&Base::of(&cases[name]), name, Keep::Rank(1)).unwrap_err();
        assert!(matches!(error, Error::NotLinear { .. }) && error.hint().is_some(), "{name}: {error}");
        assert!(error.to_string().contains(&format!("`{module}` is {what};")), "{name}: {error}");
    }
}

#[test]
fn tuned_norms_are_merged_and_missed() {
    let cases = cases();
    let (Base::Texts(bert), Base::Images(vit)) = (Base::of(&cases["bert_ln"]), Base::of(&cases["vit_ln"]))
    else {
        panic!("other bases")
    };
    let mut adapter = Adapter::open(&folder("bert_ln")).unwrap();
    assert_changes("bert_ln", &cases["bert_ln"], bert.tensors(), &adapter, str::to_owned);
    let settled = vit.settle(Adapter::open(&folder("vit_ln")).unwrap()).unwrap();
    assert_changes("vit_ln", &cases["vit_ln"], vit.tensors(), &settled, of_files);
    let norm = "bert.encoder.layer.1.output.LayerNorm";
    adapter.replaced.retain(|name, _| !name.starts_with(norm));
    adapter.config.targets.saved.retain(|module| module != norm);
    let error = adapter.check(bert.tensors()).unwrap_err();
    assert!(error.to_string().contains(&format!("{norm}.ln_tuning_layers.weight")), "{error}");
}

#[test]
fn names_of_both_versions_of_transformers_are_read() {
    let base = Base::of(&cases()["vit_lora"]);
    let made = converted(&base, "vit_lora", Keep::Rank(2)).unwrap();
    let mut old = Adapter::open(&folder("vit_lora")).unwrap();
    assert!(!is_old(&old));
    old.rename(of_files);
    assert!(is_old(&old));
    let mut again = convert(&Named::like(base.tensors(), names(&old)), &old, Keep::Rank(2), &mut on).unwrap();
    assert!(again.modules.iter().any(|module| module.module.contains("attention.attention.query")));
    again.rename(of_transformers);
    assert_eq!((&again.adapter.low_rank, &again.modules), (&made.adapter.low_rank, &made.modules));
}

#[test]
fn an_adapter_of_a_model_without_a_head_gets_the_names_of_the_files() {
    let base = Base::of(&cases()["bert_vera"]);
    let mut whole = converted(&base, "bert_vera", Keep::Rank(3)).unwrap().adapter;
    whole.replaced.clear();
    whole.config.targets.saved.clear();
    let Base::Texts(bert) = base else { panic!("another base") };
    let mut bare = whole.clone();
    bare.rename(|name| name.strip_prefix("bert.").unwrap_or(name).to_owned());
    assert!(bare.low_rank.keys().all(|path| path.starts_with("encoder.layer.")));
    assert!(bare.check(bert.tensors()).is_err());
    let settled = bert.settle(bare).unwrap();
    assert_eq!(settled.low_rank, whole.low_rank);
    settled.check(bert.tensors()).unwrap();
    assert_eq!(bert.settle(whole.clone()).unwrap(), whole);
}

#[test]
fn heads_are_summed_with_the_changes() {
    let base = Base::of(&cases()["bert_loha"]);
    let [left, right] =
        ["bert_loha", "bert_vera"].map(|name| converted(&base, name, Keep::Rank(3)).unwrap().adapter);
    let (head, how) = ("classifier.weight", Combination::Sum(Keep::Rank(3)));
    let [a, b] = [&left, &right].map(|adapter| &adapter.replaced[head].values);
    let before = read(base.tensors(), head);
    let sum = |shares: &[(&Adapter, f64)], base: Option<&dyn Tensors>| {
        let shares: Vec<_> = shares.iter().map(|&(adapter, weight)| Share { adapter, weight }).collect();
        combine(&shares, base, how, &mut on)
    };
    let mean = sum(&[(&left, 0.75), (&right, 0.25)], None).unwrap().adapter;
    let expected: Vec<f32> = a.iter().zip(b).map(|(&a, &b)| 0.75 * a + 0.25 * b).collect();
    assert_close!(mean.replaced[head].values, expected, absolute = 1e-6);
    assert_eq!(mean.config.targets.saved, left.config.targets.saved);
    reread(&mean).check(base.tensors()).unwrap();
    let shares = [(&left, 1.0), (&right, 0.5)];
    assert!(matches!(sum(&shares, None), Err(Error::NeedsBase { .. })));
    let more = sum(&shares, Some(base.tensors())).unwrap().adapter;
    let changes = a.iter().zip(b).zip(&before);
    let expected: Vec<f32> = changes.map(|((&a, &b), &w)| w + (a - w) + 0.5 * (b - w)).collect();
    assert_close!(more.replaced[head].values, expected, absolute = 1e-5);
    let mut other = right.clone();
    other.replaced[head].shape[0] += 1;
    assert!(matches!(sum(&[(&left, 0.5), (&other, 0.5)], None), Err(Error::OtherShape { .. })));
    let mut adapted = right.clone();
    adapted.replaced.clear();
    let factors = adapted.low_rank[0].clone();
    adapted.low_rank.insert("classifier".to_owned(), factors);
    let error = sum(&[(&left, 0.5), (&adapted, 0.5)], None).unwrap_err();
    assert!(matches!(error, Error::NotProduct { .. }) && error.to_string().contains("classifier"), "{error}");
}

#[test]
fn an_image_model_that_is_not_whole_is_not_merged_into() {
    let root = TempDir::new().unwrap();
    for (name, missing) in [("resnet", "layer2.0.bn1.running_var"), ("vit", "vit.layernorm.bias")] {
        let (whole, target) = (fixtures::path(&format!("images/{name}")), root.path().join("merged"));
        let folder = root.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        if name == "vit" {
            std::fs::copy(whole.join("config.json"), folder.join("config.json")).unwrap();
        }
        let opened = ImageCheckpoint::open(&whole).unwrap().unwrap();
        let infos = opened.tensors().infos().iter();
        let kept: IndexMap<String, TensorInfo> = infos
            .filter(|(tensor, info)| info.dtype == Dtype::F32 && *tensor != missing)
            .map(|(tensor, info)| (tensor.clone(), info.clone()))
            .collect();
        let writer = TensorsWriter::create(&folder.join("model.safetensors"), &kept).unwrap();
        kept.keys().for_each(|tensor| writer.write(tensor, &read(opened.tensors(), tensor)).unwrap());
        writer.finish().unwrap();
        let base = ImageCheckpoint::open(&folder).unwrap().unwrap();
        let adapter = Adapter::open(&fixtures::path(&format!("images/{name}_lora"))).unwrap();
        let adapter = base.settle(adapter).unwrap();
        let error = merge_images(&base, &adapter, &target, &WriteOptions::default(), &mut on).unwrap_err();
        assert!(matches!(&error, Error::Base { missing: found, .. } if *found == [missing]), "{error}");
        assert!(!target.exists());
    }
}

#[test]
fn only_language_models_have_adapters_in_gguf() {
    let Base::Texts(base) = Base::of(&cases()["bert_ln"]) else { panic!("another base") };
    let root = TempDir::new().unwrap();
    let target = root.path().join("lora.gguf");
    let output =
        GgufOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new(), dtype: Dtype::F32 };
    let error = export(&base, &Adapter::open(&folder("bert_ln")).unwrap(), &output).unwrap_err();
    let obstacle = Obstacle::NoLanguageModel;
    assert!(matches!(&error, Error::NotInGguf { obstacle: found, .. } if *found == obstacle), "{error}");
    assert!(error.hint().unwrap().contains("rankine merge") && !target.exists());
}
