//! What a fine-tune did, on models in memory.

use indexmap::IndexMap;
use rankine_analyze::{
    ChangeSum, Error, NotCompared, Progress, TensorChange, by_kind, by_layer, change_map, changes,
    not_compared, spectra, sweep,
};
use rankine_checkpoint::{Dtype, Layer, Pair, TensorInfo, Tensors, Unread};
use rankine_random::Rng;
use rankine_testkit::assert_close;
use std::borrow::Cow;
use std::ops::ControlFlow;

const SIDE: usize = 96;

/// Tensors in memory.
#[derive(Clone, Default)]
struct Held {
    infos: IndexMap<String, TensorInfo>,
    values: IndexMap<String, Vec<f32>>,
}

impl Held {
    fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        let info = TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 4 * values.len() as u64 };
        self.infos.insert(name.to_owned(), info);
        self.values.insert(name.to_owned(), values);
    }

    fn change(&mut self, name: &str, by: impl Fn(usize) -> f32) {
        self.values[name].iter_mut().enumerate().for_each(|(at, x)| *x += by(at));
    }
}

impl Tensors for Held {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        out.copy_from_slice(&self.values[name]);
        Ok(())
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        Ok(self.values[name].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into())
    }
}

fn base() -> Held {
    let mut held = Held::default();
    let draw = |name: &str, count: usize| Rng::new(2).fork(name).normals(count, 0.1);
    held.insert("model.embed_tokens.weight", &[7, SIDE], draw("embed", 7 * SIDE));
    for layer in 0..2 {
        for kind in ["self_attn.q_proj", "mlp.up_proj"] {
            let name = format!("model.layers.{layer}.{kind}.weight");
            held.insert(&name, &[SIDE, SIDE], draw(&name, SIDE * SIDE));
        }
        held.insert(&format!("model.layers.{layer}.input_layernorm.weight"), &[SIDE], vec![1.0; SIDE]);
    }
    held
}

fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn unit(name: &str) -> Vec<f32> {
    let x = Rng::new(5).fork(name).normals(SIDE, 1.0);
    let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    x.iter().map(|x| x / length).collect()
}

fn found(base: &Held, tuned: &Held) -> Vec<TensorChange> {
    changes(Pair::of(base, tuned).unwrap(), &mut on).unwrap()
}

#[test]
fn every_tensor_is_told_how_far_it_moved() {
    let (base, mut tuned) = (base(), base());
    let (up, norm) = ("model.layers.1.mlp.up_proj.weight", "model.layers.0.input_layernorm.weight");
    tuned.change(up, |at| if at % 2 == 0 { 0.5 } else { 0.0 });
    tuned.change(norm, |_| -0.25);
    let found = found(&base, &tuned);
    assert!(found.iter().map(|change| &change.name).eq(base.infos.keys()));
    let moved: Vec<&TensorChange> = found.iter().filter(|change| change.is_changed()).collect();
    assert_eq!(moved.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), [norm, up]);
    let layer = |index| Some(Layer { list: "model.layers".to_owned(), index });
    assert_eq!((&moved[1].layer, moved[1].kind.as_str()), (&layer(1), "mlp.up_proj"));
    assert_close!([moved[0].relative().unwrap()], [0.25]);
    let squares: f64 = base.values[up].iter().map(|x| f64::from(x * x)).sum();
    let expected = ((SIDE * SIDE / 2) as f64 * 0.25 / squares).sqrt();
    assert_close!([moved[1].relative().unwrap()], [expected], relative = 1e-5);
    let sum = ChangeSum::of(&found);
    assert_eq!((sum.tensors, sum.changed), (7, 2));
    let kinds = by_kind(&found);
    assert_eq!((kinds["mlp.up_proj"].tensors, kinds["mlp.up_proj"].changed), (2, 1));
    assert_eq!(kinds["self_attn.q_proj"].relative(), Some(0.0));
    let layers = by_layer(&found);
    assert_eq!((layers[&None::<Layer>].tensors, layers[&layer(1)].changed), (1, 1));
    let all: f64 = layers.values().map(|sum| sum.moved).sum();
    assert_close!([all], [sum.moved], relative = 1e-12);
    let map = change_map(&found);
    assert_eq!(map.layers, ["0", "1"]);
    assert_eq!(map.kinds.len(), 3);
    assert_eq!(map.relative()[1][1], moved[1].relative().unwrap());
    let cell = map.cells[3 + 1].as_ref().unwrap();
    assert_eq!((&cell.tensor, cell.sum.moved), (&moved[1].name, moved[1].moved));
}

/// Blocks are counted from 0 in every stage of a ResNet.
#[test]
fn stages_are_told_apart() {
    let (mut base, mut tuned) = (Held::default(), Held::default());
    for name in ["conv1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer2.1.conv1.weight"] {
        base.insert(name, &[1, 1, 1, 1], vec![1.0]);
        tuned.insert(name, &[1, 1, 1, 1], vec![1.0]);
    }
    tuned.change("layer2.0.conv1.weight", |_| 0.5);
    let map = change_map(&found(&base, &tuned));
    assert_eq!(
        (map.layers.join(" "), map.kinds.join(" ")),
        ("layer1.0 layer2.0 layer2.1".to_owned(), "conv1".to_owned())
    );
    assert_eq!(map.relative(), [[0.0], [0.5], [0.0]]);
    let layers = by_layer(&found(&base, &tuned));
    assert_eq!(
        layers.values().map(|sum| (sum.tensors, sum.changed)).collect::<Vec<_>>(),
        [(1, 0), (1, 0), (1, 1), (1, 0)]
    );
    assert_eq!(layers.keys().next(), Some(&None));
}

#[test]
fn equal_models_have_no_changes() {
    let base = base();
    let found = found(&base, &base);
    assert!(found.iter().all(|change| !change.is_changed() && change.relative() == Some(0.0)));
    assert!(spectra(Pair::of(&base, &base).unwrap(), &found, 10, &mut on).unwrap().is_empty());
}

#[test]
fn a_new_direction_is_found_and_one_made_longer_is_none() {
    let (base, mut tuned) = (base(), base());
    let [spiked, scaled] = ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"];
    let (u, v) = (unit("u"), unit("v"));
    // The matrices' largest singular values are some 2·0.1·√96 = 2.
    tuned.change(spiked, |at| 6.0 * u[at / SIDE] * v[at % SIDE]);
    let largest = rankine_linalg::svd(&base.values[scaled], SIDE, SIDE).unwrap();
    let own = |at: usize| largest.u[at / SIDE * SIDE] * largest.vt[at % SIDE];
    tuned.change(scaled, |at| 4.0 * own(at));
    tuned.change("model.embed_tokens.weight", |_| 1.0);
    let pair = Pair::of(&base, &tuned).unwrap();
    let matrices = spectra(pair, &found(&base, &tuned), 10, &mut on).unwrap();
    assert_eq!(matrices.iter().map(|matrix| matrix.name.as_str()).collect::<Vec<_>>(), [spiked, scaled]);
    assert_eq!((matrices[0].intruders(0.5, 1), matrices[1].intruders(0.5, 1)), (vec![0], vec![]));
    for (matrix, length) in matrices.iter().zip([6.0, 4.0]) {
        assert_close!([matrix.effective_rank(), matrix.stable_rank()], [1.0, 1.0], relative = 1e-3);
        assert_close!([matrix.update[0]], [length], relative = 1e-4);
        assert_close!([matrix.norm()], [length], relative = 1e-4);
        assert_eq!(matrix.energy_rank(0.99), 1);
    }
    // The spike is like none of ten, and is the first of its matrix; what was made longer is like itself.
    let [spiked_least, own_least] = [0, 1].map(|at: usize| matrices[at].least_similarity().unwrap());
    assert!(spiked_least <= matrices[0].alignment.cosines[0] && spiked_least < 0.5, "{spiked_least}");
    assert!(0.9 < own_least && own_least <= 1.0, "{own_least}");
    assert_close!([matrices[1].alignment.cosines[0]], [1.0], absolute = 1e-4);
    assert_eq!(sweep(&matrices, &[1], &[0.0, 0.5, 1.0])[0][..2], [0, 1]);
    let error = spectra(pair, &found(&base, &tuned), 0, &mut on).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "top", .. }));
}

#[test]
fn a_convolution_is_the_matrix_of_its_taps() {
    let (mut base, mut tuned) = (Held::default(), Held::default());
    let numbers = Rng::new(3).normals(8 * 18, 0.1);
    for (name, shape) in [("conv.weight", &[8, 2, 3, 3][..]), ("fc.weight", &[8, 18][..])] {
        base.insert(name, shape, numbers.clone());
        tuned.insert(name, shape, numbers.clone());
        tuned.change(name, |at| 2.0 * unit("u")[at / 18] * unit("v")[at % 18]);
    }
    let matrices = spectra(Pair::of(&base, &tuned).unwrap(), &found(&base, &tuned), 3, &mut on).unwrap();
    let [taps, matrix] = matrices.as_slice() else { panic!("{matrices:?}") };
    assert_eq!((taps.name.as_str(), taps.shape, taps.values.len()), ("conv.weight", [8, 18], 3));
    assert_eq!(
        (&taps.update, &taps.values, &taps.alignment),
        (&matrix.update, &matrix.values, &matrix.alignment)
    );
    assert_close!([taps.effective_rank()], [1.0], relative = 1e-3);
}

#[test]
fn what_one_of_the_two_has_in_a_type_that_is_not_read_is_named_and_passed_over() {
    let (base, mut tuned) = (base(), base());
    let [codes, up] = ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"];
    tuned.change(up, |_| 0.5);
    // Reading it panics.
    tuned.values.shift_remove(codes);
    tuned.infos[codes].dtype = Dtype::Unread(Unread::U32);
    let expected = NotCompared { dtype: "U32".to_owned(), tensors: vec![codes.to_owned()] };
    for pair in [Pair::of(&base, &tuned).unwrap(), Pair::of(&tuned, &base).unwrap()] {
        assert_eq!(not_compared(pair), std::slice::from_ref(&expected));
        let found = changes(pair, &mut on).unwrap();
        assert_eq!((found.len(), found.iter().any(|change| change.name == codes)), (6, false));
        let matrices = spectra(pair, &found, 3, &mut on).unwrap();
        assert_eq!(matrices.iter().map(|matrix| matrix.name.as_str()).collect::<Vec<_>>(), [up]);
    }
    assert!(not_compared(Pair::of(&base, &base).unwrap()).is_empty());
}

#[test]
fn whole_numbers_are_no_weights() {
    let (mut base, mut tuned) = (base(), base());
    let [codes, up] = ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"];
    for held in [&mut base, &mut tuned] {
        held.insert("steps", &[1], vec![1e6]);
        for name in [codes, "steps"] {
            held.infos[name].dtype = Dtype::I32;
        }
    }
    tuned.change("steps", |_| 1e6);
    tuned.change(codes, |_| 1.0);
    tuned.change(up, |_| 0.5);
    let found = found(&base, &tuned);
    let of = |name: &str| found.iter().find(|change| change.name == name).unwrap();
    assert!(of("steps").is_changed() && of(codes).is_changed());
    assert_eq!((of("steps").relative(), of(codes).relative()), (None, None));
    let sum = ChangeSum::of(&found);
    assert_eq!((sum.changed, sum.moved), (3, of(up).moved));
    let matrices = spectra(Pair::of(&base, &tuned).unwrap(), &found, 3, &mut on).unwrap();
    assert_eq!(matrices.iter().map(|matrix| matrix.name.as_str()).collect::<Vec<_>>(), [up]);
}

#[test]
fn a_tied_head_stands_against_one_of_its_own() {
    let (base, mut tuned) = (base(), base());
    tuned.insert("lm_head.weight", &[7, SIDE], base.values["model.embed_tokens.weight"].clone());
    for (first, second) in [(&base, &tuned), (&tuned, &base)] {
        assert!(found(first, second).iter().all(|change| !change.is_changed()));
        assert_eq!(found(first, second).len(), 8);
    }
    tuned.change("lm_head.weight", |_| 1.0);
    let moved = found(&base, &tuned);
    assert_eq!(moved.iter().filter(|change| change.is_changed()).count(), 1);
    tuned.insert("lm_head.weight", &[8, SIDE], vec![0.0; 8 * SIDE]);
    let difference = Pair::of(&base, &tuned).err().unwrap();
    assert_eq!(difference.added, ["lm_head.weight"]);
}

#[test]
fn it_can_be_broken_off() {
    let (base, mut tuned) = (base(), base());
    tuned.change("model.layers.0.mlp.up_proj.weight", |_| 1.0);
    let off = &mut |_: Progress| ControlFlow::Break(());
    let pair = Pair::of(&base, &tuned).unwrap();
    assert!(matches!(changes(pair, off), Err(Error::Interrupted)));
    assert!(matches!(spectra(pair, &found(&base, &tuned), 1, off), Err(Error::Interrupted)));
}
