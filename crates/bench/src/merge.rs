//! Time and memory of a merge: a sharded bf16 model of 1.6 GB, its largest tensor 105 MB, with a LoRA of rank 16 on every
//! linear layer.
//!
//! Fails when the resident memory at its peak is above the largest tensor + 300 MB (Linux only, where the kernel tells). The
//! share is of the rate of copying memory: the disk is slower.

use crate::layer::{self, Sides};
use crate::{Result, figure::Figure, machine};
use indexmap::IndexMap;
use rankine_checkpoint::adapter::{LayerKind, LowRank, Selection, Targets};
use rankine_checkpoint::{
    Adapter, AdapterConfig, Checkpoint, Config, Dtype, Existing, ModelWriter, OutputFolder, ShardPlan,
    TensorInfo,
};
use rankine_random::Rng;
use rankine_surgery::{WriteOptions, merge};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

const HIDDEN: usize = 2048;
const INNER: usize = 5632;
const KEYS: usize = 512;
const VOCABULARY: usize = 25_600;
const LAYERS: usize = 16;
const RANK: usize = 16;
const SHARD_BYTES: u64 = 400_000_000;
/// Of the layers.
const SIDES: Sides = Sides { hidden: HIDDEN, inner: INNER, keys: KEYS };
/// What may be resident besides the largest tensor.
const ALLOWANCE: u64 = 300_000_000;

/// Seconds and memory.
pub fn run() -> Result<Vec<Figure>> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("base");
    write_base(&folder)?;
    let base = Checkpoint::open(&folder)?;
    let adapter = adapter(&base);
    let largest = base.tensors().infos().values().map(|info| info.bytes).max().unwrap_or(0);
    let options = WriteOptions { shard_bytes: SHARD_BYTES, ..WriteOptions::default() };
    machine::forget_peak()?;
    let begin = Instant::now();
    let report =
        merge(&base, &adapter, &root.path().join("merged"), &options, &mut |_| ControlFlow::Continue(()))?;
    let seconds = begin.elapsed().as_secs_f64();
    let rate = 2.0 * report.plan.bytes as f64 / seconds;
    let mut figures = vec![
        Figure::new("size of the model", report.plan.bytes as f64 / 1e9, "GB"),
        Figure::new("seconds", seconds, "s").of(rate / machine::copy_rate(), "the rate of copying memory"),
    ];
    let bound = (largest + ALLOWANCE) as f64 / 1e6;
    if let Some(peak) = machine::peak() {
        if peak.value > bound {
            return Err(format!("the merge took {:.0} MB, more than {bound:.0}", peak.value).into());
        }
        let share = peak.value / bound;
        figures.push(peak.of(share, "what it may take"));
    }
    Ok(figures)
}

fn shapes() -> IndexMap<String, Vec<usize>> {
    let mut shapes = IndexMap::from([("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN])]);
    for layer in 0..LAYERS {
        shapes.extend(layer::tensors(layer, SIDES));
    }
    shapes.insert("model.norm.weight".to_owned(), vec![HIDDEN]);
    shapes.insert("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]);
    shapes
}

fn write_base(target: &Path) -> Result<()> {
    let raw = serde_json::json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 16, "num_key_value_heads": 4,
        "tie_word_embeddings": false, "dtype": "bfloat16",
    });
    let config = Config::parse(Path::new("config.json"), raw, None)?;
    let info = |(name, shape)| (name, TensorInfo { shape, dtype: Dtype::Bf16, bytes: 0 });
    let plan = ShardPlan::new(shapes().into_iter().map(info).collect(), SHARD_BYTES)?;
    let folder = OutputFolder::create(target, Existing::Refuse)?;
    folder.write_json("config.json", &config.to_json())?;
    let writer = ModelWriter::create(&folder, &plan)?;
    let numbers = Rng::new(0).normals(1 << 20, 0.02);
    for (name, info) in plan.files().flat_map(|(_, shard)| shard) {
        for first in (0..info.elements()).step_by(numbers.len()) {
            writer.write_part(name, first, &numbers[..numbers.len().min(info.elements() - first)])?;
        }
    }
    writer.finish()?;
    Ok(folder.finish()?)
}

fn adapter(base: &Checkpoint) -> Adapter {
    let targets = Targets { modules: Selection::AllLinear, ..Targets::default() };
    let config = AdapterConfig { rank: RANK, alpha: 32.0, targets, ..AdapterConfig::default() };
    let mut adapter = Adapter { config, ..Adapter::default() };
    for (name, info) in base.tensors().infos() {
        let Some(path) = name.strip_suffix("_proj.weight") else { continue };
        let (mut rng, (outputs, inputs)) = (Rng::new(1).fork(path), (info.shape[0], info.shape[1]));
        let low_rank = LowRank {
            a: rng.normals(RANK * inputs, 0.02),
            b: rng.normals(outputs * RANK, 0.02),
            rank: RANK,
            inputs,
            outputs,
            scaling: 2.0,
            magnitude: None,
            output_bias: None,
            kind: LayerKind::Linear,
        };
        adapter.low_rank.insert(format!("{path}_proj"), low_rank);
    }
    adapter
}
