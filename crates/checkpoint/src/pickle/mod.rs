//! Files of `torch.save`: `.pth`, `.pt`, `pytorch_model.bin` (sharded or not), `adapter_model.bin`; memory-mapped.
//!
//! A pickle is a program. The machine that reads it here (`machine.rs`) knows how to describe tensors and nothing else:
//! whatever other name the file calls for is an error that says so, and no code of the file runs. Both formats are read,
//! the zip archive and the one before torch 1.6. Tensors may be views, such as transposed ones; they are gathered when
//! they are read. Entries that are no tensors (a counter, an optimizer's state) are passed over.

mod archive;
mod contents;
mod cursor;
mod fault;
mod machine;
mod objects;
#[cfg(test)]
mod tests;
mod view;

pub use fault::Fault;

use crate::edit::Editable;
use crate::safetensors::is_plain_name;
use crate::{Dtype, Error, Result, TensorInfo, Tensors, convert, mapping};
use indexmap::IndexMap;
use memmap2::Mmap;
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use view::View;

/// Name of an unsharded model.
pub(crate) const SINGLE: &str = "pytorch_model.bin";
/// Name of the index of a sharded model.
pub(crate) const INDEX: &str = "pytorch_model.bin.index.json";

/// Name → where it lies in its file.
type Contents = IndexMap<String, View>;

/// Tensors of one or several files of torch.
///
/// The files are memory-mapped: they must not be shortened or rewritten in place while this lives. Replacing them
/// by renaming is fine.
#[derive(Debug)]
pub struct Pickle {
    path: PathBuf,
    files: Vec<Mmap>,
    infos: IndexMap<String, TensorInfo>,
    /// File and place of each tensor, as in `infos`.
    places: Vec<(usize, View)>,
}

impl Pickle {
    /// Opens a file, or a model folder: `pytorch_model.bin`, else the shards of its index.
    ///
    /// # Errors
    /// [`Error::Pickle`] for a file that is damaged or that calls for anything but tensors.
    pub fn open(path: &Path) -> Result<Self> {
        let (infos, index) = (IndexMap::new(), path.join(INDEX));
        let mut opened = Self { path: path.to_owned(), files: Vec::new(), infos, places: Vec::new() };
        if !path.is_dir() {
            opened.add(path, |_| true)?;
        } else if index.is_file() && !path.join(SINGLE).is_file() {
            opened.add_shards(path, &index)?;
        } else {
            opened.add(&path.join(SINGLE), |_| true)?;
        }
        Ok(opened)
    }

    /// Whether `folder` holds a model of this kind.
    pub(crate) fn is_in(folder: &Path) -> bool {
        [SINGLE, INDEX].iter().any(|name| folder.join(name).is_file())
    }

    fn add_shards(&mut self, folder: &Path, index: &Path) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: IndexMap<String, String>,
        }
        let fault = |fault| Error::Pickle { path: index.to_owned(), fault };
        let Index { weight_map } = mapping::read_json(index)?;
        let mut shards: Vec<&String> = weight_map.values().collect();
        shards.sort();
        shards.dedup();
        for shard in shards {
            let path = folder.join(shard);
            if !is_plain_name(shard) {
                return Err(fault(Fault::ShardName { shard: shard.clone() }));
            }
            if !path.is_file() {
                return Err(fault(Fault::MissingShard { shard: shard.clone() }));
            }
            self.add(&path, |name| weight_map.get(name) == Some(shard))?;
        }
        match weight_map.into_iter().find(|(name, _)| !self.infos.contains_key(name)) {
            Some((name, shard)) => Err(fault(Fault::NotInShard { name, shard })),
            None => Ok(()),
        }
    }

    /// Maps `path` and takes the tensors that are `wanted`.
    fn add(&mut self, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let file = mapping::map(path)?;
        let fault = |fault| Error::Pickle { path: path.to_owned(), fault };
        for (name, view) in contents::read(&file).map_err(fault)? {
            if wanted(&name) {
                self.infos.insert(name, view.info.clone());
                self.places.push((self.files.len(), view));
            }
        }
        self.files.push(file);
        Ok(())
    }

    fn place(&self, name: &str) -> Result<(&View, &Mmap)> {
        let missing = || Error::missing_tensor(&self.path, name, self.infos.keys());
        let (file, view) = &self.places[self.infos.get_index_of(name).ok_or_else(missing)?];
        Ok((view, &self.files[*file]))
    }
}

impl Editable for Pickle {
    type Place = (usize, View);

    fn parts(&mut self) -> (&mut IndexMap<String, TensorInfo>, &mut Vec<Self::Place>) {
        (&mut self.infos, &mut self.places)
    }
}

impl Tensors for Pickle {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        convert::to_f32(name, self.place(name)?.0.info.dtype, &self.raw(name)?, out)
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        Ok(Some((self.place(name)?.0.info.dtype, self.raw(name)?)))
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        let (view, file) = self.place(name)?;
        Ok(view.bytes(file, &(0..view.info.rows())))
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (view, file) = self.place(name)?;
        view.info.check_rows(name, &rows, out.len())?;
        convert::to_f32(name, view.info.dtype, &view.bytes(file, &rows), out)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        if let Ok((view, file)) = self.place(name)
            && rows.start <= rows.end
            && rows.end <= view.info.rows()
            && let Some(range) = view.range()
        {
            let part = crate::safetensors::part(range.len(), view.info.rows(), &rows);
            mapping::release(file, range.start + part.start..range.start + part.end);
        }
    }
}

/// Whether `file` holds a sound file of torch: how many tensors it has.
pub fn verify(file: &[u8]) -> Result<usize, Fault> {
    contents::read(file).map(|contents| contents.len())
}
