//! Models of every kind, matched by what they do on data.

use crate::classify::Bench;
use crate::starts::on;
use rankine_checkpoint::{Opened, Tensors};
use rankine_random::Rng;
use rankine_run::{DataSection, Examiner};
use rankine_surgery::{
    Aligned, Alignment, PermutationSpec, Permutations, Permuted, StraightThrough, Subject, UnitKind,
    WriteOptions, pair, write_image_model, write_model,
};
use rankine_testkit::tiny::{self, TinyLlama};
use rankine_testkit::{assert_close, fixtures};
use std::path::Path;

/// A model, a permuted copy of it in `folder`, and the permutation.
fn permuted(model: &Path, folder: &Path) -> (Opened, Opened, Permutations) {
    let first = Opened::open(model).unwrap();
    let spec = PermutationSpec::of(Subject::from(&first), &UnitKind::ALL).unwrap();
    let drawn = Permutations::random(&spec, &Rng::new(2));
    assert_ne!(drawn, Permutations::identity(&spec));
    let copy = Permuted::new(first.tensors(), &spec, &drawn);
    let options = WriteOptions::default();
    match &first {
        Opened::Texts(model) => write_model(&copy, model.config(), folder, &options, &mut on).unwrap(),
        Opened::Images(model) => write_image_model(&copy, model, folder, &options, &mut on).unwrap(),
        Opened::Bare(_) => panic!("no model"),
    };
    (first, Opened::open(folder).unwrap(), drawn)
}

fn assert_same_bits(aligned: &Aligned, first: &Opened, second: &Opened) {
    let back = aligned.applied(Subject::from(second));
    for name in first.tensors().infos().keys() {
        assert_eq!(back.raw(name).unwrap(), first.tensors().raw(name).unwrap(), "{name}");
    }
}

#[test]
fn activations_bring_permuted_models_back_to_the_last_bit() {
    let root = tempfile::tempdir().unwrap();
    let [llama, texts] = ["llama", "data.json"].map(|name| root.path().join(name));
    tiny::llama(&llama, &TinyLlama::default(), 1);
    std::fs::write(&texts, tiny::alpaca_json(10)).unwrap();
    let images = tiny::idx_images(root.path(), 9, 12, 3);
    // Heads that share keys and values, hidden units, and the stream that all of them read.
    for (model, data, copy) in [(llama, texts, "b"), (fixtures::path("images/vit"), images, "c")] {
        let (first, second, drawn) = permuted(&model, &root.path().join(copy));
        let examiner = Examiner::open(&model, &DataSection::new(&data), 4).unwrap();
        let models = (Subject::from(&first), Subject::from(&second));
        let aligned = examiner.match_activations(&Alignment::default(), models, &mut on).unwrap();
        assert_eq!(aligned.groups.len(), 5, "{}", model.display());
        assert_eq!((&aligned.permutations, aligned.sweeps), (&drawn.inverse(), 0), "{}", model.display());
        assert_same_bits(&aligned, &first, &second);
        // In parts of any size.
        let examiner = Examiner::open(&model, &DataSection::new(&data), 3).unwrap();
        let again = examiner.match_activations(&Alignment::default(), models, &mut on).unwrap();
        assert_eq!(again, aligned);
    }
}

#[test]
fn training_goes_through_norms_that_are_counted_anew() {
    let root = tempfile::tempdir().unwrap();
    let data = tiny::idx_images(root.path(), 12, 10, 3);
    let model = fixtures::path("images/resnet");
    let (first, second, _) = permuted(&model, &root.path().join("moved"));
    let models = (Subject::from(&first), Subject::from(&second));
    let search = StraightThrough { steps: 3, ..StraightThrough::default() };
    let found = [false, true].map(|resets| {
        let mut examiner = Examiner::open(&model, &DataSection::new(&data), 6).unwrap();
        assert!(!resets || examiner.reset_norms());
        examiner.straight_through(&search, &Alignment::default(), models, &mut on).unwrap()
    });
    for found in &found {
        let losses = found.losses;
        assert!(losses.best <= losses.start && losses.best <= losses.naive, "{losses:?}");
    }
    assert_ne!(found[0].losses.naive, found[1].losses.naive);
}

#[test]
fn texts_are_told_apart_as_well_as_before() {
    let bench = Bench::new("bert", ["ham", "spam"]);
    let (model, data) = (&bench.model, &bench.recipe.data);
    let folder = tempfile::tempdir().unwrap();
    let (first, second, drawn) = permuted(model, &folder.path().join("moved"));
    let models = (Subject::from(&first), Subject::from(&second));
    let examiner = Examiner::open(model, data, 4).unwrap();
    let aligned = examiner.match_activations(&Alignment::default(), models, &mut on).unwrap();
    assert_eq!(aligned.permutations, drawn.inverse());
    let search = StraightThrough { steps: 2, ..StraightThrough::default() };
    let found = examiner.straight_through(&search, &Alignment::default(), models, &mut on).unwrap();
    let back = found.aligned.applied(models.1);
    let pair = pair([first.tensors(), &back], [model, model]).unwrap();
    let line = examiner.along(pair, 3, &mut on).unwrap();
    assert_close!([line[2].nll], [line[0].nll], absolute = 1e-5);
    assert!((line[1].nll - found.losses.best).abs() < 1e-12);
}
