//! peft's other kinds of adapters become a LoRA that changes weights as peft does; `fixtures/PROVENANCE.md`.

use crate::common::{Held, adapter_folder, base, change, on, read};
use rankine_checkpoint::safetensors::Safetensors;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Adapter, Existing, Tensors};
use rankine_surgery::{AdapterOutput, Conversion, Error, Keep, Merged, OtherKind, convert};
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const BASE: &str = "llama_untied";
pub const K: &str = "base_model.model.model.layers.0.self_attn.k_proj";

pub fn cases() -> Map<String, Value> {
    serde_json::from_str(include_str!("../fixtures/kinds.json")).unwrap()
}

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kinds").join(name)
}

pub fn converted(folder: &Path, keep: Keep) -> Result<Conversion, Error> {
    OtherKind::open(folder)?.expect("another kind").convert(base(BASE).tensors(), keep, &mut on)
}

fn norm(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The adapter `source` with another configuration and other tensors.
pub fn spoilt(source: &Path, configure: impl Fn(&mut Value), spoil: impl Fn(&mut Held)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(source.join("adapter_config.json")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    configure(&mut config);
    std::fs::write(folder.path().join("adapter_config.json"), config.to_string()).unwrap();
    let mut held = Held::of(&Safetensors::open(&source.join("adapter_model.safetensors")).unwrap());
    spoil(&mut held);
    let path = folder.path().join("adapter_model.safetensors");
    let writer = TensorsWriter::create(&path, held.infos()).unwrap();
    held.infos().keys().for_each(|name| writer.write(name, &read(&held, name)).unwrap());
    writer.finish().unwrap();
    folder
}

/// All directions, so that the factors are the whole change.
#[test]
fn weights_change_as_in_peft() {
    let base = base(BASE);
    let cases = cases();
    assert_eq!(cases.len(), 25);
    for (name, case) in &cases {
        let conversion =
            converted(&folder(name), Keep::Energy(1.0)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let root = TempDir::new().unwrap();
        let target = root.path().join("lora");
        let output = AdapterOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new() };
        output.write(&conversion.adapter).unwrap();
        let lora = Adapter::open(&target).unwrap();
        let merged = Merged::new(base.tensors(), &lora).unwrap();
        assert_eq!(lora.low_rank.len(), 2, "{name}");
        for module in &conversion.modules {
            let (path, case) = (&module.module, &case[&module.module]);
            let length = case["norm"].as_f64().unwrap();
            assert!(
                (module.norm - length).abs() <= 1e-5 * length,
                "{name}: {path}: {} {length}",
                module.norm
            );
            assert!(module.relative < 5e-6, "{name}: {path}: {}", module.relative);
            let (change, inputs) = (change(&lora.low_rank[path]), lora.low_rank[path].inputs);
            for (row, expected) in case["rows"].as_object().unwrap() {
                let at = row.parse::<usize>().unwrap() * inputs;
                let expected = fixtures::doubles(expected);
                let (found, context) = (&change[at..at + inputs], format!("{name}: {path}, row {row}"));
                assert_close!(found, expected, absolute = 1e-5 * length, "{context}");
            }
            let bias = format!("{path}.bias");
            let moved = read(&merged, &bias).into_iter().zip(read(base.tensors(), &bias)).map(|(x, y)| x - y);
            let moved: Vec<_> = moved.take(16).collect();
            assert_close!(moved, fixtures::floats(&case["bias"]), absolute = 1e-6, "{name}: {bias}");
        }
    }
}

#[test]
fn factors_are_factors_and_the_rest_has_to_be_cut() {
    let exact = [
        "adalora",
        "adalora_masks",
        "delora",
        "hra",
        "hra_gs",
        "lokr",
        "lokr_both",
        "miss",
        "miss_mini",
        "osf",
        "vblora",
        "vblora_topk",
        "vera",
    ];
    for name in cases().keys() {
        let conversion = converted(&folder(name), Keep::Exact);
        if exact.contains(&name.as_str()) {
            let conversion = conversion.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(conversion.relative < 5e-6, "{name}: {}", conversion.relative);
            for module in &conversion.modules {
                assert!(module.rank <= module.before.unwrap(), "{name}: {module:?}");
            }
        } else {
            let error = conversion.unwrap_err();
            assert!(matches!(error, Error::FullRank { .. }), "{name}: {error}");
            assert!(error.hint().unwrap().contains("--rank"));
        }
    }
}

#[test]
fn a_cut_has_the_error_that_it_says() {
    for name in ["oft_cayley", "loha", "osf", "ia3", "miss_bat"] {
        let whole = converted(&folder(name), Keep::Energy(1.0)).unwrap();
        let cut = converted(&folder(name), Keep::Rank(3)).unwrap();
        let mut squares = 0.0;
        for module in &cut.modules {
            let changes = [&whole, &cut].map(|made| change(&made.adapter.low_rank[&module.module]));
            let error = norm(changes[0].iter().zip(&changes[1]).map(|(x, y)| x - y));
            assert!((error - module.relative * module.norm).abs() < 1e-5 * module.norm, "{name}: {module:?}");
            assert!(module.rank == 3 && 0.01 < module.relative, "{name}: {module:?}");
            squares += error * error;
        }
        let total = norm(cut.modules.iter().map(|module| module.norm));
        assert!((squares.sqrt() / total - cut.relative).abs() < 1e-5, "{name}");
    }
}

/// peft wrote files of torch before there was safetensors, and still does on request.
#[test]
fn weights_of_torch_are_read() {
    let (source, folder) = (folder("ia3"), TempDir::new().unwrap());
    for name in ["adapter_config.json", "adapter_model.bin"] {
        std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
    }
    let [torch, own] =
        [folder.path(), source.as_path()].map(|folder| converted(folder, Keep::Rank(3)).unwrap());
    assert_eq!(torch.modules, own.modules);
    assert_eq!(torch.adapter.low_rank, own.adapter.low_rank);
}

/// No more directions than the matrix has.
#[test]
fn a_rank_above_the_limit_is_the_limit() {
    let conversion = converted(&folder("oft"), Keep::Rank(1000)).unwrap();
    let ranks: Vec<_> = conversion.adapter.low_rank.values().map(|low_rank| low_rank.rank).collect();
    assert!(ranks.contains(&16) && ranks.contains(&32), "{ranks:?}");
    assert!(conversion.relative < 5e-6);
    assert!(matches!(converted(&folder("oft"), Keep::Rank(0)), Err(Error::Setting { .. })));
}

#[test]
fn a_lora_is_none_of_them_and_they_are_no_lora() {
    assert!(OtherKind::open(&adapter_folder("testkit/plain")).unwrap().is_none());
    let unknown = spoilt(&folder("loha"), |config| config["peft_type"] = json!("LOAH"), |_| {});
    assert!(OtherKind::open(unknown.path()).unwrap().is_none());
    let error = Adapter::open(unknown.path()).unwrap_err();
    assert!(error.to_string().contains("`LOAH`") && error.hint().unwrap().contains("`LOHA`"), "{error}");
    for name in cases().keys() {
        let error = Adapter::open(&folder(name)).unwrap_err();
        assert!(error.hint().unwrap().contains("rankine adapter convert"), "{name}: {error}");
    }
}

#[test]
fn unknown_settings_are_told_and_have_no_effect() {
    let folder = spoilt(&folder("vera"), |config| config["novelty"] = json!(3), |_| {});
    let other = OtherKind::open(folder.path()).unwrap().unwrap();
    assert_eq!(other.rest().config.unknown_keys, ["novelty"]);
    for name in cases().keys() {
        let other = OtherKind::open(&self::folder(name)).unwrap().unwrap();
        assert_eq!(other.rest().config.unknown_keys, [""; 0], "{name}");
    }
    assert!(converted(folder.path(), Keep::Exact).is_ok());
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    type Spoil = fn(&mut Held);
    let spoilers: [(&str, Spoil, &str); 9] = [
        ("loha", |held| held.remove(&format!("{K}.hada_w2_b")), "missing: `"),
        ("hra_gs", |held| held.remove(&format!("{K}.hra_u")), "k_proj.hra_u"),
        ("vera", |held| held.remove("base_model.vera_A"), "`vera_A`, which all modules share"),
        ("vblora", |held| held.remove("base_model.vblora_vector_bank"), "base_model.vblora_vector_bank"),
        ("ia3", |held| held.insert(&format!("{K}.ia3_l"), &[4, 4], &[1.0; 16]), "[4, 4], not [16, 1]"),
        ("boft", |held| held.insert(&format!("{K}.boft_R"), &[4, 4], &[0.0; 16]), "[4, 4], not"),
        ("osf", |held| held.insert(&format!("{K}.mystery"), &[1], &[0.0]), "unexpected: `"),
        ("miss", |held| held.insert(&format!("{K}x.miss_block"), &[1], &[0.0]), "unexpected: `"),
        ("randlora", |held| held.insert("base_model.randlora_A", &[5, 1, 7], &[0.0; 35]), "[5, 1, 7], not"),
    ];
    for (name, spoil, part) in spoilers {
        let folder = spoilt(&folder(name), |_| {}, spoil);
        let error = converted(folder.path(), Keep::Rank(2)).unwrap_err();
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{name}: {error}");
        let projection = matches!(error, Error::NoProjection { .. });
        assert_eq!(projection, name == "vera", "{name}: {error}");
        assert!(!projection || error.hint().unwrap().contains("save_projection=True"));
    }
}

#[test]
fn numbers_that_mean_nothing_are_refused() {
    type Spoil = fn(&mut Held);
    let spoilers: [(&str, Spoil, &str); 4] = [
        ("shira", |held| held.insert(&format!("{K}.shira_indices"), &[2, 48], &[16.0; 96]), "the place 16"),
        (
            "vblora_topk",
            |held| held.insert(&format!("{K}.vblora_logits_B_topk_indices"), &[2, 2, 2], &[0.5; 8]),
            "the place 0.5",
        ),
        ("hra", |held| held.insert(&format!("{K}.hra_u"), &[32, 3], &[0.0; 96]), "not finite"),
        ("oft", |held| held.insert(&format!("{K}.oft_R.weight"), &[4, 28], &[f32::NAN; 112]), "NaN"),
    ];
    for (name, spoil, part) in spoilers {
        let folder = spoilt(&folder(name), |_| {}, spoil);
        let error = converted(folder.path(), Keep::Rank(2)).unwrap_err();
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{name}: {error}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for (name, key, value, part) in [
        ("hra", "r", json!(1 << 21), "rank 2097152"),
        ("loha", "rank_pattern", json!({ "k_proj": 0 }), "rank 0"),
        ("loha", "alpha", json!(0), "`alpha`: a scale of zero"),
        ("loha", "alpha_pattern", json!({ "k_proj": 0 }), "`alpha_pattern`: a scale of zero"),
        ("adalora", "lora_alpha", json!(0.0), "`lora_alpha`: a scale of zero"),
        ("randlora", "randlora_alpha", json!(0), "`randlora_alpha`: a scale of zero"),
        ("miss", "init_weights", json!("novel"), "`init_weights`"),
        ("miss_mini", "mini_r", json!(0), "`mini_r`"),
        ("miss_bat", "r", json!(5), "`r`"),
        ("oft", "oft_block_size", json!(0), "`oft_block_size`"),
        ("oft", "num_cayley_neumann_terms", json!(1e6), "`num_cayley_neumann_terms`"),
        ("vblora", "vector_length", json!(5), "`vector_length`"),
        ("vblora", "topk", json!(99), "`topk`"),
        ("lokr", "decompose_factor", json!("four"), "`decompose_factor`"),
        ("adalora", "rank_pattern", json!({ "a.lora_E": [1, 2] }), "`rank_pattern`"),
        ("vera", "target_modules", json!(".*embed_tokens"), "embed_tokens.vera_lambda_b"),
    ] {
        let folder = spoilt(&folder(name), |config| config[key] = value.clone(), |_| {});
        let error = converted(folder.path(), Keep::Rank(2)).unwrap_err();
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{name}, {key}: {error}");
    }
}

#[test]
fn only_linear_layers_are_converted() {
    let rename = |held: &mut Held| {
        let values = vec![0.5; 32 * 4];
        for module in ["self_attn.k_proj", "mlp.up_proj"] {
            held.remove(&format!("base_model.model.model.layers.0.{module}.hra_u"));
        }
        held.insert("base_model.model.model.embed_tokens.hra_u", &[32, 4], &values);
    };
    let folder =
        spoilt(&folder("hra_gs"), |config| config["target_modules"] = json!(["embed_tokens"]), rename);
    let error = converted(folder.path(), Keep::Rank(2)).unwrap_err();
    assert!(
        matches!(error, Error::NotLinear { .. }) && error.to_string().contains("an embedding"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

/// Ways to begin that leave the base as it was are of no account; those that altered it are undone or refused by name.
#[test]
fn every_beginning_of_a_lora_is_known() {
    let base = base(BASE);
    let begun = |word: Value| {
        let source = adapter_folder("testkit/plain");
        let folder = spoilt(&source, |config| config["init_lora_weights"] = word.clone(), |_| {});
        convert(base.tensors(), &Adapter::open(folder.path()).unwrap(), Keep::Exact, &mut on)
    };
    let plain = begun(json!(true)).unwrap().adapter.low_rank;
    for word in [json!(false), json!("gaussian"), json!("eva"), json!("orthogonal"), json!("mica")] {
        assert_eq!(begun(word.clone()).unwrap().adapter.low_rank, plain, "{word}");
    }
    for word in ["pissa", "olora"] {
        assert_ne!(begun(json!(word)).unwrap().adapter.low_rank, plain, "{word}");
    }
    for word in ["pissa_niter_4", "corda", "lora_ga", "loftq"] {
        let error = begun(json!(word)).unwrap_err();
        assert!(matches!(error, Error::AlteredBase { .. }) && error.to_string().contains(word), "{error}");
        assert!(error.hint().unwrap().contains("save_pretrained"), "{word}");
    }
}
