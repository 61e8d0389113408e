//! safetensors: one file, or shards tied together by `model.safetensors.index.json`; memory-mapped.
//!
//! The index is `{"metadata": {…}, "weight_map": {TENSOR: SHARD, …}}`; its metadata is informative and may be
//! absent. A tensor is read from the shard that the index names and from no other.

mod fault;
mod header;
#[cfg(test)]
mod tests;

pub use fault::Fault;

use crate::edit::Editable;
use crate::{Dtype, Error, Result, TensorInfo, Tensors, convert, mapping};
use header::Header;
use indexmap::IndexMap;
use memmap2::Mmap;
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Name of an unsharded model.
pub(crate) const SINGLE: &str = "model.safetensors";
/// Name of the index of a sharded model.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Tensors of one or several safetensors files.
///
/// The files are memory-mapped: they must not be shortened or rewritten in place while this lives. Replacing them
/// by renaming is fine.
#[derive(Debug)]
pub struct Safetensors {
    path: PathBuf,
    files: Vec<Mmap>,
    infos: IndexMap<String, TensorInfo>,
    /// File and byte range of each tensor, as in `infos`.
    places: Vec<(usize, Range<usize>)>,
    metadata: IndexMap<String, String>,
}

impl Safetensors {
    /// Opens a file, or a model folder: `model.safetensors`, else the shards of its index.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Self::open_file(path);
        }
        let (single, index) = (path.join(SINGLE), path.join(INDEX));
        if single.is_file() {
            Self::open_file(&single)
        } else if index.is_file() {
            Self::open_shards(path, &index)
        } else {
            Err(absent(path))
        }
    }

    /// Whether `folder` holds a model of this kind, whole or not.
    pub(crate) fn is_in(folder: &Path) -> bool {
        [SINGLE, INDEX].iter().any(|name| folder.join(name).is_file())
    }

    /// The file, or the folder of the shards.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Free text of the file's header (`format` is `pt` in Hugging Face's files); empty for shards.
    pub fn metadata(&self) -> &IndexMap<String, String> {
        &self.metadata
    }

    fn open_file(path: &Path) -> Result<Self> {
        let mut opened = Self::empty(path);
        opened.metadata = opened.add(path, |_| true)?;
        Ok(opened)
    }

    fn empty(path: &Path) -> Self {
        let (infos, metadata) = (IndexMap::new(), IndexMap::new());
        Self { path: path.to_owned(), files: Vec::new(), infos, places: Vec::new(), metadata }
    }

    fn open_shards(folder: &Path, index: &Path) -> Result<Self> {
        let fault = |fault| Error::Safetensors { path: index.to_owned(), fault };
        let weight_map = read_index(index)?;
        let mut shards: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for (tensor, shard) in &weight_map {
            shards.entry(shard).or_default().push(tensor);
        }
        shards.sort_keys();
        let mut opened = Self::empty(folder);
        for (shard, tensors) in shards {
            if !is_plain_name(shard) {
                return Err(fault(Fault::ShardName { shard: shard.to_owned() }));
            }
            let path = folder.join(shard);
            if !path.is_file() {
                return Err(fault(Fault::MissingShard { shard: shard.to_owned(), tensors: tensors.len() }));
            }
            opened.add(&path, |name| weight_map.get(name).is_some_and(|placed| placed == shard))?;
            if let Some(name) = tensors.into_iter().find(|&name| !opened.infos.contains_key(name)) {
                return Err(fault(Fault::NotInShard { name: name.to_owned(), shard: shard.to_owned() }));
            }
        }
        Ok(opened)
    }

    /// Maps `path` and takes the tensors that are `wanted`; returns the metadata.
    fn add(&mut self, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<IndexMap<String, String>> {
        let file = mapping::map(path)?;
        let fault = |fault| Error::Safetensors { path: path.to_owned(), fault };
        let Header { tensors, metadata } = Header::parse(&file).map_err(fault)?;
        for (name, (info, range)) in tensors {
            if wanted(&name) {
                self.infos.insert(name, info);
                self.places.push((self.files.len(), range));
            }
        }
        self.files.push(file);
        Ok(metadata)
    }

    fn place(&self, name: &str) -> Result<(&TensorInfo, &Mmap, Range<usize>)> {
        let missing = || Error::missing_tensor(&self.path, name, self.infos.keys());
        let (index, _, info) = self.infos.get_full(name).ok_or_else(missing)?;
        let (file, range) = &self.places[index];
        Ok((info, &self.files[*file], range.clone()))
    }

    fn bytes(&self, name: &str) -> Result<(&TensorInfo, &[u8])> {
        let (info, file, range) = self.place(name)?;
        // `Header::parse` verified that the range lies in the file.
        Ok((info, &file[range]))
    }
}

impl Editable for Safetensors {
    type Place = (usize, Range<usize>);

    fn parts(&mut self) -> (&mut IndexMap<String, TensorInfo>, &mut Vec<Self::Place>) {
        (&mut self.infos, &mut self.places)
    }
}

impl Tensors for Safetensors {
    fn infos(&self) -> &IndexMap<String, TensorInfo> {
        &self.infos
    }

    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()> {
        let (info, bytes) = self.bytes(name)?;
        convert::to_f32(name, info.dtype, bytes, out)
    }

    fn encoded(&self, name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        let (info, bytes) = self.bytes(name)?;
        Ok(Some((info.dtype, bytes.into())))
    }

    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(self.bytes(name)?.1))
    }

    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let (info, bytes) = self.bytes(name)?;
        info.check_rows(name, &rows, out.len())?;
        convert::to_f32(name, info.dtype, &bytes[part(bytes.len(), info.rows(), &rows)], out)
    }

    fn release(&self, name: &str, rows: Range<usize>) {
        if let Ok((info, file, range)) = self.place(name)
            && rows.start <= rows.end
            && rows.end <= info.rows()
        {
            let part = part(range.len(), info.rows(), &rows);
            mapping::release(file, range.start + part.start..range.start + part.end);
        }
    }
}

/// Where `rows` lie among `bytes` bytes of `height` equal rows, of which they are some.
pub(crate) fn part(bytes: usize, height: usize, rows: &Range<usize>) -> Range<usize> {
    let row = bytes.checked_div(height).unwrap_or(0);
    rows.start * row..rows.end * row
}

/// Whether `file` holds a sound safetensors file: how many tensors it has.
pub fn verify(file: &[u8]) -> Result<usize, Fault> {
    Header::parse(file).map(|header| header.tensors.len())
}

/// Tensor → shard, in the order of the index.
fn read_index(path: &Path) -> Result<IndexMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: IndexMap<String, String>,
    }
    let text = mapping::read_limited(path, mapping::JSON_LIMIT)?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| Error::Safetensors {
        path: path.to_owned(),
        fault: Fault::Index { reason: error.to_string() },
    })?;
    Ok(index.weight_map)
}

/// One component, so that an index cannot lead out of its folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    use std::path::Component;
    let mut components = Path::new(name).components();
    matches!(components.next(), Some(Component::Normal(first)) if first == name)
        && components.next().is_none()
}

/// Why a folder without `model.safetensors` and index has no tensors for us.
fn absent(folder: &Path) -> Error {
    let names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let find = |fits: fn(&str) -> bool| names.iter().find(|name| fits(name));
    if let Some(shard) = find(|name| name.starts_with("model-") && name.ends_with(".safetensors")) {
        let fault = Fault::MissingIndex { shard: shard.clone() };
        return Error::Safetensors { path: folder.to_owned(), fault };
    }
    Error::NoModel { path: folder.to_owned(), reason: "neither `model.safetensors` nor an index of shards" }
}
