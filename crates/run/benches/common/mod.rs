//! The model of the benchmarks: the shape of SmolLM2-135M with random weights, or the model in the folder or file that
//! `RANKINE_BENCH_MODEL` names.

use rankine_checkpoint::Checkpoint;
use rankine_nn::{Kind, Model as _, models::Llama};
use rankine_testkit::tiny;
use std::path::PathBuf;

pub fn model() -> Result<Llama, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::var_os("RANKINE_BENCH_MODEL") {
        Some(path) => PathBuf::from(path),
        None => {
            let shape = tiny::TinyLlama {
                vocabulary: 49152,
                hidden: 576,
                inner: 1536,
                layers: 30,
                heads: 9,
                key_value_heads: 3,
                head_dim: 64,
                deviation: 0.02,
                ..tiny::TinyLlama::default()
            };
            tiny::llama(folder.path(), &shape, 1);
            folder.path().to_owned()
        }
    };
    let checkpoint = Checkpoint::open(path)?;
    Ok(Llama::load(checkpoint.config(), checkpoint.tensors())?)
}

/// Every linear layer but the head, and how many numbers it holds.
pub fn linear(model: &Llama) -> Vec<(String, usize)> {
    let parameters = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    let sized = |parameter: &rankine_nn::Parameter| {
        (parameter.module().to_owned(), parameter.weight.constant().map_or(0, |weight| weight.elements()))
    };
    parameters.map(sized).collect()
}
