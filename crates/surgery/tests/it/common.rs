//! Fixtures and small makers that several tests share.

use rankine_checkpoint::adapter::{LayerKind, LowRank, Selection, Targets};
use rankine_checkpoint::{Adapter, AdapterConfig, Checkpoint, Tensors};
use rankine_random::Rng;
use rankine_testkit::fixtures;
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

/// Names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
