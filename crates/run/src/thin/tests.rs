//! Thin models, written and read again: matrices of both orientations.

use super::write;
use crate::load_model;
use rankine_checkpoint::{Checkpoint, open_tensors};
use rankine_method::{Choice, Fields, attach};
use rankine_nn::{
    Kind, LanguageModel, Pass, Tokens, for_each_trained_mut,
    models::{Storage, load as load_tensors},
    weight::counts,
};
use rankine_random::Rng;
use rankine_surgery::{Progress, Subject, WriteOptions, write_whole};
use rankine_testkit::{assert_close, fixtures};
use std::{ops::ControlFlow, path::Path};

fn logits(model: &dyn LanguageModel) -> Vec<f32> {
    let hidden = model.hidden(&Tokens::single(&[5, 17, 38, 3, 3]), &mut Pass::quiet()).unwrap();
    model.logits(&hidden).unwrap().to_vec()
}

/// Numbers that are trained, and all.
fn held(model: &dyn LanguageModel) -> (usize, usize) {
    let all = model.parameters().into_iter().map(|parameter| counts(parameter.weight.as_ref()));
    all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// A fixture whose linear maps PELA took over and training moved, written; and how many maps there are.
fn thin(name: &str, folder: &Path) -> (Box<dyn LanguageModel>, usize) {
    let opened = Checkpoint::open(fixtures::path(name)).unwrap();
    let mut model = load_tensors(opened.config(), opened.tensors(), Storage::File).unwrap();
    let linear = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    let modules: Vec<String> = linear.map(|parameter| parameter.module().to_owned()).collect();
    let settings: Fields = "ratio = 1.5\nmin_outputs = 1".parse().unwrap();
    let pela = Choice::named("pela").unwrap().with(&settings).unwrap();
    attach(model.as_mut(), pela.method(), &modules, &Rng::new(0), &mut |_, _| ()).unwrap();
    for_each_trained_mut(&mut *model, &mut |place, variable| {
        let mut rng = Rng::new(8).fork(&place.name);
        variable.update(|values| values.iter_mut().for_each(|value| *value += 0.1 * rng.uniform() - 0.05));
    });
    write(model.as_ref(), &opened, folder).unwrap();
    (model, modules.len())
}

#[test]
fn a_thin_model_comes_back_from_its_files_and_can_be_multiplied_out() {
    // GPT-2 keeps its matrices as [in, out], and ties its head.
    for (name, module) in [
        ("models/llama_untied", "model.layers.0.self_attn.q_proj"),
        ("decoders/gpt2", "transformer.h.1.attn.c_attn"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let [folder, whole] = ["thin", "whole"].map(|name| root.path().join(name));
        let (model, modules) = thin(name, &folder);
        let (opened, stored) = (Checkpoint::open(&folder).unwrap(), open_tensors(&folder).unwrap());
        let tensors = opened.tensors();
        let products = tensors.infos().keys().filter(|name| tensors.product(name).is_some());
        assert_eq!(products.count(), modules, "{name}");
        for suffix in ["0.weight", "1.weight", "1.bias"] {
            assert!(stored.infos().contains_key(&format!("{module}.{suffix}")), "{module}.{suffix}");
        }
        assert!(!stored.infos().contains_key(&format!("{module}.weight")));
        let (again, _) = load_model(&folder, None).unwrap();
        assert_close!(logits(again.as_ref()), logits(model.as_ref()), absolute = 1e-5, "{name}");
        let numbers: usize = stored.infos().values().map(|info| info.elements()).sum();
        assert_eq!(held(again.as_ref()), (0, numbers), "{name}: what the file holds, all of it frozen");
        assert_eq!(held(model.as_ref()).1, numbers, "{name}");
        let on = &mut |_: Progress| ControlFlow::Continue(());
        write_whole(Subject::Texts(&opened), &whole, &WriteOptions::default(), on).unwrap();
        let (dense, config) = load_model(&whole, None).unwrap();
        assert_close!(logits(dense.as_ref()), logits(model.as_ref()), absolute = 1e-4, "{name}");
        assert!(numbers < held(dense.as_ref()).1 && config.raw.get("rankine_thin").is_none());
    }
}

#[test]
fn a_missing_factor_is_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("thin");
    thin("models/llama_untied", &folder);
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let other = text.replace("layers.0.self_attn.q_proj", "layers.0.self_attn.x_proj");
    std::fs::write(folder.join("config.json"), other).unwrap();
    let Err(error) = load_model(&folder, None) else { panic!("there is no such factor") };
    assert!(error.to_string().contains("`model.layers.0.self_attn.x_proj.0.weight` is missing"), "{error}");
    assert!(error.hint().is_some());
}
