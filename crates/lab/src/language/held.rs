//! Weights in memory under the names of their files, for whoever reads tensors.

use indexmap::IndexMap;
use rankine_checkpoint::{Dtype, Error, Result, TensorInfo, Tensors, nearest};
use rankine_nn::{Kind, Model, Parameter, weight::Dense};
use rankine_tensor::{Tensor, untaped};
use std::{borrow::Cow, ops::Range, path::PathBuf};

/// Some tensors, as f32.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    infos: IndexMap<String, TensorInfo>,
    /// Row-major numbers, in the order of the infos.
    values: Vec<Vec<f32>>,
}

impl Held {
    /// The parameters of a model that are `wanted`, as they are now and as a file would hold them.
    pub fn of(model: &dyn Model, wanted: &dyn Fn(&Parameter) -> bool) -> crate::Result<Self> {
        let mut held = Self::default();
        for parameter in model.parameters().into_iter().filter(|parameter| wanted(parameter)) {
            let value = untaped(|| parameter.weight.dense().and_then(|value| parameter.in_file(&value)))?;
            held.insert(parameter.path(), &value.shape(), value.to_vec());
        }
        Ok(held)
    }

    /// Those of the linear layers among these modules.
    pub fn of_linear(model: &dyn Model, modules: &[String]) -> crate::Result<Self> {
        Self::of(model, &|parameter| {
            parameter.kind() == Kind::Linear && modules.iter().any(|name| name == parameter.module())
        })
    }

    pub fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        let info =
            TensorInfo { shape: shape.to_vec(), dtype: Dtype::F32, bytes: size_of_val(&values[..]) as u64 };
        let (index, _) = self.infos.insert_full(name.to_owned(), info);
        match self.values.get_mut(index) {
            Some(known) => *known = values,
            None => self.values.push(values),
        }
    }

    /// A matrix with its rows and columns; `None` where it is not there or no matrix.
    pub fn matrix(&self, name: &str) -> Option<(&[f32], [usize; 2])> {
        let (index, _, info) = self.infos.get_full(name)?;
        match info.shape.as_slice() {
            &[rows, columns] => Some((&self.values[index], [rows, columns])),
            _ => None,
        }
    }

    /// Puts every tensor in the place of the model's own, frozen.
    pub fn put_into(&self, model: &mut dyn Model) -> crate::Result<()> {
        for parameter in model.parameters_mut() {
            if let Some((index, _, info)) = self.infos.get_full(parameter.path()) {
                // What lies in a file turned is turned back.
                let value = parameter.in_file(&Tensor::new(self.values[index].clone(), &info.shape)?)?;
                parameter.weight = Box::new(Dense::frozen(value));
            }
        }
        Ok(())
    }

    fn values(&self, name: &str) -> Result<(&TensorInfo, &[f32])> {
        let missing = || Error::MissingTensor {
            path: PathBuf::new(),
            name: name.to_owned(),
            nearest: nearest(name, self.infos.keys().map(String::as_str), 3),
        };
        let (index, _, info) = self.infos.get_full(name).ok_or_else(missing)?;
        Ok((info, &self.values[index]))
    }
}

impl Tensors for Held {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let (info, values) = self.values(name)?;
        info.check_rows(name, &(0..info.rows()), out.len())?;
        out.copy_from_slice(values);
        Ok(())
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (info, values) = self.values(name)?;
        info.check_rows(name, &rows, out.len())?;
        let width = info.row_elements();
        out.copy_from_slice(&values[rows.start * width..rows.end * width]);
        Ok(())
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        let (_, values) = self.values(name)?;
        Ok(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Tiny;

    #[test]
    fn what_is_put_into_a_model_is_what_it_holds() {
        let tiny = Tiny { hidden: 16, spread: 0.5, steps: 0 };
        let mut model = tiny.start(3).unwrap().load().unwrap();
        let other = Held::of(tiny.start(4).unwrap().load().unwrap().as_ref(), &|_| true).unwrap();
        let name = "model.layers.1.mlp.up_proj.weight";
        let (values, shape) = other.matrix(name).unwrap();
        let mut one = Held::default();
        one.insert(name, &[1, 1], vec![0.0]);
        one.insert(name, &shape, values.to_vec());
        one.put_into(model.as_mut()).unwrap();
        let held = Held::of(model.as_ref(), &|_| true).unwrap();
        let mut read = vec![0.0; 32 * 16];
        held.read_into(name, &mut read).unwrap();
        assert_eq!((read.as_slice(), shape), (values, [32, 16]));
        held.read_rows(name, 3..5, &mut read[..32]).unwrap();
        assert_eq!(read[..32], values[48..80]);
        assert_ne!(
            held.matrix("model.layers.0.mlp.up_proj.weight"),
            other.matrix("model.layers.0.mlp.up_proj.weight")
        );
        assert!(held.matrix("model.norm.weight").is_none() && held.read_into("norm", &mut read).is_err());
    }
}
