//! Named tensors of a container, read one at a time.

use crate::{
    Dtype, Error, Result, aliases::unwrapped, gguf::Gguf, pickle::Pickle, safetensors::Safetensors,
    thin::Product,
};
use indexmap::IndexMap;
use rankine_kernels::stored::Encoding;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

/// Name, shape and storage of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Row-major shape, outermost first; `[out, in]` for a weight.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Stored size.
    pub bytes: u64,
}

impl TensorInfo {
    /// How many numbers it holds.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the first axis; a single number counts as one row.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// How many numbers a row holds.
    pub fn row_elements(&self) -> usize {
        self.elements().checked_div(self.rows()).unwrap_or(0)
    }

    /// An error unless `rows` are rows of this tensor, `name`, and hold `found` numbers.
    pub fn check_rows(&self, name: &str, rows: &Range<usize>, found: usize) -> Result<()> {
        let there = rows.start <= rows.end && rows.end <= self.rows();
        if there && rows.len() * self.row_elements() == found {
            return Ok(());
        }
        Err(Error::Rows { name: name.to_owned(), rows: rows.clone(), shape: self.shape.clone(), found })
    }
}

/// The tensors of a file by its extension, `.safetensors`, `.gguf` or one of torch's (`.pth`, `.pt`, `.bin`), or of a
/// folder of weights. No configuration is asked for; names are those of the file, without what torch's `DataParallel` puts before
/// all of them.
///
/// # Errors
/// Those of the container's reader; a file of another kind is one of torch that is none.
pub fn open_tensors(path: &Path) -> Result<Box<dyn Tensors>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is = |name: &str| extension.eq_ignore_ascii_case(name);
    let opened: Box<dyn Tensors> = match path.is_dir() {
        true if Safetensors::is_in(path) || !Pickle::is_in(path) => {
            Box::new(unwrapped(Safetensors::open(path)?))
        }
        false if is("safetensors") => Box::new(unwrapped(Safetensors::open(path)?)),
        false if is("gguf") => Box::new(Gguf::open(path)?),
        _ => Box::new(unwrapped(Pickle::open(path)?)),
    };
    Ok(opened)
}

/// A container of named tensors: safetensors files, a GGUF file, files of torch.
pub trait Tensors: Send + Sync {
    /// Every tensor by its Hugging Face name, in file order.
    fn infos(&self) -> &IndexMap<String, TensorInfo>;

    /// The numbers of `name` as f32 (dequantised, permutations undone) into `out`, whose length is the element count.
    fn read_into(&self, name: &str, out: &mut [f32]) -> Result<()>;

    /// The little-endian row-major bytes of `name` when its dtype is a plain one; borrowed where the file holds them so.
    fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>>;

    /// How `name` is stored and its bytes, block formats too, permutations undone; `None` where it is made from others.
    fn encoded(&self, _name: &str) -> Result<Option<(Dtype, Cow<'_, [u8]>)>> {
        Ok(None)
    }

    /// The two tensors as whose product `name` is stored, where it is; they are read under their own names.
    fn product(&self, _name: &str) -> Option<&Product> {
        None
    }

    /// In which type a reader is asked to keep the matrix `name` in memory, where that is not the file's.
    fn packing(&self, _name: &str) -> Option<Encoding> {
        None
    }

    /// The numbers of some rows of `name` (slices along its first axis) as f32 into `out`, without reading the others
    /// where the container allows it.
    fn read_rows(&self, name: &str, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        let info = self.infos().get(name);
        let info = info.ok_or_else(|| Error::missing_tensor(Path::new(""), name, self.infos().keys()))?;
        info.check_rows(name, &rows, out.len())?;
        if rows == (0..info.rows()) {
            return self.read_into(name, out);
        }
        let mut whole = vec![0.0; info.elements()];
        self.read_into(name, &mut whole)?;
        let width = info.row_elements();
        out.copy_from_slice(&whole[rows.start * width..rows.end * width]);
        Ok(())
    }

    /// Says that these rows are not needed for a while: a memory map gives their pages back. Reading them again is
    /// allowed.
    fn release(&self, _name: &str, _rows: Range<usize>) {}
}
