//! Fixtures and small makers that several tests share.

use indexmap::IndexMap;
use rankine_checkpoint::adapter::{LayerKind, LowRank, Selection, Targets};
use rankine_checkpoint::{Adapter, AdapterConfig, Checkpoint, Dtype, TensorInfo, Tensors};
use rankine_random::Rng;
use rankine_surgery::Progress;
use rankine_testkit::fixtures;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where an adapter of a test lies: `testkit/NAME` or `surgery/NAME`.
pub fn adapter_folder(name: &str) -> PathBuf {
    match name.split_once('/') {
        Some(("testkit", name)) => fixtures::path(&format!("adapters/{name}")),
        Some((_, name)) => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/adapters").join(name),
        None => panic!("`{name}`"),
    }
}

pub fn adapter(name: &str) -> Adapter {
    Adapter::open(&adapter_folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One of testkit's tiny models.
pub fn base(name: &str) -> Checkpoint {
    Checkpoint::open(fixtures::path(&format!("models/{name}"))).unwrap()
}

pub fn read(tensors: &dyn Tensors, name: &str) -> Vec<f32> {
    let mut values = vec![0.0; tensors.infos()[name].elements()];
    tensors.read_into(name, &mut values).unwrap();
    values
}

/// A random LoRA of rank 3 on modules that end in one of `targets`.
pub fn random_lora(base: &dyn Tensors, targets: &[&str]) -> Adapter {
    let targets = targets.iter().map(|&name| name.to_owned()).collect();
    let targets = Targets { modules: Selection::Names(targets), ..Targets::default() };
    let mut adapter = Adapter::default();
    for path in targets.select(&rankine_checkpoint::adapter::modules_of(base)).unwrap() {
        let shape = &base.infos()[&format!("{path}.weight")].shape;
        let mut rng = Rng::new(1).fork(&path);
        let (rank, outputs, inputs) = (3, shape[0], shape[1]);
        let (a, b) = (rng.normals(rank * inputs, 0.2), rng.normals(outputs * rank, 0.2));
        let (magnitude, output_bias, kind) = (None, None, LayerKind::Linear);
        let low_rank = LowRank { a, b, rank, inputs, outputs, scaling: 1.5, magnitude, output_bias, kind };
        adapter.low_rank.insert(path, low_rank);
    }
    adapter.config = AdapterConfig { rank: 3, alpha: 4.5, targets, ..AdapterConfig::default() };
    adapter
}

/// Scaling · b·a; [outputs, inputs].
pub fn change(low_rank: &LowRank) -> Vec<f64> {
    let &LowRank { ref a, ref b, rank, inputs, outputs, scaling, .. } = low_rank;
    let entry = |at: usize| {
        let (output, input) = (at / inputs, at % inputs);
        let terms = (0..rank).map(|k| f64::from(b[output * rank + k]) * f64::from(a[k * inputs + input]));
        f64::from(scaling) * terms.sum::<f64>()
    };
    (0..outputs * inputs).map(entry).collect()
}

/// Watches and does not break off.
pub fn on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn minus(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Tensors in memory, as f32.
#[derive(Default)]
pub struct Held {
    infos: IndexMap<String, TensorInfo>,
    values: IndexMap<String, Vec<f32>>,
}

impl Held {
    pub fn of(tensors: &dyn Tensors) -> Self {
        let mut held = Self { infos: IndexMap::new(), values: IndexMap::new() };
        for (name, info) in tensors.infos() {
            held.insert(name, &info.shape, &read(tensors, name));
        }
        held
    }

    pub fn insert(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.len() as u64 * 4;
        let info = TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes };
        self.infos.insert(name.to_owned(), info);
        self.values.insert(name.to_owned(), values.to_vec());
    }

    pub fn remove(&mut self, name: &str) {
        self.infos.shift_remove(name).unwrap();
        self.values.shift_remove(name).unwrap();
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
