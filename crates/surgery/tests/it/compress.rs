//! Matrices made smaller: what is written, how far it is from what was there, and what leaves nothing behind.

use crate::common::{json, names, on, read};
use rankine_checkpoint::adapter::{Selection, Targets};
use rankine_checkpoint::{Checkpoint, Dtype, ImageCheckpoint, Opened, open_tensors};
use rankine_linalg::{Truncation, energy_rank, singular_values};
use rankine_surgery::{
    Compress, Compression, Error, Extent, LowRank, Magnitude, Stage, Subject, WriteOptions, rewrite,
    write_whole,
};
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use rankine_testkit::{assert_close, fixtures};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;

const WAYS: [Extent; 3] = [Extent::Ratio(0.5), Extent::Rank(6), Extent::Energy(0.6)];

fn model(dtype: TinyType) -> (TempDir, Checkpoint) {
    let root = TempDir::new().unwrap();
    tiny::llama(&root.path().join("model"), &TinyLlama { biases: true, dtype, ..TinyLlama::default() }, 3);
    let opened = Checkpoint::open(root.path().join("model")).unwrap();
    (root, opened)
}

fn compression(method: &dyn Compress, dense: bool) -> Compression<'_> {
    let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
    Compression { method, targets, dense, inputs: None }
}

fn low_rank(extent: Extent) -> LowRank {
    LowRank { extent, svd: Truncation::Exact }
}

#[test]
fn factors_are_the_leading_singular_triples() {
    let (root, whole) = model(TinyType::F32);
    for (at, extent) in WAYS.into_iter().enumerate() {
        let (method, target) = (low_rank(extent), root.path().join(format!("thin{at}")));
        let compression = compression(&method, false);
        let planned = compression.plan(Subject::Texts(&whole), &WriteOptions::default(), &mut on).unwrap();
        assert!(!target.exists());
        let report =
            compression.run(Subject::Texts(&whole), &target, &WriteOptions::default(), &mut on).unwrap();
        assert_eq!((report.matrices.len() + report.left.len(), &report.plan), (14, &planned.plan));
        let thin = Checkpoint::open(&target).unwrap();
        for (matrix, expected) in report.matrices.iter().zip(&planned.matrices) {
            assert_eq!((&matrix.module, matrix.rank), (&expected.module, expected.rank));
            let (name, [rows, columns]) = (format!("{}.weight", matrix.module), matrix.shape);
            let (weight, rank) = (read(whole.tensors(), &name), matrix.rank.unwrap());
            let s = singular_values(&weight, rows, columns).unwrap();
            let bound = rows * columns / (rows + columns);
            let wanted = match extent {
                Extent::Ratio(_) => bound / 2,
                Extent::Rank(rank) => rank,
                Extent::Energy(share) => energy_rank(&s, share),
            };
            assert_eq!((rank, thin.tensors().product(&name).unwrap().rank), (wanted, wanted), "{name}");
            let squares = |s: &[f32]| s.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
            let tail = (squares(&s[rank..]) / squares(&s)).sqrt();
            assert_close!([matrix.relative.unwrap()], [tail], relative = 1e-4, "{name}");
            let product = read(thin.tensors(), &name);
            let off: f64 = product.iter().zip(&weight).map(|(x, y)| f64::from(x - y).powi(2)).sum();
            assert_close!([(off / squares(&s)).sqrt()], [tail], relative = 1e-4, "{name}");
        }
        for name in &report.left {
            assert!(thin.tensors().product(&format!("{name}.weight")).is_none());
        }
        // Everything else is copied; biases go with the second factor.
        for (name, info) in whole.tensors().infos() {
            assert_eq!(thin.tensors().infos()[name].shape, info.shape, "{name}");
            if thin.tensors().product(name).is_none() {
                assert_eq!(read(thin.tensors(), name), read(whole.tensors(), name), "{name}");
            }
        }
        let stored: u64 =
            open_tensors(&target).unwrap().infos().values().map(|info| info.elements() as u64).sum();
        assert_eq!((stored, report.plan.bytes), (report.plan.parameters, 4 * stored));
        assert!(stored < report.parameters && report.plan.bytes < report.bytes);
        assert_eq!(names(&target), names(whole.path()));
    }
}

#[test]
fn a_dense_result_is_the_thin_one_multiplied_out() {
    let (root, whole) = model(TinyType::F32);
    let [thin, dense, out] = ["thin", "dense", "out"].map(|name| root.path().join(name));
    let (method, options) = (low_rank(Extent::Rank(4)), WriteOptions::default());
    let run = |target: &Path, is_dense| {
        compression(&method, is_dense).run(Subject::Texts(&whole), target, &options, &mut on).unwrap()
    };
    let (first, second) = (run(&thin, false), run(&dense, true));
    assert_eq!((&first.matrices, first.relative), (&second.matrices, second.relative));
    assert_eq!(second.plan.parameters, second.parameters);
    assert_eq!(json(&dense.join("config.json")), json(&whole.path().join("config.json")));
    assert_eq!(json(&thin.join("config.json"))["model_type"], "rankine_thin");
    let opened = Checkpoint::open(&thin).unwrap();
    write_whole(Subject::Texts(&opened), &out, &options, &mut on).unwrap();
    assert_eq!(json(&out.join("config.json")), json(&whole.path().join("config.json")));
    let [dense, out] = [dense, out].map(|folder| Checkpoint::open(folder).unwrap());
    assert!(dense.tensors().infos().keys().eq(whole.tensors().infos().keys()));
    for name in whole.tensors().infos().keys() {
        assert_close!(read(out.tensors(), name), read(dense.tensors(), name), absolute = 1e-6, "{name}");
    }
    // One or the other is refused.
    let again = compression(&method, false).plan(Subject::Texts(&opened), &options, &mut on);
    assert!(matches!(again, Err(Error::Thin { .. })));
    let nothing = write_whole(Subject::Texts(&whole), &root.path().join("x"), &options, &mut on);
    assert!(matches!(nothing, Err(Error::NotThin { .. })) && !root.path().join("x").exists());
}

#[test]
fn factors_have_the_type_of_their_matrix_or_the_one_asked_for() {
    let (root, whole) = model(TinyType::Bf16);
    for (asked, expected) in [(None, Dtype::Bf16), (Some(Dtype::F32), Dtype::F32)] {
        let target = root.path().join(format!("{expected:?}"));
        let options = WriteOptions { dtype: asked, ..WriteOptions::default() };
        let method = low_rank(Extent::Ratio(0.5));
        compression(&method, false).run(Subject::Texts(&whole), &target, &options, &mut on).unwrap();
        let thin = Checkpoint::open(&target).unwrap();
        assert!(thin.tensors().infos().values().all(|info| info.dtype == expected));
        assert_eq!(thin.config().dtype, Some(expected));
    }
}

#[test]
fn heads_and_convolutions_of_images_stay() {
    let vit = ImageCheckpoint::open(fixtures::path("images/vit")).unwrap().unwrap();
    let root = TempDir::new().unwrap();
    let (method, target) = (low_rank(Extent::Rank(2)), root.path().join("thin"));
    let report = compression(&method, false)
        .run(Subject::Images(&vit), &target, &WriteOptions::default(), &mut on)
        .unwrap();
    let changed =
        |module: &str| module.starts_with("vit.encoder.layer.") || module.starts_with("vit.layers.");
    assert!(!report.matrices.is_empty() && report.matrices.iter().all(|matrix| changed(&matrix.module)));
    let thin = ImageCheckpoint::open(&target).unwrap().unwrap();
    assert_eq!((thin.network(), thin.classes()), (vit.network(), vit.classes()));
    assert!(thin.tensors().product(&format!("{}.weight", report.matrices[0].module)).is_some());
}

#[test]
fn a_model_without_linear_layers_is_told_so() {
    let resnet = ImageCheckpoint::open(fixtures::path("images/resnet")).unwrap().unwrap();
    let method = low_rank(Extent::Rank(2));
    for modules in [Selection::AllLinear, Selection::Names(vec!["conv1".to_owned()])] {
        let targets = Targets { modules, ..Targets::default() };
        let compression = Compression { targets, ..compression(&method, false) };
        let error =
            compression.plan(Subject::Images(&resnet), &WriteOptions::default(), &mut on).unwrap_err();
        assert!(matches!(error, Error::NoLinear { convolutions: 1.., .. }), "{error}");
        assert!(error.hint().unwrap().contains("--target '.*conv.*'"));
    }
}

/// bfloat16 holds all of them; what is not read is copied.
#[test]
fn floats_of_eight_bits_are_written_as_bfloat16() {
    let root = TempDir::new().unwrap();
    let source = fixtures::path("float8/model.safetensors");
    let model = Opened::open(&source).unwrap();
    let target = root.path().join("written");
    rewrite(Subject::from(&model), &target, &WriteOptions::default(), &mut on).unwrap();
    let written = open_tensors(&target).unwrap();
    for name in ["e4m3", "e5m2"] {
        assert_eq!(written.infos()[&format!("{name}.weight")].dtype, Dtype::Bf16);
        let [found, expected] =
            ["weight", "f32"].map(|word| read(written.as_ref(), &format!("{name}.{word}")));
        let same = |(x, y): (&f32, &f32)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
        assert!(found.iter().zip(&expected).all(same), "{name}");
    }
    for name in ["counts", "mask", "codes.weight"] {
        assert_eq!(written.raw(name).unwrap(), model.tensors().raw(name).unwrap(), "{name}");
    }
}

#[test]
fn the_smallest_numbers_become_zero() {
    let (root, whole) = model(TinyType::F32);
    let (method, target) = (Magnitude { sparsity: 0.3 }, root.path().join("pruned"));
    let report = compression(&method, false)
        .run(Subject::Texts(&whole), &target, &WriteOptions::default(), &mut on)
        .unwrap();
    let pruned = Checkpoint::open(&target).unwrap();
    assert_eq!((report.matrices.len(), report.plan.parameters), (14, report.parameters));
    for matrix in &report.matrices {
        let name = format!("{}.weight", matrix.module);
        let (before, after) = (read(whole.tensors(), &name), read(pruned.tensors(), &name));
        let gone = |at: &usize| after[*at] == 0.0;
        let (zeros, kept): (Vec<usize>, Vec<usize>) = (0..before.len()).partition(gone);
        assert_eq!(zeros.len(), (0.3 * before.len() as f64).round() as usize, "{name}");
        assert!(kept.iter().all(|&at| after[at] == before[at]), "{name}");
        let largest = zeros.iter().map(|&at| before[at].abs()).fold(0.0, f32::max);
        assert!(kept.iter().all(|&at| largest <= before[at].abs()), "{name}");
        let squares = |places: &[usize]| places.iter().map(|&at| f64::from(before[at]).powi(2)).sum::<f64>();
        let lost = squares(&zeros);
        let expected = (lost / (lost + squares(&kept))).sqrt();
        assert_close!([matrix.relative.unwrap()], [expected], relative = 1e-5, "{name}");
    }
}

#[test]
fn what_cannot_be_done_leaves_nothing() {
    let (root, whole) = model(TinyType::F32);
    let (subject, target, options) = (Subject::Texts(&whole), root.path().join("x"), WriteOptions::default());
    let failed = |method: &dyn Compress| {
        compression(method, false).run(subject, &target, &options, &mut on).unwrap_err()
    };
    for (extent, setting) in [
        (Extent::Ratio(1.0), "ratio"),
        (Extent::Ratio(f64::NAN), "ratio"),
        (Extent::Rank(0), "rank"),
        (Extent::Energy(0.0), "energy"),
    ] {
        let error = failed(&low_rank(extent));
        assert!(matches!(error, Error::Setting { name, .. } if name == setting), "{error}");
        assert!(error.hint().is_some());
    }
    assert!(matches!(failed(&Magnitude { sparsity: 1.0 }), Error::Setting { name: "sparsity", .. }));
    assert!(matches!(failed(&low_rank(Extent::Rank(500))), Error::NotSmaller { matrices: 14 }));
    let named = |name: &str| {
        let modules = Selection::Names(vec![name.to_owned()]);
        let targets = Targets { modules, ..Targets::default() };
        let method = low_rank(Extent::Rank(2));
        Compression { method: &method, targets, dense: false, inputs: None }
            .run(subject, &target, &options, &mut on)
    };
    let error = named("q_prj").unwrap_err();
    assert!(error.hint().unwrap().contains("q_proj"), "{error}");
    assert!(named("embed_tokens").is_err(), "no linear layer");
    for last in [Stage::Decomposing, Stage::Compressing, Stage::Writing] {
        let watch = &mut |progress: rankine_surgery::Progress| match progress.stage == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let method = low_rank(Extent::Energy(0.5));
        let error = compression(&method, false).run(subject, &target, &options, watch).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{last:?}: {error}");
    }
    assert_eq!(names(root.path()), ["model"]);
    named("q_proj").unwrap();
    assert_eq!(names(root.path()), ["model", "x"]);
}
