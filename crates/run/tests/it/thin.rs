//! The thin model of a run on convolutions, read again and multiplied out.

use crate::{starts::on, support::run};
use rankine_checkpoint::{ImageCheckpoint, open_tensors};
use rankine_method::Choice;
use rankine_nn::{ImageClassifier, Pass, models::Storage};
use rankine_random::Rng;
use rankine_run::{Modules, Recipe, load_images};
use rankine_surgery::{Subject, WriteOptions, write_whole};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures, tiny};
use std::path::Path;

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
