//! Against peft: see `tests/fixtures/PROVENANCE.md`.

mod damaged;
mod files;
mod meaning;
mod selection;
mod settings;

use super::*;
use crate::{Result, TensorInfo, Tensors};
use indexmap::IndexMap;
use serde_json::Value;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A base model of shapes only.
struct Shapes(IndexMap<String, TensorInfo>);

impl Shapes {
    fn new(shapes: &Value) -> Self {
        let info = |shape: &Value| TensorInfo {
            shape: serde_json::from_value(shape.clone()).unwrap(),
            dtype: crate::Dtype::F32,
            bytes: 0,
        };
        Self(shapes.as_object().unwrap().iter().map(|(name, shape)| (name.clone(), info(shape))).collect())
    }
}

impl Tensors for Shapes {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.0
    }

    fn read_into(&self, _: &str, _: &mut [f32]) -> Result<()> {
        unreachable!("only shapes are looked at")
    }

    fn raw(&self, _: &str) -> Result<Cow<'_, [u8]>> {
        unreachable!("only shapes are looked at")
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

struct Fixture {
    adapter: Adapter,
    base: Shapes,
    layers: Value,
}

fn fixture(name: &str) -> Fixture {
    let folder = fixtures().join("adapters").join(name);
    let expected = json_of(&folder.join("expected.json"));
    let adapter = Adapter::open(&folder).unwrap();
    let base = Shapes::new(&expected["base"]);
    Fixture { adapter, base, layers: expected["layers"].clone() }
}

const ALL: [&str; 18] = [
    "all_linear",
    "bias_all",
    "bias_lora_only",
    "dora",
    "embeddings",
    "embeddings_tied",
    "ensure_tied",
    "head_tied",
    "lora_bias",
    "patterns",
    "patterns_rslora",
    "pissa",
    "plain",
    "rslora",
    "saved",
    "saved_tied",
    "tokens",
    "tokens_named",
];
