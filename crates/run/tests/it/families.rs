//! peft's adapters of convolutions and of models without a head: what they compute beside their base, as the plain LoRA that they
//! are converted to, and merged. Their files are those of surgery: `make_families.py` there.

use crate::starts::on;
use rankine_checkpoint::module_names::Named;
use rankine_checkpoint::{Adapter, Checkpoint, Existing, ImageCheckpoint, Network, Tensors};
use rankine_nn::{
    Pass, Tokens,
    models::{Encoder, Storage, Vit, missing_head},
};
use rankine_random::Rng;
use rankine_run::{load_images, open_adapter, open_image_adapter};
use rankine_surgery::{AdapterOutput, Keep, Merged, OtherKind, WriteOptions, convert, merge, merge_images};
use rankine_tensor::Tensor;
use rankine_testkit::{assert_close, fixtures};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn made_by_peft() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../surgery/tests/fixtures")
}

/// The folder of an adapter, and what the model computes with it.
fn case(name: &str) -> (PathBuf, Vec<f32>) {
    let all = std::fs::read_to_string(made_by_peft().join("families.json")).unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    (made_by_peft().join("families").join(name), fixtures::floats(&all[name]["outputs"]))
}

fn close(found: &[f32], expected: &[f32], name: &str) {
    assert_close!(found, expected, relative = 1e-5, absolute = 1e-5, "{name}");
}

/// The plain LoRA of an adapter, as `rankine adapter convert` makes it.
fn converted(base: &dyn Tensors, folder: &Path, target: &Path) {
    let conversion = match OtherKind::open(folder).unwrap() {
        Some(other) => {
            let seen = Named::like(base, other.modules());
            other.convert(&seen, Keep::Energy(1.0), &mut on).unwrap()
        }
        None => {
            let adapter = Adapter::open(folder).unwrap();
            let seen = Named::like(base, adapter.low_rank.keys().map(String::as_str));
            convert(&seen, &adapter, Keep::default(), &mut on).unwrap()
        }
    };
    assert!(conversion.modules.iter().all(|module| module.relative < 5e-6), "{:?}", conversion.modules);
    let output = AdapterOutput { target, existing: Existing::Refuse, inputs: Vec::new() };
    output.write(&conversion.adapter).unwrap();
}

fn open(path: &Path) -> ImageCheckpoint {
    ImageCheckpoint::open(path).unwrap().unwrap()
}

/// The images that the fixtures were made with.
fn images(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor::new((0..count).map(|at: usize| (at * 37 % 101) as f32 / 50.0 - 1.0).collect(), shape).unwrap()
}

#[test]
fn kinds_of_peft_on_convolutions_give_its_logits() {
    let (root, base) = (tempfile::tempdir().unwrap(), fixtures::path("images/resnet"));
    for name in ["resnet_ia3", "resnet_oft"] {
        let (folder, expected) = case(name);
        let [lora, whole] = ["lora", "merged"].map(|kind| root.path().join(format!("{name}-{kind}")));
        converted(open(&base).tensors(), &folder, &lora);
        let logits = |model: &Path, adapter: Option<&Path>| {
            let loaded = load_images(open(model), adapter, Storage::File).unwrap();
            loaded.model.logits(&images(&[2, 1, 10, 10]), &mut Pass::quiet()).unwrap().to_vec()
        };
        close(&logits(&base, Some(&lora)), &expected, name);
        let apart = logits(&base, None).iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(0.01 < apart, "{name}: the adapter does something");
        let mut opened = open(&base);
        let adapter = open_image_adapter(&mut opened, &lora).unwrap();
        merge_images(&opened, &adapter, &whole, &WriteOptions::default(), &mut on).unwrap();
        close(&logits(&whole, None), &expected, &format!("{name}, merged"));
    }
}

#[test]
fn a_lora_of_an_encoder_without_a_head_gives_its_states() {
    let (root, base) = (tempfile::tempdir().unwrap(), fixtures::path("classifiers/bert_bare"));
    let (folder, expected) = case("bert_bare_lora");
    let [lora, whole] = ["lora", "merged"].map(|name| root.path().join(name));
    converted(Checkpoint::open(&base).unwrap().tensors(), &folder, &lora);
    let given = fixtures::json("classifiers/bert_bare/expected.json");
    let rows =
        |key: &str| -> Vec<Vec<u32>> { fixtures::items(&given[key]).iter().map(fixtures::tokens).collect() };
    let (ids, types) = (rows("input_ids"), rows("token_types"));
    let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
    let tokens = Tokens::packed(&ids.concat(), &lengths).with_types(&types.concat());
    let states = |model: &Path, adapter: Option<&Path>| {
        let mut opened = Checkpoint::open(model).unwrap();
        // Nothing that is compared reads the head.
        let head = missing_head(opened.config(), opened.tensors(), 2, &Rng::new(0));
        opened.make_classifier(&["a", "b"].map(str::to_owned), head);
        let adapter = adapter.map(|folder| opened.settle(open_adapter(model, folder).unwrap()).unwrap());
        let merged = adapter.as_ref().map(|adapter| Merged::new(opened.tensors(), adapter).unwrap());
        let tensors = merged.as_ref().map_or(opened.tensors(), |merged| merged as &dyn Tensors);
        let encoder = Encoder::load(opened.config(), tensors, Storage::File).unwrap();
        encoder.hidden(&tokens, &mut Pass::quiet()).unwrap().to_vec()
    };
    close(&states(&base, Some(&folder)), &expected, "beside the base");
    close(&states(&base, Some(&lora)), &expected, "converted");
    let opened = Checkpoint::open(&base).unwrap();
    let adapter = opened.settle(open_adapter(&base, &folder).unwrap()).unwrap();
    merge(&opened, &adapter, &whole, &WriteOptions::default(), &mut on).unwrap();
    close(&states(&whole, None), &expected, "merged");
}

#[test]
fn a_lora_of_a_vision_transformer_without_a_head_gives_its_states() {
    let (root, base) = (tempfile::tempdir().unwrap(), fixtures::path("images/vit"));
    let (folder, all) = case("vit_bare_lora");
    let [lora, whole] = ["lora", "merged"].map(|name| root.path().join(name));
    converted(open(&base).tensors(), &folder, &lora);
    // Of two images; the first row of each is no patch.
    let expected: Vec<f32> = all.chunks(all.len() / 2).flat_map(|image| image[16..].to_vec()).collect();
    let states = |model: &Path, adapter: Option<&Path>| {
        let mut opened = open(model);
        let adapter = adapter.map(|folder| open_image_adapter(&mut opened, folder).unwrap());
        let merged = adapter.as_ref().map(|adapter| Merged::new(opened.tensors(), adapter).unwrap());
        let tensors = merged.as_ref().map_or(opened.tensors(), |merged| merged as &dyn Tensors);
        let Network::Vit(sizes) = opened.network() else { panic!("another network") };
        let vit = Vit::load(sizes, tensors, Storage::File).unwrap();
        vit.patch_states(&images(&[2, 1, 12, 12]), &mut Pass::quiet()).unwrap().to_vec()
    };
    close(&states(&base, Some(&folder)), &expected, "beside the base");
    close(&states(&base, Some(&lora)), &expected, "converted");
    let mut opened = open(&base);
    let adapter = open_image_adapter(&mut opened, &folder).unwrap();
    merge_images(&opened, &adapter, &whole, &WriteOptions::default(), &mut on).unwrap();
    close(&states(&whole, None), &expected, "merged");
}
