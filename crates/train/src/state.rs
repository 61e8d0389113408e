//! Everything a run needs to go on as if it had never stopped: the trained leaves, the optimizer's memory, the step.
//!
//! One safetensors file (`state.safetensors`: every leaf as `leaf/NAME`, every memory as `optimizer/KIND/NAME`) beside one
//! JSON file (`state.json`). Data and randomness need nothing: they are functions of the seed and the step.

use crate::{Error, Optimizer, Result};
use rankine_checkpoint::{
    Dtype, OutputFolder, TensorInfo, Tensors as _, safetensors::Safetensors, writer::TensorsWriter,
};
use rankine_nn::{Model, for_each_trained, for_each_trained_mut};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The best evaluation so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// After so many steps.
    pub step: usize,
    /// Its held-out loss.
    pub nll: f64,
}

/// A moment of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps that were made.
    pub step: usize,
    /// The best evaluation so far.
    pub best: Option<Best>,
    /// Evaluations since then.
    pub stale: usize,
    /// Name → numbers of leaves and memories.
    #[serde(skip)]
    tensors: BTreeMap<String, Vec<f32>>,
}

impl State {
    /// The state of this moment.
    pub fn capture(
        model: &(impl Model + ?Sized),
        optimizer: &mut dyn Optimizer,
        step: usize,
        best: Option<Best>,
        stale: usize,
    ) -> Self {
        let mut state = Self { step, best, stale, tensors: BTreeMap::new() };
        let mut names = Vec::new();
        for_each_trained(model, &mut |place, variable| {
            state.tensors.insert(format!("leaf/{}", place.name), variable.tensor().to_vec());
            names.push(place.name);
        });
        for (kind, memory) in optimizer.memory() {
            for (name, values) in names.iter().zip(memory) {
                state.tensors.insert(format!("optimizer/{kind}/{name}"), values.clone());
            }
        }
        state
    }

    /// Puts leaves and memories back where they were; nothing is changed when the state is of another model.
    pub fn restore(&self, model: &mut (impl Model + ?Sized), optimizer: &mut dyn Optimizer) -> Result<()> {
        let mut names = Vec::new();
        let mut fault = None;
        for_each_trained(model, &mut |place, variable| {
            let saved = self.tensors.get(&format!("leaf/{}", place.name));
            if saved.is_none_or(|saved| saved.len() != variable.tensor().elements()) {
                fault = fault.take().or(Some(place.name.clone()));
            }
            names.push(place.name);
        });
        if let Some(name) = fault {
            return Err(self.foreign(format!("it has no `{name}` of the model's shape")));
        }
        let leaves = self.tensors.keys().filter(|name| name.starts_with("leaf/")).count();
        if leaves != names.len() {
            return Err(self.foreign(format!("it holds {leaves} leaves, the model trains {}", names.len())));
        }
        for_each_trained_mut(model, &mut |place, variable| {
            if let Some(saved) = self.tensors.get(&format!("leaf/{}", place.name)) {
                variable.update(|values| values.copy_from_slice(saved));
            }
        });
        for (kind, memory) in optimizer.memory() {
            let saved =
                |name| self.tensors.get(&format!("optimizer/{kind}/{name}")).cloned().unwrap_or_default();
            *memory = names.iter().map(saved).collect();
        }
        Ok(())
    }

    fn foreign(&self, reason: String) -> Error {
        Error::Foreign { path: "state.safetensors".into(), reason }
    }

    /// Writes the state into a folder that is about to be finished.
    pub fn write(&self, folder: &OutputFolder) -> Result<()> {
        let info = |values: &Vec<f32>| TensorInfo {
            shape: vec![values.len()],
            dtype: Dtype::F32,
            bytes: 4 * values.len() as u64,
        };
        let infos: indexmap::IndexMap<_, _> =
            self.tensors.iter().map(|(name, values)| (name.clone(), info(values))).collect();
        let writer = TensorsWriter::create(&folder.path("state.safetensors")?, &infos)?;
        for (name, values) in &self.tensors {
            writer.write(name, values)?;
        }
        writer.finish()?;
        folder.write_json("state.json", &serde_json::json!(self))?;
        Ok(())
    }

    /// Reads what [`write`](Self::write) wrote.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("state.json");
        let foreign = |reason: String| Error::Foreign { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(|error| foreign(error.to_string()))?;
        let mut state: Self = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
        let tensors = Safetensors::open(&folder.join("state.safetensors"))?;
        for (name, info) in tensors.infos() {
            let mut values = vec![0.0; info.elements()];
            tensors.read_into(name, &mut values)?;
            state.tensors.insert(name.clone(), values);
        }
        Ok(state)
    }
}
