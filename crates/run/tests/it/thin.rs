//! Thin models, written and read again: matrices of both orientations, convolutions; trained on, and multiplied out.

use crate::{starts::on, support::run};
use rankine_checkpoint::{Checkpoint, ImageCheckpoint, open_tensors};
use rankine_method::{Choice, Fields, attach};
use rankine_nn::{
    ImageClassifier, Kind, LanguageModel, Pass, Tokens, for_each_trained_mut,
    models::{Storage, load as load_tensors},
    weight::counts,
};
use rankine_random::Rng;
use rankine_run::{Modules, Recipe, load_images, load_model, write_thin};
use rankine_surgery::{Subject, WriteOptions, write_whole};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures, tiny};
use std::path::Path;

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
    write_thin(model.as_ref(), &opened, folder).unwrap();
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
        write_whole(Subject::Texts(&opened), &whole, &WriteOptions::default(), &mut on).unwrap();
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

fn image_logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    let opened = ImageCheckpoint::open(model).unwrap().unwrap();
    let model: Box<dyn ImageClassifier> = load_images(opened, adapter, Storage::File).unwrap().model;
    let images = Tensor::new(Rng::new(4).normals(2 * 144, 1.0), &[2, 1, 12, 12]).unwrap();
    model.logits(&images, &mut Pass::quiet()).unwrap().to_vec()
}

#[test]
fn convolutions_become_two() {
    let root = tempfile::tempdir().unwrap();
    let model = fixtures::path("images/resnet");
    let data = tiny::idx_images(root.path(), 24, 12, 3);
    let mut recipe = Recipe::new(model.display().to_string(), data);
    recipe.method = Choice::named("pela").unwrap();
    recipe.targets.modules = Modules::named("layer.*");
    let changes = ["train.steps=2", "train.batch_size=8", "data.validation=0.25", "method.pela.rank=2"];
    let recipe = recipe.with(&changes.map(str::to_owned)).unwrap();
    let [output, whole] = ["run", "whole"].map(|name| root.path().join(name));
    run(&model, &recipe, &output, false, None).unwrap();
    let thin = output.join("thin");
    let stored = open_tensors(&thin).unwrap();
    let shape = |name: &str| stored.infos()[name].shape.clone();
    assert_eq!(shape("layer2.0.conv1.0.weight"), [2, 4, 3, 3]);
    assert_eq!(shape("layer2.0.conv1.1.weight"), [8, 2, 1, 1]);
    let expected = image_logits(&model, Some(&output));
    assert_close!(image_logits(&thin, None), expected, relative = 1e-4, absolute = 1e-4);
    let opened = ImageCheckpoint::open(&thin).unwrap().unwrap();
    write_whole(Subject::Images(&opened), &whole, &WriteOptions::default(), &mut on).unwrap();
    assert_close!(image_logits(&whole, None), expected, relative = 1e-4, absolute = 1e-4);
    assert!(thin.join("config.json").is_file() && !whole.join("config.json").exists());
}
