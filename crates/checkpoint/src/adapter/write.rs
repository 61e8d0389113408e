//! An adapter as the folder that peft reads.

use super::keys::key;
use super::{Adapter, LayerKind, Origin};
use crate::writer::TensorsWriter;
use crate::{Dtype, OutputFolder, Result, TensorInfo};
use indexmap::IndexMap;

impl Adapter {
    /// Writes `adapter_config.json` and `adapter_model.safetensors` (f32, keys sorted) into `folder`.
    pub fn write(&self, folder: &OutputFolder) -> Result<()> {
        folder.write_json("adapter_config.json", &self.config.to_json())?;
        let tensors = self.tensors();
        let info = |shape: &[usize]| TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: 0 };
        let infos: IndexMap<_, _> =
            tensors.iter().map(|(key, (shape, _))| (key.clone(), info(shape))).collect();
        let writer = TensorsWriter::create(&folder.path("adapter_model.safetensors")?, &infos)?;
        for (key, (_, values)) in &tensors {
            writer.write(key, values)?;
        }
        writer.finish()
    }

    /// Bytes of all numbers that [`write`](Self::write) writes.
    pub fn bytes(&self) -> u64 {
        self.tensors().values().map(|(_, values)| Dtype::F32.bytes(values.len()) as u64).sum()
    }

    /// Key → shape and numbers, keys sorted.
    fn tensors(&self) -> IndexMap<String, (Vec<usize>, &[f32])> {
        let mut tensors: IndexMap<String, (Vec<usize>, &[f32])> = IndexMap::new();
        for (path, low_rank) in &self.low_rank {
            let [a, b] = low_rank.factors();
            let [shape_a, shape_b] = low_rank.shapes();
            tensors.insert(key(path, a), (shape_a, &low_rank.a));
            tensors.insert(key(path, b), (shape_b, &low_rank.b));
            if let Some(magnitude) = &low_rank.magnitude {
                let shape = low_rank.kind.magnitudes(low_rank.outputs);
                tensors.insert(key(path, "lora_magnitude_vector"), (shape, magnitude));
            }
            if let Some(bias) = &low_rank.output_bias
                && low_rank.kind != LayerKind::Embedding
            {
                tensors.insert(key(path, "lora_B.bias"), (vec![low_rank.outputs], bias));
            }
        }
        for (name, replacement) in &self.replaced {
            let key = self.replaced_key(name, replacement.origin);
            tensors.insert(key, (replacement.shape.clone(), &replacement.values));
        }
        for (path, rows) in &self.new_rows {
            let key = key(path, "token_adapter.trainable_tokens_delta");
            tensors.insert(key, (vec![rows.tokens.len(), rows.width], &rows.values));
        }
        tensors.sort_keys();
        tensors
    }

    /// The parameters of adapted modules lie one level deeper.
    fn replaced_key(&self, name: &str, origin: Origin) -> String {
        match name.rsplit_once('.') {
            Some((module, parameter)) if origin != Origin::Module && self.low_rank.contains_key(module) => {
                key(module, &format!("base_layer.{parameter}"))
            }
            _ => format!("{}{name}", super::keys::PREFIX),
        }
    }
}
