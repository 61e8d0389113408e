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
use std::process::{Command, Stdio};
use std::time::Duration;

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
/// Between two looks at the peak, which never sinks while the program runs.
const PAUSE: Duration = Duration::from_millis(5);

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
    let lora = peak(&mut train("lora")?)?;
    let qlora = peak(train("qlora")?.arg("--keep-residual"))?;
    Ok(vec![
        Figure::new("weights of the model", size(&model)? / 1e6, "MB"),
        Figure::new("LoRA: peak resident", lora, "MB"),
        Figure::new("QLoRA: peak resident", qlora, "MB"),
        Figure::new("QLoRA of LoRA", qlora / lora, ""),
    ])
}

/// Most megabytes resident in a program.
fn peak(command: &mut Command) -> Result<f64> {
    let mut program = command.stdout(Stdio::null()).spawn()?;
    let (process, mut peak) = (program.id().to_string(), 0.0);
    loop {
        peak = machine::peak_of(&process).map_or(peak, |found| found.value.max(peak));
        match program.try_wait()? {
            None => std::thread::sleep(PAUSE),
            Some(status) if !status.success() => return Err(format!("{command:?} failed").into()),
            Some(_) if peak == 0.0 => return Err("the kernel does not tell what is resident".into()),
            Some(_) => return Ok(peak),
        }
    }
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
