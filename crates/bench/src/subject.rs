//! The model that is measured.

use crate::Result;
use rankine_checkpoint::Checkpoint;
use rankine_nn::{
    Kind, Model as _,
    models::{Llama, Storage},
};
use rankine_testkit::tiny;
use std::path::PathBuf;

/// Words of the model's vocabulary.
pub const VOCABULARY: usize = 49152;
/// Numbers in a row of its stream.
pub const WIDTH: usize = 576;

/// The model in the folder or file of `RANKINE_BENCH_MODEL`, or random weights in the shape of SmolLM2-135M.
pub fn model(storage: Storage) -> Result<Llama> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::var_os("RANKINE_BENCH_MODEL") {
        Some(path) => PathBuf::from(path),
        None => {
            let shape = tiny::TinyLlama {
                vocabulary: VOCABULARY,
                hidden: WIDTH,
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
    Ok(Llama::load(checkpoint.config(), checkpoint.tensors(), storage)?)
}

/// Every linear layer but the head, and how many numbers it holds.
pub fn linear(model: &Llama) -> Vec<(String, usize)> {
    let parameters = model.parameters().into_iter().filter(|parameter| parameter.kind() == Kind::Linear);
    let sized = |parameter: &rankine_nn::Parameter| {
        (parameter.module().to_owned(), parameter.weight.constant().map_or(0, |weight| weight.elements()))
    };
    parameters.map(sized).collect()
}
