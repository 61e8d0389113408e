//! Against the formulas, written out in f64; every way of reading gives the same numbers.

use crate::common::{adapter, base, random_lora, read};
use rankine_checkpoint::adapter::{LayerKind, LowRank};
use rankine_checkpoint::{Dtype, TensorInfo, Tensors};
use rankine_surgery::Merged;
use rankine_testkit::assert_close;
use std::borrow::Cow;

/// s·(B·A)[output, input].
fn change(low_rank: &LowRank, output: usize, input: usize) -> f64 {
    let &LowRank { ref a, ref b, rank, inputs, scaling, .. } = low_rank;
    let terms = (0..rank).map(|k| f64::from(b[output * rank + k]) * f64::from(a[k * inputs + input]));
    f64::from(scaling) * terms.sum::<f64>()
}

/// W + s·B·A with DoRA's magnitudes, in the stored orientation.
fn expected(weight: &[f32], low_rank: &LowRank) -> Vec<f64> {
    let &LowRank { inputs, outputs, kind, ref magnitude, .. } = low_rank;
    let transposed = kind == LayerKind::Embedding;
    let at = |output: usize, input: usize| {
        if transposed { input * outputs + output } else { output * inputs + input }
    };
    let mut result = vec![0.0; weight.len()];
    for output in 0..outputs {
        let row = |input| f64::from(weight[at(output, input)]) + change(low_rank, output, input);
        let norm = (0..inputs).map(|input| row(input).powi(2)).sum::<f64>().sqrt();
        let scale = magnitude.as_ref().map_or(1.0, |m| f64::from(m[output]) / norm);
        (0..inputs).for_each(|input| result[at(output, input)] = scale * row(input));
    }
    result
}

#[test]
fn low_rank_changes_are_the_formulas() {
    for (model, name) in [
        ("llama_untied", "testkit/plain"),
        ("llama_untied", "testkit/patterns_rslora"),
        ("llama_untied", "testkit/dora_embedding"),
        ("qwen3", "testkit/qwen3"),
        ("llama_sharded", "testkit/plain_tied"),
    ] {
        let (base, adapter) = (base(model), adapter(name));
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        for (path, low_rank) in &adapter.low_rank {
            let tensor = format!("{path}.weight");
            let expected = expected(&base.read(&tensor).unwrap(), low_rank);
            assert_close!(read(&merged, &tensor), expected, absolute = 2e-6, "{name}: {tensor}");
        }
    }
}

#[test]
fn rows_whole_and_bytes_agree() {
    for (model, name) in [
        ("llama_untied", "testkit/dora_embedding"),
        ("llama_tied", "testkit/trainable_tokens_tied"),
        ("llama_untied", "testkit/bias_all"),
        ("llama_bf16", "testkit/bf16_base"),
        ("llama_bf16", "surgery/pissa_bf16"),
    ] {
        let (base, adapter) = (base(model), adapter(name));
        let merged = Merged::new(base.tensors(), &adapter).unwrap();
        for (tensor, info) in merged.infos() {
            let (whole, width) = (read(&merged, tensor), info.row_elements());
            for rows in [0..1, 1..info.rows(), info.rows() / 2..info.rows() / 2] {
                let mut some = vec![0.0; rows.len() * width];
                merged.read_rows(tensor, rows.clone(), &mut some).unwrap();
                // Products of few rows are summed in another order.
                assert_close!(some, whole[rows.start * width..rows.end * width], absolute = 1e-6);
                merged.release(tensor, rows);
            }
            assert!(merged.read_rows(tensor, 0..info.rows() + 1, &mut []).is_err());
            assert!(merged.read_into(tensor, &mut vec![0.0; whole.len() + 1]).is_err());
            let raw = merged.raw(tensor).unwrap();
            assert_eq!((raw.len() as u64, info.dtype), (info.bytes, base.tensors().infos()[tensor].dtype));
            assert_eq!(matches!(raw, Cow::Owned(_)), merged.is_changed(tensor));
        }
        assert!(merged.read_into("none", &mut []).is_err() && merged.raw("none").is_err());
    }
}

/// Weights larger than a block, so that rows are cut; values that no block could share.
struct Wide(indexmap::IndexMap<String, TensorInfo>);

impl Wide {
    const SHAPE: [usize; 2] = [1500, 700];

    fn new() -> Self {
        let info = TensorInfo { shape: Self::SHAPE.to_vec(), dtype: Dtype::F32, bytes: 0 };
        Self(
            ["model.embed_tokens.weight", "q_proj.weight"].map(|name| (name.to_owned(), info.clone())).into(),
        )
    }
}

impl Tensors for Wide {
    fn infos(&self) -> &indexmap::IndexMap<String, TensorInfo> {
        &self.0
    }

    fn read_into(&self, _: &str, out: &mut [f32]) -> rankine_checkpoint::Result<()> {
        out.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 977) as f32 / 977.0 - 0.4);
        Ok(())
    }

    fn raw(&self, name: &str) -> rankine_checkpoint::Result<Cow<'_, [u8]>> {
        let mut values = vec![0.0; self.0[name].elements()];
        self.read_into(name, &mut values)?;
        Ok(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into())
    }
}

#[test]
fn weights_of_many_blocks_have_no_seams() {
    let base = Wide::new();
    let mut adapter = random_lora(&base, &["q_proj"]);
    let linear = adapter.low_rank["q_proj"].clone();
    let magnitude = |count: usize| Some((0..count).map(|i| 1.0 + i as f32 / 100.0).collect());
    adapter.low_rank["q_proj"].magnitude = magnitude(1500);
    let embedding = LowRank {
        a: linear.b.clone(),
        b: linear.a.clone(),
        inputs: 1500,
        outputs: 700,
        magnitude: magnitude(700),
        kind: LayerKind::Embedding,
        ..linear
    };
    adapter.low_rank.insert("model.embed_tokens".to_owned(), embedding);
    let targets = vec!["q_proj".to_owned(), "embed_tokens".to_owned()];
    adapter.config.targets.modules = rankine_checkpoint::adapter::Selection::Names(targets);
    let merged = Merged::new(&base, &adapter).unwrap();
    for (path, low_rank) in &adapter.low_rank {
        let name = format!("{path}.weight");
        let expected = expected(&read(&base, &name), low_rank);
        assert_close!(read(&merged, &name), expected, relative = 1e-5, absolute = 1e-5, "{name}");
    }
}

/// GPT-2's layers keep [in, out], whatever peft's flag says: an adapted head, which is linear, leaves it false.
#[test]
fn transposed_weights_take_the_transposed_product() {
    let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
    let base = Wide(
        [("h.0.attn.c_attn.weight", info(&[4, 6])), ("h.0.q_proj.weight", info(&[6, 4]))]
            .map(|(name, info)| (name.to_owned(), info))
            .into(),
    );
    let mut adapter = random_lora(&base, &["c_attn", "q_proj"]);
    let linear = adapter.low_rank["h.0.q_proj"].clone();
    adapter.low_rank["h.0.attn.c_attn"] = linear.clone();
    let transposed = LowRank { kind: LayerKind::Embedding, ..linear.clone() };
    for flag in [true, false] {
        adapter.config.fan_in_fan_out = flag;
        let merged = Merged::new(&base, &adapter).unwrap();
        let weight = read(&base, "h.0.q_proj.weight");
        assert_close!(read(&merged, "h.0.q_proj.weight"), expected(&weight, &linear));
        let weight = read(&base, "h.0.attn.c_attn.weight");
        assert_close!(read(&merged, "h.0.attn.c_attn.weight"), expected(&weight, &transposed));
    }
}
