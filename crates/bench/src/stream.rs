//! Time and memory of operations on a model that is larger than memory: 20 GB in bf16, or as many as `GIGABYTES` says, in shards of
//! 2 GB that are holes on disk, so that only what is written takes room.
//!
//! Fails when the resident memory of the program at its peak is above 300 MB and, for every thread, the largest tensor, or where
//! matrices are compressed one of them in f32 four times (Linux only, where the kernel tells). The share of time is of the rate of copying memory: the disk is slower.

use crate::layer::{self, Sides};
use crate::{Result, figure::Figure, machine, start};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const HIDDEN: usize = 4096;
const INNER: usize = 14_336;
const KEYS: usize = 1024;
const VOCABULARY: usize = 32_000;
/// Of the layers.
const SIDES: Sides = Sides { hidden: HIDDEN, inner: INNER, keys: KEYS };
/// Layers of a shard.
const TOGETHER: usize = 4;
/// What may be resident besides a tensor a thread.
const ALLOWANCE: f64 = 300e6;
/// Of a matrix that is compressed, in f32, at most: three and a third were resident a thread when it was measured.
const COPIES: usize = 4;
/// Bytes of the largest tensor.
const LARGEST: usize = 2 * VOCABULARY * HIDDEN;

/// Seconds and memory of each.
pub fn run() -> Result<Vec<Figure>> {
    let gigabytes = std::env::var("GIGABYTES").map_or(Ok(20.0), |given| given.parse::<f64>())?;
    let root = tempfile::tempdir()?;
    let [model, output, recipe] = ["model", "output", "recipe.yaml"].map(|name| root.path().join(name));
    let bytes = write_model(&model, gigabytes * 1e9)?;
    std::fs::write(
        &recipe,
        "merge_method: linear\nmodels:\n- {model: model, parameters: {weight: 0.5}}\n- {model: model, parameters: {weight: 0.5}}\n",
    )?;
    let mut figures = vec![Figure::new("size of the model", bytes / 1e9, "GB")];
    // Passes over the weights, read and written; bytes that a thread may hold.
    let operations: [(&str, Vec<&str>, f64, usize); 3] = [
        ("convert", vec!["convert", "model", "output", "--dtype", "f16"], 2.0, LARGEST),
        ("blend", vec!["blend", "recipe.yaml", "--output", "output"], 3.0, LARGEST),
        (
            "compress",
            vec!["compress", "model", "--method", "magnitude", "--sparsity", "0.5", "--output", "output"],
            2.0,
            COPIES * 4 * HIDDEN * INNER,
        ),
    ];
    for (name, words, passes, held) in operations {
        let bound = (held * rayon::current_num_threads()) as f64 + ALLOWANCE;
        let mut command = Command::new(start::program()?);
        command.arg("--quiet").args(words).current_dir(root.path());
        let begin = Instant::now();
        let peak = machine::peak_while(&mut command)?;
        let seconds = begin.elapsed().as_secs_f64();
        if output.exists() {
            std::fs::remove_dir_all(&output)?;
        }
        if bound < peak * 1e6 {
            return Err(format!("{name} took {peak:.0} MB, more than {:.0}", bound / 1e6).into());
        }
        let share = passes * bytes / seconds / machine::copy_rate();
        figures.push(
            Figure::new(format!("{name}: seconds"), seconds, "s").of(share, "the rate of copying memory"),
        );
        figures.push(
            Figure::new(format!("{name}: peak resident"), peak, "MB")
                .of(peak * 1e6 / bound, "what it may take"),
        );
    }
    Ok(figures)
}

/// A llama of about this many bytes; returns how many.
fn write_model(folder: &Path, bytes: f64) -> Result<f64> {
    std::fs::create_dir(folder)?;
    let one: usize =
        layer::tensors(0, SIDES).iter().map(|(_, shape)| 2 * shape.iter().product::<usize>()).sum();
    let layers = ((bytes - 2.0 * LARGEST as f64) / one as f64).round().max(1.0) as usize;
    let config = json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 8,
        "tie_word_embeddings": false, "dtype": "bfloat16", "rms_norm_eps": 1e-5,
    });
    std::fs::write(folder.join("config.json"), config.to_string())?;
    let mut shards = vec![vec![
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ]];
    for first in (0..layers).step_by(TOGETHER) {
        let together = first..layers.min(first + TOGETHER);
        shards.push(together.flat_map(|at| layer::tensors(at, SIDES)).collect());
    }
    let (count, mut map, mut total) = (shards.len(), Map::new(), 0);
    for (at, shard) in shards.into_iter().enumerate() {
        let file = format!("model-{:05}-of-{count:05}.safetensors", at + 1);
        let (mut header, mut end) = (Map::new(), 0);
        for (name, shape) in shard {
            let begin = end;
            end += 2 * shape.iter().product::<usize>();
            map.insert(name.clone(), Value::from(file.clone()));
            header.insert(name, json!({ "dtype": "BF16", "shape": shape, "data_offsets": [begin, end] }));
        }
        write_hole(&folder.join(&file), &Value::from(header).to_string(), end)?;
        total += end;
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string())?;
    Ok(total as f64)
}

/// A file of the format safetensors whose numbers are all zero and take no room.
fn write_hole(path: &Path, header: &str, bytes: usize) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    Ok(file.set_len((8 + header.len() + bytes) as u64)?)
}
