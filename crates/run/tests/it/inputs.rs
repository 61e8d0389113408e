//! What matrices see of data, and what is made of it: pruned models, corrections.

use crate::classify::Bench;
use crate::starts::on;
use rankine_checkpoint::adapter::{ModuleName, Selection, Targets, modules_of};
use rankine_checkpoint::{Checkpoint, Existing, ImageCheckpoint};
use rankine_nn::{Pass, Tokens, models::Storage};
use rankine_run::{DataSection, Error, inputs, load};
use rankine_surgery::{
    AdapterOutput, Compensation, Compression, Correction, Pattern, Progress, Prune, Score, Subject, Wanted,
    WriteOptions,
};
use rankine_testkit::{assert_close, fixtures, tiny};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ALL: Wanted = Wanted { moment: true, magnitudes: true, squares: true };

/// A tiny language model, and a plain text of several windows.
pub fn bench() -> (TempDir, PathBuf, DataSection) {
    let root = tempfile::tempdir().unwrap();
    let [model, text] = ["model", "text.txt"].map(|name| root.path().join(name));
    tiny::llama(&model, &tiny::TinyLlama::default(), 3);
    std::fs::write(&text, "The sky is blue and the sea is deep. ".repeat(30)).unwrap();
    (root, model, DataSection { max_length: 24, ..DataSection::new(text) })
}

fn modules(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("model.layers.1.{name}")).collect()
}

fn logits(model: &Path, adapter: Option<&Path>) -> Vec<f32> {
    let loaded = load(model, adapter, Storage::File).unwrap();
    let hidden = loaded.model.hidden(&Tokens::single(&[40, 105, 99, 52]), &mut Pass::quiet()).unwrap();
    loaded.model.logits(&hidden).unwrap().to_vec()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn statistics_are_of_the_first_examples() {
    let (_root, model, data) = bench();
    let names = modules(&["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"]);
    let shown = inputs(&model, &data, 6).unwrap();
    let seen = shown.see(&names, ALL, &mut on).unwrap();
    for (name, width) in names.iter().zip([32, 32, 64]) {
        let (moment, squares) = (seen.moment(name).unwrap(), seen.squares(name).unwrap());
        assert_eq!((moment.len(), squares.len()), (width * width, width), "{name}");
        let diagonal: Vec<f64> = moment.iter().step_by(width + 1).copied().collect();
        assert_close!(diagonal, squares, relative = 1e-5, "{name}");
        let turned: Vec<f64> = (0..width * width).map(|at| moment[at % width * width + at / width]).collect();
        assert_close!(turned, moment, relative = 1e-12, "{name}");
        let magnitudes = seen.magnitudes(name).unwrap();
        assert!(magnitudes.iter().zip(squares).all(|(mean, square)| mean * mean <= square * (1.0 + 1e-6)));
    }
    assert_eq!(seen.moment(&names[0]), seen.moment(&names[1]), "the same inputs");
    assert_eq!(seen.moment("model.layers.0.mlp.down_proj"), None, "not asked for");
    // The same again, alone and from a new reader; of other examples something else.
    let last = &names[2..];
    let wanted = Wanted { squares: true, ..Wanted::default() };
    let again = inputs(&model, &data, 6).unwrap().see(last, wanted, &mut on).unwrap();
    assert_eq!((again.squares(&last[0]), again.moment(&last[0])), (seen.squares(&last[0]), None));
    let fewer = inputs(&model, &data, 2).unwrap().see(last, wanted, &mut on).unwrap();
    assert_ne!(fewer.squares(&last[0]), seen.squares(&last[0]));
    let stop = &mut |_: Progress| ControlFlow::Break(());
    assert!(matches!(shown.see(&names, ALL, stop), Err(rankine_surgery::Error::Interrupted)));
}

#[test]
fn a_text_shorter_than_a_window_is_refused() {
    let (_root, model, data) = bench();
    let text = std::fs::read_to_string(&data.path).unwrap();
    std::fs::write(&data.path, &text[..10]).unwrap();
    let error = inputs(&model, &data, 4).err().unwrap();
    assert!(matches!(error, Error::ShortCalibration { window: 24, .. }), "{error}");
    assert!(error.hint().unwrap().contains("--calibration-length"));
    let short = DataSection { max_length: 4, ..data };
    assert!(inputs(&model, &short, 4).is_ok());
}

#[test]
fn classifiers_of_texts_and_images_are_seen_too() {
    let root = tempfile::tempdir().unwrap();
    // An encoder without a head, and a vision transformer of three classes.
    let texts = Bench::new("bert_bare", ["bad", "good"]);
    let images = DataSection::new(tiny::idx_images(root.path(), 6, 12, 3));
    let vit = fixtures::path("images/vit");
    let opened = ImageCheckpoint::open(&vit).unwrap().unwrap();
    let encoder = Checkpoint::open(&texts.model).unwrap();
    for (model, tensors, data) in
        [(&texts.model, encoder.tensors(), &texts.recipe.data), (&vit, opened.tensors(), &images)]
    {
        let dense = |module: &ModuleName| module.path.ends_with("output.dense");
        let module = modules_of(tensors).into_iter().find(dense).unwrap().path;
        let shown = inputs(model, data, 4).unwrap();
        let seen = shown.see(std::slice::from_ref(&module), ALL, &mut on).unwrap();
        assert!(seen.moment(&module).is_some() && seen.squares(&module).is_some(), "{module}");
    }
}

#[test]
fn a_correction_beside_a_pruned_model_brings_its_answers_back() {
    let (root, model, data) = bench();
    let opened = Checkpoint::open(&model).unwrap();
    let [pruned, adapter] = ["pruned", "correction"].map(|name| root.path().join(name));
    let shown = inputs(&model, &data, 20).unwrap();
    let targets = || Targets { modules: Selection::AllLinear, ..Targets::default() };
    let method = Prune { pattern: Pattern::TWO_OF_FOUR, score: Score::Wanda };
    let compression =
        Compression { method: &method, targets: targets(), dense: false, inputs: Some(shown.as_ref()) };
    compression.run(Subject::Texts(&opened), &pruned, &WriteOptions::default(), &mut on).unwrap();
    let compressed = Checkpoint::open(&pruned).unwrap();
    let correct = |rank: usize| {
        let compensation = Compensation {
            correction: Correction::Eora,
            rank,
            targets: targets(),
            base: "pruned".to_owned(),
            inputs: Some(shown.as_ref()),
        };
        let found = compensation.run(Subject::Texts(&opened), Subject::Texts(&compressed), &mut on).unwrap();
        let output =
            AdapterOutput { target: &adapter, existing: Existing::Replace, inputs: vec![pruned.clone()] };
        output.write(&found.adapter).unwrap();
        logits(&pruned, Some(&adapter))
    };
    let (original, bare) = (logits(&model, None), logits(&pruned, None));
    let some = correct(8);
    assert!(distance(&some, &original) < distance(&bare, &original));
    assert_close!(correct(64), original, absolute = 1e-3);
}
