//! Memory of whole runs: QLoRA beside LoRA, each a `rankine train` of a few steps on a model with 180 million numbers in its
//! linear layers, bf16 in its file.
//!
//! Peaks are those that the kernel tells of the program while it runs (Linux only), the mapped file of the model included. LoRA
//! keeps the matrices as the file has them, at 2 bytes a number; QLoRA rounds them to 0.52 bytes as they are read, and writes
//! that base beside its adapter before the first step.

use crate::{Result, figure::Figure, machine, start};
use rankine_testkit::tiny::{self, TinyLlama, TinyType};
use std::error::Error;
use std::path::Path;
use std::process::Command;

const MODEL: TinyLlama = TinyLlama {
    vocabulary: 4096,
    hidden: 1024,
    inner: 2816,
    layers: 16,
    heads: 16,
    key_value_heads: 4,
    head_dim: 64,
    tied: true,
    biases: false,
    deviation: 0.02,
    dtype: TinyType::Bf16,
    shards: 4,
};
/// What both runs do.
const RUN: [&str; 8] = ["--rank", "16", "--steps", "3", "--batch-size", "2", "--max-length", "256"];
/// Examples of the data.
const EXAMPLES: usize = 24;

/// Both peaks, and the share of the one in the other.
pub fn run() -> Result<Vec<Figure>> {
    let root = tempfile::tempdir()?;
    let [model, data] = ["model", "data.json"].map(|name| root.path().join(name));
    tiny::llama(&model, &MODEL, 1);
    std::fs::write(&data, tiny::alpaca_json(EXAMPLES))?;
    let train = |method: &str| {
        let mut command = Command::new(start::program()?);
        command.args(["--quiet", "train"]).arg(&model).arg("--data").arg(&data).args(RUN);
        command.args(["--method", method]).arg("--output").arg(root.path().join(method));
        Ok::<_, Box<dyn Error>>(command)
    };
    let lora = machine::peak_while(&mut train("lora")?)?;
    let qlora = machine::peak_while(train("qlora")?.arg("--keep-residual"))?;
    Ok(vec![
        Figure::new("weights of the model", size(&model)? / 1e6, "MB"),
        Figure::new("LoRA: peak resident", lora, "MB"),
        Figure::new("QLoRA: peak resident", qlora, "MB"),
        Figure::new("QLoRA of LoRA", qlora / lora, ""),
    ])
}

/// Bytes of the files with weights.
fn size(model: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(model)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "safetensors") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes as f64)
}
