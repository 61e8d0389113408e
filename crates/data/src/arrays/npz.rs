//! NumPy's file of several arrays: a zip archive of npy files, stored or deflated.

use super::quiet::Quiet;
use super::{Array, Complex, Fault, at, npy};
use crate::error::{Error, Result, io};
use std::{
    io::{BufReader, BufWriter, Cursor, Seek, Write},
    path::{Path, PathBuf},
};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What the names of arrays end with inside the archive.
const ENDING: &str = ".npy";

/// An open archive.
#[derive(Debug)]
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<std::fs::File>>,
}

impl Npz {
    /// Opens an archive; arrays are read when they are asked for.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); [`Fault::Archive`] when it is none.
    pub fn open(path: &Path) -> Result<Self> {
        let file = BufReader::new(std::fs::File::open(path).map_err(io(path))?);
        let archive = ZipArchive::new(file).map_err(|error| at(path, damaged(&error)))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Names of the arrays, in the order of the file.
    pub fn names(&self) -> Vec<String> {
        let names =
            self.archive.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(ENDING)?.to_owned()));
        names.collect()
    }

    /// The name of the array where there is one only.
    pub fn only(&self) -> Option<String> {
        let [name] = <[String; 1]>::try_from(self.names()).ok()?;
        Some(name)
    }

    /// An array of real numbers.
    ///
    /// # Errors
    /// [`Fault::NoArray`]; [`Fault::Archive`]; as [`npy::parse`].
    pub fn array(&mut self, name: &str) -> Result<Array> {
        self.read(name, |member, path| npy::parse(member, path))
    }

    /// An array of complex numbers; real ones are taken as such.
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn complex(&mut self, name: &str) -> Result<Array<Complex>> {
        self.read(name, |member, path| npy::parse_complex(member, path))
    }

    /// A vector of texts, as [`Writer::add_text`] adds it.
    ///
    /// # Errors
    /// [`Fault::NoArray`]; [`Fault::Archive`]; as [`npy::parse_text`].
    pub fn text(&mut self, name: &str) -> Result<Vec<String>> {
        self.read(name, |member, path| npy::parse_text(member, path))
    }

    fn read<T>(&mut self, name: &str, parse: impl FnOnce(Member<'_>, &Path) -> Result<T>) -> Result<T> {
        let names = self.names();
        if !names.iter().any(|known| known == name) {
            let known = crate::error::names(names.iter().map(String::as_str));
            return Err(at(&self.path, Fault::NoArray { name: name.to_owned(), known }));
        }
        let member = self.archive.by_name(&format!("{name}{ENDING}"));
        let member = member.map_err(|error| at(&self.path, damaged(&error)))?;
        // Messages name the array behind its file.
        parse(member, &self.path.join(name))
    }
}

/// An array in the archive.
type Member<'a> = zip::read::ZipFile<'a, BufReader<std::fs::File>>;

/// An archive under construction, in memory or in a file; not compressed, as numbers hardly shrink.
#[derive(Debug)]
pub struct Writer<W: Write + Seek = Cursor<Vec<u8>>> {
    path: PathBuf,
    archive: ZipWriter<Quiet<W>>,
}

impl Writer {
    /// An archive in memory without arrays; `path` stands in messages.
    pub fn new(path: &Path) -> Self {
        Self::onto(path, Cursor::new(Vec::new()))
    }

    /// The file.
    ///
    /// # Errors
    /// [`Fault::Archive`].
    pub fn finish(self) -> Result<Vec<u8>> {
        Ok(self.close()?.into_inner())
    }
}

impl<W: Write + Seek> Writer<W> {
    /// An archive without arrays that is written as it grows; `path` stands in messages.
    pub fn onto(path: &Path, target: W) -> Self {
        Self { path: path.to_owned(), archive: ZipWriter::new(Quiet::new(target)) }
    }

    /// Adds an array.
    ///
    /// # Errors
    /// [`Fault::Archive`] when there is one of that name, or the target fails.
    pub fn add<T: npy::Item>(&mut self, name: &str, array: &Array<T>) -> Result<()> {
        self.add_values(name, &array.shape, array.values.iter().copied())
    }

    /// Adds an array of this shape, of which `values` are the numbers, row after row, as many as the shape says.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_values<T: npy::Item>(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl Iterator<Item = T>,
    ) -> Result<()> {
        self.member(name, npy::length::<T>(shape), |target| npy::write(target, shape, values))
    }

    /// Adds a vector of texts.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_text(&mut self, name: &str, texts: &[String]) -> Result<()> {
        let bytes = npy::encode_text(texts);
        self.member(name, bytes.len(), |target| target.write_all(&bytes))
    }

    /// Ends the archive; the target.
    ///
    /// # Errors
    /// [`Fault::Archive`].
    pub fn close(self) -> Result<W> {
        let Self { path, archive } = self;
        let Quiet { target, failed, .. } = archive.finish().map_err(|error| unwritten(&path, error))?;
        if failed {
            return Err(io(&path)(std::io::Error::other("an array before was not written")));
        }
        Ok(target)
    }

    /// Adds a file of so many bytes.
    fn member(
        &mut self,
        name: &str,
        bytes: usize,
        fill: impl FnOnce(&mut BufWriter<&mut ZipWriter<Quiet<W>>>) -> std::io::Result<()>,
    ) -> Result<()> {
        let large = u32::MAX as usize <= bytes;
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        let begun = self.archive.start_file(format!("{name}{ENDING}"), options);
        let written = begun.and_then(|()| {
            // Numbers come one by one; the archive takes them by many.
            let mut target = BufWriter::new(&mut self.archive);
            fill(&mut target).and_then(|()| target.flush()).map_err(ZipError::from)
        });
        written.map_err(|error| unwritten(&self.path, error))
    }
}

/// What the target says is its own matter.
fn unwritten(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(source) => io(path)(source),
        error => at(path, damaged(&error)),
    }
}

fn damaged(error: &ZipError) -> Fault {
    Fault::Archive { reason: error.to_string() }
}
