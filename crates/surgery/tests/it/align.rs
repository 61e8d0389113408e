//! Units brought back into their order, and the nearest order found.

use crate::common::{on, read};
use indexmap::IndexMap;
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Checkpoint, Dtype, ImageCheckpoint, Opened, TensorInfo, Tensors};
use rankine_random::Rng;
use rankine_surgery::{
    Aligned, Alignment, Correlations, PermutationSpec, Permutations, Permuted, ReadUnits, Subject, UnitKind,
    UnitOrders, WriteOptions, write_image_model, write_model,
};
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use rankine_testkit::{assert_close, fixtures};
use std::path::Path;
use tempfile::TempDir;

/// A random model in this folder.
pub fn llama(folder: &Path, model: &TinyLlama, seed: u64) -> Checkpoint {
    tiny::llama(folder, model, seed);
    Checkpoint::open(folder).unwrap()
}

/// Writes tensors to a file of their own.
pub fn write_bare(path: &Path, tensors: &dyn Tensors) {
    let writer = TensorsWriter::create(path, tensors.infos()).unwrap();
    for name in tensors.infos().keys() {
        writer.write(name, &read(tensors, name)).unwrap();
    }
    writer.finish().unwrap();
}

/// Random layers of these sizes, in the order of a chain.
pub fn mlp(path: &Path, sizes: &[usize], seed: u64) -> Opened {
    let (mut infos, mut values) = (IndexMap::new(), Vec::new());
    for (layer, pair) in sizes.windows(2).enumerate() {
        let mut rng = Rng::new(seed).fork_index("layer", layer);
        let deviation = (2.0 / pair[0] as f32).sqrt();
        let weight = rng.normals(pair[0] * pair[1], deviation);
        let bias = rng.normals(pair[1], 0.2);
        for (name, shape, numbers) in
            [("weight", vec![pair[1], pair[0]], weight), ("bias", vec![pair[1]], bias)]
        {
            let bytes = 4 * numbers.len() as u64;
            infos.insert(format!("layers.{layer}.{name}"), TensorInfo { shape, dtype: Dtype::F32, bytes });
            values.push(numbers);
        }
    }
    let writer = TensorsWriter::create(path, &infos).unwrap();
    infos.keys().zip(&values).for_each(|(name, numbers)| writer.write(name, numbers).unwrap());
    writer.finish().unwrap();
    Opened::open(path).unwrap()
}

/// A permutation that moves something.
fn drawn(spec: &PermutationSpec) -> Permutations {
    let mut draws = (0..).map(|seed| Permutations::random(spec, &Rng::new(seed)));
    draws.find(|drawn| *drawn != Permutations::identity(spec)).unwrap()
}

fn assert_same_bits(found: &dyn Tensors, expected: &dyn Tensors) {
    assert_eq!(found.infos(), expected.infos());
    for name in expected.infos().keys() {
        assert_eq!(found.raw(name).unwrap(), expected.raw(name).unwrap(), "{name}");
    }
}

/// What was found undoes what was drawn, to the last bit.
fn assert_undone(aligned: &Aligned, drawn: &Permutations) {
    assert_eq!((&aligned.permutations, aligned.after.apart), (&drawn.inverse(), 0.0));
    assert!(aligned.before.apart > 0.0 && aligned.after.inner > aligned.before.inner);
    for group in &aligned.groups {
        assert_eq!(group.after.distance(), Some(0.0), "{}", group.group.name);
    }
}

#[test]
fn a_permuted_language_model_comes_back_to_the_last_bit() {
    for (tied, dtype) in [(true, TinyType::F32), (false, TinyType::Bf16)] {
        let root = TempDir::new().unwrap();
        let [model, moved, target] = ["model", "moved", "back"].map(|name| root.path().join(name));
        let model = llama(&model, &TinyLlama { tied, dtype, biases: !tied, ..TinyLlama::default() }, 3);
        let subject = Subject::Texts(&model);
        let spec = PermutationSpec::of(subject, &UnitKind::ALL).unwrap();
        let counted = |kind: UnitKind| spec.groups().iter().filter(|group| group.kind == kind).count();
        assert_eq!(UnitKind::ALL.map(counted), [2, 2, 1]);
        assert!(spec.strangers().is_empty());
        let drawn = drawn(&spec);
        let permuted = Permuted::new(model.tensors(), &spec, &drawn);
        write_model(&permuted, model.config(), &moved, &WriteOptions::default(), &mut on).unwrap();
        let second = Checkpoint::open(&moved).unwrap();
        assert_ne!(read(second.tensors(), "model.norm.weight"), read(model.tensors(), "model.norm.weight"));
        let options = WriteOptions::default();
        let (aligned, plan) =
            Alignment::default().run(subject, Subject::Texts(&second), &target, &options, &mut on).unwrap();
        assert_undone(&aligned, &drawn);
        let back = Checkpoint::open(&target).unwrap();
        assert_same_bits(back.tensors(), model.tensors());
        let parameters: usize = model.tensors().infos().values().map(TensorInfo::elements).sum();
        assert_eq!(plan.parameters, parameters as u64);
        assert_eq!(back.config(), second.config());
    }
}

#[test]
fn permuted_image_networks_come_back_kind_by_kind() {
    for (name, kinds) in [
        ("resnet", vec![UnitKind::Hidden, UnitKind::Residual]),
        ("mobilenet/model.pth", vec![UnitKind::Hidden]),
        ("vit", UnitKind::ALL.to_vec()),
    ] {
        let model = ImageCheckpoint::open(fixtures::path(&format!("images/{name}"))).unwrap().unwrap();
        let subject = Subject::Images(&model);
        for kind in kinds {
            let root = TempDir::new().unwrap();
            let [moved, target] = ["moved", "back"].map(|name| root.path().join(name));
            let spec = PermutationSpec::of(subject, &[kind]).unwrap();
            let drawn = drawn(&spec);
            let permuted = Permuted::new(model.tensors(), &spec, &drawn);
            write_image_model(&permuted, &model, &moved, &WriteOptions::default(), &mut on).unwrap();
            let second = ImageCheckpoint::open(&moved).unwrap().unwrap();
            let alignment = Alignment { kinds: vec![kind], ..Alignment::default() };
            let options = WriteOptions::default();
            let (aligned, _) =
                alignment.run(subject, Subject::Images(&second), &target, &options, &mut on).unwrap();
            assert_undone(&aligned, &drawn);
            let back = ImageCheckpoint::open(&target).unwrap().unwrap();
            assert_same_bits(back.tensors(), model.tensors());
        }
    }
}

#[test]
fn a_permuted_chain_comes_back_through_several_layers() {
    let root = TempDir::new().unwrap();
    let [path, moved] = ["a", "b"].map(|name| root.path().join(format!("{name}.safetensors")));
    let model = mlp(&path, &[32, 24, 24, 24, 5], 1);
    let subject = Subject::from(&model);
    let spec = PermutationSpec::of(subject, &UnitKind::ALL).unwrap();
    assert_eq!(spec.groups().iter().map(|group| group.units).collect::<Vec<_>>(), [24; 3]);
    let drawn = drawn(&spec);
    write_bare(&moved, &Permuted::new(model.tensors(), &spec, &drawn));
    let second = Opened::open(&moved).unwrap();
    let alignment = Alignment { starts: 3, ..Alignment::default() };
    assert_undone(&alignment.find(subject, Subject::from(&second), &mut on).unwrap(), &drawn);
}

#[test]
fn of_one_hidden_layer_the_best_of_all_orders_is_found() {
    let root = TempDir::new().unwrap();
    let open = |name: &str, seed| mlp(&root.path().join(name), &[4, 5, 3], seed);
    let [first, second] = [open("a.safetensors", 1), open("b.safetensors", 2)];
    let all = |opened: &Opened| -> Vec<Vec<f32>> {
        ["layers.0.weight", "layers.0.bias", "layers.1.weight"]
            .map(|name| read(opened.tensors(), name))
            .into()
    };
    let (ours, theirs) = (all(&first), all(&second));
    // Σ over the inputs, the bias and the outputs of unit i of the first and unit j of the second.
    let pair = |i: usize, j: usize| -> f64 {
        let inputs = (0..4).map(|k| ours[0][i * 4 + k] * theirs[0][j * 4 + k]).sum::<f32>();
        let outputs = (0..3).map(|k| ours[2][k * 5 + i] * theirs[2][k * 5 + j]).sum::<f32>();
        f64::from(inputs + outputs + ours[1][i] * theirs[1][j])
    };
    let mut best = f64::MIN;
    for code in 0..5_usize.pow(5) {
        let order: Vec<usize> = (0..5).map(|at| code / 5_usize.pow(at) % 5).collect();
        if (0..5).all(|unit| order.contains(&unit)) {
            best = best.max(order.iter().enumerate().map(|(i, &j)| pair(i, j)).sum());
        }
    }
    let aligned = Alignment::default().find(Subject::from(&first), Subject::from(&second), &mut on).unwrap();
    assert_close!([aligned.groups[0].after.inner], [best], absolute = 1e-5);
    assert_eq!((aligned.sweeps, aligned.groups[0].group.units), (1, 5));
}

#[test]
fn strangers_come_nearer_and_the_same_seed_gives_the_same_order() {
    let root = TempDir::new().unwrap();
    let model = |name: &str, seed| llama(&root.path().join(name), &TinyLlama::default(), seed);
    let (first, second) = (model("a", 1), model("b", 2));
    let [first, second] = [Subject::Texts(&first), Subject::Texts(&second)];
    let find = |alignment: Alignment| alignment.find(first, second, &mut on).unwrap();
    let once = find(Alignment::default());
    assert!(once.after.apart < once.before.apart && 1 < once.sweeps);
    assert_eq!(once, find(Alignment::default()));
    // More turns and more starts are never worse.
    let short = find(Alignment { sweeps: 1, ..Alignment::default() });
    assert!(once.after.inner >= short.after.inner && short.after.inner > short.before.inner);
    let several = find(Alignment { starts: 4, ..Alignment::default() });
    assert!(several.after.apart <= once.after.apart);
    // A kind that was not asked for stays.
    let heads = find(Alignment { kinds: vec![UnitKind::Heads], ..Alignment::default() });
    assert!(heads.groups.iter().all(|found| found.group.kind == UnitKind::Heads && found.group.shared == 2));
}

#[test]
fn units_that_were_not_seen_are_matched_by_weights() {
    let root = TempDir::new().unwrap();
    let [model, moved] = ["model", "moved"].map(|name| root.path().join(name));
    let model = llama(&model, &TinyLlama::default(), 3);
    let subject = Subject::Texts(&model);
    let spec = PermutationSpec::of(subject, &UnitKind::ALL).unwrap();
    let drawn = drawn(&spec);
    let permuted = Permuted::new(model.tensors(), &spec, &drawn);
    write_model(&permuted, model.config(), &moved, &WriteOptions::default(), &mut on).unwrap();
    let second = Checkpoint::open(&moved).unwrap();
    let mut orders = UnitOrders::new(&spec);
    for name in ["model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.o_proj.weight"] {
        let read @ ReadUnits { group, units, width } = spec.units_along(name, 1).unwrap();
        let numbers = units * width;
        let ours = Rng::new(1).fork(name).normals(30 * numbers, 1.0);
        let order = &drawn.orders()[group];
        let place = |at: usize| at / numbers * numbers + order[at % numbers / width] * width + at % width;
        let theirs: Vec<f32> = (0..ours.len()).map(|at| ours[place(at)]).collect();
        let mut seen = Correlations::new(read);
        seen.see(&ours, &theirs, 1);
        orders.add(group, &seen);
        orders.settle(group).unwrap();
    }
    assert!(spec.units_along("model.layers.0.self_attn.k_proj.weight", 0).is_none(), "shared by several");
    let alignment = Alignment::default();
    let aligned = alignment.completed(orders, subject, Subject::Texts(&second), &mut on).unwrap();
    assert_undone(&aligned, &drawn);
    // Where nothing is to be gained nothing moves.
    let tensors = [model.tensors(), second.tensors()];
    let start = (drawn.inverse(), 1);
    assert_eq!(alignment.project(&spec, tensors, start, &mut on).unwrap(), (drawn.inverse(), 1));
}
