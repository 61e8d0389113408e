//! Adapters that are made from adapters change a model as the ones they were made from.

use crate::common::{adapter, base, names, on, random_lora, read};
use rankine_checkpoint::adapter::{Initialisation, Origin, Replacement};
use rankine_checkpoint::{Adapter, Checkpoint, Existing, Tensors};
use rankine_surgery::{
    AdapterOutput, Combination, Conversion, Error, Keep, Merged, Progress, Share, combine, convert,
};
use rankine_testkit::assert_close;
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use tempfile::TempDir;

fn cases() -> Map<String, Value> {
    serde_json::from_str(include_str!("../fixtures/merged.json")).unwrap()
}

/// Writes and reads again, and checks against the base.
fn reread(made: &Adapter, base: &Checkpoint) -> Adapter {
    let root = TempDir::new().unwrap();
    let target = root.path().join("made");
    let output = AdapterOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new() };
    output.check().unwrap();
    output.write(made).unwrap();
    assert_eq!(names(root.path()), ["made"]);
    let read = Adapter::open(&target).unwrap();
    read.check(base.tensors()).unwrap();
    assert_eq!(read.low_rank.len(), made.low_rank.len());
    read
}

fn converted(base: &Checkpoint, adapter: &Adapter, keep: Keep) -> Conversion {
    convert(base.tensors(), adapter, keep, &mut on).unwrap()
}

/// W' − W of one weight under an adapter.
fn change(base: &Checkpoint, adapter: &Adapter, tensor: &str) -> Vec<f64> {
    let before = base.read(tensor).unwrap();
    let after = read(&Merged::new(base.tensors(), adapter).unwrap(), tensor);
    after.iter().zip(before).map(|(x, y)| f64::from(*x) - f64::from(y)).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>())
}

#[test]
fn every_fixture_merges_the_same_after_its_conversion() {
    let cases = cases();
    assert_eq!(cases.len(), 54);
    for (name, case) in cases {
        let (base, adapter) = (base(case["base"].as_str().unwrap()), adapter(&name));
        // New rows on a residual are refused, see below.
        if name == "surgery/rows_under_pissa_head" {
            continue;
        }
        let dora = adapter.low_rank.values().any(|low_rank| low_rank.magnitude.is_some());
        let keep = if dora { Keep::Energy(1.0) } else { Keep::Exact };
        let made = converted(&base, &adapter, keep);
        // peft rounds residuals to the base's type, which no factors can hold.
        let rounds = ["surgery/pissa_bf16", "surgery/olora_bf16"].contains(&name.as_str());
        let (error, tolerance) = if rounds { (1e-2, 8e-3) } else { (2e-6, 1e-5) };
        assert!(made.relative < error, "{name}: {}", made.relative);
        let plain = reread(&made.adapter, &base);
        let config = &plain.config;
        assert_eq!(config.initialisation, Initialisation::Kaiming, "{name}");
        assert!(!config.rslora && !config.dora && config.alpha_pattern.is_empty(), "{name}");
        assert_eq!(config.alpha, config.rank as f64, "{name}");
        let before = Merged::new(base.tensors(), &adapter).unwrap();
        let after = Merged::new(base.tensors(), &plain).unwrap();
        let tensors: Vec<_> = before.infos().keys().collect();
        assert_eq!(tensors, after.infos().keys().collect::<Vec<_>>(), "{name}");
        for tensor in tensors {
            assert_close!(
                read(&after, tensor),
                read(&before, tensor),
                relative = tolerance,
                absolute = tolerance,
                "{name}: {tensor}"
            );
        }
    }
}

#[test]
fn new_rows_on_a_residual_are_refused() {
    let (base, adapter) = (base("llama_tied"), adapter("surgery/rows_under_pissa_head"));
    let error = convert(base.tensors(), &adapter, Keep::Exact, &mut on).unwrap_err();
    assert!(matches!(error, Error::RowsOnResidual { .. }), "{error}");
    assert!(error.hint().unwrap().contains("merge"));
}

#[test]
fn a_change_of_full_rank_has_to_be_cut() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/dora"));
    let error = convert(base.tensors(), &adapter, Keep::Exact, &mut on).unwrap_err();
    assert!(matches!(error, Error::FullRank { .. }) && error.hint().unwrap().contains("--rank"), "{error}");
}

/// The residual of PiSSA doubles the rank; what is not needed is left out again.
#[test]
fn ranks_are_no_larger_than_the_change() {
    let base = base("llama_untied");
    let conversion = converted(&base, &adapter("testkit/pissa_converted"), Keep::Exact);
    for module in &conversion.modules {
        assert!(module.rank <= module.before.unwrap(), "{module:?}");
    }
    let mut twice = random_lora(base.tensors(), &["q_proj"]);
    for low_rank in twice.low_rank.values_mut() {
        // The same direction again: [b, b]·[a; a] has the rank of b·a.
        let b = low_rank.b.chunks_exact(low_rank.rank).flat_map(|row| [row, row].concat()).collect();
        let a = [low_rank.a.clone(), low_rank.a.clone()].concat();
        (low_rank.a, low_rank.b, low_rank.rank) = (a, b, 2 * low_rank.rank);
    }
    twice.config.rank = 6;
    twice.config.alpha = 9.0;
    let conversion = converted(&base, &twice, Keep::Exact);
    assert!(conversion.modules.iter().all(|module| (module.before, module.rank) == (Some(6), 3)));
    assert_eq!((conversion.adapter.config.rank, conversion.adapter.config.rank_pattern.len()), (3, 0));
}

#[test]
fn a_cap_of_the_rank_has_the_error_that_it_says() {
    for (model, name) in [
        ("llama_untied", "testkit/plain"),
        ("llama_untied", "testkit/patterns_rslora"),
        ("llama_untied", "testkit/dora"),
        ("llama_untied", "testkit/pissa"),
        ("llama_bf16", "surgery/pissa_bf16"),
    ] {
        let (base, adapter) = (base(model), adapter(name));
        let conversion = converted(&base, &adapter, Keep::Rank(2));
        let plain = reread(&conversion.adapter, &base);
        assert!(plain.low_rank.values().all(|low_rank| low_rank.rank == 2), "{name}");
        assert!(plain.config.rank_pattern.is_empty());
        let (mut squares, mut errors) = (0.0, 0.0);
        for module in &conversion.modules {
            let tensor = format!("{}.weight", module.module);
            let (whole, cut) = (change(&base, &adapter, &tensor), change(&base, &plain, &tensor));
            let error = distance(&whole, &cut);
            // Weights reach 3 and are f32: their differences are known to 1e-6 or so.
            assert!((error - module.relative * module.norm).abs() < 1e-4, "{name}: {module:?}: {error}");
            assert!((norm(&whole) - module.norm).abs() < 1e-4, "{name}: {module:?}");
            assert!(0.0 < module.relative && module.relative < 1.0, "{name}: {module:?}");
            squares += norm(&whole).powi(2);
            errors += error.powi(2);
        }
        let total = (errors / squares).sqrt();
        assert!((total - conversion.relative).abs() < 1e-4, "{name}: {total} {}", conversion.relative);
    }
}

#[test]
fn the_energy_that_was_asked_for_is_kept_with_the_least_rank() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/patterns"));
    for share in [0.3, 0.6, 0.9, 0.99] {
        let conversion = converted(&base, &adapter, Keep::Energy(share));
        for module in &conversion.modules {
            let kept = 1.0 - module.relative.powi(2);
            assert!(share - 1e-6 <= kept, "{share}: {module:?}");
            if 1 < module.rank {
                let one_less = converted(&base, &adapter, Keep::Rank(module.rank - 1));
                let less = one_less.modules.iter().find(|less| less.module == module.module).unwrap();
                assert!(1.0 - less.relative.powi(2) < share + 1e-6, "{share}: {module:?}");
            }
        }
    }
}

/// llama.cpp knows one alpha and takes the rank from the tensors; peft takes both from the configuration.
#[test]
fn every_reader_finds_the_same_scale() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/patterns"));
    let plain = reread(&converted(&base, &adapter, Keep::Energy(0.9)).adapter, &base);
    assert!(!plain.config.rank_pattern.is_empty());
    for (path, low_rank) in &plain.low_rank {
        assert_eq!(plain.config.rank_of(path).unwrap(), low_rank.rank);
        assert_eq!(low_rank.scaling, (plain.config.alpha / low_rank.rank as f64) as f32, "{path}");
    }
}

#[test]
fn nothing_changed_is_nothing_changed() {
    let base = base("llama_untied");
    let mut fresh = random_lora(base.tensors(), &["q_proj"]);
    fresh.low_rank.values_mut().for_each(|low_rank| low_rank.b.fill(0.0));
    let conversion = converted(&base, &fresh, Keep::Rank(4));
    assert_eq!(conversion.relative, 0.0);
    let plain = reread(&conversion.adapter, &base);
    assert!(plain.low_rank.values().all(|low_rank| low_rank.rank == 1));
}

#[test]
fn breaking_off_is_heard() {
    let (base, adapter) = (base("llama_untied"), adapter("testkit/plain"));
    let mut stop = |_: Progress| ControlFlow::Break(());
    let error = convert(base.tensors(), &adapter, Keep::Exact, &mut stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
}

/// Two adapters of different modules, ranks and scales.
fn pair(base: &Checkpoint) -> [Adapter; 2] {
    let (mut left, mut right) = (
        random_lora(base.tensors(), &["q_proj", "v_proj"]),
        random_lora(base.tensors(), &["v_proj", "up_proj"]),
    );
    for (index, low_rank) in right.low_rank.values_mut().enumerate() {
        low_rank.a.iter_mut().enumerate().for_each(|(at, x)| *x += ((at + index) % 7) as f32 * 0.1);
        low_rank.b.iter_mut().enumerate().for_each(|(at, x)| *x -= ((at * 5 + index) % 11) as f32 * 0.1);
        low_rank.scaling = 0.5;
    }
    right.config.alpha = 1.5;
    left.config.dropout = 0.1;
    [left, right]
}

fn sum(base: &Checkpoint, shares: &[(&Adapter, f64)], tensor: &str) -> Vec<f64> {
    let changes: Vec<_> =
        shares.iter().map(|(adapter, weight)| (change(base, adapter, tensor), weight)).collect();
    (0..changes[0].0.len())
        .map(|at| changes.iter().map(|(change, weight)| *weight * change[at]).sum())
        .collect()
}

#[test]
fn combinations_are_sums_of_changes() {
    let base = base("llama_untied");
    let [left, right] = pair(&base);
    for weights in [[0.7, 0.3], [1.0, -0.5]] {
        let shares = [(&left, weights[0]), (&right, weights[1])];
        let given = shares.map(|(adapter, weight)| Share { adapter, weight });
        for how in [Combination::Cat, Combination::Sum(Keep::Exact), Combination::Sum(Keep::Energy(1.0))] {
            let combined = combine(&given, None, how, &mut on).unwrap();
            assert!(combined.relative < 2e-6, "{how:?}: {}", combined.relative);
            assert_eq!(combined.modules.len(), 6);
            let made = reread(&combined.adapter, &base);
            for module in &combined.modules {
                let tensor = format!("{}.weight", module.module);
                let expected = sum(&base, &shares, &tensor);
                assert!(distance(&change(&base, &made, &tensor), &expected) < 1e-4, "{how:?}: {tensor}");
            }
            let shared = combined.modules.iter().find(|module| module.module.contains("v_proj")).unwrap();
            assert_eq!(shared.rank, 6, "{how:?}");
        }
    }
}

#[test]
fn a_cut_combination_has_the_error_that_it_says() {
    let base = base("llama_untied");
    let [left, right] = pair(&base);
    let shares = [(&left, 0.7), (&right, 0.3)];
    let given = shares.map(|(adapter, weight)| Share { adapter, weight });
    let combined = combine(&given, Some(base.tensors()), Combination::Sum(Keep::Rank(2)), &mut on).unwrap();
    let made = reread(&combined.adapter, &base);
    for module in &combined.modules {
        let tensor = format!("{}.weight", module.module);
        let error = distance(&change(&base, &made, &tensor), &sum(&base, &shares, &tensor));
        assert!((error - module.relative * module.norm).abs() < 1e-4, "{module:?}: {error}");
        assert_eq!(module.rank, 2);
    }
}

#[test]
fn changes_that_depend_on_the_base_are_combined_where_it_is_given() {
    let (base, dora, pissa) = (base("llama_untied"), adapter("testkit/dora"), adapter("testkit/pissa"));
    let shares = [(&pissa, 0.5), (&dora, 2.0)];
    let given = shares.map(|(adapter, weight)| Share { adapter, weight });
    let how = Combination::Sum(Keep::Energy(1.0));
    let error = combine(&given, None, how, &mut on).unwrap_err();
    assert!(matches!(error, Error::NeedsBase { .. }) && error.hint().unwrap().contains("--base"), "{error}");
    let error = combine(&given, Some(base.tensors()), Combination::Cat, &mut on).unwrap_err();
    assert!(matches!(error, Error::FullRank { .. }), "{error}");
    let combined = combine(&given, Some(base.tensors()), how, &mut on).unwrap();
    let made = reread(&combined.adapter, &base);
    for module in &combined.modules {
        let tensor = format!("{}.weight", module.module);
        let expected = sum(&base, &shares, &tensor);
        assert!(distance(&change(&base, &made, &tensor), &expected) < 2e-4, "{tensor}");
    }
    let pissa = [Share { adapter: &pissa, weight: 1.0 }; 1];
    let cat = combine(&pissa, Some(base.tensors()), Combination::Cat, &mut on).unwrap();
    assert!(cat.relative == 0.0 && cat.modules.iter().all(|module| Some(module.rank) == module.before));
}

#[test]
fn what_is_no_product_is_not_combined() {
    let base = base("llama_untied");
    let [left, right] = pair(&base);
    let spoilers: [fn(&mut Adapter); 3] = [
        |adapter| {
            let replacement = Replacement { shape: vec![1], values: vec![1.0], origin: Origin::Bias };
            adapter.replaced.insert("model.norm.bias".to_owned(), replacement);
        },
        |adapter| adapter.config.bias = rankine_checkpoint::adapter::Bias::All,
        |adapter| adapter.low_rank["model.layers.0.self_attn.v_proj"].scaling = f32::NAN,
    ];
    for (index, spoil) in spoilers.into_iter().enumerate() {
        let mut spoilt = right.clone();
        spoil(&mut spoilt);
        let shares = [Share { adapter: &left, weight: 1.0 }, Share { adapter: &spoilt, weight: 1.0 }];
        let error = combine(&shares, None, Combination::Sum(Keep::Exact), &mut on).unwrap_err();
        assert_eq!(matches!(error, Error::NotProduct { .. }), index < 2, "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let shares = [Share { adapter: &left, weight: f64::NAN }];
    assert!(matches!(combine(&shares, None, Combination::Cat, &mut on), Err(Error::Setting { .. })));
    assert!(matches!(combine(&[], None, Combination::Cat, &mut on), Err(Error::Setting { .. })));
    let nothing = [Share { adapter: &left, weight: 0.0 }, Share { adapter: &right, weight: -0.0 }];
    let error = combine(&nothing, None, Combination::Cat, &mut on).unwrap_err();
    assert!(error.to_string().contains("not all 0; found 0, -0") && error.hint().is_some(), "{error}");
}

#[test]
fn adapters_of_different_models_are_not_combined() {
    let [left, qwen] = ["llama_untied", "qwen3"].map(|model| random_lora(base(model).tensors(), &["q_proj"]));
    let shares = [&left, &qwen].map(|adapter| Share { adapter, weight: 0.5 });
    let error = combine(&shares, None, Combination::Cat, &mut on).unwrap_err();
    assert!(matches!(error, Error::OtherShape { .. }), "{error}");
}

#[test]
fn an_adapter_is_not_written_over_what_is_read() {
    let root = TempDir::new().unwrap();
    let base = base("llama_untied");
    let adapter = random_lora(base.tensors(), &["q_proj"]);
    let target = root.path().join("adapter");
    let first = AdapterOutput { target: &target, existing: Existing::Refuse, inputs: Vec::new() };
    first.write(&adapter).unwrap();
    assert!(first.check().is_err());
    let again = AdapterOutput { existing: Existing::Replace, inputs: vec![target.clone()], ..first.clone() };
    assert!(matches!(again.check(), Err(Error::OutputIsInput { .. })));
    assert!(matches!(again.write(&adapter), Err(Error::OutputIsInput { .. })));
    let inside = target.join("inside");
    let within = AdapterOutput { target: &inside, existing: Existing::Refuse, inputs: vec![target.clone()] };
    assert!(matches!(within.check(), Err(Error::OutputInInput { .. })) && !inside.exists());
    AdapterOutput { existing: Existing::Replace, ..first }.write(&adapter).unwrap();
    assert_eq!(names(&target), ["adapter_config.json", "adapter_model.safetensors"]);
}

/// With every entry kept, DARE is the sum; TIES the mean of those that agree, which here are all.
#[test]
fn entries_are_left_out_of_changes() {
    let base = base("llama_untied");
    let [left, right] = pair(&base);
    let given = [(&left, 0.7), (&right, 0.3)].map(|(adapter, weight)| Share { adapter, weight });
    let keep = Keep::Energy(1.0);
    let make = |how| combine(&given, None, how, &mut on).unwrap().adapter;
    let whole = make(Combination::Dare { density: 1.0, seed: 0, keep });
    let tensor = "model.layers.0.self_attn.v_proj.weight";
    let expected = sum(&base, &[(&left, 0.7), (&right, 0.3)], tensor);
    assert!(distance(&change(&base, &whole, tensor), &expected) < 1e-4);
    let dare = |seed| make(Combination::Dare { density: 0.5, seed, keep });
    assert_eq!(dare(1), dare(1));
    assert_ne!(dare(1), dare(2));
    let twice = [&left, &left].map(|adapter| Share { adapter, weight: 1.0 });
    let ties = Combination::Ties { density: 1.0, keep };
    let same = combine(&twice, None, ties, &mut on).unwrap().adapter;
    assert!(distance(&change(&base, &same, tensor), &change(&base, &left, tensor)) < 1e-4);
    let cut =
        combine(&given, None, Combination::Ties { density: 0.2, keep: Keep::Rank(3) }, &mut on).unwrap();
    assert!(cut.modules.iter().all(|module| module.rank == 3 && 0.0 < module.relative));
    reread(&cut.adapter, &base);
    for how in [
        Combination::Ties { density: 0.0, keep },
        Combination::Dare { density: f64::NAN, seed: 0, keep },
        Combination::Ties { density: 0.5, keep: Keep::Exact },
    ] {
        assert!(combine(&given, None, how, &mut on).is_err(), "{how:?}");
    }
}
