//! Adapters on a base that their initialisation altered become a LoRA of the original one; `fixtures/PROVENANCE.md`.

use crate::common::{Held, adapter, base, change, on, random_lora, read};
use rankine_checkpoint::adapter::{Initialisation, Origin, Replacement, Selection};
use rankine_checkpoint::{Adapter, Checkpoint, Tensors};
use rankine_surgery::{
    Beginning, BeginningFault, Conversion, Error, Keep, Merged, Result, convert, convert_from,
};
use rankine_testkit::{assert_close, fixtures};
use serde_json::{Map, Value};
use std::path::Path;

const BASE: &str = "llama_untied";
const K: &str = "model.layers.0.self_attn.k_proj";

fn cases() -> Map<String, Value> {
    serde_json::from_str(include_str!("../fixtures/beginnings.json")).unwrap()
}

/// An adapter before and after its training.
fn begun(name: &str) -> [Adapter; 2] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/beginnings").join(name);
    ["initial", "trained"].map(|part| Adapter::open(&folder.join(part)).unwrap())
}

fn from(base: &dyn Tensors, adapter: &Adapter, beginning: Beginning, keep: Keep) -> Result<Conversion> {
    convert_from(base, adapter, beginning, keep, &mut on)
}

/// `base` without the product of `initial`, rounded to a grid of this width.
fn altered(base: &Checkpoint, initial: &Adapter, grid: f32) -> Held {
    let mut held = Held::of(base.tensors());
    for (path, low_rank) in &initial.low_rank {
        let name = format!("{path}.weight");
        let rest = read(base.tensors(), &name).into_iter().zip(change(low_rank));
        let rest = rest.map(|(w, x)| (f64::from(w) - x) as f32);
        let rounded: Vec<f32> =
            rest.map(|w| if grid == 0.0 { w } else { (w / grid).round() * grid }).collect();
        held.insert(&name, &base.tensors().infos()[&name].shape, &rounded);
    }
    held
}

/// W' − W under the LoRA that was made.
fn changes(conversion: &Conversion, path: &str) -> Vec<f64> {
    change(&conversion.adapter.low_rank[path])
}

#[test]
fn with_the_initial_adapter_the_change_is_that_of_peft() {
    let base = base(BASE);
    let cases = cases();
    assert_eq!(cases.len(), 5);
    for (name, case) in &cases {
        let [initial, trained] = begun(name);
        let dora = trained.config.dora;
        let keep = if dora { Keep::Energy(1.0) } else { Keep::Exact };
        let made = from(base.tensors(), &trained, Beginning::Initial(&initial), keep).unwrap();
        assert!(made.relative < 5e-6, "{name}: {}", made.relative);
        assert_eq!(made.adapter.config.initialisation, Initialisation::Kaiming, "{name}");
        for module in &made.modules {
            let (path, twice) = (&module.module, 2 * trained.low_rank[&module.module].rank);
            let case = &case[path];
            let length = case["norm"].as_f64().unwrap();
            assert!((module.norm - length).abs() <= 1e-5 * length, "{name}: {path}: {}", module.norm);
            assert!(dora || (module.before == Some(twice) && module.rank <= twice), "{name}: {module:?}");
            let (change, inputs) = (changes(&made, path), made.adapter.low_rank[path].inputs);
            for (row, expected) in case["rows"].as_object().unwrap() {
                let at = row.parse::<usize>().unwrap() * inputs;
                let context = format!("{name}: {path}, row {row}");
                let expected = fixtures::doubles(expected);
                assert_close!(change[at..at + inputs], expected, absolute = 1e-5 * length, "{context}");
            }
        }
    }
}

/// The decompositions of the base are not asked for where the factors are given.
#[test]
fn what_is_given_is_not_found_again() {
    let base = base(BASE);
    let trained = adapter("testkit/pissa");
    let mut initial = trained.clone();
    // As if the initialisation had found something else.
    initial.low_rank.values_mut().for_each(|low_rank| low_rank.a.iter_mut().for_each(|x| *x *= 0.5));
    let made = from(base.tensors(), &trained, Beginning::Initial(&initial), Keep::Exact).unwrap();
    for (path, low_rank) in &trained.low_rank {
        let half: Vec<_> = change(low_rank).into_iter().map(|x| 0.5 * x).collect();
        assert_close!(changes(&made, path), half, absolute = 1e-5, "{path}");
    }
    let itself = from(base.tensors(), &trained, Beginning::Initial(&trained), Keep::Exact).unwrap();
    assert!(itself.modules.iter().all(|module| module.norm < 1e-5), "{:?}", itself.modules);
}

#[test]
fn the_altered_base_gives_the_same_change() {
    let base = base(BASE);
    for name in ["pissa_niter", "pissa_niter_patterns", "pissa_niter_dora", "lora_ga"] {
        let [initial, trained] = begun(name);
        let keep = Keep::Rank(if trained.config.dora { 64 } else { 6 });
        let expected = from(base.tensors(), &trained, Beginning::Initial(&initial), keep).unwrap();
        let altered = altered(&base, &initial, 0.0);
        let made = from(base.tensors(), &trained, Beginning::Residual(&altered), keep).unwrap();
        assert_eq!(made.modules.len(), 2, "{name}");
        for (made_of, other) in made.modules.iter().zip(&expected.modules) {
            let path = &made_of.module;
            assert!(made_of.before.is_none() && made_of.module == other.module, "{name}: {made_of:?}");
            assert!(made_of.relative < 5e-6, "{name}: {made_of:?}");
            let tolerance = 1e-5 * other.norm;
            let context = format!("{name}: {path}");
            assert_close!(changes(&made, path), changes(&expected, path), absolute = tolerance, "{context}");
        }
    }
}

/// A product that was taken out leaves a change of low rank, which needs no cut.
#[test]
fn the_altered_base_of_a_product_is_undone_exactly() {
    let base = base(BASE);
    for name in ["pissa_niter", "pissa_niter_patterns", "lora_ga"] {
        let [initial, trained] = begun(name);
        let expected = from(base.tensors(), &trained, Beginning::Initial(&initial), Keep::Exact).unwrap();
        let altered = altered(&base, &initial, 0.0);
        let made = from(base.tensors(), &trained, Beginning::Residual(&altered), Keep::Exact).unwrap();
        assert_eq!(made.modules.len(), expected.modules.len(), "{name}");
        for (made_of, other) in made.modules.iter().zip(&expected.modules) {
            let path = &made_of.module;
            assert!(made_of.rank == other.rank && made_of.relative < 5e-6, "{name}: {made_of:?}, {other:?}");
            let (tolerance, context) = (1e-5 * other.norm, format!("{name}: {path}"));
            assert_close!(changes(&made, path), changes(&expected, path), absolute = tolerance, "{context}");
        }
        // Before the training there is no change but rounding.
        let start = from(base.tensors(), &initial, Beginning::Residual(&altered), Keep::Exact).unwrap();
        assert!(start.relative == 0.0 && start.modules.iter().all(|module| module.norm == 0.0), "{name}");
    }
    let [initial, trained] = begun("pissa_niter_dora");
    let altered = altered(&base, &initial, 0.0);
    let error = from(base.tensors(), &trained, Beginning::Residual(&altered), Keep::Exact).unwrap_err();
    assert!(matches!(error, Error::FullRank { .. }), "{error}");
}

/// Rounded weights, as those of LoftQ and QLoRA: whatever the initialisation is called.
#[test]
fn rounding_is_part_of_the_change_and_its_cut_is_told() {
    let base = base(BASE);
    let [initial, mut trained] = begun("pissa_niter");
    let mut altered = altered(&base, &initial, 0.25);
    // A matrix that is not adapted is rounded too; one that was saved in another type is the same.
    let other = "model.layers.1.mlp.down_proj.weight";
    let shape = base.tensors().infos()[other].shape.clone();
    let rounded: Vec<f32> = base.read(other).unwrap().iter().map(|x| (x / 0.25).round() * 0.25).collect();
    altered.insert(other, &shape, &rounded);
    for initialisation in [Initialisation::Loftq, Initialisation::Kaiming, Initialisation::Pissa] {
        trained.config.initialisation = initialisation;
        let beginning = Beginning::Residual(&altered);
        let whole = from(base.tensors(), &trained, beginning, Keep::Rank(64)).unwrap();
        assert_eq!(whole.modules.len(), 3);
        trained.config.initialisation = Initialisation::Kaiming;
        let [live, made] = [(&altered as &dyn Tensors, &trained), (base.tensors(), &whole.adapter)]
            .map(|(tensors, adapter)| Merged::new(tensors, adapter).unwrap());
        for name in base.tensors().infos().keys() {
            assert_close!(read(&made, name), read(&live, name), absolute = 2e-5, "{name}");
        }
        let cut = from(base.tensors(), &trained, beginning, Keep::Rank(6)).unwrap();
        for module in &cut.modules {
            let [all, some] = [&whole, &cut].map(|made| changes(made, &module.module));
            let error = all.iter().zip(&some).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
            assert!((error - module.relative * module.norm).abs() < 1e-4 * module.norm, "{module:?}");
            assert!(module.rank == 6 && 0.01 < module.relative, "{module:?}");
        }
        let error = from(base.tensors(), &trained, beginning, Keep::Exact).unwrap_err();
        assert!(matches!(error, Error::FullRank { .. }) && error.hint().unwrap().contains("altered"));
    }
}

/// Both ends of a tied model are another matrix in its residual.
#[test]
fn a_tied_head_takes_its_embedding_along() {
    let (base, table) = (base("llama_tied"), "model.embed_tokens.weight");
    // peft brings the altered matrix along; without it, it is found again.
    for brings in [true, false] {
        let mut pissa = adapter("surgery/pissa_head");
        if !brings {
            pissa.replaced.clear();
        }
        let expected = Merged::new(base.tensors(), &pissa).unwrap();
        let mut altered = Held::of(base.tensors());
        altered.insert(table, &base.tensors().infos()[table].shape, &read(&expected, table));
        let made = from(base.tensors(), &pissa, Beginning::Residual(&altered), Keep::Rank(64)).unwrap();
        assert_eq!(made.modules.len(), if brings { 1 } else { 2 });
        let made = Merged::new(base.tensors(), &made.adapter).unwrap();
        for name in expected.infos().keys() {
            assert_close!(read(&made, name), read(&expected, name), absolute = 2e-5, "{brings}: {name}");
        }
    }
}

fn fault(result: Result<Conversion>) -> BeginningFault {
    match result.unwrap_err() {
        Error::Beginning(fault) => {
            assert!(!fault.hint().is_empty());
            *fault
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_initial_adapter_of_another_training_is_refused() {
    let base = base(BASE);
    let [initial, trained] = begun("pissa_niter");
    let refused = |trained: &Adapter, spoil: &dyn Fn(&mut Adapter)| {
        let mut initial = initial.clone();
        spoil(&mut initial);
        fault(from(base.tensors(), trained, Beginning::Initial(&initial), Keep::Exact))
    };
    let scaled = refused(&trained, &|initial: &mut Adapter| initial.low_rank[K].scaling *= 2.0);
    assert!(matches!(&scaled, BeginningFault::Scale { module, .. } if module == K), "{scaled}");
    let longer = refused(&trained, &|initial: &mut Adapter| {
        let low_rank = &mut initial.low_rank[K];
        low_rank.rank += 1;
        low_rank.a.extend(vec![0.0; low_rank.inputs]);
        low_rank.b.extend(vec![0.0; low_rank.outputs]);
    });
    assert!(matches!(&longer, BeginningFault::Sides { found: [4, ..], .. }), "{longer}");
    let mut less = trained.clone();
    less.low_rank.shift_remove(K);
    less.config.targets.modules = Selection::Names(vec!["model.layers.0.mlp.up_proj".to_owned()]);
    let surplus = refused(&less, &|_: &mut Adapter| {});
    assert!(matches!(&surplus, BeginningFault::Surplus { module, .. } if module == K), "{surplus}");
    let targets = less.config.targets.clone();
    let missing = refused(&trained, &|initial: &mut Adapter| {
        initial.low_rank.shift_remove(K);
        initial.config.targets = targets.clone();
    });
    assert!(matches!(&missing, BeginningFault::Missing { module, .. } if module == K), "{missing}");
    for initialisation in [Initialisation::Loftq, Initialisation::Eva, Initialisation::Random] {
        let mut other = trained.clone();
        other.config.initialisation = initialisation;
        let refused = refused(&other, &|_: &mut Adapter| {});
        assert!(matches!(refused, BeginningFault::Initialisation { .. }), "{refused}");
        let hint = refused.hint();
        assert_eq!(hint.contains("--residual FOLDER"), initialisation == Initialisation::Loftq, "{hint}");
    }
    let mut stranger = initial.clone();
    let moved = stranger.low_rank.shift_remove(K).unwrap();
    stranger.low_rank.insert("model.layers.9.self_attn.k_proj".to_owned(), moved);
    let error = from(base.tensors(), &trained, Beginning::Initial(&stranger), Keep::Exact).unwrap_err();
    assert!(matches!(error, Error::Checkpoint(_)) && error.hint().is_some(), "{error}");
}

#[test]
fn a_residual_of_another_model_is_refused() {
    let base = base(BASE);
    let [_, trained] = begun("pissa_niter");
    let mut norm = Held::of(base.tensors());
    norm.insert("model.norm.weight", &[32], &[0.5; 32]);
    let elsewhere = fault(from(base.tensors(), &trained, Beginning::Residual(&norm), Keep::Rank(4)));
    assert!(elsewhere.to_string().contains("`model.norm.weight`"), "{elsewhere}");
    assert!(elsewhere.hint().contains("rankine extract"), "{elsewhere}");
    let mut less = Held::of(base.tensors());
    less.remove("model.layers.1.mlp.up_proj.weight");
    let unlike = fault(from(base.tensors(), &trained, Beginning::Residual(&less), Keep::Rank(4)));
    assert!(matches!(unlike, BeginningFault::Unlike { .. }), "{unlike}");
}

/// A LoRA on `q_proj` beside modules that were trained whole, named by the ends of their names.
fn with_whole(base: &Checkpoint, saved: &[&str]) -> Adapter {
    let mut adapter = random_lora(base.tensors(), &["q_proj"]);
    for (name, info) in base.tensors().infos() {
        let module = name.rsplit_once('.').unwrap().0;
        if saved.iter().any(|saved| module.ends_with(saved)) {
            let moved = |(at, x): (usize, f32)| x + ((at * 37 % 101) as f32 / 50.0 - 1.0) * 0.2;
            let values = base.read(name).unwrap().into_iter().enumerate().map(moved).collect();
            let (shape, origin) = (info.shape.clone(), Origin::Module);
            adapter.replaced.insert(name.clone(), Replacement { shape, values, origin });
        }
    }
    adapter.config.targets.saved = saved.iter().map(|&name| name.to_owned()).collect();
    adapter
}

#[test]
fn modules_that_were_trained_whole_are_cut_where_a_cut_is_asked_for() {
    for model in ["llama_untied", "llama_tied", "qwen2"] {
        let base = base(model);
        let source = with_whole(&base, &["k_proj", "down_proj", "lm_head", "model.norm", "embed_tokens"]);
        let kept = convert(base.tensors(), &source, Keep::Exact, &mut on).unwrap();
        assert_eq!(kept.adapter.replaced, source.replaced, "{model}");
        let cut = convert(base.tensors(), &source, Keep::Energy(1.0), &mut on).unwrap();
        let whole = cut.adapter.replaced.iter().filter(|(_, whole)| whole.origin == Origin::Module);
        let whole: Vec<&str> = whole.map(|(name, _)| name.as_str()).collect();
        let untied = base.tensors().infos().contains_key("lm_head.weight");
        let saved = &cut.adapter.config.targets.saved;
        assert_eq!(cut.adapter.low_rank.contains_key("lm_head"), untied, "{model}");
        assert_eq!(saved.contains(&"lm_head".to_owned()), !untied, "{model}: {saved:?}");
        assert!(whole.contains(&"model.norm.weight") && whole.contains(&"model.embed_tokens.weight"));
        assert!(!whole.iter().any(|name| name.contains("_proj")), "{model}: {whole:?}");
        cut.adapter.check(base.tensors()).unwrap();
        let [before, after] =
            [&source, &cut.adapter].map(|adapter| Merged::new(base.tensors(), adapter).unwrap());
        for name in before.infos().keys() {
            assert_close!(read(&after, name), read(&before, name), absolute = 2e-5, "{model}: {name}");
        }
        let small = convert(base.tensors(), &source, Keep::Rank(2), &mut on).unwrap();
        let told = small.modules.iter().find(|told| told.module.ends_with("0.mlp.down_proj")).unwrap();
        assert!(told.before.is_none() && told.rank == 2 && 0.01 < told.relative, "{told:?}");
    }
}

/// peft finds whole modules by the ends of their names, which need not begin at a dot.
#[test]
fn whole_modules_that_are_left_keep_their_names() {
    let base = base(BASE);
    let mut source = with_whole(&base, &["norm", "proj"]);
    source.low_rank.clear();
    source.config.targets.modules = Selection::Names(Vec::new());
    let cut = convert(base.tensors(), &source, Keep::Rank(4), &mut on).unwrap();
    assert_eq!(cut.adapter.low_rank.len(), 14);
    assert_eq!(cut.adapter.config.targets.saved, ["norm"]);
    cut.adapter.check(base.tensors()).unwrap();
}
