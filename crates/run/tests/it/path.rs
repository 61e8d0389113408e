//! Permuted models compute what they did, and the line between two models ends at both.

use crate::starts::on;
use rankine_checkpoint::{Network, Opened, Pair, Tensors};
use rankine_data::{Batches, Batching, Dataset, Encoding, encode};
use rankine_nn::{
    Pass, Tokens,
    models::{self, Storage},
};
use rankine_random::Rng;
use rankine_run::{DataSection, Error, Examiner, PathPoint, barrier, load};
use rankine_surgery::{
    Alignment, Interpolated, PermutationSpec, Permutations, Permuted, Progress, Stage, Subject, UnitKind,
};
use rankine_tensor::Tensor;
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use rankine_testkit::{assert_close, fixtures};
use rankine_train::{NextToken, Task as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What the model says of two short texts or of two images, with these tensors for its own.
fn logits(opened: &Opened, tensors: &dyn Tensors) -> Vec<f32> {
    match opened {
        Opened::Texts(model) => {
            let config = model.config();
            let ids: Vec<u32> = (0..12).map(|at| (at * 7919 + 1) % config.vocabulary as u32).collect();
            let tokens = Tokens::packed(&ids, &[7, 5]);
            if config.architecture.is_encoder() || config.tells_classes() {
                let model = models::load_classifier(config, tensors, Storage::F32).unwrap();
                return model.logits(&tokens, &mut Pass::quiet()).unwrap().to_vec();
            }
            let model = models::load(config, tensors, Storage::F32).unwrap();
            let hidden = model.hidden(&tokens, &mut Pass::quiet()).unwrap();
            model.logits(&hidden).unwrap().to_vec()
        }
        Opened::Images(model) => {
            let side = match model.network() {
                Network::Vit(sizes) => sizes.image_size,
                Network::MobileNetV2 | Network::ResNet => 32,
                Network::Chain(chain) => chain.sides.unwrap().least[0],
            };
            let shape = [2, model.channels(), side, side];
            let pixels = (0..shape.iter().product()).map(|at: usize| (at * 37 % 101) as f32 / 50.0 - 1.0);
            let images = Tensor::new(pixels.collect(), &shape).unwrap();
            let model = models::load_image_classifier(model.network(), tensors, Storage::F32).unwrap();
            model.logits(&images, &mut Pass::quiet()).unwrap().to_vec()
        }
        Opened::Bare(_) => panic!("no model"),
    }
}

#[test]
fn a_permutation_does_not_change_what_a_model_computes() {
    let texts = [
        ("models", &["llama_tied", "llama_untied", "llama3_rope", "mistral", "qwen2", "qwen3"][..]),
        ("decoders", &["gpt2", "opt", "opt_350m"][..]),
        ("classifiers", &["bert", "roberta", "distilbert", "llama", "gpt2", "opt"][..]),
        ("images", &["vit", "resnet", "mobilenet/model.pth"][..]),
    ];
    for (folder, names) in texts {
        for name in names {
            let opened = Opened::open(fixtures::path(&format!("{folder}/{name}"))).unwrap();
            let expected = logits(&opened, opened.tensors());
            let spec = PermutationSpec::of(Subject::from(&opened), &UnitKind::ALL).unwrap();
            assert!(spec.strangers().is_empty(), "{name}: {:?}", spec.strangers());
            let mut kinds: Vec<UnitKind> = UnitKind::ALL.to_vec();
            kinds.retain(|kind| spec.groups().iter().any(|group| group.kind == *kind));
            let is_convolutional = folder == "images" && *name != "vit";
            assert_eq!(kinds.len(), if is_convolutional { 2 } else { 3 }, "{name}");
            // All together, and the inverse on top of it, which is where it began.
            let drawn = Permutations::random(&spec, &Rng::new(11));
            let permuted = Permuted::new(opened.tensors(), &spec, &drawn);
            let changed =
                opened.tensors().infos().keys().filter(|tensor| permuted.is_changed(tensor)).count();
            assert!(changed > 8, "{name}");
            assert_close!(logits(&opened, &permuted), expected, absolute = 1e-4, "{name}");
            let back = Permuted::new(&permuted, &spec, &drawn.inverse());
            assert_eq!(logits(&opened, &back), expected, "{name}");
        }
    }
}

/// Two random language models and data for them.
fn bench(folder: &Path) -> [PathBuf; 3] {
    let [first, second, data] = ["first", "second", "data.json"].map(|name| folder.join(name));
    let shape = TinyLlama { dtype: TinyType::Bf16, ..TinyLlama::default() };
    tiny::llama(&first, &shape, 1);
    tiny::llama(&second, &shape, 2);
    std::fs::write(&data, tiny::alpaca_json(10)).unwrap();
    [first, second, data]
}

fn along(examiner: &Examiner, first: &dyn Tensors, second: &dyn Tensors) -> Vec<PathPoint> {
    examiner.along(Pair::of(first, second).unwrap(), 3, &mut on).unwrap()
}

#[test]
fn a_line_begins_and_ends_with_the_two_models() {
    let root = tempfile::tempdir().unwrap();
    let [first, second, data] = bench(root.path());
    let examiner = Examiner::open(&first, &DataSection::new(&data), 4).unwrap();
    assert_eq!(examiner.examples(), 10);
    let opened = [&first, &second].map(|path| Opened::open(path).unwrap());
    let points = along(&examiner, opened[0].tensors(), opened[1].tensors());
    assert_eq!(points.iter().map(|point| point.t).collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
    for (path, point) in [(&first, points[0]), (&second, points[2])] {
        let loaded = load(path, None, Storage::File).unwrap();
        let encoding = Encoding { max_length: 512, ..Encoding::default() };
        let dataset = Dataset::read(&data, None, None).unwrap();
        let (examples, _) = encode(&dataset, &loaded.tokenizer, &encoding).unwrap();
        let batches = Batches::new(examples, Batching::Examples(4), 0).unwrap();
        let score = NextToken.score(loaded.model.as_ref(), &mut batches.sequential(), &mut |_| {}).unwrap();
        assert_eq!((score.nll, score.accuracy), (point.nll, point.accuracy));
    }
    // A model and itself have no barrier; a number on the line is the mean of its ends.
    let same = along(&examiner, opened[0].tensors(), opened[0].tensors());
    assert!(barrier(&same).abs() < 0.05, "{same:?}");
    let name = "model.norm.weight";
    let read = |tensors: &dyn Tensors| {
        let mut values = vec![0.0; tensors.infos()[name].elements()];
        tensors.read_into(name, &mut values).unwrap();
        values
    };
    let middle = Interpolated::new(Pair::of(opened[0].tensors(), opened[1].tensors()).unwrap(), 0.25);
    let [one, other] = [0, 1].map(|at: usize| read(opened[at].tensors()));
    let expected: Vec<f32> = one.iter().zip(&other).map(|(a, b)| 0.75 * a + 0.25 * b).collect();
    assert_close!(read(&middle), expected, absolute = 1e-6);
    let stopped = examiner.along(
        Pair::of(opened[0].tensors(), opened[1].tensors()).unwrap(),
        3,
        &mut |progress: Progress| match progress.stage {
            Stage::Evaluating => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
    );
    assert!(matches!(stopped, Err(Error::Surgery(rankine_surgery::Error::Interrupted))));
}

#[test]
fn aligning_takes_away_the_barrier_to_a_permuted_copy() {
    let root = tempfile::tempdir().unwrap();
    let data = tiny::idx_images(root.path(), 12, 10, 3);
    let model = fixtures::path("images/resnet");
    let opened = Opened::open(&model).unwrap();
    let kinds = vec![UnitKind::Hidden];
    let spec = PermutationSpec::of(Subject::from(&opened), &kinds).unwrap();
    let drawn = Permutations::random(&spec, &Rng::new(3));
    let permuted = Permuted::new(opened.tensors(), &spec, &drawn);
    let mut examiner = Examiner::open(&model, &DataSection::new(&data), 5).unwrap();
    let naive = along(&examiner, opened.tensors(), &permuted);
    assert!((naive[0].nll - naive[2].nll).abs() < 1e-5 && (naive[1].nll - naive[0].nll).abs() > 1e-6);
    let back = Permuted::new(&permuted, &spec, &drawn.inverse());
    assert!(barrier(&along(&examiner, opened.tensors(), &back)) < 1e-5);
    // Statistics of the images at hand change what lies between, and not the ends.
    assert!(examiner.reset_norms());
    let reset = along(&examiner, opened.tensors(), &permuted);
    assert_eq!((reset[0], reset[2]), (naive[0], naive[2]));
    assert!(reset[1].nll.is_finite() && reset[1].nll != naive[1].nll);
    let found = Alignment { kinds, ..Alignment::default() };
    let subject = Subject::from(&opened);
    assert_eq!(found.find(subject, subject, &mut on).unwrap().permutations, Permutations::identity(&spec));
}

#[test]
fn norms_are_counted_on_all_classes_together() {
    // Dark images first, then brighter ones, as in a folder for every class.
    let (root, count, side) = (tempfile::tempdir().unwrap(), 42_usize, 10_usize);
    let class = |image: usize| image * 3 / count;
    let pixel = |at: usize| (at * 37 % 61 + 90 * class(at / (side * side))) as u8;
    let pixels: Vec<u8> = (0..count * side * side).map(pixel).collect();
    let labels: Vec<u8> = (0..count).map(|image| class(image) as u8).collect();
    let data = root.path().join("train-images-idx3-ubyte");
    for (path, sizes, values) in [
        (data.clone(), &[count, side, side][..], pixels),
        (root.path().join("train-labels-idx1-ubyte"), &[count][..], labels),
    ] {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
        bytes.extend(values);
        std::fs::write(path, bytes).unwrap();
    }
    let model = fixtures::path("images/resnet");
    let opened = Opened::open(&model).unwrap();
    let middle = |batch: usize| {
        let mut examiner = Examiner::open(&model, &DataSection::new(&data), batch).unwrap();
        assert!(examiner.reset_norms());
        along(&examiner, opened.tensors(), opened.tensors())[1].nll
    };
    let [thirds, whole] = [count / 3, count].map(middle);
    // By torch; batches of one class each are 0.033 away from it, mixed ones 0.015.
    assert!((whole - 1.201_765).abs() < 1e-4 && (thirds - whole).abs() < 0.025, "{thirds} {whole}");
}
