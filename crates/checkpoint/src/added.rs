//! Tensors beside those of a file: the head of a classifier that is to be.

use crate::{Dtype, Error, Result, TensorInfo, Tensors, thin::Product};
use indexmap::IndexMap;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A file, and tensors in memory beside it or in the place of some of its own.
pub(crate) struct Added {
    file: Arc<dyn Tensors>,
    /// Of the file, then of memory.
    infos: IndexMap<String, TensorInfo>,
    /// Row-major.
    values: IndexMap<String, Vec<f32>>,
}

impl Added {
    /// Nothing beside the file's tensors.
    pub fn beside(file: Arc<dyn Tensors>) -> Self {
        Self { infos: file.infos().clone(), file, values: IndexMap::new() }
    }

    /// Puts a tensor there, or in the place of another.
    pub fn insert(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        let info = TensorInfo { shape, dtype: Dtype::F32, bytes: 4 * values.len() as u64 };
        self.infos.insert(name.clone(), info);
        self.values.insert(name, values);
    }

    /// Passes over the tensors of other names.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.infos.retain(|name, _| is_kept(name));
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").field("infos", &self.infos).finish_non_exhaustive()
    }
}

impl Tensors for Added {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let Some(values) = self.values.get(name) else { return self.file.read_into(name, out) };
        if values.len() != out.len() {
            return Err(Error::Length { name: name.to_owned(), expected: values.len(), found: out.len() });
        }
        out.copy_from_slice(values);
        Ok(())
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match self.values.get(name) {
            Some(values) => {
                Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into())
            }
            None => self.file.raw(name),
        }
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        if self.values.contains_key(name) { Ok(None) } else { self.file.encoded(name) }
    }

    fn product(&self, name: &str) -> Option<&Product> {
        if self.values.contains_key(name) { None } else { self.file.product(name) }
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (Some(values), Some(info)) = (self.values.get(name), self.infos.get(name)) else {
            return self.file.read_rows(name, rows, out);
        };
        info.check_rows(name, &rows, out.len())?;
        let width = info.row_elements();
        out.copy_from_slice(&values[rows.start * width..rows.end * width]);
        Ok(())
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        if !self.values.contains_key(name) {
            self.file.release(name, rows);
        }
    }
}
