use crate::quantized;
use crate::support::{
    attach_to, dense, distance, disturb_all, fixture, fixture_for, linear_modules, modules_for, named,
};
use rankine_checkpoint::{Adapter, Existing, OutputFolder, adapter::Bias};
use rankine_method::{Base, Choice, Error, Export, check_base, count, export, train_whole};
use rankine_nn::{
    Kind, Model,
    models::{Llama, Storage},
};
use rankine_tensor::Tensor;

/// The model's adapter, written to a folder and read back.
pub fn read_back(model: &Llama) -> Adapter {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("adapter");
    let output = OutputFolder::create(&target, Existing::Refuse).unwrap();
    export(model, Base::Original, Some("base".to_owned())).unwrap().write(&output).unwrap();
    output.finish().unwrap();
    let adapter = Adapter::open(&target).unwrap();
    assert!(adapter.mismatch.is_empty(), "{:?}", adapter.mismatch);
    adapter
}

/// The same, checked against the base.
pub fn through_a_folder(model: &Llama) -> Adapter {
    let adapter = read_back(model);
    let opened =
        rankine_checkpoint::Checkpoint::open(rankine_testkit::fixtures::path("models/llama_untied")).unwrap();
    adapter.check(opened.tensors()).unwrap();
    adapter
}

/// Base and adapter together are the model's dense weights.
pub fn agrees(adapter: &Adapter, model: &Llama) {
    let mut weights = dense(&fixture());
    for (module, low_rank) in &adapter.low_rank {
        let a = Tensor::new(low_rank.a.clone(), &[low_rank.rank, low_rank.inputs]).unwrap();
        let b = Tensor::new(low_rank.b.clone(), &[low_rank.outputs, low_rank.rank]).unwrap();
        let delta = b.matmul(&a).unwrap().scale(low_rank.scaling).to_vec();
        let weight = weights.get_mut(&format!("{module}.weight")).unwrap();
        weight.iter_mut().zip(delta).for_each(|(value, by)| *value += by);
        for (row, length) in weight.chunks_mut(low_rank.inputs).zip(low_rank.magnitude.iter().flatten()) {
            let own = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x *= length / own);
        }
    }
    for (name, replacement) in &adapter.replaced {
        weights.insert(name.clone(), replacement.values.clone());
    }
    for (path, expected) in dense(model) {
        let error = distance(&weights[&path], &expected);
        assert!(error < 1e-5, "{path}: {error:e}");
    }
}

#[test]
fn leaves_that_a_lora_has_no_place_for_are_known() {
    let cases: [(&str, &str, &[&str]); 10] = [
        ("lora", "", &[]),
        ("dora", "", &[]),
        ("pela", "", &[]),
        ("full", "", &[]),
        ("sorsa", "", &["core"]),
        ("flora", "", &["core"]),
        ("diffora", "", &["gate"]),
        ("loldu", "train_scale = true", &["core", "scale"]),
        ("salt", "relu = 'full'", &[]),
        ("salt", "relu = 'diag'", &["alpha", "beta", "x", "y"]),
    ];
    for (name, settings, folded) in cases {
        assert_eq!(named(name, settings).card().folded(), folded, "{name} {settings}");
    }
}

#[test]
fn an_adapter_on_the_base_is_the_trained_model() {
    for choice in Choice::all().into_iter().filter(|choice| choice.method().takes(Kind::Linear)) {
        // An adapter of theirs stands on another base: see there.
        if quantized::METHODS.contains(&choice.card().name) {
            continue;
        }
        for settings in [
            "",
            "rank = 4",
            "rank = 4\nalpha = 7.0",
            "rank = 3\nalpha = 5.0\nrslora = true",
            "rank = 4\nalpha = 7.0\ntrain_scale = true",
        ] {
            let Ok(choice) = choice.clone().with(&settings.parse().unwrap()) else {
                continue;
            };
            let mut model = fixture();
            let modules = linear_modules(&model);
            attach_to(&mut model, &choice, &modules, 0).unwrap();
            disturb_all(&mut model);
            let adapter = through_a_folder(&model);
            let whole = |module: &String| adapter.replaced.contains_key(&format!("{module}.weight"));
            assert!(modules.iter().all(|module| adapter.low_rank.contains_key(module) != whole(module)));
            let one = settings.is_empty() || adapter.config.rank_pattern.is_empty();
            assert!(one, "one rank for all needs no pattern");
            agrees(&adapter, &model);
        }
    }
}

#[test]
fn what_is_written_is_what_the_card_says() {
    let more = [named("salt", "relu = 'diag'"), named("loldu", "train_scale = true")];
    for choice in Choice::all().into_iter().chain(more) {
        let mut model = fixture_for(&choice);
        let module = &modules_for(&model, &choice)[..1];
        let counted = count(&model, choice.method(), module).unwrap().remove(0);
        attach_to(&mut model, &choice, module, 0).unwrap();
        disturb_all(&mut model);
        let form = choice.card().export;
        let base = if form == Export::Quantized { Base::Residual } else { Base::Original };
        assert_eq!(check_base(&model, Base::Original).is_ok(), base == Base::Original, "{choice:?}");
        let adapter = export(&model, base, None).unwrap();
        let found = adapter.low_rank.get(&module[0]).filter(|_| form != Export::Biases);
        let numbers = match found {
            Some(found) => found.a.len() + found.b.len() + found.magnitude.as_ref().map_or(0, Vec::len),
            None if form.is_module() => {
                let own = |name: &&String| name.rsplit_once('.').is_some_and(|(own, _)| own == module[0]);
                adapter.replaced.keys().filter(own).map(|name| adapter.replaced[name].values.len()).sum()
            }
            None => adapter.replaced[&counted.path].values.len(),
        };
        let whole = form.is_module() || form == Export::Biases;
        assert_eq!(found.is_none(), whole, "{choice:?}");
        assert_eq!(adapter.config.dora, form == Export::Dora, "{choice:?}");
        assert_eq!(adapter.config.bias == Bias::All, form == Export::Biases, "{choice:?}");
        match form {
            Export::Wider => assert!(found.is_some_and(|found| counted.rank < found.rank), "{choice:?}"),
            _ => assert_eq!(counted.written, Some(numbers), "{choice:?}"),
        }
    }
}

#[test]
fn a_change_that_is_not_of_low_rank_is_written_whole() {
    for (settings, low_rank) in [("relu = 'full'", false), ("relu = 'diag'", true), ("relu = 'none'", true)] {
        let mut model = fixture();
        let modules = ["model.layers.0.mlp.up_proj".to_owned()];
        attach_to(&mut model, &named("salt", settings), &modules, 0).unwrap();
        disturb_all(&mut model);
        let adapter = through_a_folder(&model);
        assert_eq!(adapter.low_rank.contains_key(&modules[0]), low_rank, "{settings}");
        assert_eq!(adapter.config.targets.saved.contains(&modules[0]), !low_rank, "{settings}");
        agrees(&adapter, &model);
    }
}

#[test]
fn a_pissa_update_has_twice_the_rank() {
    let mut model = fixture();
    let modules = linear_modules(&model);
    attach_to(&mut model, &named("pissa", "rank = 4"), &modules, 0).unwrap();
    disturb_all(&mut model);
    let adapter = through_a_folder(&model);
    assert_eq!((adapter.config.rank, adapter.config.initialisation.alters_base()), (8, false));
    assert!(adapter.low_rank.values().all(|low_rank| low_rank.rank == 8));
}

#[test]
fn ranks_and_scalings_that_differ_go_into_the_patterns() {
    let mut model = fixture();
    let modules = linear_modules(&model);
    for (index, module) in modules.iter().enumerate() {
        let choice = match index % 4 {
            0 => named("lora", "rank = 2\nalpha = 3.0"),
            1 => named("pissa", "rank = 3\nrslora = true\nalpha = 5.0"),
            2 => named("lora", "rank = 2"),
            _ => named("pissa", "rank = 1"),
        };
        attach_to(&mut model, &choice, std::slice::from_ref(module), 0).unwrap();
    }
    disturb_all(&mut model);
    let adapter = through_a_folder(&model);
    assert!(!adapter.config.rank_pattern.is_empty() && !adapter.config.alpha_pattern.is_empty());
    agrees(&adapter, &model);
}

#[test]
fn the_head_and_whole_modules_go_along() {
    let mut model = fixture();
    let modules = ["lm_head".to_owned(), "model.layers.0.mlp.up_proj".to_owned()];
    attach_to(&mut model, &named("lora", "rank = 2"), &modules, 0).unwrap();
    let trained = train_whole(&mut model, &["embed_tokens".to_owned(), "model.norm".to_owned()]).unwrap();
    assert_eq!(trained, 96 * 32 + 32);
    disturb_all(&mut model);
    let adapter = through_a_folder(&model);
    assert_eq!((adapter.low_rank.len(), adapter.replaced.len()), (2, 2));
    agrees(&adapter, &model);
}

#[test]
fn what_cannot_be_trained_or_exported_is_named() {
    let mut model = fixture();
    let error = train_whole(&mut model, &["embed_tokenz".to_owned()]).unwrap_err();
    assert!(matches!(error, Error::Module { .. }));
    let hint = error.hint().unwrap();
    assert!(hint.contains("the nearest names are `embed_tokens`") && !hint.contains("up_proj"), "{hint}");
    let hint = train_whole(&mut model, &["zz".to_owned()]).unwrap_err().hint().unwrap();
    assert!(hint.contains(" modules, such as `") && hint.matches('`').count() == 10, "{hint}");
    assert_eq!(model.parameters().len(), 2 * 16 + 3);
    let untouched = export(&model, Base::Original, None).unwrap();
    assert!(untouched.low_rank.is_empty() && untouched.replaced.is_empty());
}

#[test]
fn an_embedding_that_is_the_head_is_exported_as_both() {
    let opened =
        rankine_checkpoint::Checkpoint::open(rankine_testkit::fixtures::path("models/llama_tied")).unwrap();
    let mut model = Llama::load(opened.config(), opened.tensors(), Storage::File).unwrap();
    train_whole(&mut model, &["embed_tokens".to_owned()]).unwrap();
    disturb_all(&mut model);
    let adapter = export(&model, Base::Original, None).unwrap();
    let [embedding, head] =
        ["model.embed_tokens.weight", "lm_head.weight"].map(|name| &adapter.replaced[name]);
    assert_eq!(embedding.values, head.values);
    assert_eq!(adapter.config.targets.saved, ["lm_head", "model.embed_tokens"]);
}

#[test]
fn a_module_that_no_method_can_take_over_is_named() {
    let mut model = fixture();
    let modules = ["model.layers.0.self_attn.q_proj", "model.embed_tokens"].map(str::to_owned);
    let error = attach_to(&mut model, &named("lora", "rank = 2"), &modules, 0).unwrap_err();
    assert_eq!(error.to_string(), "`lora` does not take over `model.embed_tokens`: it is an embedding");
    assert!(error.hint().unwrap().contains("targets.whole"));
}
