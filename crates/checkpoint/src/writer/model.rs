//! The weights of a model, in one file or in shards of a limited size.

use super::tensors::stored_bytes;
use super::{Fault, OutputFolder, TensorsWriter};
use crate::safetensors::{INDEX, SINGLE};
use crate::{Error, Result, TensorInfo};
use indexmap::IndexMap;
use serde_json::{Map, json};
use std::path::Path;

/// Which tensor goes to which file.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardPlan {
    shards: Vec<IndexMap<String, TensorInfo>>,
    bytes: u64,
    parameters: u64,
}

impl ShardPlan {
    /// Fills shards of at most `shard_bytes` of data in the order of `infos`; a larger tensor has a shard to
    /// itself. `bytes` of the infos is ignored: shape and dtype decide.
    pub fn new(infos: IndexMap<String, TensorInfo>, shard_bytes: u64) -> Result<Self> {
        let fault = |fault| Error::Output { path: INDEX.into(), fault };
        if shard_bytes == 0 {
            return Err(fault(Fault::ShardSize));
        }
        let mut plan = Self { shards: vec![IndexMap::new()], bytes: 0, parameters: 0 };
        let mut filled = 0_u64;
        for (name, mut info) in infos {
            info.bytes = stored_bytes(&name, &info).map_err(fault)?;
            plan.bytes = plan.bytes.saturating_add(info.bytes);
            plan.parameters = plan.parameters.saturating_add(info.elements() as u64);
            let begins = shard_bytes < filled.saturating_add(info.bytes);
            if begins && plan.shards.last().is_some_and(|shard| !shard.is_empty()) {
                plan.shards.push(IndexMap::new());
                filled = 0;
            }
            filled = filled.saturating_add(info.bytes);
            if let Some(shard) = plan.shards.last_mut() {
                shard.insert(name, info);
            }
        }
        Ok(plan)
    }

    /// The files, in order, and what they will hold.
    pub fn files(&self) -> impl Iterator<Item = (String, &IndexMap<String, TensorInfo>)> {
        let count = self.shards.len();
        let name = move |index| match count {
            1 => SINGLE.to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
        };
        self.shards.iter().enumerate().map(move |(index, shard)| (name(index), shard))
    }

    /// Bytes of all tensors together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes `model.safetensors.index.json`, which tells the shards of each tensor; a single file has none.
    pub fn write_index(&self, folder: &OutputFolder) -> Result<()> {
        self.index().map_or(Ok(()), |index| folder.write_json(INDEX, &index))
    }

    /// `None` for a single file.
    fn index(&self) -> Option<serde_json::Value> {
        if self.shards.len() == 1 {
            return None;
        }
        let mut places: Vec<(&String, String)> = Vec::new();
        for (file, shard) in self.files() {
            places.extend(shard.keys().map(|name| (name, file.clone())));
        }
        places.sort();
        let weight_map: Map<_, _> =
            places.into_iter().map(|(name, file)| (name.clone(), file.into())).collect();
        let metadata = json!({ "total_parameters": self.parameters, "total_size": self.bytes });
        Some(json!({ "metadata": metadata, "weight_map": weight_map }))
    }
}

/// Writes the tensors of a [`ShardPlan`] as they come, in any order and from any thread.
#[derive(Debug)]
pub struct ModelWriter {
    files: Vec<TensorsWriter>,
    file_of: IndexMap<String, usize>,
}

impl ModelWriter {
    /// Creates the planned files, and the index where there are several, in `folder`.
    pub fn create(folder: &OutputFolder, plan: &ShardPlan) -> Result<Self> {
        let (mut files, mut file_of) = (Vec::new(), IndexMap::new());
        for (name, shard) in plan.files() {
            file_of.extend(shard.keys().map(|tensor| (tensor.clone(), files.len())));
            files.push(TensorsWriter::create(&folder.path(&name)?, shard)?);
        }
        plan.write_index(folder)?;
        Ok(Self { files, file_of })
    }

    /// Converts `values` to the planned dtype (F32, F16, BF16; nearest, ties to even) and writes them.
    pub fn write(&self, name: &str, values: &[f32]) -> Result<()> {
        self.file(name)?.write(name, values)
    }

    /// Writes bytes that are in the planned dtype already.
    pub fn write_raw(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.file(name)?.write_raw(name, bytes)
    }

    /// Writes the part of `name` that begins at its element `first`, as [`write`](Self::write) does; the parts may come
    /// in any order, each once.
    pub fn write_part(&self, name: &str, first: usize, values: &[f32]) -> Result<()> {
        self.file(name)?.write_part(name, first, values)
    }

    /// Writes the part of `name` that begins at its byte `first`, in the planned dtype already.
    pub fn write_raw_part(&self, name: &str, first: usize, bytes: &[u8]) -> Result<()> {
        self.file(name)?.write_raw_part(name, first, bytes)
    }

    /// Closes the files; an error if a planned tensor never came.
    pub fn finish(self) -> Result<()> {
        self.files.into_iter().try_for_each(TensorsWriter::finish)
    }

    fn file(&self, name: &str) -> Result<&TensorsWriter> {
        let fault = || Fault::Unplanned { name: name.to_owned() };
        let unplanned = || Error::Output { path: Path::new(SINGLE).to_owned(), fault: fault() };
        self.file_of.get(name).and_then(|&file| self.files.get(file)).ok_or_else(unplanned)
    }
}
