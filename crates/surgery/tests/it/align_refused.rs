//! What is left in its place, and models that cannot be aligned.

use crate::align::{llama, write_bare};
use crate::common::{Held, names};
use rankine_checkpoint::{Checkpoint, ImageCheckpoint, Opened};
use rankine_surgery::{Alignment, Error, PermutationSpec, Progress, Stage, Subject, UnitKind, WriteOptions};
use rankine_testkit::fixtures;
use rankine_testkit::tiny::TinyLlama;
use std::ops::ControlFlow;
use tempfile::TempDir;

#[test]
fn the_residual_stream_stays_where_something_unknown_reads_it() {
    let root = TempDir::new().unwrap();
    let model = ImageCheckpoint::open(fixtures::path("images/resnet")).unwrap().unwrap();
    let mut held = Held::of(model.tensors());
    held.insert("layer1.0.gate.weight", &[4, 4], &[0.5; 16]);
    let path = root.path().join("model.safetensors");
    write_bare(&path, &held);
    let model = ImageCheckpoint::open(&path).unwrap().unwrap();
    let spec = PermutationSpec::of(Subject::Images(&model), &UnitKind::ALL).unwrap();
    assert_eq!(spec.strangers(), ["layer1.0.gate.weight"]);
    assert!(!spec.groups().is_empty() && spec.groups().iter().all(|group| group.kind == UnitKind::Hidden));
    // Nobody reads what a network without a head gives.
    let mut held = Held::of(model.tensors());
    for name in ["layer1.0.gate.weight", "fc.weight", "fc.bias"] {
        held.remove(name);
    }
    let path = root.path().join("headless.safetensors");
    write_bare(&path, &held);
    let model = ImageCheckpoint::open(&path).unwrap().unwrap();
    let spec = PermutationSpec::of(Subject::Images(&model), &[UnitKind::Residual]).unwrap();
    assert_eq!(spec.groups().iter().map(|group| group.units).collect::<Vec<_>>(), [4, 8]);
}

#[test]
fn what_cannot_be_aligned_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let folder = |name: &str| root.path().join(name);
    let model = llama(&folder("a"), &TinyLlama::default(), 1);
    let other = llama(&folder("b"), &TinyLlama { inner: 48, ..TinyLlama::default() }, 1);
    let heads = TinyLlama { heads: 8, key_value_heads: 4, head_dim: 4, ..TinyLlama::default() };
    let heads = llama(&folder("c"), &heads, 1);
    let (usual, target) = (Alignment::default(), folder("x"));
    let run = |alignment: &Alignment, second: &Checkpoint, last: Option<Stage>| {
        let watch = &mut |progress: Progress| match Some(progress.stage) == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let (first, second) = (Subject::Texts(&model), Subject::Texts(second));
        alignment.run(first, second, &target, &WriteOptions::default(), watch).map(drop).unwrap_err()
    };
    let error = run(&usual, &other, None);
    assert!(matches!(&error, Error::Unlike { difference, .. } if difference.misshapen.len() == 6), "{error}");
    let error = run(&usual, &heads, None);
    assert!(matches!(error, Error::OtherUnits { .. }) && error.hint().is_some(), "{error}");
    for (alignment, setting) in [
        (Alignment { sweeps: 0, ..usual.clone() }, "sweeps"),
        (Alignment { starts: 0, ..usual.clone() }, "starts"),
    ] {
        let error = run(&alignment, &model, None);
        assert!(matches!(error, Error::Setting { name, .. } if name == setting), "{error}");
        assert!(error.hint().is_some());
    }
    let error = run(&Alignment { kinds: Vec::new(), ..usual.clone() }, &model, None);
    assert!(matches!(error, Error::NoUnits { .. }), "{error}");
    let second = llama(&folder("d"), &TinyLlama::default(), 2);
    for last in [Stage::Comparing, Stage::Matching, Stage::Writing] {
        assert!(matches!(run(&usual, &second, Some(last)), Error::Interrupted), "{last:?}");
    }
    let (inside, on) = (folder("a").join("x"), &mut |_: Progress| ControlFlow::Continue(()));
    let (first, second) = (Subject::Texts(&model), Subject::Texts(&second));
    let error = usual.run(first, second, &inside, &WriteOptions::default(), on).map(drop).unwrap_err();
    assert!(matches!(error, Error::OutputInInput { .. }) && !inside.exists(), "{error}");
    let bare = fixtures::path("models/llama_tied/model.safetensors");
    std::fs::copy(bare, folder("e.safetensors")).unwrap();
    let bare = Opened::open(folder("e.safetensors")).unwrap();
    let error = PermutationSpec::of(Subject::from(&bare), &UnitKind::ALL).unwrap_err();
    assert!(
        matches!(error, Error::Structure { .. }) && error.hint().unwrap().contains("config.json"),
        "{error}"
    );
    assert_eq!(names(root.path()), ["a", "b", "c", "d", "e.safetensors"]);
}
